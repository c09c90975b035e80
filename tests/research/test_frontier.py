"""The frontier: shares are kept, the oracle bounds, and nothing is judged that has calibrated."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest

from saec.cli import main
from saec.data.input_images import list_inputs
from saec.errors import ConfigError, DataError
from saec.frame.judges import Cloud
from saec.runs.run_folder import Options, run_line
from saec.runs.verdict_log import VerdictLog, read_all
from saec.schedule.calibration.score_calibration import calibrate
from saec.settings import CloudConfig, FitConfig, GateConfig
from saec.settings.threshold_rule import ThresholdRule
from saec.simulation.simulation_settings import OpinionModel
from saec_research.tables.bench_settings import FrontierPlan
from saec_research.tables.frame_streams import RANKED, SINGLE, StatedCloud, judge, make_stream
from saec_research.tables.frontier import Curves, mean_of, measure_frontier
from saec_research.tables.frontier_page import conclude, frontier_markdown, sentences
from saec_research.tables.labelled_frames import FOLDS, LabelledFrames, folds, labelled_frames, pooled
from tests.run_fakes import CALIBRATION, FUSED, FakeCloud, make_line
from tests.run_fakes import Frames as Images

PLAN = FrontierPlan(shares=(0.1, 0.3), repeats=2, length=1000)
CLOUD = StatedCloud(0.05, 0.0)


def frames(seed: int = 0, *, known: int = 30, n: int = 160, auroc: float = 0.9) -> LabelledFrames:
    """Frames of a normal law whose line was calibrated on others of it."""
    rng = np.random.default_rng(seed)
    model = OpinionModel(auroc=auroc)
    goods = {f"{seed}-good-{i}": s for i, s in enumerate(model.scores(np.zeros(100, bool), rng).tolist())}
    defects = {f"{seed}-bad-{i}": s for i, s in enumerate(model.scores(np.ones(known, bool), rng).tolist())}
    calibration = calibrate(
        goods,
        list(defects.values()),
        rule=ThresholdRule(overkill_rate=0.05),
        gate=GateConfig(),
        prevalence=FitConfig().prevalence,
        created="",
    )
    odd = dict(zip([*goods, *defects], rng.normal(size=100 + known).tolist(), strict=True))
    calibration = msgspec.structs.replace(calibration, defect_scores=defects, complexities=odd)
    truth = np.arange(n) % 4 == 0
    return LabelledFrames(
        name=f"line {seed}",
        calibration=calibration,
        trust=None,
        cloud="",
        truth=truth,
        score=model.scores(truth, rng),
        answers=np.full(n, np.nan),
        complexities=rng.normal(size=n).tolist(),
        hashes=[f"sha-{seed}-{i}" for i in range(n)],
        numbers=np.arange(n),
    )


@pytest.fixture(scope="module")
def curves() -> Curves:
    return measure_frontier(frames(), CLOUD, PLAN).curves()


def test_shares_are_what_was_asked_for(curves: Curves) -> None:
    assert (curves.n_good, curves.n_defect, curves.splits, curves.fused) == (220, 70, 10, 10)
    assert [(p.policy, p.budget) for p in curves.points] == [
        *((name, share) for share in PLAN.shares for name in RANKED),
        *((name, None) for name in SINGLE),
    ]
    assert (curves.at("edge", None).share, curves.at("cloud", None).share) == (0.0, 1.0)
    for p in curves.points:
        if p.budget is not None:
            assert p.share <= p.budget + 0.02 + 20 / 1000
        assert p.accuracy_interval[0] <= p.accuracy <= p.accuracy_interval[1]
        assert p.joules == pytest.approx(10.0 * p.share)  # what the configuration states for a question
    assert curves.at("random", 0.3).share == pytest.approx(0.3, abs=0.02)
    assert curves.at("seed-unlimited", None).share > 0.35  # the seed's keep rule knows no budget


def test_the_oracle_bounds_and_ours_beats_chance(curves: Curves) -> None:
    for share in PLAN.shares:
        best = curves.at("oracle", share).accuracy
        for name in ("value", "random", "complexity", "uncertainty"):
            assert curves.at(name, share).accuracy <= best + 1e-9
        assert curves.at("value", share).accuracy > curves.at("random", share).accuracy
    behind = curves.at("random", 0.3).behind
    assert behind == pytest.approx(curves.at("value", 0.3).accuracy - curves.at("random", 0.3).accuracy)
    assert curves.at("value", 0.3).behind == 0.0


def test_the_same_seed_gives_the_same_figures() -> None:
    plan = FrontierPlan(shares=(0.3,), repeats=1, length=300)
    first, second = (measure_frontier(frames(), CLOUD, plan).curves() for _ in range(2))
    assert first == second


def test_accuracy_is_that_of_the_labels() -> None:
    """The sums per frame lose nothing: counted by hand from the streams of the same seed."""
    given = pooled(frames())
    plan = FrontierPlan(shares=(0.3,), repeats=1, length=600)
    streams = [
        make_stream(part, CLOUD, plan.length, np.random.default_rng([plan.seed, count]))
        for count, part in enumerate(folds(given, 1, plan.seed), 1)
    ]
    asked, right = map(np.concatenate, zip(*(judge(s, "uncertainty", 0.3) for s in streams), strict=True))
    defect = np.concatenate([s.frames.truth[s.order] for s in streams])
    point = measure_frontier(frames(), CLOUD, plan).curves().at("uncertainty", 0.3)
    assert (point.share, point.accuracy) == (pytest.approx(asked.mean()), pytest.approx(right.mean()))
    assert point.escape_rate == pytest.approx((~right & defect).sum() / defect.sum())


def test_correlated_errors_leave_less_to_mend() -> None:
    def gain(correlation: float) -> float:
        plan = FrontierPlan(shares=(0.3,), repeats=1, length=800)
        at = measure_frontier(frames(), StatedCloud(0.05, correlation), plan).curves()
        return at.at("oracle", 0.3).accuracy - at.at("edge", None).accuracy

    assert gain(0.0) > gain(0.6) > 0


def test_each_image_is_judged_once_by_a_line_that_has_not_seen_it() -> None:
    given = pooled(frames())
    assert (len(given), int(given.truth.sum())) == (160 + 100 + 30, 40 + 30)
    parts = list(folds(given, 2, seed=1))
    assert len(parts) == 2 * FOLDS
    for repeat in (parts[:FOLDS], parts[FOLDS:]):
        assert sorted(sha for part in repeat for sha in part.hashes) == sorted(given.hashes)
    for part in parts:
        known = {**part.calibration.good_scores, **part.calibration.defect_scores}
        assert set(known) | set(part.hashes) == set(given.hashes)
        assert not set(known) & set(part.hashes)
        assert set(part.calibration.complexities) == set(known)
        assert len(part.calibration.defects) == 56  # four fifths
        assert [given.hashes[i] for i in part.numbers] == list(part.hashes)
        assert part.score.tolist() == [given.score[i] for i in part.numbers]
    assert {tuple(p.hashes) for p in parts[:FOLDS]} != {tuple(p.hashes) for p in parts[FOLDS:]}


def test_copies_of_a_file_stay_together() -> None:
    given = frames()
    twice = replace(given, hashes=[f"sha-{i // 2}" for i in range(len(given))], truth=np.arange(160) % 8 < 2)
    for part in folds(twice, 1, seed=0):
        assert len(part.hashes) == 2 * len(set(part.hashes))


def test_a_calibration_image_of_unknown_complexity_is_said() -> None:
    given = frames()
    bare = msgspec.structs.replace(given.calibration, complexities={})
    with pytest.raises(DataError, match="complexity"):
        pooled(replace(given, calibration=bare))


def test_too_few_defects_to_share_are_said() -> None:
    with pytest.raises(DataError, match="6 images of one class"):
        list(folds(frames(n=24), 2, seed=0))


def test_the_mean_is_of_the_lines() -> None:
    plan = FrontierPlan(shares=(0.3,), repeats=1, length=300)
    several = [measure_frontier(frames(seed), CLOUD, plan) for seed in (0, 1)]
    mean = mean_of(several).curves()
    for p in mean.points:
        each = [m.curves().at(p.policy, p.budget).accuracy for m in several]
        assert p.accuracy == pytest.approx(np.mean(each))
    assert mean.n_defect == 140


def test_the_conclusion_fails_where_ours_is_behind(curves: Curves) -> None:
    near = [msgspec.structs.replace(p, behind=-0.01) if p.policy == "oracle" else p for p in curves.points]
    found = conclude([msgspec.structs.replace(curves, points=near)])
    assert found.passed
    assert found.oracle_gap == 0.01
    assert not conclude([curves]).passed  # here the oracle is further ahead
    assert [m.rival for m in found.margins] == ["random", "complexity", "seed"]
    worse = [
        msgspec.structs.replace(p, behind=-0.01) if (p.policy, p.budget) == ("random", 0.3) else p
        for p in near
    ]
    lost = conclude(
        [
            msgspec.structs.replace(curves, points=near),
            msgspec.structs.replace(curves, points=worse, line="lost"),
        ]
    )
    assert not lost.passed
    assert (lost.margins[0].line, lost.margins[0].behind, lost.margins[0].compared) == ("lost", 1, 2)
    mute = conclude([msgspec.structs.replace(curves, fused=0)])
    assert mute.margins == []
    assert "no say" in sentences(mute)[-1]
    with pytest.raises(ConfigError, match="budget"):
        conclude(
            [measure_frontier(frames(), CLOUD, FrontierPlan(shares=(0.1,), repeats=1, length=300)).curves()]
        )


def test_a_table_has_a_line_for_each_point(curves: Curves) -> None:
    assert frontier_markdown([curves]).count("\n| ") == 1 + len(curves.points)


@pytest.fixture
def run(tmp_path: Path, fakes: FakeCloud) -> Path:
    images = Images(tmp_path / "data")
    for i in range(48):
        bad = i % 2  # the edge's scores overlap, the cloud's do not
        images.add(f"{('good', 'defect')[bad]}/{i:02}", 60 + 30 * bad + i * 37 % 60, green=30 + 180 * bad)
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
        list_inputs(images.folder),
        tmp_path / "run",
        cloud=Cloud(CloudConfig(model="small")),
        options=options,
    )
    return tmp_path / "run"


def _with_complexity(run: Path) -> Path:
    """The fake line measures none; the run as if one had."""
    log = run / "verdicts.jsonl"
    verdicts = [msgspec.structs.replace(v, complexity=v.seq / 10) for v in read_all(log)]
    log.unlink()
    with VerdictLog(log) as again:
        for verdict in verdicts:
            again.append(verdict)
    return run


def test_a_recorded_run_is_read(run: Path) -> None:
    with pytest.raises(DataError, match="complexity"):
        labelled_frames(run)
    found = labelled_frames(_with_complexity(run))
    assert found.recorded
    assert (int(found.truth.sum()), len(found), found.cloud) == (24, 48, "fake")
    stream = make_stream(found, None, 100, np.random.default_rng(0))
    asked, right = judge(stream, "cloud", None)
    assert asked.all()
    assert right.all()  # the fake cloud knows them


def test_the_command_writes_tables_and_plots(run: Path, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="needs matplotlib: pip install matplotlib")
    out = tmp_path / "out"
    options = ["--correlation", "0", "--share", "0.1", "--share", "0.3", "--out", str(out)]
    assert main(["bench", "frontier", "--run", str(_with_complexity(run)), *options]) == 0
    written = sorted(p.name for p in out.iterdir())
    assert written == ["README.md", "frontier.json", "sets-line.png", "sets-line.svg"]
    assert (out / "sets-line.png").read_bytes()[:4] == b"\x89PNG"
    assert "frames asked about" in (out / "sets-line.svg").read_text()
    assert "At a budget of 30%" in (out / "README.md").read_text()


def test_nothing_to_measure_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "frontier", "--out", str(tmp_path / "out")]) == 2
    assert "--products" in capsys.readouterr().err
    assert main(["bench", "frontier", "--products", "1", "--out", str(tmp_path / "out")]) == 2
    assert "--cloud small" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
