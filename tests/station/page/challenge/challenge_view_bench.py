"""A page with golden parts and runs, without a station beside it."""

from __future__ import annotations

import hashlib

import cv2
import numpy as np

from saec.station.audit.audit_log import AuditLog
from saec.station.challenge.golden_set import GoldenPart, GoldenSet
from saec.station.challenge_records import ChallengeRecord, ConditionCheck, GoldenVerdict, RunState
from tests.station.page.page_fakes import PageBench


def picture(value: int) -> bytes:
    """A part on a plate."""
    image = np.full((96, 96, 3), 60, np.uint8)
    cv2.circle(image, (48, 48), 30, (value, 120, 180), -1)
    data: bytes = cv2.imencode(".png", image)[1].tobytes()
    return data


def pin_two(bench: PageBench, line: str = "bottle") -> GoldenSet:
    """A good and a defect."""
    golden = GoldenSet(bench.data, line)
    pinned = []
    for name, label, value in (("ring-1", 0, 90), ("ring-2", 1, 200)):
        data = picture(value)
        sha256 = hashlib.sha256(data).hexdigest()
        kind = "scratch" if label else ""
        part = GoldenPart(
            name=name,
            label=label,
            sha256=sha256,
            suffix=".png",
            kind=kind,
            note="from <lot> 7",
            person="Anna",
        )
        pinned.append((part, data))
    golden.pin(AuditLog(bench.data), "engineer", pinned)
    return golden


def keep_run(
    bench: PageBench, state: RunState, *, stop: bool = False, line: str = "bottle"
) -> ChallengeRecord:
    """A run with a result."""
    opened = bench.spool.runs.open(
        ChallengeRecord(line=line, way="camera", why="asked", who="Anna", begun=1_790_000_000.0)
    )
    failed = state == "failed"
    ended = ChallengeRecord(
        line=line,
        n=opened.n,
        way="camera",
        why="asked",
        who="Anna",
        begun=opened.begun,
        ended=opened.begun + 3,
        state=state,
        version="1",
        missed=int(failed),
        defects=1,
        goods=1,
        escape=(0.025, 1.0) if failed else (0.0, 0.975),
        overkill=(0.0, 0.975),
        reasons=("1 defect judged good: ring-2",) if failed else (),
        stop=stop,
        parts=(
            GoldenVerdict(part="ring-1", label=0, outcome="right", said=0, score=0.5),
            GoldenVerdict(
                part="ring-2",
                label=1,
                outcome="missed" if failed else "right",
                said=int(not failed),
                score=0.75,
            ),
        ),
        conditions=(
            ConditionCheck(
                name="brightness",
                difference=-0.2 if failed else 0.01,
                tolerance=0.05,
                worst="ring-2",
                worst_difference=-0.25,
                worst_tolerance=0.1,
                ok=not failed,
            ),
        ),
    )
    assert bench.spool.runs.end(ended)
    return ended


def tell_challenge(bench: PageBench, line: str = "bottle", **told: object) -> None:
    """What the station says of a line's challenge from now on."""
    usual = {"golden": 2, "running": None, "standing": "none", "stopped": "", "last": None, "due_since": None}
    bench.told["status"]["lines"].setdefault(line, {})["challenge"] = {**usual, **told}
    bench.feed.update(bench.told)
