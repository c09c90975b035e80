"""What the benchmarks of replicas share: a service of replicas on this machine, and its questions."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import io
import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import msgspec
import numpy as np
import psutil
from PIL import Image as Pillow

from saec.prompts import V1
from saec.service.model_engine import ModelEngine
from saec.service.replica_settings import ReplicaConfig
from saec.service.replicas.deployed_settings import Deployed
from saec.service.replicas.ray_cluster import OwnRay
from saec.service.served_model import ServedModel
from saec.service.service_settings import ServiceConfig
from saec.settings import CloudConfig
from saec.settings.trace_settings import TraceConfig
from saec.web.http_settings import HttpSettings
from saec.web.log_settings import LogConfig

CPU = CloudConfig(model="small", device="cpu", dtype="float32")
CHAT = "/v1/chat/completions"
SIDE = 240
TITLES = {
    "replica": "ray::ServeReplica:saec-engines",
    "entrance": "ray::ServeReplica:saec:",
    "proxy": "ray::ProxyActor",
}
"""How the title of each kind of process begins."""


def picture(seed: int) -> str:
    """A data URL of a drawn image that no other seed gives."""
    coarse = np.random.default_rng(seed).integers(0, 256, (12, 12, 3), dtype=np.uint8)
    file = io.BytesIO()
    Pillow.fromarray(coarse).resize((SIDE, SIDE)).save(file, "JPEG", quality=90)
    return f"data:image/jpeg;base64,{base64.b64encode(file.getvalue()).decode()}"


def question(model: str, reference: str, frame: str) -> dict[str, Any]:
    """The scoring call about a frame behind one good image."""
    content = [
        {"type": "image_url", "image_url": {"url": reference}},
        {"type": "text", "text": " is good. "},
        {"type": "image_url", "image_url": {"url": frame}},
        {"type": "text", "text": V1.query.removeprefix("<image>")},
    ]
    messages = [
        {"role": "system", "content": V1.system},
        {"role": "user", "content": content},
        {"role": "assistant", "content": V1.prefill},
    ]
    return {
        "model": model,
        "messages": messages,
        "max_tokens": 1,
        "temperature": 0,
        "logprobs": True,
        "top_logprobs": 5,
        "continue_final_message": True,
        "add_generation_prompt": False,
    }


def p_defect(answer: Mapping[str, Any]) -> float:
    """P(defect) by the labels' log-probabilities in a completion."""
    top = answer["choices"][0]["logprobs"]["content"][0]["top_logprobs"]
    found = {one["token"]: float(one["logprob"]) for one in top}
    good, defect = (np.exp(found.get(label, -40.0)) for label in V1.labels)
    return float(defect / (good + defect))


@dataclass(frozen=True, slots=True)
class Weights:
    """An adapter as one process serves it.

    Attributes:
        folder: where it is.
        fingerprint: hash of its weights.
        p: P(defect) of each question.
    """

    folder: Path
    fingerprint: str
    p: list[float]


def two_adapters(name: str, folder: Path, bodies: list[dict[str, Any]]) -> list[Weights]:
    """Two adapters of one name, and what one process answers with each."""
    return [_weights(name, _drawn_adapter(folder / f"adapter{seed}", seed), bodies) for seed in range(2)]


def _drawn_adapter(folder: Path, seed: int) -> Path:
    """A LoRA of random weights whose effect can be seen."""
    import torch
    from peft import LoraConfig, get_peft_model

    model = ServedModel.load(CPU, {}).model.model
    targets = r"model\.language_model\.layers\.\d+\.self_attn\.(q|v)_proj"
    adapted = get_peft_model(model, LoraConfig(r=4, target_modules=targets))
    generator = torch.Generator().manual_seed(seed)
    for key, weights in adapted.named_parameters():
        if "lora_" in key:
            weights.data = torch.randn(weights.shape, generator=generator) * 0.1
    adapted.save_pretrained(folder)
    return folder


def _weights(name: str, folder: Path, bodies: list[dict[str, Any]]) -> Weights:
    served = ServedModel.load(CPU, {name: folder})
    engine = ModelEngine(served, ServiceConfig())

    async def ask() -> list[float]:
        answers = [await engine.answer(msgspec.json.encode(body), "one process") for body in bodies]
        return [p_defect(msgspec.json.decode(answer.data)) for answer in answers]

    try:
        return Weights(folder, served.entries[name].weights_hash, asyncio.run(ask()))
    finally:
        engine.close()


def settings(
    listen: str, replicas: int, adapters: Mapping[str, Path] | None = None, *, prefixes: int = 32
) -> Deployed:
    """A service of replicas on CPUs."""
    return Deployed(
        ServiceConfig(listen=listen, adapters=dict(adapters or {})),
        HttpSettings(),
        msgspec.structs.replace(CPU, prefixes=prefixes),
        ReplicaConfig(count=replicas, cpus=0.5),
        LogConfig(level="warning"),
        TraceConfig(),
    )


@contextlib.contextmanager
def own_ray(replicas: int) -> Iterator[None]:
    """A Ray of this process."""
    own = OwnRay(ReplicaConfig(count=replicas, cpus=0.5))
    try:
        yield
    finally:
        from ray import serve

        with contextlib.suppress(Exception):
            serve.shutdown()
        own.end()


def processes(kind: str) -> list[psutil.Process]:
    """The processes of one kind below this one."""
    found = []
    for one in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):
            if " ".join(one.cmdline()).startswith(TITLES[kind]):
                found.append(one)
    return found


def free_address() -> str:
    """A loopback address that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as bound:
        return f"127.0.0.1:{bound.getsockname()[1]}"


def prefix_counts(http: httpx.Client) -> dict[str, float]:
    """``saec_cloud_prefixes_total`` by state, over all replicas."""
    found = {"kept": 0.0, "computed": 0.0}
    for line in http.get("/metrics").text.splitlines():
        for state in found:
            if line.startswith("saec_cloud_prefixes_total{") and f'state="{state}"' in line:
                found[state] += float(line.rpartition(" ")[2])
    return found
