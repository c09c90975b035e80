"""Whether each trigger of a PLC has one answer, whatever fails, and how long it takes.

    python benchmarks/handshake.py --protocol modbus --triggers 20000 --kill-every 20

A simulated PLC triggers as fast as the station is ready. It makes mistakes on purpose: lost acknowledges,
double triggers, half-written part ids, restarts, dead sessions. The camera misses pictures and delivers
late ones. The station's process is killed (SIGKILL) at random moments and begun again.

Printed: answers, what must never be (two answers, a result of another part, a second actuation of a part),
and the time from Trigger to the result less the station's reading, decoding and judging, as the PLC sees
it. Beside it a write of one value over the same protocol, with nothing else to do. Triggers without a
mistake count for the times, in the seconds in which no station was killed.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from faults_rig import free_port
from handshake_station import CAMERA

from saec.station.plc import AnyPlc
from saec.station.plc.modbus_settings import ModbusPlc
from saec.station.plc.opcua.opcua_settings import OpcUaPlc
from saec.station.plc.s7.s7_settings import S7Plc
from saec.station.plc.signal_mapping import PlcAddresses, StationAddresses
from saec.station.plc.signals import PlcSignals, ResultLabel, StationSignals
from saec.station.simulated.modbus_peers import ModbusPlcClient, ModbusPlcMemory
from saec.station.simulated.opcua_peer import OpcUaPlcClient, OpcUaPlcMemory
from saec.station.simulated.plc_cycle import PlcCycle
from saec.station.simulated.plc_mistakes import MistakeShares
from saec.station.simulated.plc_peer import PlcPeer
from saec.station.simulated.plc_program import PlcPart, PlcProgram, PlcTimes
from saec.station.simulated.s7_peer import S7PlcMemory
from saec.station.storage.spool import Spool

HERE = Path(__file__).parent
SHARES = MistakeShares(
    lost_acknowledge=0.01, double_trigger=0.01, half_written=0.01, restart=0.01, dead_session=0.0005
)
TIMES = PlcTimes(give_up=30.0, heartbeat=0.05, down=0.05, silent=0.5)
LIMITS = {"picture_s": 0.5, "deadline_s": 2.0, "acknowledge_s": 0.3, "drain_s": 0.5, "silence_s": 5.0}

Made = tuple[AnyPlc, PlcPeer]


def modbus() -> Made:
    plc = ModbusPlc(**_named(), **_address(), timeout_s=0.3)
    return plc, ModbusPlcMemory(plc)


def modbus_server() -> Made:
    plc = ModbusPlc(**_named(), **_address(), role="server", timeout_s=0.3)
    return plc, ModbusPlcClient(plc)


def opcua() -> Made:
    names = {"reads": PlcAddresses, "writes": StationAddresses}
    tables = {
        key: kind(**{field: f"ns=2;s={key}.{field}" for field in kind.__struct_fields__ if field != "check"})
        for key, kind in names.items()
    }
    plc = OpcUaPlc(**_named(), **tables, address=f"opc.tcp://127.0.0.1:{free_port()}", timeout_s=0.3)
    return plc, OpcUaPlcMemory(plc)


def opcua_server() -> Made:
    plc = OpcUaPlc(**_named(), role="server", address=f"opc.tcp://127.0.0.1:{free_port()}", timeout_s=0.3)
    return plc, OpcUaPlcClient(plc)


def s7() -> Made:
    plc = S7Plc(**_named(), **_address(), timeout_s=0.3)
    return plc, S7PlcMemory(plc)


PROTOCOLS: dict[str, Callable[[], Made]] = {
    "modbus": modbus,
    "modbus-server": modbus_server,
    "opcua": opcua,
    "opcua-server": opcua_server,
    "s7": s7,
}


def _named() -> dict[str, Any]:
    return {"name": "press", "line": "cell", "source": CAMERA, **LIMITS}


def _address() -> dict[str, Any]:
    return {"host": "127.0.0.1", "port": free_port()}


class WatchedPeer:
    """A PLC's wire, and what went over it, seen without the PLC's program.

    Attributes:
        answers: each answer by its number: label, part, whether a result.
        changed: numbers whose answer changed after it was given.
        asked: when Trigger rose for a part, and when its result was seen, seconds of perf_counter.
    """

    def __init__(self, peer: PlcPeer) -> None:
        self._peer = peer
        self.answers: dict[int, tuple[bool, int, str]] = {}
        self.changed: list[tuple[int, object, object]] = []
        self.asked: dict[str, float] = {}
        self.told: dict[str, float] = {}
        self._high = False

    def read(self) -> StationSignals | None:
        seen = self._peer.read()
        if seen is not None and seen.result is not None and seen.result.number:
            answered = seen.result_valid or (seen.fault and not seen.busy)
            if answered and not (seen.result_valid and seen.fault):
                result = seen.result
                answer = (seen.result_valid, int(result.label), result.part)
                if self.answers.setdefault(result.number, answer) != answer:
                    self.changed.append((result.number, self.answers[result.number], answer))
                if seen.result_valid and self._high:
                    self.told.setdefault(result.part, time.perf_counter())
        return seen

    def write(self, signals: PlcSignals) -> None:
        if signals.trigger and not self._high:
            self.asked[signals.part] = time.perf_counter()
        self._high = signals.trigger
        self._peer.write(signals)

    def silence(self, silent: bool) -> None:
        self._peer.silence(silent)

    def close(self) -> None:
        self._peer.close()


class KilledStation:
    """The station's process, killed at random moments and begun again.

    Args:
        every: seconds between two kills, on average; 0 kills none.

    Attributes:
        kills: how many.
        away: spans of perf_counter in which it was not there.
    """

    def __init__(self, folder: Path, plc: Path, every: float, seed: int) -> None:
        self._folder, self._plc, self._every = folder, plc, every
        self._chance, self._over = random.Random(seed), threading.Event()
        self.kills, self.away = 0, list[tuple[float, float]]()
        self._process = self._begun()
        self._thread = threading.Thread(target=self._kill_on, daemon=True)
        self._thread.start()

    def _begun(self) -> subprocess.Popen[str]:
        command: list[str | Path] = [sys.executable, HERE / "handshake_station.py", self._folder, self._plc]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        if process.stdout.readline().strip() != "started":
            raise RuntimeError("the station did not start")
        return process

    def _kill_on(self) -> None:
        while self._every and not self._over.wait(self._chance.expovariate(1 / self._every)):
            begun = time.perf_counter()
            self._process.kill()
            self._process.wait()
            self._process = self._begun()
            self.kills += 1
            self.away.append((begun - 0.5, time.perf_counter() + 1.0))

    def end(self) -> dict[str, object]:
        """Stop it; what it says of its PLCs."""
        self._over.set()
        self._thread.join()
        out, _ = self._process.communicate("end\n", timeout=60)
        found: dict[str, object] = json.loads(out.splitlines()[-1])
        return found


def parts(count: int, seconds: float) -> Iterator[PlcPart]:
    """So many parts, or fewer where the time is up."""
    end = time.perf_counter() + seconds
    for n in range(count):
        if time.perf_counter() > end:
            return
        # The number stands in both halves, so that half an id is none of another part.
        yield PlcPart(f"{'D' if n % 3 == 0 else 'G'}{n:06d}-{n:06d}")


def measure(name: str, given: argparse.Namespace) -> dict[str, object]:
    with tempfile.TemporaryDirectory() as held, contextlib.ExitStack() as stack:
        folder = Path(held)
        plc, wire = PROTOCOLS[name]()
        plc = msgspec.structs.replace(plc, settle_ms=given.settle_ms)
        (folder / "plc.json").write_bytes(msgspec.json.encode(plc))
        bare = bare_writes(folder, *(modbus() if name == "modbus-server" else (plc, wire)))
        peer = WatchedPeer(wire)
        station = KilledStation(folder, folder / "plc.json", given.kill_every, given.seed)
        begun = time.perf_counter()
        mistakes = msgspec.structs.replace(SHARES, half_written=given.half_written)
        shares = MistakeShares() if given.no_mistakes else mistakes
        coming = parts(given.triggers, 60 * given.minutes)
        program = PlcProgram(coming, times=TIMES, mistakes=shares, seed=given.seed)
        cycle_thread = stack.enter_context(PlcCycle(peer, program, given.cycle_ms / 1e3))
        while not cycle_thread.wait(20.0):
            print(f"  {program.tally.triggers} triggers, {station.kills} kills", file=sys.stderr, flush=True)
        seconds = time.perf_counter() - begun
        status = station.end()
        return {
            "protocol": name,
            "settle ms": given.settle_ms,
            **tallied(program, peer),
            "kills of the station": station.kills,
            "seconds": round(seconds, 1),
            "bare write ms": bare,
            **times(folder, peer, station.away),
            "station": status,
        }


def bare_writes(folder: Path, plc: AnyPlc, wire: PlcPeer) -> dict[str, float]:
    """Milliseconds of a write over the same protocol, by a process that does nothing else."""
    path = folder / "bare.json"
    path.write_bytes(msgspec.json.encode(plc))
    command: list[str | Path] = [sys.executable, HERE / "handshake_station.py", folder, path, "bare"]
    wire.write(PlcSignals())
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def tallied(program: PlcProgram, peer: WatchedPeer) -> dict[str, object]:
    tally = program.tally
    wrong = [n for n, (valid, label, part) in peer.answers.items() if valid and label != expected(part)]
    by_part = Counter(part for valid, _, part in peer.answers.values() if valid)
    twice = [(n, part) for n, (valid, _, part) in peer.answers.items() if valid and by_part[part] > 1]
    return {
        "triggers": tally.triggers,
        "results": tally.results,
        "faults": dict(tally.faults),
        "given up by a restart of the PLC": tally.abandoned,
        "without an answer": tally.unanswered,
        "mistakes": dict(tally.mistakes),
        "double actuations": tally.double_actuations,
        "results of another part": tally.wrong_parts,
        "results of another picture": len(wrong),
        "results that nobody asked for": tally.unasked,
        "answers that changed": len(peer.changed),
        "parts with two results": len({part for _, part in twice}),
        "results of half a part id": tally.half_parts,
        "notes": [*tally.notes[:10], *map(str, peer.changed[:5]), *map(str, twice[:5])],
    }


def expected(part: str) -> int:
    return int(ResultLabel.DEFECT if part.startswith("D") else ResultLabel.GOOD)


def times(folder: Path, peer: WatchedPeer, away: list[tuple[float, float]]) -> dict[str, object]:
    """Milliseconds from Trigger to the result, whole and less judging."""
    judging = dict[str, float]()
    spool, after = Spool(folder / "data"), 0
    while frames := spool.frames("done", after=after, most=1000):
        for frame in frames:
            for verdict in spool.verdicts(frame.seq).values():
                judging[frame.part] = verdict.ms.get("judging", 0.0)
        after = frames[-1].seq
    spool.close()
    whole, less = [], []
    for part, end in peer.told.items():
        begun = peer.asked.get(part)
        if begun is None or part not in judging or any(a < end and begun < b for a, b in away):
            continue
        whole.append((end - begun) * 1e3)
        less.append(whole[-1] - judging[part])
    return {"trigger to result ms": quantiles(whole), "less judging ms": quantiles(less), "timed": len(less)}


def quantiles(values: list[float]) -> dict[str, float]:
    shares = (0.5, 0.9, 0.99) if values else ()
    return {f"p{int(100 * share)}": round(float(np.quantile(values, share)), 2) for share in shares}


def main() -> None:
    form = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=form)
    parser.add_argument("--protocol", choices=[*PROTOCOLS, "all"], default="modbus")
    parser.add_argument("--triggers", type=int, default=2000)
    parser.add_argument("--kill-every", type=float, default=20.0, help="seconds, on average; 0 kills none")
    parser.add_argument("--cycle-ms", type=float, default=1.0, help="of the simulated PLC")
    parser.add_argument("--minutes", type=float, default=1e6, help="the most, for each protocol")
    parser.add_argument("--no-mistakes", action="store_true")
    parser.add_argument("--settle-ms", type=float, default=0.0, help="of the station's [[plc]]")
    parser.add_argument("--half-written", type=float, default=SHARES.half_written, help="share of triggers")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    sys.setswitchinterval(0.0005)
    for name in PROTOCOLS if given.protocol == "all" else [given.protocol]:
        found = measure(name, given)
        print(json.dumps(found, indent=2), flush=True)


if __name__ == "__main__":
    main()
