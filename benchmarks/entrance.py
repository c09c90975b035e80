"""Processor time that the entrance of replicas takes for a request, with replicas that compute nothing.

    python benchmarks/entrance.py                   # two replicas behind Ray Serve
    python benchmarks/entrance.py --replicas 0      # no Ray: HTTP, limits, keys and the prefix alone

The questions are scoring calls: good images and a frame as JPEG data URLs. The clients are
processes of their own. What is counted is the processor time of this process alone, all of its threads
together, which is that of `saec cloud` with replicas.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import http.client
import io
import json
import multiprocessing
import sys
import time
import uuid
from collections.abc import AsyncIterator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import msgspec
import numpy as np
from fleet_rig import free_address, question, settings
from PIL import Image as Pillow

from saec.service.completions import Answer
from saec.service.replicas.messages import ReplicaReply, ReplicaReport, ReplicaRequest
from saec.service.replicas.replica_set import Replicas, ReplicaSet
from saec.service.request_handling import RequestHandler
from saec.service.service_program import serving
from saec.web.addresses import parse_address
from saec.web.admission.admission_control import AdmissionControl
from saec.web.admission.tokens import Tokens
from saec.web.log_settings import LogConfig
from saec.web.program.http_server import listen
from saec.web.program.logs import configure_logs

ANSWER = json.dumps({"object": "chat.completion", "choices": [{"logprobs": {"content": ["x" * 40] * 8}}]})


class IdleReplica:
    """A replica whose engine costs nothing."""

    def __init__(self, name: str = "") -> None:
        if not name:
            from ray import serve

            name = str(serve.get_replica_context().replica_id.unique_id)
        self._name, self._answered = name, 0

    async def answer(self, request: ReplicaRequest) -> ReplicaReply:
        self._answered += 1
        return ReplicaReply(self._name, answer=Answer("application/json", ANSWER.encode()))

    async def replies(self, request: ReplicaRequest, method: str) -> AsyncIterator[ReplicaReply]:
        yield await self.answer(request)

    async def report(self) -> ReplicaReport:
        return ReplicaReport(self._name, [], 0, 0.0, [], [])


class OneHere:
    """A replica in this process: what is left is the entrance without Ray."""

    def __init__(self) -> None:
        self._replica = IdleReplica("here")

    async def ask(self, method: str, request: ReplicaRequest) -> ReplicaReply:
        return await self._replica.answer(request)

    def reports(self) -> list[ReplicaReport]:
        return [ReplicaReport("here", [], 0, 0.0, [], [])]


@contextlib.contextmanager
def replicas_of(args: argparse.Namespace) -> Iterator[Replicas]:
    """So many idle replicas behind Ray Serve, deployed as those of a model are; without Ray for 0."""
    if not args.replicas:
        yield OneHere()
        return
    from fleet_rig import own_ray

    with own_ray(args.replicas):
        from ray import serve

        from saec.service.replicas import applications
        from saec.service.replicas.deployment import QUIET, run_application
        from saec.service.replicas.serve_calls import ENGINES, ServeReplicas

        class Idle(IdleReplica):
            def __init__(self, *_: Any) -> None:
                super().__init__()

        vars(applications)["EngineReplica"] = Idle
        serve.start(proxy_location="Disabled", logging_config=QUIET)
        run_application(applications.engines_of(settings("127.0.0.1:1", args.replicas)), ENGINES, None)
        yield ServeReplicas.running()


def bodies_of(goods: int, lines: int, side: int) -> list[bytes]:
    """Scoring calls about two frames of each line, each behind its line's good images."""
    rng = np.random.default_rng(0)

    def url() -> str:
        coarse = Pillow.fromarray(rng.integers(0, 256, (side // 8, side // 8, 3), dtype=np.uint8))
        file = io.BytesIO()
        coarse.resize((side, side), Pillow.Resampling.NEAREST).save(file, "JPEG", quality=90)
        return f"data:image/jpeg;base64,{base64.b64encode(file.getvalue()).decode()}"

    found = []
    for _ in range(lines):
        parts = [p for _ in range(goods) for p in (_image(url()), {"type": "text", "text": " is good. "})]
        for _ in range(2):
            body = question("small", "", url())
            body["messages"][1]["content"][:2] = parts
            found.append(json.dumps(body).encode())
    return found


def _image(url: str) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": url}}


def client(address: str, bodies: Sequence[bytes], args: argparse.Namespace, number: int, said: Any) -> None:
    """Ask until the time is over; tells how many answers there were, and how many were none."""
    until = time.monotonic() + args.seconds

    host, port = parse_address(address)

    def ask(thread: int) -> tuple[int, int]:
        connection = http.client.HTTPConnection(host, port, timeout=60)
        right = wrong = 0
        for at in range(10**9):
            if time.monotonic() > until:
                return right, wrong
            body = bodies[(number * 7 + thread * args.threads + at) % len(bodies)]
            headers = {"Content-Type": "application/json", "Idempotency-Key": uuid.uuid4().hex}
            connection.request("POST", "/v1/chat/completions", body, headers)
            answer = connection.getresponse()
            fine = answer.read() == ANSWER.encode()
            right, wrong = right + fine, wrong + (not fine)
        raise AssertionError

    with ThreadPoolExecutor(args.threads) as pool:
        counts = list(pool.map(ask, range(args.threads)))
    said.put((sum(r for r, _ in counts), sum(w for _, w in counts)))


def measured(address: str, bodies: Sequence[bytes], args: argparse.Namespace) -> tuple[float, float, int]:
    """Milliseconds of processor time for a request, requests per second, and answers that were none."""
    context = multiprocessing.get_context("spawn")
    said = context.Queue()
    clients = [
        context.Process(target=client, args=(address, bodies, args, n, said)) for n in range(args.clients)
    ]
    begun, wall = time.process_time(), time.monotonic()
    for one in clients:
        one.start()
    begun_clients = time.process_time() - begun  # to send them their bodies
    counts = [said.get() for _ in clients]
    used, seconds = time.process_time() - begun - begun_clients, time.monotonic() - wall
    for one in clients:
        one.join()
    done = sum(r for r, _ in counts)
    return used / max(1, done) * 1000, done / min(seconds, args.seconds), sum(w for _, w in counts)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--replicas", type=int, default=2)
    parser.add_argument("--goods", type=int, nargs="+", default=[1, 8], help="good images before a frame")
    parser.add_argument("--side", type=int, default=480, help="pixels of an image")
    parser.add_argument("--lines", type=int, default=4, help="lines, each with good images of its own")
    parser.add_argument("--seconds", type=float, default=6.0)
    parser.add_argument("--clients", type=int, default=1, help="processes that ask")
    parser.add_argument("--threads", type=int, default=48, help="of each client, one request each")
    args = parser.parse_args()
    configure_logs(LogConfig().level)
    address = free_address()
    deployed = settings(address, max(1, args.replicas))
    service = msgspec.structs.replace(deployed.service, queue=1000)
    with replicas_of(args) as replicas, contextlib.closing(listen(address)) as bound:
        engine = ReplicaSet(replicas, service, deployed.replicas)
        engine.wait_for_one(30)
        handler = RequestHandler(engine, service)
        admission = AdmissionControl(deployed.http, Tokens(None), address)
        with serving(handler, admission, bound):
            print(
                "| good images | KB | ms of processor time | requests/s | no answers |\n|---|---|---|---|---|"
            )
            for goods in args.goods:
                bodies = bodies_of(goods, args.lines, args.side)
                measured(address, bodies[:1], argparse.Namespace(**{**vars(args), "seconds": 2.0}))
                spent, rate, wrong = measured(address, bodies, args)
                size = sum(map(len, bodies)) / len(bodies) / 1000
                print(f"| {goods} | {size:.0f} | {spent:.2f} | {rate:.0f} | {wrong} |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
