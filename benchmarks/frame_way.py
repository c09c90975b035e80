"""The way of one frame through the project's files: how many it crosses, and how often it changes the file.

A move is a call from a function of one file of `saec` into a function of another one; its return is not
counted. What a run or a thread does without a frame is taken off, and so is the watch on deadlines.
Detector and cloud are plain stand-ins, so the files of the models are not in it; all else is what a run and
a station execute.

    python benchmarks/frame_way.py              the figures
    python benchmarks/frame_way.py --moves      and each move, with the number of its calls
"""

from __future__ import annotations

import argparse
import logging
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import cv2
import numpy as np
import structlog

import saec
from saec import edge
from saec.data.images import pixels
from saec.data.manifest import Manifest
from saec.frame import judges as opening
from saec.frame.judges import Cloud, Judges, Standing
from saec.frame.verdicts import Rules
from saec.profile import (
    Calibration,
    CloudTrust,
    Detector,
    Gate,
    LineProfile,
    LineRecord,
    Preparation,
    Sigmoid,
)
from saec.runs.inspection import run_inspection
from saec.schedule.policies.gate import GatePolicy
from saec.settings import CloudConfig, GateConfig, ModelCard, RunConfig
from saec.station.line.runner import LineRunner
from saec.station.line.version_store import VersionStore
from saec.station.setup.station_settings import FrameGuardSettings, LineSettings
from saec.station.storage.recent_pictures import RecentPictures
from saec.station.storage.records import NewFrame, SpoolLimits
from saec.station.storage.spool import Spool
from saec.station.threads import Stopping
from saec.types import CloudOpinion, CloudQuery, EdgeOpinion, Explanation, Image, Source

ROOT = str(Path(saec.__file__).parent) + "/"
GOOD, UNSURE = 20, 128
CALIBRATION = Calibration(
    version=1,
    created="2026-01-01T00:00:00+00:00",
    overkill=0.05,
    threshold=5.0,
    gate=Gate(low=3.0, high=7.0, basis="p_defect"),
    p_defect=Sigmoid(slope=1.0, centre=5.0, offset=0.0),
)
TRUST = CloudTrust(model="plain", prompt="v0", mode="fused", edge_weight=1.0, cloud_weight=2.0)

Move = tuple[str, str, str]
"""File of the caller, file that is called, function that is called there."""


class PlainDetector:
    """Scores a frame by its red."""

    def inspect(self, images: list[Image]) -> list[EdgeOpinion]:
        return [self._opinion(image) for image in images]

    def _opinion(self, image: Image) -> EdgeOpinion:
        score = float(image[0, 0, 0]) / 25.5
        heat = np.full((4, 4), score, np.float32)
        return EdgeOpinion(score, int(score >= 5.0), 0.5, heat, (0, 0, image.shape[1], image.shape[0]))


class PlainCloud:
    """Answers P(defect) 0.2 to everything."""

    name, weights_hash, prompt, demonstration, views = "plain", "ab" * 32, "v0", True, 1
    card, side = ModelCard(demonstration=True), 64

    def judge(self, queries: list[CloudQuery]) -> list[CloudOpinion]:
        return [CloudOpinion(0.2, self.name, self.prompt) for _ in queries]

    def explain(self, queries: list[CloudQuery]) -> list[Explanation]:
        return [Explanation("spot", "A spot.", query.focus) for query in queries]


class Tracer:
    """Counts the moves of the thread that it is on in, and of those that are started meanwhile."""

    def __init__(self) -> None:
        self.moves: Counter[Move] = Counter()
        self._lock = threading.Lock()

    @contextmanager
    def on(self) -> Iterator[None]:
        self.begin()
        try:
            yield
        finally:
            self.end()

    def begin(self) -> None:
        threading.setprofile(self._see)
        sys.setprofile(self._see)

    def end(self) -> None:
        sys.setprofile(None)
        threading.setprofile(None)

    def _see(self, frame: FrameType, event: str, _: Any) -> None:
        if event != "call" or not (file := frame.f_code.co_filename).startswith(ROOT):
            return
        caller = frame.f_back
        while caller is not None and not caller.f_code.co_filename.startswith(ROOT):
            caller = caller.f_back  # a function of ours that the standard library calls has our caller
        if (
            caller is None
            or caller.f_code.co_filename == file
            or frame.f_code.co_name in ("<genexpr>", "<lambda>")
        ):
            return
        if threading.current_thread().name == "saec-deadlines":  # it wakes as often as the clock has it
            return
        move = (caller.f_code.co_filename[len(ROOT) :], file[len(ROOT) :], frame.f_code.co_name)
        with self._lock:
            self.moves[move] += 1


def png(red: int) -> bytes:
    """A flat frame of 64 px."""
    return cv2.imencode(".png", np.full((64, 64, 3), (0, 0, red), np.uint8))[1].tobytes()


def run_way(folder: Path, red: int) -> Counter[Move]:
    """Moves of one frame in a run: what a run of one has more than a run of none."""
    path = folder / f"{red}.png"
    path.write_bytes(png(red))
    rules = Rules("way", CALIBRATION, "fused", TRUST)
    policy = GatePolicy(CALIBRATION, GateConfig(), TRUST)
    judges = Judges(PlainDetector(), policy, rules, engine=PlainCloud(), complexity=lambda image: 0.0)
    source = Source(id=path.name, path=str(path))

    def moves(sources: list[Source]) -> Counter[Move]:
        tracer = Tracer()
        with tracer.on():
            verdicts = list(run_inspection(sources, judges, RunConfig(explain=False)))
        assert len(verdicts) == len(sources)
        return tracer.moves

    moves([source])  # what is done once in a process is not the frame's
    return moves([source]) - moves([])


class Turns(Stopping):
    """Stops a thread's body after one turn; ``first`` is called at the begin of it."""

    def __init__(self, first: Callable[[], None] = lambda: None) -> None:
        super().__init__()
        self._first, self._turns = first, 0

    def is_set(self) -> bool:
        self._turns += 1
        if self._turns == 1:
            self._first()
        return super().is_set() or self._turns > 1


def make_profile(folder: Path) -> Path:
    """A line whose detector is the stand-in."""
    (folder / "references").mkdir(parents=True)
    (folder / "references" / "0.png").write_bytes(png(GOOD))
    Manifest().write(folder)
    line = LineRecord(
        name="way",
        created="2026-01-01T00:00:00+00:00",
        saec="0",
        dataset="",
        preparation=Preparation(height=32, width=32),
        detector=Detector(kind="patch", backbone="plain"),
        calibration=1,
    )
    LineProfile.create(folder, line, CALIBRATION)
    return folder


class OneLine:
    """A line of a station without its threads."""

    def __init__(self, folder: Path) -> None:
        profile = make_profile(folder / "profile")
        versions = VersionStore(folder / "data" / "lines" / "way")
        versions.add(profile)
        cloud = Cloud(CloudConfig(model="plain", references=1))
        cloud.__dict__["engine"] = PlainCloud()
        self.spool = Spool(folder / "data", sinks=("sink",), limits=SpoolLimits(free_gb=0))
        self.runner = LineRunner(
            LineSettings(
                name="way",
                profile=profile,
                deadline_s=60.0,
                guard=FrameGuardSettings(dark=0, bright=255, blur=0, empty=0),
            ),
            self.spool,
            versions,
            cloud_for=lambda _: [cloud],
            batch=1,
            pictures=RecentPictures(folder / "data" / "maps", kept=10),
            decode=pixels.decode_image,
            decode_again=pixels.decode_image,
        )
        self._count = 0

    def way(self, red: int) -> Counter[Move]:
        """Moves of one frame, from the spool to its final verdict."""
        self._count += 1
        name = NewFrame(line="way", source="", key=str(self._count), suffix=".png", captured=time.time())
        seq = self.spool.accept(name, png(red)).seq
        self.runner.accepted(seq, time.perf_counter())
        bodies, tracer = self.runner.bodies(), Tracer()

        def edge_turn() -> None:
            with tracer.on():
                bodies["edge"](Turns())

        def edge_first() -> None:
            edge_turn()
            tracer.begin()

        if red == GOOD:
            edge_turn()
        else:  # the cloud's body forgets at its begin what waits, so the edge comes after that
            bodies["cloud"](Turns(edge_first))
            tracer.end()
        assert "final" in self.spool.verdicts(seq)
        return tracer.moves


def report(name: str, moves: Counter[Move], *, each: bool) -> None:
    files = {file for caller, callee, _ in moves for file in (caller, callee)}
    print(f"{name:<16} {len(files):>3} files {sum(moves.values()):>4} moves")
    if each:
        for (caller, callee, function), times in sorted(moves.items()):
            print(f"    {times} x {caller} -> {callee}: {function}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--moves", action="store_true", help="print each move")
    args = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    edge.open_detector = lambda profile: PlainDetector()
    opening.standing = lambda *_: Standing("fused", "", TRUST)
    with tempfile.TemporaryDirectory() as folder:
        for name, red in (("run, edge", GOOD), ("run, cloud", UNSURE)):
            report(name, run_way(Path(folder), red), each=args.moves)
        line = OneLine(Path(folder))
        line.way(UNSURE)  # what is done once in a process is not the frame's
        for name, red in (("station, edge", GOOD), ("station, cloud", UNSURE)):
            report(name, line.way(red), each=args.moves)
        line.spool.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
