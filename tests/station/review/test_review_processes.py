"""Processes that take, answer and undo, and are killed at any moment: no label is lost, doubled or shared."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

from saec.station.review.review_settings import ReviewSettings
from saec.station.review.review_store import ReviewStore
from tests.station.review.test_review_store import frame

FRAMES = 40

WORKER = """
import random, sys
from pathlib import Path
from saec.station.review.review_records import ReviewAnswer
from saec.station.review.review_settings import ReviewSettings
from saec.station.review.review_store import ReviewStore

person, rng = sys.argv[2], random.Random(sys.argv[2])
store = ReviewStore(Path(sys.argv[1]), ReviewSettings(second=0.0, lease_s=1e5))
while tasks := store.take(person):
    for task in tasks:
        store.answer(person, task.frame.seq, ReviewAnswer(label=0))
        print("kept", task.frame.seq, flush=True)
    if rng.random() < 0.2:
        print("undoing", flush=True)
        back = store.undo(person)
        print("undone", back.frame.seq, flush=True)
"""


def test_killed_processes_lose_and_double_nothing(tmp_path: Path) -> None:
    store = ReviewStore(tmp_path, ReviewSettings(second=0.0, lease_s=1e5))
    for seq in range(1, FRAMES + 1):
        store.put(frame(seq))
    chance = random.Random(20)
    told: dict[str, list[str]] = {}
    for round_ in range(3):  # each ends by the death of one of two
        workers = {person: _start(tmp_path, person) for person in (f"a{round_}", f"b{round_}")}
        victim = f"a{round_}"
        out = workers[victim].stdout
        assert out is not None
        lines = [out.readline().strip() for _ in range(chance.randint(1, 8))]
        workers[victim].kill()
        told[victim] = [*lines, *out.read().splitlines()]
        other = f"b{round_}"
        told[other] = workers[other].communicate(timeout=120)[0].splitlines()
        workers[victim].wait(60)
        store.release(victim)
    last = _start(tmp_path, "last").communicate(timeout=120)[0].splitlines()
    told["last"] = last
    standing = {(label.seq, label.person) for label in store.labels(most=10_000)}
    assert sorted(seq for seq, _ in standing) == list(range(1, FRAMES + 1))  # each by one person, and once
    for person, said in told.items():
        kept: list[int] = []
        for line in (line for line in said if line):
            word, _, number = line.partition(" ")
            if word == "kept" and number.isdecimal():
                kept.append(int(number))
            elif word == "undone":
                kept.remove(int(number))
        may_be_undone = said and said[-1] == "undoing"
        lost = [seq for seq in kept if (seq, person) not in standing]
        assert len(lost) <= int(bool(may_be_undone)), (person, lost)
    store.close()


def _start(data: Path, person: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", WORKER, str(data), person], stdout=subprocess.PIPE, text=True
    )
