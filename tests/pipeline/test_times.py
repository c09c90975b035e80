"""Judging and waiting are told apart, and nothing of either is lost or told twice."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pipeline_fakes import FakeCloud, Frames, judges

from saec.pipeline import stages
from saec.pipeline.inspect import run_inspection
from saec.pipeline.times import JUDGING, WAITING, answered, shared, summed

MS = st.dictionaries(st.sampled_from((*JUDGING, *WAITING)), st.floats(0, 1e6))


@given(MS, st.sampled_from(["cloud", "explain"]), st.floats(0, 1e6), st.integers(1, 64))
def test_a_batch_is_shared_out_and_the_rest_of_it_is_a_wait(
    ms: dict[str, float], stage: str, took: float, frames: int
) -> None:
    ms.pop(stage, None)
    told = shared(ms, stage, took, frames)
    assert told[stage] * frames == pytest.approx(took)
    assert told[stage] + told.get("batch", 0.0) == pytest.approx(took + ms.get("batch", 0.0))
    assert ("batch" in told) == (frames > 1 or "batch" in ms)


@given(MS)
def test_every_stage_is_in_one_of_the_two_sums(ms: dict[str, float]) -> None:
    told = summed(ms)
    assert told["judging"] + told.get("waiting", 0.0) == pytest.approx(sum(ms.values()))
    assert ("waiting" in told) == any(stage in ms for stage in WAITING)


@given(MS, st.floats(0, 1e7))
def test_what_was_not_judging_was_waiting(ms: dict[str, float], answer: float) -> None:
    told = answered(summed(ms), answer)
    assert told["answer"] == answer
    assert told["judging"] + told["waiting"] == pytest.approx(max(answer, told["judging"]))


def test_a_wait_in_a_batch_run_is_no_time_of_judging(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The clock moves when the cloud is asked alone, by a second for each batch of four."""
    now = 0.0
    monkeypatch.setattr(stages.time, "perf_counter", lambda: now)
    cloud = FakeCloud()
    judge = cloud.judge

    def slow(queries: list) -> list:
        nonlocal now
        now += 1.0
        return judge(queries)

    monkeypatch.setattr(cloud, "judge", slow)
    frames = Frames(tmp_path_factory.mktemp("frames"))
    sources = [frames.add(f"{i:02}", 128) for i in range(10)]
    verdicts = list(run_inspection(sources, judges(cloud, batch=4)))
    asked = [v for v in verdicts if v.cloud is not None]
    assert asked
    total = sum(v.ms["judging"] for v in asked)
    assert total == pytest.approx(1e3 * now)  # the cloud's seconds, each told once
    assert all(v.ms["waiting"] >= v.ms["batch"] for v in asked if "batch" in v.ms)
