"""How soon a station sees what a PLC tells over OPC UA: by polling, and by subscriptions.

    python benchmarks/opcua_reading.py --changes 500

A simulated PLC's server on this machine changes a variable; the time counts until the station's side has the
value. Polling is the station's own way of reading, each ``--poll-ms``. The subscriptions have one publishing
interval each; a PLC's server often allows none below 100 ms. Rounds are interleaved.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import statistics
import threading
import time
from collections.abc import Callable

from asyncua import Client, ua

from saec.station.plc.opcua.opcua_session import OpcUaSession
from saec.station.plc.opcua.opcua_settings import OpcUaPlc
from saec.station.simulated.opcua_nodes import OpcUaNodes

INTERVALS = (1, 10, 100)
"""Publishing intervals of the subscriptions, milliseconds."""

_ROUNDS = 5
_PATIENCE = 30.0


class Watch:
    """Waits for a value that the PLC is about to write."""

    def __init__(self) -> None:
        self._seen = threading.Event()
        self._value = -1
        self._at = 0.0

    def expect(self, value: int) -> None:
        self._seen.clear()
        self._value = value

    def see(self, value: int) -> None:
        if value == self._value and not self._seen.is_set():
            self._at = time.perf_counter()
            self._seen.set()

    def wait(self) -> float:
        """When it was seen, seconds of ``time.perf_counter``."""
        if not self._seen.wait(_PATIENCE):
            raise SystemExit("a change was never seen")
        return self._at


def poll(plc: OpcUaNodes, watch: Watch, done: threading.Event, seconds: float) -> None:
    """Read as a station's thread does, until ``done``."""
    settings = OpcUaPlc(name="bench", line="x", source="x", address=plc.address)
    session = OpcUaSession(settings)
    session.open()
    nodes = session.nodes(["ns=2;s=number", "ns=2;s=trigger", "ns=2;s=part"])
    while not done.is_set():
        watch.see(session.read(nodes)[0])
        time.sleep(seconds)
    session.close()


def subscribe(plc: OpcUaNodes, watch: Watch, done: threading.Event, interval: float) -> None:
    """Be told by a subscription, until ``done``."""

    class Handler:
        def datachange_notification(self, node: object, value: int, data: object) -> None:
            watch.see(value)

    async def listen() -> None:
        async with Client(plc.address) as client:
            subscription = await client.create_subscription(interval, Handler())
            node = client.get_node(ua.NodeId("number", 2))
            await subscription.subscribe_data_change(node, sampling_interval=0)
            while not done.is_set():
                await asyncio.sleep(0.05)

    asyncio.run(listen())


def times_of(
    reader: Callable[[Watch, threading.Event], None], plc: OpcUaNodes, changes: int, first: int
) -> list[float]:
    """Seconds from each change until it was seen, with pauses of no fixed length between them."""
    watch, done, chance = Watch(), threading.Event(), random.Random(first)
    watch.expect(first)
    thread = threading.Thread(target=reader, args=(watch, done))
    thread.start()
    found = []
    plc.write({"number": first})
    watch.wait()  # it reads
    for number in range(first + 1, first + 1 + changes):
        time.sleep(chance.uniform(0.005, 0.02))
        watch.expect(number)
        begun = time.perf_counter()
        plc.write({"number": number})
        found.append(watch.wait() - begun)
    done.set()
    thread.join()
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--changes", type=int, default=500)
    parser.add_argument("--poll-ms", type=float, default=2.0)
    args = parser.parse_args()
    types = ua.VariantType
    variables = {"number": (types.UInt32, 0), "trigger": (types.Boolean, False), "part": (types.String, "")}
    with OpcUaNodes(variables) as plc:
        readers: dict[str, Callable[[Watch, threading.Event], None]] = {
            f"polling each {args.poll_ms:g} ms": lambda w, d: poll(plc, w, d, args.poll_ms / 1000)
        }
        for interval in INTERVALS:
            readers[f"subscription, publishing each {interval} ms"] = (
                lambda w, d, interval=interval: subscribe(plc, w, d, interval)  # type: ignore[misc]
            )
        times: dict[str, list[float]] = {name: [] for name in readers}
        for turn in range(_ROUNDS):
            for place, (name, reader) in enumerate(readers.items()):
                first = 1 + (turn * len(readers) + place) * (args.changes + 1)
                times[name] += times_of(reader, plc, args.changes // _ROUNDS, first)
    print(f"{'':40} {'median':>9} {'99 %':>9}")
    for name, found in times.items():
        worst = statistics.quantiles(found, n=100)[98]
        print(f"{name:40} {1000 * statistics.median(found):6.2f} ms {1000 * worst:6.2f} ms")


if __name__ == "__main__":
    main()
