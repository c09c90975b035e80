"""Frames per second of one replica and of several, through HTTP, against the engine alone.

    python benchmarks/fleet.py --shape FOLDER --replicas 1 2        # weights of chance in that shape
    python benchmarks/fleet.py --replicas 1 2 --device cpu          # the demonstration checkpoint, small

FOLDER holds config.json, tokenizer and preprocessor_config.json. Frames and references have the model's size,
so nothing is resized. The engine alone judges the same questions in a process of its own. Then each service
is started, and asked by processes that hold their requests ready. Rates are counted after --warm-up seconds,
since the first batches compile. A refusal (429) is asked again after a moment, and counted.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import multiprocessing
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import psutil

from saec.types import CloudQuery, Frame, Image


def questions(side: int, count: int, lines: int) -> list[CloudQuery]:
    """Frames of a few lines, each with its line's good image before it, at the model's size."""
    rng = np.random.default_rng(0)

    def image() -> Image:
        coarse = rng.integers(0, 256, (side // 8, side // 8, 3), dtype=np.uint8)
        return np.ascontiguousarray(np.kron(coarse, np.ones((8, 8, 1), np.uint8)))

    goods = [image() for _ in range(lines)]
    return [CloudQuery(Frame(str(n), image()), (goods[n % lines],)) for n in range(count)]


def engine_alone(model: str, args: argparse.Namespace, said: Any) -> None:
    """Frames per second of the engine in this process; each round judges all questions."""
    from saec.cloud import open_engine
    from saec.settings import CloudConfig

    engine = open_engine(CloudConfig(model=model, device=args.device, batch=args.batch))
    asked = questions(engine.side, args.frames, args.lines)
    engine.judge(asked)
    warm = time.monotonic() + args.warm_up
    while time.monotonic() < warm:
        engine.judge(asked)
    done, begun = 0, time.monotonic()
    while time.monotonic() - begun < args.seconds:
        engine.judge(asked)
        done += len(asked)
    said.put((done / (time.monotonic() - begun), engine.side))


class _Recorder:
    """Keeps what the client posts, and answers with two labels of equal weight."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []

    def post(self, path: str, body: bytes) -> Any:
        self.bodies.append(body)
        labels = [{"token": label, "logprob": -0.7} for label in ("0", "1")]
        return {"choices": [{"logprobs": {"content": [{**labels[0], "top_logprobs": labels}]}}]}


def bodies_of(model: str, ids: Sequence[int], asked: Sequence[CloudQuery]) -> list[bytes]:
    """The bodies that the station's client would send."""
    from saec.cloud.remote.engine import RemoteEngine
    from saec.settings import CloudConfig, RemoteConfig

    recorder = _Recorder()
    config = CloudConfig(model=model, remote=RemoteConfig(url="http://127.0.0.1/v1", concurrency=1))
    client = RemoteEngine(config, config.remote, recorder)  # type: ignore[arg-type]
    client._label_ids = list(ids)
    client.judge(list(asked))
    return recorder.bodies


@contextlib.contextmanager
def service(model: str, replicas: int, args: argparse.Namespace) -> Iterator[tuple[str, psutil.Process]]:
    """``saec cloud`` with so many replicas; its address, and its own process."""
    address = f"127.0.0.1:{args.port}"
    command = [sys.executable, "-m", "saec", "cloud", "--model", model, "--listen", address]
    command += ["--device", args.device, "--batch", str(args.batch), "--queue", "1000"]
    command += ["--replicas", str(replicas), *args.options]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL if args.quiet else None) as process:
        try:
            wait_ready(f"http://{address}", process)
            yield f"http://{address}", psutil.Process(process.pid)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(120)


def wait_ready(url: str, process: subprocess.Popen[bytes]) -> None:
    """Return when the service says that it is ready."""
    while process.poll() is None:
        with contextlib.suppress(httpx.TransportError):
            if httpx.get(f"{url}/ready", timeout=5, trust_env=False).status_code == 200:
                return
        time.sleep(0.2)
    raise SystemExit("the service has ended")


def client(url: str, bodies: Sequence[bytes], args: argparse.Namespace, number: int, said: Any) -> None:
    """Ask for --warm-up and --seconds from so many threads; tells how many were answered, and the others."""
    from_ = time.monotonic() + args.warm_up
    until = from_ + args.seconds

    def ask(thread: int) -> tuple[int, int]:
        right = wrong = 0
        with httpx.Client(timeout=120, trust_env=False) as http:
            for at in range(10**9):
                if time.monotonic() > until:
                    return right, wrong
                body = bodies[(number * 7 + thread * args.threads + at) % len(bodies)]
                headers = {"Content-Type": "application/json", "Idempotency-Key": uuid.uuid4().hex}
                answer = http.post(f"{url}/v1/chat/completions", content=body, headers=headers)
                fine = answer.status_code == 200
                if from_ <= time.monotonic() <= until:
                    right, wrong = right + fine, wrong + (not fine)
                if not fine:
                    time.sleep(0.05)
        raise AssertionError

    with ThreadPoolExecutor(args.threads) as pool:
        counts = list(pool.map(ask, range(args.threads)))
    said.put((sum(r for r, _ in counts), sum(w for _, w in counts)))


def through_http(url: str, side: int, args: argparse.Namespace) -> tuple[float, int]:
    """Frames per second through a service, and how many answers were none."""
    name = httpx.get(f"{url}/v1/models", timeout=30, trust_env=False).json()["data"][0]["id"]
    prefill = [token_ids(url, name, text) for text in ("Label: 0", "Label: 1")]
    bodies = bodies_of(name, [ids[-1] for ids in prefill], questions(side, args.frames, args.lines))
    context = multiprocessing.get_context("spawn")
    said = context.Queue()
    clients = [context.Process(target=client, args=(url, bodies, args, n, said)) for n in range(args.clients)]
    for one in clients:
        one.start()
    counts = [said.get() for _ in clients]
    for one in clients:
        one.join()
    return sum(r for r, _ in counts) / args.seconds, sum(w for _, w in counts)


def token_ids(url: str, model: str, text: str) -> list[int]:
    body = {"model": model, "prompt": text, "add_special_tokens": False}
    ids: list[int] = httpx.post(f"{url}/tokenize", json=body, timeout=30, trust_env=False).json()["tokens"]
    return ids


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--shape", type=Path, help="a checkpoint's files without weights")
    parser.add_argument("--replicas", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--frames", type=int, default=256, help="different frames")
    parser.add_argument("--lines", type=int, default=8, help="lines, each with a good image of its own")
    parser.add_argument("--seconds", type=float, default=30.0, help="of each row")
    parser.add_argument("--warm-up", type=float, default=20.0, help="seconds before rates are counted")
    parser.add_argument("--clients", type=int, default=4, help="processes that ask")
    parser.add_argument("--threads", type=int, default=24, help="of each client, one request each")
    parser.add_argument("--batch", type=int, default=24)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--port", type=int, default=18777)
    parser.add_argument("--quiet", action="store_true", help="do not show the service's log")
    parser.add_argument("--work", type=Path, default=Path("runs/benchmark-fleet"))
    parser.add_argument("options", nargs="*", help="further options of `saec cloud`, after --")
    args = parser.parse_args()
    model = "small"
    if args.shape is not None:
        from cloud_work import write_weights

        model = str(args.work / "weights")
        if not (args.work / "weights").is_dir():
            write_weights(args.shape, args.work / "weights", args.device)
    context = multiprocessing.get_context("spawn")
    said = context.Queue()
    alone = context.Process(target=engine_alone, args=(model, args, said))
    alone.start()
    rate, side = said.get()
    alone.join()
    print(
        "| | frames/s | times the engine alone | times the first service | refused | cores of the entrance |"
    )
    print(f"|---|---|---|---|---|---|\n| engine alone, one process | {rate:.1f} | 1 | | | |", flush=True)
    first = None
    for replicas in args.replicas:
        with service(model, replicas, args) as (url, process):
            found, wrong = through_http(url, side, args)
            cores = sum(process.cpu_times()[:2]) / (time.time() - process.create_time())
        first = first or found
        row = f"| replicas: {replicas} | {found:.1f} | {found / rate:.2f} | {found / first:.2f} | {wrong} |"
        row += f" {cores:.2f} |"
        print(row, flush=True)
    print(json.dumps({"side": side, "batch": args.batch, "clients": args.clients * args.threads}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
