"""A station over the fakes in a process of its own: ``python -m tests.station.station_program``
with the arguments FOLDER PORT [HANG].

With HANG "start" its cloud is never opened: the start hangs; with
"edge" its detector never returns from a frame of 77 blue, and an edge's turn may take a second alone; with
"sink" its sink returns from nothing.
"""

from __future__ import annotations

import sys
import threading
from pathlib import Path
from typing import Never

from saec import edge
from saec.cli.options.process_end import run_to_the_end
from saec.errors import SaecError
from saec.station import station
from saec.station.setup.station_section import StationSection
from saec.station.setup.station_settings import LineSettings, StationSettings
from saec.station.sinks import FileSink
from saec.station.station_program import run_station
from saec.station.storage.records import SpoolLimits
from saec.types import EdgeOpinion, Image
from saec.web.program import main_thread as starting
from saec.web.program.logs import configure_logs
from tests.run_fakes import FakeDetector, make_line
from tests.station.station_fakes import NO_GUARD


def hang(*_: object) -> Never:
    print("hanging", flush=True)
    while True:
        threading.Event().wait()


class HangingSink:
    at_once, timeout = 1, 1.0

    def __init__(self, *_: object) -> None:
        self.deliver = self.close = hang


class HangingDetector(FakeDetector):
    def inspect(self, images: list[Image]) -> list[EdgeOpinion]:
        if any(image[0, 0, 2] == 77 for image in images):
            hang()
        return super().inspect(images)


def run(folder: Path, port: str, what: str) -> None:
    edge.open_detector = lambda profile: HangingDetector()
    if what == "edge":
        station.EDGE = 1.0  # type: ignore[attr-defined]
    if what == "sink":
        sinks = iter([FileSink(name="log", path=folder / "out").make_sink(), HangingSink()])
        # The first is opened and closed by the check before the start.
        FileSink.make_sink = lambda settings: next(sinks)  # type: ignore[assignment, method-assign, return-value]
    station._STOP = starting._FAREWELL = 1.0
    if not (folder / "profile").exists():
        make_line(folder / "profile")
    settings = StationSettings(
        station=StationSection(data=folder / "data", listen=f"127.0.0.1:{port}", page=False),
        line=[LineSettings(name="cell", profile=folder / "profile", deadline_s=20.0, guard=NO_GUARD)],
        sink=[FileSink(name="log", path=folder / "out")],
        spool=SpoolLimits(free_gb=0),
    )
    station._CLOSE = 1.0
    configure_logs()
    run_station(settings, cloud_for=hang if what == "start" else lambda _: ())


if __name__ == "__main__":
    try:
        run_to_the_end(lambda: run(Path(sys.argv[1]), sys.argv[2], "".join(sys.argv[3:])))
    except SaecError as e:
        sys.exit(f"error: {e}")
