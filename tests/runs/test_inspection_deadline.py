"""A run with a deadline: every frame has a verdict without the cloud, and a late answer is not lost."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest

from saec.data.input_images import list_inputs
from saec.errors import ConfigError, LinkError
from saec.frame.judges import Cloud
from saec.runs.inspection import run_inspection
from saec.runs.run_folder import Options, run_line
from saec.runs.verdict_log import read_all, read_verdicts
from saec.settings import CloudConfig, RunConfig
from saec.types import CloudOpinion, CloudQuery, Source, VerdictRecord
from tests.run_fakes import CALIBRATION, FUSED, FakeCloud, Frames, judges, make_line

GOOD_RED, UNSURE_RED = 20, 128
SOON = RunConfig(deadline_s=0.5)
EVENTUALLY = RunConfig(deadline_s=600.0)


@dataclass
class BrokenLink(FakeCloud):
    """Is never reached."""

    def judge(self, queries: list[CloudQuery]) -> list[CloudOpinion]:
        self.batches.append(len(queries))
        raise LinkError("no route to the cloud")


def unsure(frames: Frames, n: int = 12) -> list[Source]:
    return [frames.add(f"{i:03}", (UNSURE_RED, GOOD_RED)[i % 3 == 2], green=200) for i in range(n)]


def bare(verdict: VerdictRecord) -> tuple[object, ...]:
    return verdict.id, verdict.seq, verdict.label, verdict.p_defect, verdict.decided_by, verdict.reason


def test_a_stuck_cloud_costs_no_frame_its_verdict_and_answers_late(frames: Frames) -> None:
    sources, cloud = unsure(frames), FakeCloud(gate=threading.Event())
    verdicts = run_inspection(sources, judges(cloud), SOON)
    first = [next(verdicts) for _ in sources]
    # Each frame has its one verdict while the cloud has not answered once.
    assert sorted(v.id for v in first) == [s.id for s in sources]
    assert not cloud.batches
    stood_in = [v for v in first if v.decided_by == "edge-fallback"]
    assert {v.id for v in stood_in} == {s.id for i, s in enumerate(sources) if i % 3 != 2}
    assert {v.state for v in stood_in} == {"provisional"}
    assert {v.reason for v in stood_in} <= {"deadline", "cloud-down", "cloud-late"}
    assert all(v.label == v.edge.label and "answer" in v.ms and not v.replaces for v in stood_in)
    cloud.gate.set()
    late = list(verdicts)
    assert {v.id for v in late} == {v.id for v in stood_in if v.route.decision == "cloud"}
    assert all((v.state, v.decided_by, v.replaces) == ("final", "cloud", True) for v in late)
    assert late


def test_with_time_enough_a_deadline_changes_nothing(frames: Frames) -> None:
    sources = unsure(frames)
    with_deadline = list(run_inspection(sources, judges(FakeCloud()), EVENTUALLY))
    without = list(run_inspection(sources, judges(FakeCloud())))
    assert sorted(map(bare, with_deadline)) == sorted(map(bare, without))
    assert not any(v.replaces for v in with_deadline)
    assert all(v.ms["answer"] >= v.ms["edge"] for v in with_deadline)


def test_frames_are_numbered_in_the_order_of_the_sources(frames: Frames) -> None:
    sources = [*unsure(frames), frames.broken("broken"), frames.add("blue", 10, blue=255)]
    verdicts = run_inspection(sources, judges(FakeCloud()), RunConfig(decoders=3), first=5)
    assert [v.id for v in sorted(verdicts, key=lambda v: v.seq)] == [s.id for s in sources]


@pytest.mark.parametrize("config", [SOON, RunConfig(deadline_s=0.2), RunConfig()])
def test_a_link_that_is_down_ends_no_run_and_asks_no_frame_alone(frames: Frames, config: RunConfig) -> None:
    sources, cloud = unsure(frames), BrokenLink()
    verdicts = {v.id: v for v in run_inspection(sources, judges(cloud, batch=4), config)}
    assert set(verdicts) == {s.id for s in sources}
    asked = [v for v in verdicts.values() if v.route.decision == "cloud"]
    assert asked
    assert all((v.state, v.decided_by) == ("provisional", "edge-fallback") for v in asked)
    # A batch that fails by the link's fault is not asked again frame by frame.
    assert sum(cloud.batches) <= len(asked)


class Gate(threading.Event):
    """Lets the warm-up pass and stops what comes after it until it is set."""

    asked = 0

    def wait(self, timeout: float | None = None) -> bool:
        self.asked += 1
        return self.asked == 1 or super().wait(timeout)


def test_a_run_keeps_both_verdicts_and_counts_the_one_that_stands(tmp_path: Path, fakes: FakeCloud) -> None:
    root, out = tmp_path / "data", tmp_path / "run"
    sources = unsure(Frames(root), 6)
    calibration = msgspec.structs.replace(CALIBRATION, clouds={Cloud(CloudConfig(model="small")).key: FUSED})
    line = make_line(tmp_path / "line", calibration=calibration)
    gate = fakes.gate = Gate()
    seen: list[VerdictRecord] = []

    def advance(verdict: VerdictRecord) -> None:
        seen.append(verdict)
        if len(seen) == len(sources):
            gate.set()

    options = Options(config=SOON)
    info = run_line(
        line,
        list_inputs(root),
        out,
        cloud=Cloud(CloudConfig(model="small")),
        options=options,
        progress=advance,
    )
    every, standing = list(read_all(out / "verdicts.jsonl")), list(read_verdicts(out / "verdicts.jsonl"))
    assert len(standing) == 6 < len(every) == len(seen)
    assert info.counts["frames"] == 6
    assert info.counts["provisional"] == sum(v.state == "provisional" for v in standing)
    assert "late" in info.counts
    assert info.starts == [1]
    with pytest.raises(ConfigError, match="other settings"):
        run_line(
            line,
            list_inputs(root),
            out,
            cloud=Cloud(CloudConfig(model="small")),
            options=Options(resume=True),
        )
