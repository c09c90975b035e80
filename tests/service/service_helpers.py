"""What the tests of the service share: images, bodies, and a service that runs."""

from __future__ import annotations

import base64
import contextlib
import copy
import io
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from PIL import Image as Pillow

from saec.prompts import V1
from saec.service.model_engine import ModelEngine
from saec.service.request_handling import RequestHandler
from saec.service.served_model import ModelAnswer, ServedModel
from saec.service.service_program import serving
from saec.service.service_settings import ServiceConfig
from saec.web.admission.admission_control import AdmissionControl
from saec.web.admission.tokens import Tokens
from saec.web.http_settings import HttpSettings
from saec.web.program.http_server import listen


def noise(seed: int, height: int = 224, width: int = 224) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def encoded(image: np.ndarray, kind: str = "PNG", **how: Any) -> bytes:
    file = io.BytesIO()
    Pillow.fromarray(image).save(file, kind, **how)
    return file.getvalue()


def data_url(data: bytes, kind: str = "png") -> str:
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"


def scoring_body(url: str, model: str = "small", **changes: Any) -> dict[str, Any]:
    """The scoring call about one image."""
    return {
        "model": model,
        "messages": [
            {"role": "system", "content": V1.system},
            {
                "role": "user",
                "content": [
                    {"type": "image_url", "image_url": {"url": url}},
                    {"type": "text", "text": V1.query.removeprefix("<image>")},
                ],
            },
            {"role": "assistant", "content": V1.prefill},
        ],
        "max_tokens": 1,
        "temperature": 0,
        "logprobs": True,
        "top_logprobs": 5,
        "continue_final_message": True,
        "add_generation_prompt": False,
        **changes,
    }


GREY = data_url(encoded(np.full((28, 28, 3), 90, np.uint8)))


@contextlib.contextmanager
def running(
    served: ServedModel,
    config: ServiceConfig | None = None,
    *,
    tokens: Path | None = None,
    **http: Any,
) -> Iterator[tuple[str, RequestHandler]]:
    """A service on a free port; gives its address, without /v1, and what is behind it."""
    admission = AdmissionControl(HttpSettings(**http), Tokens(tokens), "127.0.0.1:0")
    config = config or ServiceConfig(max_delay_ms=0.0)
    handler = RequestHandler(ModelEngine(served, config), config)
    with (
        contextlib.closing(listen("127.0.0.1:0")) as bound,
        serving(handler, admission, bound) as thread,
    ):
        yield thread.where, handler


@contextlib.contextmanager
def client(where: str, **how: Any) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=where, timeout=60, trust_env=False, **how) as opened:
        yield opened


class Gate:
    """Stands where the model computes: holds batches up until it is opened, and keeps what it was given."""

    def __init__(self, served: ServedModel) -> None:
        self.open, self.entered = threading.Event(), threading.Semaphore(0)
        self.batches: list[tuple[Any, int]] = []
        self.served = copy.copy(served)
        self.served.compute = self.compute  # type: ignore[method-assign]

    def compute(self, group: Any, works: Any) -> list[ModelAnswer]:
        self.batches.append((group, len(works)))
        self.entered.release()
        assert self.open.wait(60)
        return [ModelAnswer("0", 1, False, (("0", -0.1), ("1", -2.5))) for _ in works]


def wait_until(true: Any) -> None:
    """Wait for what is sure to come; a test that it never comes to fails by its own time-out."""
    while not true():
        threading.Event().wait(0.005)
