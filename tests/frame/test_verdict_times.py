"""Judging and waiting are told apart, and nothing of either is lost or told twice."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saec.frame.assessment import read_frame
from saec.frame.cloud_questions import ask_cloud, make_query, share_time, with_wait
from saec.frame.verdicts import JUDGING, WAITING, answer_times, sum_times
from saec.types import CloudOpinion, CloudQuery, EdgeRecord, Pending, Route
from tests.run_fakes import FakeCloud, Frames, judges

MS = st.dictionaries(st.sampled_from((*JUDGING, *WAITING)), st.floats(0, 1e6))


@given(MS, st.sampled_from(["cloud", "explain"]), st.floats(0, 1e6), st.integers(1, 64))
def test_a_batch_is_shared_out_and_the_rest_of_it_is_a_wait(
    ms: dict[str, float], stage: str, took: float, frames: int
) -> None:
    ms.pop(stage, None)
    told = share_time(ms, stage, took, frames)
    assert told[stage] * frames == pytest.approx(took)
    assert told[stage] + told.get("batch", 0.0) == pytest.approx(took + ms.get("batch", 0.0))
    assert ("batch" in told) == (frames > 1 or "batch" in ms)


@given(MS)
def test_every_stage_is_in_one_of_the_two_sums(ms: dict[str, float]) -> None:
    told = sum_times(ms)
    assert told["judging"] + told.get("waiting", 0.0) == pytest.approx(sum(ms.values()))
    assert ("waiting" in told) == any(stage in ms for stage in WAITING)


@given(MS, st.floats(0, 1e7))
def test_what_was_not_judging_was_waiting(ms: dict[str, float], answer: float) -> None:
    told = answer_times(sum_times(ms), answer)
    assert told["answer"] == answer
    assert told["judging"] + told["waiting"] == pytest.approx(max(answer, told["judging"]))


def test_a_wait_in_a_batch_run_is_no_time_of_judging(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock moves when the cloud is asked alone, by four seconds for the batch."""
    now = 100.0
    monkeypatch.setattr(time, "perf_counter", lambda: now)
    cloud, frames = FakeCloud(), Frames(tmp_path)
    judge = cloud.judge

    def slow(queries: list[CloudQuery]) -> list[CloudOpinion]:
        nonlocal now
        now += 4.0
        return judge(queries)

    monkeypatch.setattr(cloud, "judge", slow)
    crew = judges(cloud)
    batch = []
    for n in range(4):
        source = frames.add(f"{n}", 128)
        entry = Pending(
            source=source,
            sha256=read_frame(source).sha256,
            time=0.0,
            edge=EdgeRecord(5.0, 1, 0.5),
            route=Route("cloud", "unsure"),
            ms={"decode": 3.0, "edge": 7.0},
            since=70.0,
        )
        batch.append((with_wait(entry, now), make_query(entry, "l", ())))
    for verdict in ask_cloud(cloud, batch, crew.rules, explain=False):
        assert verdict.cloud is not None
        assert (verdict.ms["cloud"], verdict.ms["batch"], verdict.ms["queue"]) == (1e3, 3e3, 30e3)
        assert verdict.ms["judging"] == 3.0 + 7.0 + 1e3
        assert verdict.ms["waiting"] == 30e3 + 3e3
