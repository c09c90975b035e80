"""A simulation judges as a live run does: its log replays and measures to its own figures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from saec.cli import main
from saec.data.input_images import list_inputs
from saec.errors import ConfigError, DataError
from saec.evaluation.metrics import evaluate_verdicts
from saec.frame.judges import Cloud
from saec.frame.verdicts import decide
from saec.runs.route_replay import replay
from saec.runs.run_folder import Options, run_line
from saec.runs.run_record import read_run, write_run
from saec.runs.verdict_log import VerdictLog, read_all, read_verdicts
from saec.settings import BudgetConfig, CloudConfig
from saec.simulation.outcomes import Figures
from saec.simulation.scenario import Cast, Scene, recorded, simulate, stated
from saec.simulation.simulation_settings import CloudModel, Latency, OpinionModel, Pace
from tests.run_fakes import CALIBRATION, FUSED, FakeCloud, Frames, make_line

MODEL = OpinionModel(defect_share=0.2, auroc=0.9)
OUTAGE = Scene(
    pace=Pace(frames_per_s=50, edge_ms=10),
    cloud=CloudModel(
        request_ms=50,
        latency=Latency(law="lognormal", ms=30),
        outages=((2, 5), (7, 7.2)),
        timeout_s=0.4,
    ),
    deadline_s=0.5,
)
CALM = Scene(pace=Pace(frames_per_s=50, edge_ms=10), cloud=CloudModel(request_ms=50))


def cast(frames: int = 800, **options: Any) -> Cast:
    return stated(MODEL, Options(**options), frames, np.random.default_rng(0))


def logged(path: Path, scene: Scene) -> Figures:
    with VerdictLog(path) as log:
        return simulate(cast(), scene, log.append)


@pytest.mark.parametrize("scene", [OUTAGE, CALM])
def test_the_log_measures_to_the_figures(tmp_path: Path, scene: Scene) -> None:
    figures = logged(tmp_path / "log", scene)
    standing = list(read_verdicts(tmp_path / "log"))
    metrics = evaluate_verdicts(standing)
    assert metrics.confusion == figures.standing
    assert metrics.n_provisional == figures.provisional
    assert len(standing) == figures.verdicts == figures.frames == 800
    first = {v.id: v for v in reversed(list(read_all(tmp_path / "log")))}
    assert sum(v.decided_by == "edge-fallback" for v in first.values()) == figures.fallback
    assert sum(v.decided_by == "cloud" for v in first.values()) == figures.cloud
    assert evaluate_verdicts(first.values()).confusion == figures.acted
    assert max(v.ms["answer"] for v in first.values()) == pytest.approx(1e3 * figures.slowest)
    assert simulate(cast(), scene) == figures  # with and without a log


def test_the_log_replays_and_its_labels_follow_from_it(tmp_path: Path) -> None:
    logged(tmp_path / "log", OUTAGE)
    found = replay(read_all(tmp_path / "log"), lambda: cast().policy)
    assert (found.routes, found.missing, found.difference) == (800, 0, None)
    rules = cast().rules
    for verdict in read_all(tmp_path / "log"):
        decision = decide(verdict.edge, verdict.cloud, rules)  # type: ignore[arg-type]
        assert (decision.label, decision.p_defect) == (verdict.label, verdict.p_defect)


def test_in_an_outage_every_frame_has_its_verdict_in_time() -> None:
    figures = simulate(cast(policy="cloud"), OUTAGE)
    assert figures.frames == figures.verdicts == figures.in_time == 800
    assert figures.slowest <= 0.5
    assert {"cloud-down", "deadline"} <= set(figures.fallbacks)
    assert figures.finalised > 0
    assert figures.edge + figures.cloud + figures.fallback == 800
    assert set(figures.links) >= {"up", "down", "probing"}


def test_a_better_cloud_gives_better_answers() -> None:
    def accuracy(policy: Any, error: float) -> float:
        model = OpinionModel(defect_share=0.3, auroc=0.85, cloud_error=error)
        played = stated(model, Options(policy=policy), 1500, np.random.default_rng(1))
        figures = simulate(played, CALM)
        return (figures.standing.tp + figures.standing.tn) / figures.frames

    assert accuracy("cloud", 0.02) > accuracy("gate", 0.02) > accuracy("edge", 0.02)
    assert accuracy("cloud", 0.4) < accuracy("edge", 0.4)


@pytest.mark.parametrize("policy", ["value", "random", "complexity", "uncertainty"])
def test_a_budget_is_held_and_replayed(tmp_path: Path, policy: str) -> None:
    options: dict[str, Any] = {"policy": policy, "budget": BudgetConfig(share=0.2)}
    with VerdictLog(tmp_path / "log") as log:
        figures = simulate(cast(**options), CALM, log.append)
    assert 0 < figures.escalated <= 0.22 * 800 + 20
    found = replay(read_all(tmp_path / "log"), lambda: cast(**options).policy)
    assert (found.routes, found.difference) == (800, None)


@pytest.fixture
def run(tmp_path: Path, fakes: FakeCloud) -> Path:
    frames = Frames(tmp_path / "data")
    for i in range(20):
        bad = i % 2
        frames.add(f"{('good', 'defect')[bad]}/{i:02}", 60 + 90 * bad + i, green=30 + 180 * bad)
    calibration = msgspec.structs.replace(
        CALIBRATION,
        clouds={Cloud(CloudConfig(model="small")).key: FUSED},
        goods=[float(i) / 5 for i in range(20)],
        defects=[4.0 + i / 3 for i in range(12)],
    )
    line = make_line(tmp_path / "line", calibration=calibration)
    options = Options(policy="cloud")
    run_line(
        line,
        list_inputs(frames.folder),
        tmp_path / "run",
        cloud=Cloud(CloudConfig(model="small")),
        options=options,
    )
    return tmp_path / "run"


def test_a_recorded_run_passes_again_under_another_policy(run: Path) -> None:
    rng = np.random.default_rng(0)
    as_it_was = simulate(recorded(run, None, Options(policy="cloud"), rng), CALM)
    metrics = evaluate_verdicts(read_verdicts(run / "verdicts.jsonl"))
    assert (as_it_was.frames, as_it_was.standing) == (20, metrics.confusion)
    gated = recorded(run, None, Options(), rng, frames=500)
    assert gated.rules.role == "fused"
    figures = simulate(gated, CALM)
    assert figures.frames == 500
    assert figures.edge > 0 < figures.cloud


def test_a_stated_cloud_answers_in_place_of_the_recorded_one(run: Path) -> None:
    rng = np.random.default_rng(0)
    perfect = simulate(recorded(run, None, Options(policy="cloud"), rng, frames=400, cloud_error=0.0), CALM)
    assert (perfect.standing.fp, perfect.standing.fn) == (0, 0)
    guessing = simulate(recorded(run, None, Options(policy="cloud"), rng, frames=400, cloud_error=0.5), CALM)
    assert 100 < guessing.standing.fp + guessing.standing.fn < 300


def test_what_a_run_does_not_hold_is_said(run: Path) -> None:
    rng = np.random.default_rng(0)
    with pytest.raises(ConfigError, match="was not made with policy"):
        recorded(run, None, Options(policy="seed"), rng)
    with pytest.raises(ConfigError, match="needs recorded frames"):
        stated(MODEL, Options(policy="seed"), 10, rng)
    log = run / "verdicts.jsonl"
    verdicts = list(read_all(log))
    for missing, error, wanted in (
        ("cloud", None, "no answer"),
        ("truth", 0.1, "true label of 1"),
        ("edge", None, ""),
    ):
        changed = [msgspec.structs.replace(v, **{missing: None}) for v in verdicts[:1]] + (
            verdicts[1:] if wanted else []
        )
        log.write_bytes(b"".join(msgspec.json.encode(v) + b"\n" for v in changed))
        with pytest.raises(DataError, match=wanted or "no frame has an opinion"):
            recorded(run, None, Options(), rng, cloud_error=error)


def test_the_command(tmp_path: Path, run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, figures = tmp_path / "simulated", tmp_path / "figures.json"
    arguments = ["--frames-per-s", "50", "--deadline-s", "0.5", "--outage", "1-2"]
    arguments += ["--latency-law", "exponential", "--latency-ms", "30", "--timeout-s", "1"]
    given = ["simulate", "--frames", "300", *arguments, "--out", str(out), "--json", str(figures)]
    assert main(given) == 0
    told = capsys.readouterr().out
    assert "deadlines kept" in told
    assert "100.00 % (300)" in told
    assert "300 frames" in told
    counted = msgspec.json.decode(figures.read_bytes(), type=Figures)
    assert len(list(read_verdicts(out / "verdicts.jsonl"))) == counted.verdicts == 300
    assert main(given) == 2  # the folder holds a run
    assert main(["simulate", "--run", str(run), "--policy", "gate", "--frames", "50"]) == 0
    assert "20 frames of" in capsys.readouterr().out


@pytest.mark.parametrize(
    "options",
    [
        [],
        ["--policy", "value", "--budget", "0.2", "--cost", "escape=3"],
        ["--run", "RUN", "--policy", "gate"],
        ["--run", "RUN", "--policy", "value", "--budget", "0.3", "--cloud-error", "0.1"],
    ],
)
def test_a_simulated_run_says_what_it_is_and_replays(
    tmp_path: Path, run: Path, options: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "simulated"
    options = [str(run) if option == "RUN" else option for option in options]
    assert main(["simulate", "--frames", "300", "--deadline-s", "0.5", *options, "--out", str(out)]) == 0
    info = read_run(out)
    assert info.ended
    assert info.counts["frames"] == info.counts["labelled"] == 300
    assert info.notes[0].startswith("Simulated: no image was judged.")
    assert (info.config["run"]["deadline_s"], info.config["simulated"]["opinions"]["frames"]) == (0.5, 300)
    capsys.readouterr()
    assert main(["replay", str(out)]) == 0
    assert "300 routes" in capsys.readouterr().out
    held = info.config["simulated"]
    assert held["trust"]["mode"] == "fused"
    end = held["calibration"]["threshold"] + 5.0  # another calibration, other routes
    held["calibration"] |= {"threshold": end, "gate": {"low": end, "high": end, "basis": "goods"}}
    write_run(out, info)
    assert main(["replay", str(out)]) == 1
    held["calibration"]["threshold"] = "none"
    write_run(out, info)
    assert main(["replay", str(out)]) == 2


@pytest.mark.parametrize(
    "bad",
    [
        ["--outage", "5"],
        ["--outage", "9-3"],
        ["--latency-law", "normal"],
        ["--latency-ms", "-1"],
        ["--latency-spread", "-1"],
        ["--frames-per-s", "100"],
        ["--auroc", "2"],
        ["--line", "."],
        ["--policy", "seed"],
    ],
)
def test_options_that_make_no_sense_are_refused(bad: list[str]) -> None:
    assert main(["simulate", "--frames", "10", *bad]) == 2
