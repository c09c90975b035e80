"""saec evaluate: the right line on the right data, figures that add up, no leaks."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import cv2
import msgspec
import numpy as np
import pytest

from saec import profile as profiles
from saec.cli import main
from saec.data.input_images import list_inputs
from saec.data.items import Item
from saec.data.manifest import Manifest
from saec.errors import DataError, LineError
from saec.evaluation.evaluation_tasks import pair_up
from saec.lines import leaks
from saec.profile import LineProfile
from saec.runs.run_record import read_run, write_run
from saec.types import CloudOpinion, CloudQuery
from tests.run_fakes import FakeCloud, Frames, make_dataset, make_line

T = TypeVar("T")
KEYS = {
    "image_auroc",
    "average_precision",
    "accuracy",
    "balanced_accuracy",
    "majority_accuracy",
    "accuracy_oracle",
    "f1_oracle",
    "escape_rate",
    "overkill_rate",
    "escalation_rate",
    "n_good",
    "n_defect",
    "ms_judging",
    "ms_waiting",
}


@pytest.fixture
def bottle(tmp_path: Path) -> Path:
    return make_dataset(tmp_path / "root" / "bottle", goods=10, defects=5)


def fitted(folder: Path, dataset: Path) -> Path:
    make_line(folder, goods=list_inputs(dataset, split="train").sources)
    return folder


def seeded(line: Path, seed: int, **settings: object) -> Path:
    """The line, saying how it was fitted."""
    profile = msgspec.structs.replace(LineProfile.open(line).line, fit={**settings, "seed": seed})
    (line / "line.json").write_bytes(msgspec.json.encode(profile))
    return line


def evaluate(tmp_path: Path, *arguments: object) -> dict[str, Any]:
    file = tmp_path / "figures.json"
    assert main(["evaluate", *map(str, arguments), "--json", str(file)]) == 0
    figures: dict[str, Any] = json.loads(file.read_text())
    return figures


def test_the_figures_of_one_line(tmp_path: Path, bottle: Path, fakes: FakeCloud) -> None:
    figures = evaluate(tmp_path, fitted(tmp_path / "bottle", bottle), bottle)
    assert set(figures) >= KEYS
    # One good at 150 / 25.5 is above the threshold of 5, one defect at 110 / 25.5 below it.
    assert (figures["n_good"], figures["n_defect"]) == (10, 5)
    assert figures["overkill_rate"] == pytest.approx(0.1)
    assert figures["escape_rate"] == pytest.approx(0.2)
    assert figures["accuracy"] == pytest.approx(13 / 15)
    assert figures["balanced_accuracy"] == pytest.approx(0.85)
    assert figures["majority_accuracy"] == pytest.approx(10 / 15)
    assert figures["image_auroc"] == pytest.approx(49 / 50)
    assert figures["escalation_rate"] == 0
    assert set(figures["ms_judging"]) == {"p50", "p95", "p99"}
    assert figures["pixel_auroc"] is None


def test_masks_give_pixel_figures(tmp_path: Path, fakes: FakeCloud) -> None:
    root = tmp_path / "bottle"
    frames = Frames(root)
    for i in range(3):
        frames.add(f"train/good/{i:03}", 20 + i)
        frames.add(f"test/good/{i:03}", 60 + i)
        frames.add(f"test/hole/{i:03}", 200 + i)
        mask = np.zeros((8, 8), np.uint8)
        mask[:4] = 255
        (root / "ground_truth" / "hole").mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(root / "ground_truth" / "hole" / f"{i:03}_mask.png"), mask)
    figures = evaluate(tmp_path, fitted(tmp_path / "lines" / "bottle", root), root)
    # The fake's map is flat: a defective frame's good half scores as its defect does.
    assert figures["pixel_auroc"] == pytest.approx(0.5 * 96 / 288 + 192 / 288, abs=0.2)
    assert figures["pro"] is not None


def test_an_inspected_data_set_with_masks_has_pixel_figures(tmp_path: Path, fakes: FakeCloud) -> None:
    root = tmp_path / "bottle"
    frames = Frames(root)
    for i in range(3):
        frames.add(f"train/good/{i:03}", 20 + i)
        frames.add(f"test/good/{i:03}", 60 + i)
        frames.add(f"test/hole/{i:03}", 200 + i)
        (root / "ground_truth" / "hole").mkdir(parents=True, exist_ok=True)
        mask = np.repeat([[255], [0]], [4, 4], axis=0).astype(np.uint8).repeat(8, axis=1)
        cv2.imwrite(str(root / "ground_truth" / "hole" / f"{i:03}_mask.png"), mask)
    line = fitted(tmp_path / "lines" / "bottle", root)
    figures = evaluate(tmp_path, line, root)
    run = tmp_path / "run"
    assert main(["inspect", str(root), "--line", str(line), "--out", str(run)]) == 0
    told = json.loads((run / "metrics.json").read_text())
    assert told["pro"] == figures["pro"] is not None
    assert told["pixel_auroc"] == figures["pixel_auroc"] is not None
    again = ["inspect", str(root), "--line", str(line), "--out", str(run), "--resume"]
    assert main(again) == 0
    assert json.loads((run / "metrics.json").read_text()) == told  # nothing was left to judge
    # Maps are not kept: of a run that goes on nobody knows the pixels of its first part.
    verdicts = (run / "verdicts.jsonl").read_bytes().splitlines(keepends=True)
    (run / "verdicts.jsonl").write_bytes(b"".join(verdicts[:-2]))
    assert main(again) == 0
    assert json.loads((run / "metrics.json").read_text())["pro"] is None


@pytest.mark.parametrize("what", ["inverted", "of another size", "no image", "of a good"])
def test_masks_that_are_not_understood_are_in_no_figure(
    tmp_path: Path, fakes: FakeCloud, capsys: pytest.CaptureFixture[str], what: str
) -> None:
    root = tmp_path / "bottle"
    frames = Frames(root)
    for i in range(3):
        frames.add(f"train/good/{i:03}", 20 + i)
        frames.add(f"test/good/{i:03}", 40 + i)
        frames.add(f"test/hole/{i:03}", 200 + i)
        kind = "good" if what == "of a good" and i == 0 else "hole"
        file = root / "ground_truth" / kind / f"{i:03}_mask.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        size = 6 if what == "of another size" and i == 0 else 8
        mask = np.zeros((size, size), np.uint8)
        mask[2:4, 2:5] = 255
        cv2.imwrite(str(file), 255 - mask if what == "inverted" and i == 0 else mask)
        if what == "no image" and i == 0:
            file.write_bytes(b"no image")
    line = fitted(tmp_path / "line", root)
    figures = evaluate(tmp_path, line, root)
    assert figures["n_mask_out"] == 1
    assert (figures["n_good"], figures["n_defect"], figures["n_error"]) == (3, 3, 0)
    assert "leave out 1 frame" in capsys.readouterr().out
    shutil.rmtree(root / "ground_truth" / "hole")  # the doubtful one alone gives no figure at all
    if what != "of a good":
        (root / "ground_truth" / "hole").mkdir()
        cv2.imwrite(str(root / "ground_truth" / "hole" / "000_mask.png"), np.full((8, 8), 255, np.uint8))
    assert evaluate(tmp_path, line, root)["pixel_auroc"] is None


def test_an_image_of_the_fit_in_the_hold_out_stops_with_its_name(
    tmp_path: Path, bottle: Path, fakes: FakeCloud, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copy(bottle / "train" / "good" / "03.png", bottle / "test" / "good" / "copy.png")
    line = fitted(tmp_path / "bottle", bottle)
    assert main(["evaluate", str(line), str(bottle)]) == 2
    error = capsys.readouterr().err
    assert "copy.png" in error
    assert "train" in error


def test_unlabelled_images_cannot_be_evaluated(
    tmp_path: Path, bottle: Path, fakes: FakeCloud, capsys: pytest.CaptureFixture[str]
) -> None:
    line = fitted(tmp_path / "bottle", bottle)
    Frames(tmp_path / "bare").add("x", 30)
    assert main(["evaluate", str(line), str(tmp_path / "bare")]) == 2
    assert "known label" in capsys.readouterr().err


def test_an_existing_log_gives_the_same_figures(tmp_path: Path, bottle: Path, fakes: FakeCloud) -> None:
    line, out = fitted(tmp_path / "bottle", bottle), tmp_path / "run"
    judged = evaluate(tmp_path, line, bottle, "--out", out, "--cloud", "small")
    assert (out / "metrics.json").is_file()
    assert (out / "maps").is_dir()
    asked = len(fakes.batches)
    read = evaluate(tmp_path, line, bottle, "--verdicts", out)
    assert len(fakes.batches) == asked
    for figures in (judged, read):
        figures.pop("pixel_auroc"), figures.pop("pro")
    assert read == judged


def test_all_categories_of_a_root_with_their_mean(
    tmp_path: Path, bottle: Path, fakes: FakeCloud, capsys: pytest.CaptureFixture[str]
) -> None:
    screw = make_dataset(bottle.parent / "screw", goods=4, defects=4)
    for data in (bottle, screw):
        fitted(tmp_path / "lines" / data.name, data)
    figures = evaluate(tmp_path, tmp_path / "lines", bottle.parent)
    assert list(figures["lines"]) == ["bottle", "screw"]
    assert figures["mean"]["overkill_rate"] == pytest.approx((0.1 + 0.25) / 2)
    assert figures["mean"]["n_good"] == 14
    assert "seeds" not in figures
    printed = capsys.readouterr().out
    assert all(word in printed for word in ("bottle", "screw", "mean"))


@pytest.mark.parametrize("layout", ["{seed}/{name}", "{name}/{seed}"])
def test_several_seeds_with_mean_and_deviation(
    tmp_path: Path, bottle: Path, fakes: FakeCloud, layout: str
) -> None:
    screw = make_dataset(bottle.parent / "screw", goods=4, defects=4)
    for data in (bottle, screw):
        for seed in (0, 1):
            seeded(fitted(tmp_path / "lines" / layout.format(seed=seed, name=data.name), data), seed)
    figures = evaluate(tmp_path, tmp_path / "lines", bottle.parent)
    assert set(figures["lines"]) == {"bottle/0", "bottle/1", "screw/0", "screw/1"}
    assert figures["seeds"]["bottle"]["escape_rate"] == {"mean": pytest.approx(0.2), "deviation": 0.0}
    assert figures["seeds"]["mean"]["overkill_rate"]["mean"] == pytest.approx(0.175)
    assert figures["mean"]["overkill_rate"] == pytest.approx(0.175)


def test_pairing(tmp_path: Path, bottle: Path, fakes: FakeCloud) -> None:
    screw = make_dataset(bottle.parent / "screw", goods=1, defects=1)
    odd = fitted(tmp_path / "odd", bottle)
    (task,) = pair_up([odd], bottle)
    assert (task.dataset, task.category, task.run) == (bottle, "odd", "")
    with pytest.raises(DataError, match="matches none"):
        pair_up([odd], bottle.parent)
    with pytest.raises(LineError, match="no line profile"):
        pair_up([screw], bottle.parent)
    line = fitted(tmp_path / "lines" / "screw", screw)
    assert pair_up([line], bottle.parent)[0].dataset == screw
    assert {t.name for t in pair_up([odd, line], bottle)} == {"bottle/odd", "bottle/screw"}


@pytest.mark.parametrize("ways", [[{}, {}], [{"side": 448}, {"side": 224}]], ids=["same-seed", "sides"])
def test_lines_of_one_name_that_are_no_seeds_are_named_apart(
    tmp_path: Path,
    bottle: Path,
    fakes: FakeCloud,
    ways: list[dict[str, object]],
    capsys: pytest.CaptureFixture[str],
) -> None:
    for number, way in enumerate(ways):
        seed = number if way else 0
        seeded(fitted(tmp_path / "lines" / f"try{number}" / "bottle", bottle), seed, **way)
    figures = evaluate(tmp_path, *sorted((tmp_path / "lines").iterdir()), bottle)
    assert set(figures["lines"]) == {"bottle/try0", "bottle/try1"}
    assert "seeds" not in figures
    assert "seeds" not in capsys.readouterr().out


def test_a_log_of_another_fit_is_refused_and_of_another_calibration_said(
    tmp_path: Path, bottle: Path, fakes: FakeCloud, capsys: pytest.CaptureFixture[str]
) -> None:
    line = fitted(tmp_path / "bottle", bottle)
    run = tmp_path / "run"
    assert main(["evaluate", str(line), str(bottle), "--out", str(run)]) == 0
    read = ["evaluate", str(line), str(bottle), "--verdicts", str(run)]
    capsys.readouterr()
    assert main(read) == 0
    assert "calibration" not in capsys.readouterr().out
    profile = LineProfile.open(line)
    profile.recalibrated(msgspec.structs.replace(profile.calibration, version=2, threshold=6.0))
    assert main(read) == 0
    assert "the line now has calibration 2 (threshold 6)" in capsys.readouterr().out
    info = read_run(run)
    before_a_fit = msgspec.structs.replace(info.line, hashes={"detector.xml": "0" * 64})
    write_run(run, msgspec.structs.replace(info, line=before_a_fit))
    assert main(read) == 2
    assert "inspect again" in capsys.readouterr().err
    (run / "run.json").unlink()
    assert main(read) == 0
    assert "it is unknown which line judged it, and how" in capsys.readouterr().out


def test_the_clouds_role_is_said(
    tmp_path: Path, bottle: Path, fakes: FakeCloud, capsys: pytest.CaptureFixture[str]
) -> None:
    line = fitted(tmp_path / "bottle", bottle)
    assert main(["evaluate", str(line), str(bottle), "--cloud", "small"]) == 0
    assert "only advises" in " ".join(capsys.readouterr().out.split())


def test_verdicts_go_with_one_line(tmp_path: Path, bottle: Path, fakes: FakeCloud) -> None:
    lines = [fitted(tmp_path / name, bottle) for name in "ab"]
    assert main(["evaluate", *map(str, lines), str(bottle), "--verdicts", str(bottle)]) == 2


def test_provisional_labels_are_counted_and_said(
    tmp_path: Path, bottle: Path, fakes: FakeCloud, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails(queries: list[CloudQuery]) -> list[CloudOpinion]:
        if queries[0].frame.id == "warm-up":
            return [CloudOpinion(0.5, "fake", "v0")]
        raise RuntimeError("out of memory")

    fakes.judge = fails  # type: ignore[method-assign]
    line = make_line(tmp_path / "bottle-line")
    file = tmp_path / "figures.json"
    arguments = [str(line.folder), str(bottle), "--cloud", "small", "--json", str(file)]
    assert main(["evaluate", *arguments]) == 0
    figures = json.loads(file.read_text())
    assert figures["n_provisional"] > 0
    assert figures["n_provisional"] == round(
        figures["escalation_rate"] * (figures["n_good"] + figures["n_defect"])
    )
    said = f"for {figures['n_provisional']} frames the figures use the edge's provisional label"
    assert said in " ".join(capsys.readouterr().out.split())


def test_a_file_that_may_not_be_read_does_not_stop_the_others(
    tmp_path: Path, bottle: Path, fakes: FakeCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = fitted(tmp_path / "lines" / "bottle", bottle)
    closed = bottle / "test" / "good" / "03.png"
    read_bytes, sha256 = Path.read_bytes, profiles.sha256_file

    def refuse(function: Callable[[Path], T]) -> Callable[[Path], T]:
        def read(path: Path) -> T:
            if path == closed:
                raise PermissionError(13, "Permission denied")
            return function(path)

        return read

    monkeypatch.setattr(Path, "read_bytes", refuse(read_bytes))
    monkeypatch.setattr(leaks, "sha256_file", refuse(sha256))
    figures = evaluate(tmp_path, line, bottle)
    assert (figures["n_error"], figures["n_good"], figures["n_defect"]) == (1, 9, 5)


@pytest.mark.parametrize("tuned", ["adapter", "checkpoint"])
def test_images_that_the_cloud_was_tuned_on_are_not_judged(
    tmp_path: Path, bottle: Path, fakes: FakeCloud, capsys: pytest.CaptureFixture[str], tuned: str
) -> None:
    line, weights, out = fitted(tmp_path / "lines" / "bottle", bottle), tmp_path / "weights", tmp_path / "run"
    weights.mkdir()
    option = ["--adapter", str(weights)] if tuned == "adapter" else ["--cloud", str(weights)]
    command = [
        "evaluate",
        str(line),
        str(bottle),
        *(["--cloud", "small"] if tuned == "adapter" else []),
        *option,
    ]
    assert main([*command, "--out", str(out)]) == 0
    manifest, image = Manifest(), next((bottle / "test" / "good").iterdir())
    manifest.add("sft-train", [Item(path=image, label=0)])
    manifest.write(weights)
    for again in (command, ["scoring", str(bottle), *command[3:], "--references", "0"]):
        assert main(again) == 2
        said = capsys.readouterr().err
        assert image.name in said
        assert "sft-train" in said
    if tuned == "adapter":  # a run remembers where its adapter lay
        assert main(["evaluate", str(line), str(bottle), "--verdicts", str(out)]) == 2
        assert "sft-train" in capsys.readouterr().err


def test_figures_of_nothing_end_with_status_1(tmp_path: Path, bottle: Path, fakes: FakeCloud) -> None:
    line = fitted(tmp_path / "bottle", bottle)
    for path in bottle.glob("test/*/*.png"):
        path.write_bytes(b"no image")
    assert main(["evaluate", str(line), str(bottle)]) == 1


@pytest.mark.parametrize("limit", [2, 6])
def test_a_limit_takes_goods_and_defects(tmp_path: Path, bottle: Path, fakes: FakeCloud, limit: int) -> None:
    figures = evaluate(tmp_path, fitted(tmp_path / "bottle", bottle), bottle, "--limit", limit)
    assert (figures["n_good"], figures["n_defect"]) == {2: (1, 1), 6: (4, 2)}[limit]
