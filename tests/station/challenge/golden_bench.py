"""A station with golden parts, for the tests of challenges."""

from __future__ import annotations

import hashlib
from pathlib import Path

from saec.station.audit.audit_log import AuditLog
from saec.station.challenge.challenge_settings import ChallengeSettings
from saec.station.challenge.golden_set import GoldenPart, GoldenSet
from saec.station.challenge_records import ChallengeRecord
from saec.station.setup.station_section import StationSection
from saec.station.setup.station_settings import LineSettings, StationSettings
from saec.station.sinks import FileSink
from saec.station.storage.records import SpoolLimits
from tests.processes import eventually
from tests.run_fakes import make_line
from tests.station.station_fakes import DEFECT, GOOD, NO_GUARD, Running, png

GOODS = (20, 22, 24)
DEFECTS = (240, 236)


def challenge_settings(folder: Path, **challenge: object) -> StationSettings:
    """A station with the line "cell" and the sink "log"."""
    if not (folder / "profile").exists():
        make_line(folder / "profile")
    return StationSettings(
        station=StationSection(data=folder / "data", listen="127.0.0.1:0"),
        line=[
            LineSettings(
                policy="gate",
                name="cell",
                profile=folder / "profile",
                deadline_s=30.0,
                guard=NO_GUARD,
                challenge=ChallengeSettings(pace_s=0.001, **challenge),  # type: ignore[arg-type]
            )
        ],
        sink=[FileSink(name="log", path=folder / "out")],
        spool=SpoolLimits(free_gb=0),
    )


def pin(data: Path, goods: tuple[int, ...] = GOODS, defects: tuple[int, ...] = DEFECTS) -> GoldenSet:
    """Pin pictures of so much red."""
    golden = GoldenSet(data, "cell")
    told = [(red, 0) for red in goods] + [(red, 1) for red in defects]
    pinned = []
    for n, (red, label) in enumerate(told):
        picture = png(red)
        sha256 = hashlib.sha256(picture).hexdigest()
        part = GoldenPart(
            name=f"g{n}", label=label, sha256=sha256, suffix=".png", person="anna", part=f"P{n}"
        )
        pinned.append((part, picture))
    golden.pin(AuditLog(data), "engineer", pinned)
    return golden


def last_run(running: Running, after: int = 0) -> ChallengeRecord:
    """The last run, once there is one with a result beyond a number."""

    def ended() -> bool:
        runs = running.station.spool.challenges("cell", 1)
        return bool(runs) and runs[0].n > after and runs[0].ended is not None

    eventually(ended)
    eventually(lambda: running.station.challenges.lines["cell"].last is not None)
    return running.station.spool.challenges("cell", 1)[0]


__all__ = ["DEFECT", "GOOD", "challenge_settings", "last_run", "pin"]
