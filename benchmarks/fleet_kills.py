"""Do replicas lose or confuse anything? Replicas, entrance and proxy are killed while clients ask.

    python benchmarks/fleet_kills.py --minutes 20
    python benchmarks/fleet_kills.py --lines 200 --replicas 4

The first starts Ray and three replicas of the small checkpoint on this machine. Clients ask, each request
with a key of its own, and send it again until it is answered, as a station does. Every half minute a replica,
the entrance or Ray's proxy gets SIGKILL; twice the adapter is changed while they ask. Each answer is compared
with what one process answers with the weights that the answer names. The second asks for many lines with
references of their own, of one replica and of several, and compares how often a prefix was at hand. The
status is 1 where a bar is missed.
"""

from __future__ import annotations

import argparse
import itertools
import random
import sys
import tempfile
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from fleet_rig import (
    CHAT,
    Weights,
    free_address,
    own_ray,
    p_defect,
    picture,
    prefix_counts,
    processes,
    question,
    settings,
    two_adapters,
)

NAME = "screws"
PATIENCE = 120.0
"""Seconds within which a request must be answered, all its repetitions included."""

TOLERANCE = 1e-4
SHARE = 0.9
"""Of one replica's prefix hits that several must have."""


@dataclass
class Outcome:
    """What became of the requests."""

    asked: int = 0
    lost: int = 0
    doubled: int = 0
    wrong: int = 0
    furthest: float = 0.0
    seconds: list[float] = field(default_factory=list)
    weights: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    lock: threading.Lock = field(default_factory=threading.Lock)


class Client(threading.Thread):
    """Asks one question after the other until it is told to stop."""

    def __init__(
        self, number: int, where: str, bodies: list[dict[str, Any]], known: dict[str, Weights], out: Outcome
    ) -> None:
        super().__init__(daemon=True)
        self._number, self._bodies, self._known, self._out = number, bodies, known, out
        self._http = httpx.Client(base_url=where, timeout=70, trust_env=False)
        self._random = random.Random(number)
        self.ended = threading.Event()

    def run(self) -> None:
        for n in itertools.count():
            if self.ended.is_set():
                return
            at = self._random.randrange(len(self._bodies))
            key, begun = f"client{self._number}-{n}", time.monotonic()
            answer = self._answer(at, key)
            with self._out.lock:
                self._out.asked += 1
                if answer is None:
                    self._out.lost += 1
                    continue
                self._out.seconds.append(time.monotonic() - begun)
                self._judge(at, answer)

    def _answer(self, at: int, key: str) -> dict[str, Any] | None:
        """The one answer under a key; each eighth is asked for again, and must not be another one."""
        first = self._asked(at, key)
        if first is not None and self._random.random() < 1 / 8:
            again = self._asked(at, key)
            # An entrance that died between the two computes it again, with the weights of then.
            same = again is not None and (
                again["system_fingerprint"] != first["system_fingerprint"]
                or abs(p_defect(again) - p_defect(first)) <= TOLERANCE
            )
            with self._out.lock:
                self._out.doubled += not same
        return first

    def _asked(self, at: int, key: str) -> dict[str, Any] | None:
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            try:
                got = self._http.post(CHAT, json=self._bodies[at], headers={"Idempotency-Key": key})
            except httpx.HTTPError as e:
                word = type(e).__name__
            else:
                if got.status_code == 200:
                    found: dict[str, Any] = got.json()
                    return found
                word = str(got.status_code)
            with self._out.lock:
                self._out.errors[word] += 1
            time.sleep(0.2)
        return None

    def _judge(self, at: int, answer: dict[str, Any]) -> None:
        weights = self._known.get(answer["system_fingerprint"])
        if weights is None or answer["model"] != NAME:
            self._out.wrong += 1
            return
        self._out.weights[weights.fingerprint[:12]] += 1
        apart = abs(p_defect(answer) - weights.p[at])
        self._out.furthest = max(self._out.furthest, apart)
        self._out.wrong += apart > TOLERANCE


def kill_and_change(args: argparse.Namespace) -> int:
    """The first benchmark; gives the status."""
    from saec.service.replicas.ray_cluster import own_token

    own_token()
    bodies = [question(NAME, picture(n % 4), picture(100 + n)) for n in range(24)]
    with tempfile.TemporaryDirectory() as folder:
        both = two_adapters(NAME, Path(folder), bodies)
        apart = float(np.abs(np.subtract(both[0].p, both[1].p)).min())
        print(f"two adapters of one name; P(defect) differs by {apart:.2g} at least", flush=True)
        with own_ray(args.replicas):
            return _kill(args, bodies, both)


def _kill(args: argparse.Namespace, bodies: list[dict[str, Any]], both: list[Weights]) -> int:
    from saec.service.replicas.deployment import deploy_service

    listen, out, kills = free_address(), Outcome(), Counter[str]()
    deploy_service(settings(listen, args.replicas, {NAME: both[0].folder}))
    known = {one.fingerprint: one for one in both}
    clients = [Client(n, f"http://{listen}", bodies, known, out) for n in range(args.clients)]
    for client in clients:
        client.start()
    drawn, begun, changes = random.Random(args.seed), time.monotonic(), 0
    length = args.minutes * 60
    while (gone := time.monotonic() - begun) < length:
        if changes < args.changes and gone >= length * (changes + 1) / (args.changes + 1):
            changes += 1
            deploy_service(settings(listen, args.replicas, {NAME: both[changes % 2].folder}))
            print(
                f"{gone:5.0f} s: the adapter was changed in {time.monotonic() - begun - gone:.0f} s",
                flush=True,
            )
        kind = drawn.choice(["replica", "replica", "entrance", "proxy"])
        if there := processes(kind):
            drawn.choice(there).kill()
            kills[kind] += 1
            print(f"{gone:5.0f} s: {kind} killed; {out.asked} asked, {out.lost} lost", flush=True)
        time.sleep(max(0.0, min(args.every, length - (time.monotonic() - begun))))
    for client in clients:
        client.ended.set()
    for client in clients:
        client.join(2 * PATIENCE)
    return _report(out, kills, changes)


def _report(out: Outcome, kills: Counter[str], changes: int) -> int:
    times = np.quantile(out.seconds, [0.5, 0.99, 1.0]) if out.seconds else [float("nan")] * 3
    print(f"requests: {out.asked}, by weights {dict(out.weights)}; sent again after {dict(out.errors)}")
    print(f"killed: {dict(kills)}; changes of the adapter: {changes}")
    print(f"seconds: median {times[0]:.2f}, 99 % {times[1]:.2f}, longest {times[2]:.1f}")
    print(f"lost {out.lost}, doubled {out.doubled}, other weights than it says {out.wrong}")
    print(f"P(defect) differs from one process by {out.furthest:.1e} at most")
    return int(bool(out.lost or out.doubled or out.wrong or not out.seconds))


def prefixes(args: argparse.Namespace) -> int:
    """The second benchmark; gives the status."""
    kept = {}
    each = {1: args.lines + 1, args.replicas: args.prefixes or args.lines + 1}
    for count, size in each.items():
        with own_ray(count):
            kept[count] = _prefix_share(args, count, size)
        print(f"{count} replicas that keep {size} prefixes each: {kept[count]:.1%} at hand", flush=True)
    share = kept[args.replicas] / kept[1]
    print(f"{args.replicas} replicas have {share:.1%} of one replica's hits (bar: {SHARE:.0%})")
    return int(share < SHARE)


def _prefix_share(args: argparse.Namespace, count: int, size: int) -> float:
    from saec.service.replicas.deployment import deploy_service

    listen = free_address()
    deploy_service(settings(listen, count, prefixes=size))
    asked = [(line, n) for n in range(args.frames) for line in range(args.lines)]
    random.Random(args.seed).shuffle(asked)
    references = [picture(line) for line in range(args.lines)]
    with httpx.Client(base_url=f"http://{listen}", timeout=120, trust_env=False) as http:

        def ask(one: tuple[int, int]) -> int:
            line, n = one
            body = question("small", references[line], picture(1000 + line * args.frames + n))
            return http.post(CHAT, json=body).status_code

        with ThreadPoolExecutor(args.clients) as pool:
            statuses = Counter(pool.map(ask, asked))
        if set(statuses) != {200}:
            raise SystemExit(f"not all questions were answered: {statuses}")
        time.sleep(3)  # the entrance looks at the replicas each second
        counts = prefix_counts(http)
    print(f"{count} replicas: {counts}", flush=True)
    return counts["kept"] / (counts["kept"] + counts["computed"])


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=20.0)
    parser.add_argument("--replicas", type=int, default=3)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--every", type=float, default=30.0, help="seconds between two kills")
    parser.add_argument("--changes", type=int, default=2, help="changes of the adapter")
    parser.add_argument("--lines", type=int, default=0, help="compare prefixes of so many lines instead")
    parser.add_argument("--frames", type=int, default=4, help="frames of each line")
    parser.add_argument("--prefixes", type=int, default=0, help="that each of several replicas keeps")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    return prefixes(args) if args.lines else kill_and_change(args)


if __name__ == "__main__":
    sys.exit(main())
