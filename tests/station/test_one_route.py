"""The same frame gets the same record and route in a run, at a station, in its replay and a simulation."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from saec import edge
from saec.frame import assessment
from saec.frame import judges as opening
from saec.frame.judges import Judges, Standing
from saec.profile import LineProfile
from saec.runs import inspection
from saec.runs.route_replay import replay as replay_log
from saec.schedule.link.dispatch import Dispatch
from saec.schedule.policies.gate import GatePolicy
from saec.schedule.policies.policy_contract import Scheduler
from saec.settings import GateConfig, LinkConfig, RunConfig, Spending
from saec.simulation.events import LoneCloud, Simulation
from saec.simulation.opinion_source import sample
from saec.simulation.outcomes import Referee
from saec.simulation.simulation_settings import CloudModel, Pace
from saec.station.maintenance.frame_replay import replay_frame
from saec.station.setup.station_section import StationSection
from saec.station.setup.station_settings import LineSettings, StationSettings
from saec.types import CloudState, EdgeOpinion, Pending, Route, Source, VerdictRecord
from tests.run_fakes import CALIBRATION, FUSED, FakeDetector, judges
from tests.station.station_fakes import DEFECT, GOOD, NO_GUARD, UNSURE, Bench, FakeLinkCloud, png, spooled


class SpotDetector(FakeDetector):
    """Its map has a hot spot, so that there is a hottest place."""

    def _look(self, image: np.ndarray) -> EdgeOpinion:
        opinion = super()._look(image)
        assert opinion.map is not None
        opinion.map[2, 1] += 1
        return opinion


@pytest.fixture(autouse=True)
def fakes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(edge, "open_detector", lambda profile: SpotDetector())
    monkeypatch.setattr(opening, "standing", lambda *_: Standing("fused", "", FUSED))


def settings(bench: Bench) -> StationSettings:
    line = LineSettings(name="cell", profile=bench.profile, guard=NO_GUARD)
    return StationSettings(station=StationSection(data=bench.folder / "data"), line=[line])


def station_records(bench: Bench, frames: list[bytes]) -> list[Pending]:
    """What a station makes of each frame, as its spool holds it."""
    bench.start()
    seqs = [bench.accept(data) for data in frames]
    bench.wait(lambda: all("final" in bench.spool.verdicts(seq) for seq in seqs))
    records = [msgspec.json.decode(spooled(bench.spool, seq).edge or b"", type=Pending) for seq in seqs]
    bench.stop()
    return records


def run_records(crew: Judges, sources: list[Source], monkeypatch: pytest.MonkeyPatch) -> list[Pending]:
    """What a run makes of each frame, when it has routed it."""
    made: list[Pending] = []
    decide = assessment.decide_frame

    def kept(*args: object) -> Pending:
        made.append(decide(*args))  # type: ignore[arg-type]
        return made[-1]

    monkeypatch.setattr(inspection, "decide_frame", kept)
    list(inspection.run_inspection(sources, crew, RunConfig(explain=False)))
    return made


def simulated_verdicts(policy: Scheduler, records: list[Pending], crew: Judges) -> list[VerdictRecord]:
    """What the simulator writes of the same opinions."""
    written: list[VerdictRecord] = []
    dispatch: Dispatch[Any] = Dispatch(batch=4, capacity=64, deadline=60.0, config=LinkConfig(margin=0.1))
    referee = Referee(crew.rules, 60.0, written.append)
    world = Simulation(policy, dispatch, referee, Pace(), LoneCloud(CloudModel(), np.random.default_rng(0)))
    world.run(sample(record.edge, record.complexity, 0.9, None) for record in records)
    return sorted(written, key=lambda verdict: verdict.seq)


def same(record: Pending) -> tuple[object, ...]:
    """All of a record that does not depend on the clock, on names or on the queue."""
    return record.edge, record.route, record.complexity, record.focus, record.hottest, record.note


def test_a_frame_is_judged_alike_wherever_it_comes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    frames = [png(GOOD), png(UNSURE, green=250), png(DEFECT), png(UNSURE - 30, green=5)]
    bench = Bench(tmp_path, FakeLinkCloud(), spending=Spending(rule="crop"))
    at_station = station_records(bench, frames)
    crew = opening.open_judges(LineProfile.open(bench.profile), bench.clouds[0])
    sources = []
    for n, data in enumerate(frames):
        path = tmp_path / f"{n}.png"
        path.write_bytes(data)
        sources.append(Source(id=path.name, path=str(path)))
    in_run = run_records(crew, sources, monkeypatch)
    assert [same(record) for record in in_run] == [same(record) for record in at_station]
    assert [record.route.decision for record in in_run] == ["edge", "cloud", "edge", "cloud"]
    assert any(record.focus for record in in_run)
    assert any(record.hottest for record in in_run)
    simulated = simulated_verdicts(crew.policy, in_run, crew)
    assert [verdict.route for verdict in simulated] == [record.route for record in in_run]
    assert replay_log(simulated, lambda: crew.policy).routes == len(frames)
    for seq in range(1, 1 + len(frames)):
        checks = replay_frame(settings(bench), f"cell-{seq:010d}", cloud_for=lambda _: bench.clouds)
        assert [check for check in checks if check.same is not True] == []
        assert any(check.what.endswith("route") for check in checks)


def test_a_policy_is_told_the_same_of_a_frame_wherever_it_comes() -> None:
    told: list[tuple[float | None, float, int, float | None]] = []

    class Listening:
        def route(
            self, complexity: float | None, opinion: EdgeOpinion, state: CloudState, now: float
        ) -> Route:
            told.append((complexity, opinion.score, opinion.label, opinion.p_defect))
            return GatePolicy(CALIBRATION, GateConfig(), FUSED).route(complexity, opinion, state, now)

    crew = replace(judges(), policy=Listening())
    record = assessment.pending_frame(
        Source(id="a", path="a"),
        assessment.Assessment(EdgeOpinion(5.0, 1, 0.5), 2.0),
        Route("cloud", "unsure"),
        CloudState("up", 0, 8),
        taken=0.0,
        seq=1,
    )
    (verdict,) = simulated_verdicts(crew.policy, [record], crew)
    assert replay_log([verdict], lambda: crew.policy).difference is None
    assert told == [(2.0, 5.0, 1, 0.5)] * 2
