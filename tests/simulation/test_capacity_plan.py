"""A plan: fewest GPUs, in the right direction for more stations and longer deadlines."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saec.cli import main
from saec.errors import ConfigError, DataError
from saec.simulation import replica_search
from saec.simulation.capacity_plan import CapacityPlan, Traffic, Watts, make_plan
from saec.simulation.measured_service import measured_service
from saec.simulation.plan_settings import Load, ReplicaModel
from saec.simulation.replica_search import fewest_replicas, stable_replicas
from saec.simulation.simulation_settings import Latency
from saec.types import CloudRecord, EdgeRecord, Route, Spent, VerdictRecord
from tests.simulation.test_fleet import load

TRAFFIC = Traffic(frame_bytes=250_000, answer_bytes=1000, link_gbit=10)
WATTS = Watts(gpu=(700, 119), edge=(8, 12), link_j_per_byte=4e-8)


@pytest.fixture(scope="module", autouse=True)
def short() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(replica_search, "QUESTIONS", 2000)
        yield


def plan(
    asked: Load, replica: ReplicaModel | None = None, *, spare: int = 0, there: int | None = None
) -> CapacityPlan:
    return make_plan(
        asked,
        replica or ReplicaModel(),
        Latency(),
        TRAFFIC,
        WATTS,
        late_share=0.01,
        spare=spare,
        replicas=there,
    )


@settings(max_examples=20, deadline=None)
@given(
    stations=st.integers(1, 60),
    more=st.floats(1.5, 4),
    escalation=st.floats(0.05, 0.6),
    burst=st.sampled_from([1.0, 8.0]),
    frame_ms=st.floats(5, 40),
)
def test_more_stations_never_need_fewer_gpus(
    stations: int, more: float, escalation: float, burst: float, frame_ms: float
) -> None:
    few = load(stations=stations, fps=5.0, escalation=escalation, burst=burst, deadline_s=1.0)
    many = msgspec.structs.replace(few, stations=int(stations * more) + 1)
    replica = ReplicaModel(frame_ms=frame_ms)
    assert plan(few, replica).needed <= plan(many, replica).needed


@settings(max_examples=20, deadline=None)
@given(
    stations=st.integers(1, 60),
    deadline=st.floats(0.3, 2),
    longer=st.floats(0, 3),
    escalation=st.floats(0.05, 0.6),
)
def test_a_longer_deadline_never_needs_more_gpus(
    stations: int, deadline: float, longer: float, escalation: float
) -> None:
    soon = load(stations=stations, fps=5.0, escalation=escalation, deadline_s=deadline)
    later = msgspec.structs.replace(soon, deadline_s=deadline + longer)
    replica = ReplicaModel(frame_ms=20)
    assert plan(later, replica).needed <= plan(soon, replica).needed


@pytest.mark.parametrize("there", [None, 3])
def test_where_nothing_is_asked_no_gpu_is_needed(there: int | None) -> None:
    made = plan(load(escalation=0.0), spare=1, there=there)
    assert (made.needed, made.replicas) == (0, there or 0)
    assert (made.up_mbit, made.per_frame.gpu_busy, made.link_full_at) == (0, 0, None)
    assert made.per_day.gpu_idle == pytest.approx((there or 0) * 119 * 86_400)


def test_the_needed_gpus_keep_the_deadline_and_one_less_does_not() -> None:
    asked = load(stations=60, fps=10.0, escalation=0.3, deadline_s=0.6, burst=6.0)
    made = plan(asked, spare=2)
    assert made.replicas == made.needed + 2
    assert made.may_fail == 2
    shares = {one.failed: one.late for one in made.failures}
    assert list(shares) == [0, 2, 3]
    assert shares[2] is not None
    assert shares[2] <= 0.01
    assert shares[3] is None or shares[3] > 0.01
    assert made.late == shares[0]
    assert made.answer_p50_s is not None
    assert made.answer_p99_s is not None
    assert 0.06 < made.answer_p50_s <= made.answer_p99_s < 0.6
    assert made.turned_back is not None
    assert made.turned_back < 0.01
    assert not made.problems


def test_a_part_of_a_large_plant_needs_hardly_more(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = load(stations=300, fps=10.0, escalation=0.3, deadline_s=0.6, burst=3.0)
    whole = plan(asked)
    monkeypatch.setattr(replica_search, "STATIONS", 100)
    part = plan(asked)
    assert whole.needed <= part.needed <= whole.needed + 2
    assert part.busy == pytest.approx(whole.busy * whole.needed / part.needed, rel=0.05)
    assert part.up_peak_mbit == pytest.approx(whole.up_peak_mbit, rel=0.1)
    assert (part.up_mbit, part.link_full_at) == (whole.up_mbit, whole.link_full_at)


def test_too_few_gpus_and_too_narrow_a_link_are_said() -> None:
    asked = load(stations=400, fps=10.0, escalation=0.3, deadline_s=1.0)
    narrow = msgspec.structs.replace(TRAFFIC, link_gbit=1)
    made = make_plan(asked, ReplicaModel(), Latency(), narrow, WATTS, late_share=0.01, replicas=2)
    assert made.may_fail is None
    assert made.late is made.answer_p99_s is None
    assert "2 GPUs are too few" in made.problems[0]
    assert "the questions need 2.4 Gbit/s, and it carries 1" in made.problems[1]
    assert made.link_full_at == 166


def test_energy_and_bytes_are_those_of_the_questions() -> None:
    asked = load(stations=20, fps=10.0, escalation=0.1, deadline_s=1.0)
    made = plan(asked, there=3)
    assert made.up_mbit == pytest.approx(20 * 250_000 * 8 / 1e6)
    assert made.down_mbit == pytest.approx(20 * 1000 * 8 / 1e6)
    assert made.up_peak_mbit >= made.up_mbit
    frames = 20 * 10
    assert made.per_frame.edge == pytest.approx(12 / 10 + 8 * 0.01)
    assert made.per_frame.gpu_idle == pytest.approx(3 * (1 - made.busy) * 119 / frames)
    assert made.per_frame.gpu_busy == pytest.approx(3 * made.busy * 700 / frames)
    assert made.per_day.gpu_busy == pytest.approx(made.per_frame.gpu_busy * frames * 86_400)


def test_a_deadline_that_one_frame_does_not_meet_is_refused() -> None:
    with pytest.raises(ConfigError, match="cannot be met by any number of GPUs: one frame alone takes"):
        plan(load(deadline_s=0.05))


def test_where_no_number_of_gpus_helps_it_is_said() -> None:
    """A station asks about one frame at a time, and its next frames wait for that."""
    slow = load(stations=1, fps=20.0, escalation=0.9, together=1, deadline_s=0.3)
    with pytest.raises(ConfigError, match="no number of replicas"):
        plan(slow)


def test_the_search_finds_the_first_number_that_is_enough() -> None:
    asked, replica = load(stations=100, fps=10.0, escalation=0.1), ReplicaModel()
    for enough in (1, 2, 3, 17, 100):
        tried: list[int] = []

        def late(count: int, enough: int = enough, tried: list[int] = tried) -> float:
            tried.append(count)
            return 0.5 if count < enough else 0.0

        assert fewest_replicas(asked, replica, late, 0.01) == max(enough, stable_replicas(asked, replica))
        assert len(tried) < 16


def write_log(run: Path, sizes: list[int], **fields: object) -> None:
    run.mkdir()
    with (run / "verdicts.jsonl").open("wb") as log:
        for seq, size in enumerate(sizes):
            took = 30 + 9.0 * size
            share = took / size
            verdict = VerdictRecord(
                id=f"{seq}",
                path="",
                sha256="",
                line="",
                time=0,
                edge=EdgeRecord(0.0, 0),
                route=Route("cloud", "unsure") if size else Route("edge", "sure-good"),
                cloud=CloudRecord(0.5, "m", "v1", "fused", Spent(("whole",), 1, 0, 1, 1000)),
                ms={"edge": 15.0, "cloud": share, **({"batch": took - share} if size > 1 else {})},
            )
            log.write(msgspec.json.encode(msgspec.structs.replace(verdict, **fields)) + b"\n")


def test_a_run_tells_its_times_and_bytes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = tmp_path / "run"
    write_log(run, [1] * 3 + [2] * 4 + [8] * 8)
    found = measured_service(run)
    assert (found.request_ms, found.frame_ms) == pytest.approx((30, 9))
    assert (found.batch_frames, found.frame_bytes, found.escalation, found.edge_ms) == (8, 1000, 1, 15)
    one = tmp_path / "one"
    write_log(one, [4] * 8)
    assert (measured_service(one).request_ms, measured_service(one).frame_ms) == pytest.approx((0, 16.5))
    none = tmp_path / "none"
    write_log(none, [1], cloud=None)
    with pytest.raises(DataError, match="no frame has an answer of a cloud"):
        measured_service(none)
    words = tmp_path / "words"
    write_log(words, [4] * 3, ms={"edge": 15.0, "cloud": 9.0, "explain": 900.0})
    with pytest.raises(DataError, match=r"3 with one do not count .*--no-explain"):
        measured_service(words)
    file = tmp_path / "plan.json"
    given = ["plan", "--stations", "2", "--run", str(run), "--deadline-s", "3", "--json", str(file)]
    assert main([*given, "--escalation", "0.2"]) == 0
    assert (
        "Measured on 15 answers of the run: a batch of n frames takes 30 + 9 n ms" in capsys.readouterr().out
    )
    with (words / "verdicts.jsonl").open("ab") as log:
        log.write((one / "verdicts.jsonl").read_bytes())
    assert main(["plan", "--stations", "2", "--run", str(words), "--deadline-s", "3"]) == 0
    assert "3 answers with an explanation do not count (--no-explain)" in capsys.readouterr().out
    made = msgspec.json.decode(file.read_bytes(), type=CapacityPlan)
    assert made.load.escalation == 0.2  # what is given beats what was measured
    assert made.load.edge_ms == 15
    assert made.up_mbit == pytest.approx(4 * 1000 * 8 / 1e6)


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        (["--deadline-s", "1", "--escalation", "1.5"], "--escalation"),
        (["--deadline-s", "1", "--stations", "0"], "--stations"),
        (["--deadline-s", "1", "--burst", "0.5"], "--burst"),
        (["--deadline-s", "1", "--late-share", "0"], "--late-share"),
        (["--deadline-s", "0.05"], "cannot be met"),
        (["--deadline-s", "1", "--fps", "100"], "cannot keep up"),
        ([], "needs a deadline"),
        (["--deadline-s", "1", "--gpu-watts", "100", "700"], "--gpu-watts 700 100"),
    ],
)
def test_options_that_make_no_sense_are_refused(
    bad: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["plan", *bad]) == 2
    assert said in capsys.readouterr().err


def test_the_command_prints_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", "--stations", "5", "--deadline-s", "1", "--link-gbit", "0.001"]) == 0
    told = capsys.readouterr().out
    for words in (
        "GPUs needed",
        "may fail",
        "share of the link in use",
        "; full at",
        "p99",
        "energy of a day",
        "Does not hold: the link is too slow",
    ):
        assert words in told
    assert main(["plan", "--deadline-s", "1", "--escalation", "0", "--json", "-"]) == 0
    assert msgspec.json.decode(capsys.readouterr().out, type=CapacityPlan).needed == 0
