"""The station of ``handshake.py``, in a process that may be killed.

Arguments: FOLDER PLC.json, and "bare" to measure a write of the same protocol alone. The edge is one that
sees red. The camera's picture of a part shows whether the part is a defect, as its id says (D...), so that a
picture that was taken for another part is found out.
"""

from __future__ import annotations

import json
import random
import sys
import threading
import time
from pathlib import Path

import cv2
import msgspec
import numpy as np

from saec import edge
from saec.station.plc import AnyPlc
from saec.station.plc.signals import StationSignals
from saec.station.setup.station_section import StationSection
from saec.station.setup.station_settings import FrameGuardSettings, LineSettings, StationSettings
from saec.station.station import Station
from saec.station.storage.records import NewFrame, Retention, SpoolLimits
from saec.web.program.logs import configure_logs
from tests.run_fakes import FakeDetector, make_line

CAMERA = "http:camera"
MISSED, LATE = 0.004, 0.004
"""Shares of the triggers whose picture never comes, or comes after the trigger was given up."""

WRITES = 2000


def camera(station: Station, stopping: threading.Event) -> None:
    """Takes a picture for each trigger, as a camera with a software trigger."""
    chance, board = random.Random(time.time_ns()), station.triggers
    shots = {label: shot(red) for label, red in (("G", 20), ("D", 240))}
    while not stopping.is_set():
        drained = board.withdrawn(CAMERA)
        trigger = board.wait_for(CAMERA, 0.1)
        if trigger is None or board.withdrawn(CAMERA) != drained:
            continue
        drawn = chance.random()
        if drawn < MISSED + LATE:
            while board.wait_for(CAMERA, 0.0) == trigger and not stopping.is_set():
                stopping.wait(0.002)
            if drawn < MISSED:
                continue
        if board.claim(CAMERA, drained=drained) is None:
            continue
        frame = NewFrame(
            line="cell",
            source=CAMERA,
            key=f"{trigger.number}/{time.time_ns()}",
            suffix=".png",
            captured=time.time(),
            part=trigger.part,
            capture=trigger.capture,
        )
        station.accept(frame, shots["D" if trigger.part.startswith("D") else "G"])


def shot(red: int) -> bytes:
    return cv2.imencode(".png", np.full((64, 64, 3), (0, 0, red), np.uint8))[1].tobytes()


def run(folder: Path, plc: AnyPlc) -> None:
    """Serve until the process is killed, or a line comes on standard input."""
    edge.open_detector = lambda profile: FakeDetector()
    if not (folder / "profile").exists():
        make_line(folder / "profile")
    guard = FrameGuardSettings(dark=0, bright=255, blur=0, empty=0)
    settings = StationSettings(
        station=StationSection(data=folder / "data", page=False),
        line=[LineSettings(name="cell", profile=folder / "profile", deadline_s=1.0, guard=guard)],
        plc=[plc],
        spool=SpoolLimits(free_gb=0),
        retention=Retention(images="all"),
    )
    configure_logs("error")
    sys.setswitchinterval(0.0005)
    station = Station(settings, cloud_for=lambda _: ())
    station.start()
    stopping = threading.Event()
    threading.Thread(target=camera, args=(station, stopping), daemon=True).start()
    print("started", flush=True)
    sys.stdin.readline()
    status = station.status()["plcs"]
    stopping.set()
    station.stop()
    print(json.dumps(status), flush=True)


def bare(plc: AnyPlc) -> None:
    """Milliseconds of a write of one value over the same way, with nothing else to do."""
    way, took = plc.make_way(lambda: None), []
    way.open()
    for n in range(WRITES):
        begun = time.perf_counter()
        way.write(StationSignals(heartbeat=n % 65536))
        took.append((time.perf_counter() - begun) * 1e3)
    way.close()
    print(json.dumps({f"p{n}": round(float(np.quantile(took, n / 100)), 2) for n in (50, 99)}))


if __name__ == "__main__":
    told = msgspec.json.decode(Path(sys.argv[2]).read_bytes(), type=AnyPlc)
    bare(told) if sys.argv[3:] == ["bare"] else run(Path(sys.argv[1]), told)
