"""The paper's comparison: hold-outs that leak nothing, figures that are pooled right, gaps that say so."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import msgspec
import numpy as np
import pytest

from saec.cli import main
from saec.data.dataset import open_dataset
from saec.data.manifest import hash_item
from saec.errors import DataError
from saec.evaluation.metrics import Confusion, Metrics
from saec.frame.judges import Cloud
from saec.meter import PhaseReading
from saec.runs.inspection import run_inspection
from saec.runs.run_record import Machine
from saec.runs.verdict_log import VerdictLog
from saec.settings import CloudConfig, RunConfig
from saec.types import VerdictRecord
from saec_research.baselines import Baseline, BaselineRow, Ready
from saec_research.tables.bench_settings import Given
from saec_research.tables.paper import Absent, Judgement, PaperPlan, run_comparison
from saec_research.tables.paper_page import NAMES, Paper, paper_markdown, write_predictions
from saec_research.tables.published import published
from saec_research.tables.resources import plot_resources
from saec_research.tables.serial import one_after_another
from saec_research.tables.sets import bench_sets
from saec_research.tables.summary import compare_rows, pool, summarise
from tests.run_fakes import FakeCloud, Frames, judges, make_dataset, make_line


def test_published_values_are_shares_and_seconds() -> None:
    found = published()
    assert set(found.sets) == {"MVTec AD", "KSDD2"}
    for rows in found.sets.values():
        assert set(rows) == {"yolo", "cloud", "llava", "seed"}
        assert all(v.accuracy is not None and 0.4 < v.accuracy < 0.9 for v in rows.values())
    assert found.of("MVTec AD", "seed").total_s == 172.8
    assert found.of("MVTec AD", "saec").accuracy is None  # what they call ours is the seed's cascade


# --- sets


def _image(path: Path, number: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.full((6, 6, 3), (number % 250, number // 250, 7), np.uint8))


def _mvtec(root: Path) -> Path:
    number = 0
    for category in ("bottle", "screw"):
        for folder, count in (("train/good", 6), ("test/good", 4), ("test/dent", 256)):
            for i in range(count):
                _image(root / category / folder / f"{i:03}.png", number)
                number += 1
    # a test image that also lies among the train goods must not be fitted on
    _image(root / "bottle" / "train" / "good" / "copy.png", 6)
    return root


def test_the_mvtec_holdout_is_judged_by_lines_that_never_saw_it(tmp_path: Path) -> None:
    given = Given(mvtec=_mvtec(tmp_path / "raw"))
    (found,) = bench_sets(given, 2025, tmp_path / "work")
    products = [open_dataset(root) for root in found.products]
    assert [p.name for p in products] == ["bottle", "screw"]
    judged = [hash_item(i) for p in products for i in p.holdout()]
    known = {hash_item(i) for p in products for i in p.select("train")}
    assert len(judged) == len(set(judged)) == 508  # 8 goods and 500 of 512 defects
    assert not known & set(judged)
    assert sum(len(p.select("train", 0)) for p in products) == 12
    assert sum(len(p.select("train", 1)) for p in products) == 12  # free for calibration


def test_the_ksdd2_holdout_leaves_train_goods_to_fit_on(tmp_path: Path) -> None:
    number = 10000
    for split, goods, defects in (("train", 30, 4), ("test", 10, 3)):
        for i in range(goods + defects):
            path = tmp_path / "raw" / split / f"{number}.png"
            _image(path, number - 10000)
            mask = np.zeros((6, 6), np.uint8)
            mask[2:4, 2:4] = 255 * (i >= goods)
            cv2.imwrite(str(path.with_name(f"{number}_GT.png")), mask)
            number += 1
    (found,) = bench_sets(Given(ksdd2=tmp_path / "raw"), 2025, tmp_path / "work")
    data = open_dataset(found.products[0])
    judged = {hash_item(i) for i in data.holdout()}
    assert [sum(i.label == label for i in data.holdout()) for label in (0, 1)] == [7, 7]
    assert not judged & {hash_item(i) for i in data.select("train")}
    assert 23 <= len(data.select("train", 0)) <= 30
    assert not data.select("train", 1)
    assert "1234" in found.protocol


# --- figures


def _judgement(
    folder: Path,
    row: str,
    right: Sequence[bool],
    *,
    seed: int = 1,
    product: str = "p",
    gpu_j: float | None = None,
    wall: float = 2.0,
) -> Judgement:
    """A run of which every frame with an even number is a defect; an image keeps its hash over rows."""
    out = folder / f"{row}-{seed}-{product}"
    out.mkdir()
    truth = [1 - i % 2 for i in range(len(right))]
    label = [t if r else 1 - t for t, r in zip(truth, right, strict=True)]
    with VerdictLog(out / "verdicts.jsonl") as log:
        for i, (t, y) in enumerate(zip(truth, label, strict=True)):
            name = f"{product}-{i:02}"
            log.append(
                VerdictRecord(
                    id=name, path=name, sha256=name, line="l", time=0.0, seq=i + 1, truth=t, label=y
                )
            )
    pairs = list(zip(truth, label, strict=True))
    counts = Confusion(*(pairs.count(p) for p in ((1, 1), (0, 1), (0, 0), (1, 0))))
    metrics = Metrics(accuracy=float(np.mean(right)), escalation_rate=0.25, confusion=counts)
    made = BaselineRow(
        baseline=row,
        what="",
        model=f"model of {row}",
        weights={row: "ab" * 32},
        sizes="edge 224 x 224",
        images=len(right),
        metrics=metrics,
        ms=1.0,
        ms_waiting=None,
        wall_s=wall,
        run=str(out),
    )
    return Judgement(
        dataset="set",
        protocol="protocol",
        seed=seed,
        product=product,
        row=made,
        data="0123",
        reading=PhaseReading(phase="run", wall_s=wall, gpu_energy_j=gpu_j, cpu_memory_avg_gb=wall),
        machine=Machine(cpu="cpu"),
    )


@pytest.fixture
def done(tmp_path: Path) -> list[Judgement]:
    good, poor = [True] * 9 + [False], [True] * 5 + [False] * 5
    return [
        _judgement(tmp_path, row, right, seed=seed, product=product)
        for seed in (1, 2)
        for product in ("a", "b")
        for row, right in (("saec", good), ("yolo", poor), ("cloud", good))
    ]


def test_products_are_pooled_by_counts_and_time(tmp_path: Path) -> None:
    small = _judgement(tmp_path, "saec", [True] * 2, product="a", gpu_j=72.0, wall=1.0)
    large = _judgement(tmp_path, "saec", [True, False] * 3, product="b", gpu_j=36.0, wall=3.0)
    found = pool([small, large])
    assert (found.images, found.errors) == (8, 0)
    assert found.accuracy == 5 / 8
    assert (found.escape_rate, found.overkill_rate) == (0.0, 3 / 4)
    assert (found.total_s, found.image_s) == (4.0, 0.5)
    assert found.memory_gb == pytest.approx((1 * 1 + 3 * 3) / 4)
    assert found.mwh_per_correct == pytest.approx(108 / 3.6 / 5)
    assert found.energy_of == ["GPU"]
    unknown = pool([small, _judgement(tmp_path, "saec", [True] * 2, product="c")])
    assert (unknown.mwh_per_correct, unknown.energy_of, unknown.gpu_util) == (None, [], None)


def test_seeds_have_a_mean_and_a_deviation(tmp_path: Path, done: list[Judgement]) -> None:
    better = _judgement(tmp_path, "saec", [True] * 10, seed=3, product="a")
    found = next(s for s in summarise([*done, better]) if s.row == "saec")
    each = [found.seeds[seed].accuracy for seed in (1, 2, 3)]
    assert each == [0.9, 0.9, 1.0]
    assert found.mean["accuracy"] == pytest.approx(np.mean([0.9, 0.9, 1.0]))
    assert found.deviation["accuracy"] == pytest.approx(np.std([0.9, 0.9, 1.0], ddof=1))
    assert summarise(done[:1])[0].deviation["accuracy"] is None


def test_rows_are_compared_on_the_same_images(done: list[Judgement]) -> None:
    found = {t.row: t for t in compare_rows(done)}
    assert set(found) == {"yolo", "cloud"}
    yolo, cloud = found["yolo"], found["cloud"]
    assert (yolo.better, yolo.worse) == (8, 0)  # of the first seed: 4 on each product
    assert yolo.difference == pytest.approx(0.4)
    assert yolo.interval[0] > 0 < yolo.p < yolo.adjusted < 0.05
    assert (cloud.difference, cloud.interval, cloud.p) == (0.0, (0.0, 0.0), 1.0)


def _paper(done: list[Judgement]) -> Paper:
    return Paper(
        command="saec bench paper",
        seeds=[1, 2],
        summaries=summarise(done),
        tests=compare_rows(done),
        absent=[Absent(dataset="set", row="llava", why="not measured: no weights")],
        walls={},
        judgements=done,
    )


def test_the_page_says_what_is_missing(done: list[Judgement]) -> None:
    text = paper_markdown(_paper(done), published(), {})
    rows = [line for line in text.splitlines() if line.startswith("| LLaVA zero-shot")]
    assert len(rows) == 3
    assert all("not measured: no weights" in row and not any(c.isdigit() for c in row) for row in rows)
    ours = next(line for line in text.splitlines() if line.startswith("| ours |"))
    assert ours.startswith("| ours | 90.0 ± 0.0 | – |")
    assert text.count("| unknown |") >= 3  # nobody measured the GPU


def test_known_sets_stand_beside_what_was_published(done: list[Judgement]) -> None:
    known = [msgspec.structs.replace(j, dataset="MVTec AD") for j in done]
    text = paper_markdown(_paper(known), published(), {})
    assert "| YOLO rule | 50.0 ± 0.0 | 51.47 |" in text
    assert "| Qwen zero-shot | 90.0 ± 0.0 | 70.04 |" in text


def test_predictions_are_all_there(tmp_path: Path, done: list[Judgement]) -> None:
    write_predictions(tmp_path / "p.csv", done)
    with (tmp_path / "p.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 12 * 10
    right = [r["label"] == r["truth"] for r in rows if (r["row"], r["seed"]) == ("saec", "1")]
    assert sum(right) == 18


def test_bars_are_drawn_and_unknown_is_words(tmp_path: Path, done: list[Judgement]) -> None:
    pytest.importorskip("matplotlib", reason="needs matplotlib: pip install matplotlib")
    png, svg = plot_resources(summarise(done), tmp_path / "bars")
    assert (tmp_path / png).stat().st_size > 1000
    text = (tmp_path / svg).read_text()
    assert text.count("not measured on this machine") == 3  # all but the memory


def test_no_two_words_of_the_bars_lie_over_each_other(
    tmp_path: Path, done: list[Judgement], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("matplotlib", reason="needs matplotlib: pip install matplotlib")
    drawn: list[Any] = []

    def keep(figure: Any, stem: object) -> list[Path]:
        drawn.append(figure)
        return []

    monkeypatch.setattr("saec_research.tables.resources.save", keep)
    one = summarise(done)[0]
    figures = {name: 12.3456 * (k + 1) for k, name in enumerate(one.mean)}
    rows = [
        msgspec.structs.replace(one, row=row, mean=dict.fromkeys(one.mean) if row == "edge" else figures)
        for row in NAMES
    ]
    plot_resources(rows, tmp_path / "bars")
    (figure,) = drawn
    figure.draw_without_rendering()
    boxes = [(t.get_text(), t.get_window_extent()) for axes in figure.axes for t in _words(axes)]
    assert len(boxes) > 4 * len(NAMES)
    assert not [(a, b) for i, (a, x) in enumerate(boxes) for b, y in boxes[:i] if x.overlaps(y)]
    assert all(figure.bbox.x0 <= b.x0 and b.x1 <= figure.bbox.x1 for _, b in boxes)


def _words(axes: Any) -> list[Any]:
    """What is written in a panel; ticks beyond its ends are not drawn."""
    low, high = axes.get_xlim()
    ticks = zip(axes.get_xticks(), axes.get_xticklabels(), strict=True)
    drawn = [label for at, label in ticks if low <= at <= high]
    return [
        t
        for t in (*axes.texts, axes.title, *axes.get_yticklabels(), *drawn)
        if t.get_text() and t.get_visible()
    ]


# --- judging


def test_rows_without_a_model_are_absent_and_the_rest_judge_the_same_images(
    tmp_path: Path, fakes: FakeCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = make_line(tmp_path / "line")

    def prepare(baseline: Baseline, work: object, progress: object, cloud: Cloud | None) -> Ready:
        return Ready(baseline, line, cloud)

    monkeypatch.setattr("saec_research.tables.paper.prepare_baseline", prepare)
    clouds = {name: CloudConfig(model="fake") for name in ("cloud", "seed", "saec")}
    data = make_dataset(tmp_path / "parts")
    plan = PaperPlan(given=Given(data=(data,)), seeds=(1, 2), work=tmp_path / "work", clouds=clouds)
    done, absent = run_comparison(plan)
    assert [(j.row.baseline, j.seed) for j in done] == [
        (row, seed) for row in ("edge", "cloud", "saec") for seed in (1, 2)
    ]
    assert {a.row for a in absent} == {"yolo", "seed", "llava"}
    assert all("give --" in a.why for a in absent)
    assert len({j.data for j in done}) == 1
    edge, _, cloud, *_ = done
    assert cloud.row.metrics.accuracy == 1.0
    assert edge.row.metrics.accuracy == 14 / 16  # the edge errs on one good and one defect
    again, _ = run_comparison(plan)  # takes the place of the earlier runs
    assert [j.row.metrics.accuracy for j in again] == [j.row.metrics.accuracy for j in done]


# --- serial


@pytest.mark.parametrize("count", [1, 9])
def test_one_after_another_asks_what_the_pipeline_asks(tmp_path: Path, count: int) -> None:
    images = Frames(tmp_path)
    sources = [images.add(f"{i}", 20 + 25 * i, green=10 * i) for i in range(count)]
    alone, parallel = FakeCloud(), FakeCloud()
    asked = one_after_another(judges(alone), sources)
    config: Any = RunConfig(maps=False, explain=False)
    verdicts = list(run_inspection(sources, judges(parallel), config))
    routed = sum(v.route is not None and v.route.decision == "cloud" for v in verdicts)
    assert asked == routed == sum(alone.batches) == sum(parallel.batches)


# --- the command


@pytest.mark.parametrize(
    ("options", "seed_side", "edge_side"),
    [([], 512, 224), (["--cloud-side-px", "336", "--side-px", "320"], 336, 320)],
)
def test_the_command_asks_each_row_as_the_seed_does_unless_told(
    options: list[str], seed_side: int, edge_side: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plans: list[PaperPlan] = []

    def compare(plan: PaperPlan, *_: object) -> tuple[list[Judgement], list[Absent]]:
        plans.append(plan)
        raise DataError("stopped here", "")

    monkeypatch.setattr("saec_research.tables.paper.run_comparison", compare)
    models = ["--cloud", "qwen", "--adapter", str(tmp_path), "--llava", "llava"]
    given = ["--out", str(tmp_path / "out"), "--seed", "1", "--seed", "2", "--gpu", "0"]
    assert main(["bench", "paper", *models, *given, *options]) == 2
    (plan,) = plans
    assert (plan.seeds, plan.work, plan.metering.gpu) == ((1, 2), tmp_path / "out" / "work", 0)
    assert plan.fit.side_px == edge_side
    assert plan.clouds["llava"].model == "llava"
    assert [plan.clouds[row].adapter for row in ("cloud", "seed", "saec")] == [None, *[str(tmp_path)] * 2]
    assert [plan.clouds[row].batch for row in ("cloud", "seed", "saec")] == [16, 24, 8]
    assert plan.clouds["seed"].side_px == seed_side
    assert not (tmp_path / "out").exists()
