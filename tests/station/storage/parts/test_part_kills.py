"""Processes that end at any step of any transaction: each visit of a part has one verdict, sent as it is."""

from __future__ import annotations

import json
import os
import random
from collections import Counter
from pathlib import Path

import pytest

from saec.station.sinks.verdict_sink import sink_message
from saec.station.storage.parts.part_rules import PartRules
from saec.station.storage.spool import Spool
from tests.station.storage.parts.part_frames import Clocks, open_parts, take, told

PAIR = PartRules(sources=("left", "right"), within_s=5.0)
PARTS = [f"P{n}" for n in range(8)]
KILLED = 9
_STEPS = 5
"""Steps of SQLite's machine between two moments at which a process may end."""


def views_of(part: str) -> tuple[str, ...]:
    """One part in four lacks a view."""
    return ("left",) if PARTS.index(part) % 4 == 3 else ("left", "right")


def label_of(key: str) -> int | None:
    return (0, 0, 0, 1, None)[sum(key.encode()) % 5]


def work(spool: Spool, draw: random.Random, sent: Path, turn: int) -> None:
    """What a station does: frames in, verdicts, deadlines, deliveries; each step may be the last."""
    frames = [(part, source) for part in PARTS for source in views_of(part)]
    for part, source in draw.sample(frames, draw.randint(1, len(frames))):
        take(spool, source, part, key=f"{part}-{source}-{turn // 3}")
        if draw.random() < 0.5:
            judge(spool, draw)
            deliver(spool, sent)
        for first in spool.parts.overdue():
            spool.parts.expire(first)
    judge(spool, draw)
    deliver(spool, sent)


def judge(spool: Spool, draw: random.Random) -> None:
    for state in ("accepted", "asked"):
        for frame in spool.frames(state):
            label = label_of(frame.key)
            if state == "accepted" and label is not None and draw.random() < 0.5:
                spool.decide(frame.seq, "provisional", told(label, state="provisional"), edge=b"{}")
            else:
                spool.decide(frame.seq, "final", told(label if draw.random() < 0.7 else 1))


def deliver(spool: Spool, sent: Path) -> None:
    """A sink that notes all that it is sent, on the disk before it says so."""
    for delivery in spool.outbox.waiting("sink"):
        item = sink_message(delivery)
        with sent.open("a", encoding="utf-8") as f:
            body = {"label": item.verdict.label, "part": item.verdict.part, "note": item.verdict.note}
            f.write(json.dumps({"key": item.key, "state": item.state, "act": item.act, "body": body}) + "\n")
        spool.outbox.delivered([delivery.n])


def live(folder: Path, clocks: Clocks, seed: int, steps: int | None) -> int:
    """A process of a station that ends after so many moments; its exit status."""
    pid = os.fork()
    if pid:
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    left = [steps]

    def moment() -> int:
        if left[0] is not None:
            left[0] -= 1
            if left[0] < 0:
                os._exit(KILLED)
        return 0

    try:
        spool = open_parts(folder, PAIR, clocks)
        spool._writer.db.set_progress_handler(moment, _STEPS)
        work(spool, random.Random(seed), folder.parent / "sent.jsonl", seed % 100)
        spool.close()
    except BaseException:
        os._exit(1)
    os._exit(0)


@pytest.mark.parametrize("seed", range(4))
def test_each_visit_has_one_verdict_whenever_the_process_ends(tmp_path: Path, seed: int) -> None:
    draw, clocks, ends = random.Random(seed), Clocks(), Counter[int]()
    for n in range(25):
        clocks.now += draw.choice((0.0, 0.1, 2.0, 4.95, 9.0))
        ends[live(tmp_path / "data", clocks, 100 * seed + n, draw.randint(1, 2000))] += 1
    assert set(ends) <= {0, KILLED}
    assert ends[KILLED] >= 5
    clocks.now += 100
    spool = open_parts(tmp_path / "data", PAIR, clocks)
    judge(spool, draw)
    judge(spool, draw)
    for first in spool.parts.overdue():
        spool.parts.expire(first)
    deliver(spool, tmp_path / "sent.jsonl")
    sent = [json.loads(line) for line in (tmp_path / "sent.jsonl").read_text("utf-8").splitlines()]
    check(spool, sent)
    spool.close()


def check(spool: Spool, sent: list[dict[str, object]]) -> None:
    visits = [visit for part in PARTS for visit in spool.part_visits(part)]
    shown = Counter(frame for visit in visits for frame in visit.frames)
    assert set(shown.values()) == {1}
    assert len(shown) == spool._db.execute("SELECT COUNT(*) FROM frames").fetchone()[0]
    bodies = {one["key"]: one for one in sent if one["state"] == "part"}
    assert all(bodies[one["key"]] == one for one in sent if one["state"] == "part")
    assert {f"{visit.line}/{visit.part}/{visit.n}/part" for visit in visits} == set(bodies)
    assert not any(one["act"] for one in sent if one["state"] != "part")
    for visit in visits:
        made = visit.verdict
        assert made is not None
        assert bodies[f"{made.verdict.id}/part"]["act"] == made.act
        labels = [view.label for view in made.views]
        if made.verdict.label == 0:
            assert {view.source for view in made.views} == {"left", "right"}
            assert set(labels) == {0}
        else:
            assert made.verdict.label == (1 if 1 in labels else None)
