"""A line is made whole or not at all, from goods alone; whatever is wrong with the images is named."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
from pathlib import Path
from typing import Any

import cv2
import msgspec
import numpy as np
import pytest

from saec.data.dataset import open_dataset
from saec.data.images.pixels import read_image
from saec.data.manifest import Manifest
from saec.data.parts import PartIds
from saec.edge.learning.fit_contract import Fitted
from saec.errors import ConfigError, DataError, ImageError, LeakError, LineError, ParityError
from saec.lines.calibrating.recalibration import recalibrate
from saec.lines.calibrating.requested_calibration import RecalibrationRequest
from saec.lines.line_fit import FitSummary, fit_line
from saec.profile import LineProfile, sha256_file
from saec.scene.complexity import Complexity
from saec.settings import FitConfig, GateConfig
from saec.types import DEFECT
from tests.fake_fit import FakeFit

CREATED = "2026-01-01T00:00:00+00:00"


def write(path: Path, level: float, seed: int, shape: tuple[int, ...] = (40, 60, 3)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    deep = path.suffix == ".tif"
    pixels = np.clip(rng.normal(level, 3, shape), 0, 255)
    image = (pixels * 256).astype(np.uint16) if deep else pixels.astype(np.uint8)
    assert cv2.imwrite(str(path), image)
    return path


@pytest.fixture
def product(tmp_path: Path) -> Path:
    """20 train goods around grey 100, 3 test goods, 3 test defects."""
    root = tmp_path / "product"
    for i in range(20):
        write(root / f"train/good/{i:02d}.png", 100 + i % 7, i)
    for i in range(3):
        write(root / f"test/good/{i}.png", 102, 100 + i)
        write(root / f"test/defect/{i}.png", 150, 200 + i)
    return root


def run(
    root: Path, out: Path, fake: FakeFit | None = None, *, force: bool = False, parts: PartIds | None = None,
    **config: Any,
) -> tuple[LineProfile, FitSummary]:  # fmt: skip
    return fit_line(
        open_dataset(root, parts=parts),
        out,
        fake or FakeFit(),
        config=FitConfig(**config),
        gate=GateConfig(),
        created=CREATED,
        force=force,
    )


def snapshot(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_a_profile_has_all_that_the_line_needs(product: Path, tmp_path: Path) -> None:
    fake = FakeFit()
    profile, summary = run(product, tmp_path / "lines/one", fake, keep_references=3, overkill_rate=0.1)
    assert (summary.goods, summary.duplicates, summary.defects) == (20, 0, 0)
    assert summary.notes == ["fitted", "parity: all agree"]
    line, calibration = profile.line, profile.calibration
    assert (line.name, line.created, line.dataset) == ("one", CREATED, str(product))
    assert line.fit["overkill_rate"] == calibration.overkill == 0.1
    assert calibration.p_defect is None
    assert calibration.gate.low <= calibration.threshold <= calibration.gate.high
    assert fake.gated == [calibration.threshold]
    hashes = {sha256_file(p) for p in (product / "train/good").iterdir()}
    assert set(calibration.good_scores) == hashes
    assert calibration.goods == sorted(calibration.good_scores.values())
    roles = Manifest.read(profile.folder).roles
    held = {
        sha256_file(p): ("holdout", int(p.parent.name != "good")) for p in (product / "test").rglob("*.png")
    }
    assert {sha: (e.role, e.label) for sha, e in roles.items()} == dict.fromkeys(hashes, ("train", 0)) | held
    references = profile.references()
    assert len(references) == 3
    assert all(sha256_file(path) in hashes for path in references)
    complexities = [Complexity(line.complexity).of(image) for image in fake.images]
    assert np.median(complexities) == pytest.approx(0, abs=1e-6)
    assert sorted(p.name for p in (tmp_path / "lines").iterdir()) == ["one"]


def test_the_same_goods_give_the_same_files(product: Path, tmp_path: Path) -> None:
    run(product, tmp_path / "a/line")
    copy = tmp_path / "copy" / "product"
    for path in sorted(product.rglob("*.png"), reverse=True):  # written in another order
        (copy / path.relative_to(product)).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, copy / path.relative_to(product))
    first = snapshot(run(product, tmp_path / "b/line")[0].folder)
    assert first == snapshot(tmp_path / "a/line")
    other = snapshot(run(copy, tmp_path / "c/line")[0].folder)
    same = [name for name in first if name not in ("line.json", "manifest.json")]  # these say where
    assert {name: other[name] for name in same} == {name: first[name] for name in same}


def test_defects_change_the_probability_and_not_the_threshold(product: Path, tmp_path: Path) -> None:
    without, _ = run(product, tmp_path / "without")
    for i in range(4):
        write(product / f"train/defect/{i}.png", 140, 300 + i)
    fake = FakeFit()
    profile, summary = run(product, tmp_path / "with", fake)
    before, after = without.calibration, profile.calibration
    assert summary.defects == 4
    assert (after.threshold, after.goods, after.thresholds_at) == (
        before.threshold,
        before.goods,
        before.thresholds_at,
    )
    assert after.p_defect is not None
    assert after.p_defect(140) > 0.5 > after.p_defect(100)
    assert (before.gate.basis, after.gate.basis) == ("goods", "p_defect")
    assert len(after.defect_scores) == len(after.defects) == 4
    assert fake.gated == [after.threshold]
    assert [e.role for e in Manifest.read(profile.folder).roles.values()].count("calibration") == 4


def test_exact_copies_are_left_out_and_counted(product: Path, tmp_path: Path) -> None:
    shutil.copy(product / "train/good/03.png", product / "train/good/03-copy.png")
    shutil.copy(product / "train/good/03.png", product / "train/good/90.png")
    fake = FakeFit()
    profile, summary = run(product, tmp_path / "line", fake)
    assert (summary.goods, summary.duplicates) == (20, 2)
    assert len(fake.images) == len(profile.calibration.goods) == 20


@pytest.mark.parametrize("split", ["test", "val"])
def test_a_train_image_in_the_holdout_stops_the_fit(product: Path, tmp_path: Path, split: str) -> None:
    target = product / split / "good" / "leak.png"
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(product / "train/good/05.png", target)
    with pytest.raises(
        LeakError, match=r"leak\.png is a hold-out image, but the same image was used in train: .*05\.png"
    ):
        run(product, tmp_path / "line")
    assert not (tmp_path / "line").exists()


def test_an_image_that_is_good_and_defect_stops_the_fit(product: Path, tmp_path: Path) -> None:
    (product / "train/defect").mkdir()
    shutil.copy(product / "train/good/05.png", product / "train/defect/odd.png")
    with pytest.raises(LeakError, match=r"odd\.png"):
        run(product, tmp_path / "line")


@pytest.mark.parametrize("name", ["00.png", "19.png"])
def test_an_unreadable_good_is_named_and_nothing_is_left(product: Path, tmp_path: Path, name: str) -> None:
    damaged = product / "train/good" / name
    damaged.write_bytes(damaged.read_bytes()[:200])
    with pytest.raises(ImageError, match=name):
        run(product, tmp_path / "lines/line")
    assert not (tmp_path / "lines").exists() or not list((tmp_path / "lines").iterdir())


def test_a_failing_gate_leaves_nothing(product: Path, tmp_path: Path) -> None:
    with pytest.raises(ParityError):
        run(product, tmp_path / "line", FakeFit(disagree=True))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["product"]


def test_what_stands_there_is_kept_without_force(product: Path, tmp_path: Path) -> None:
    out = tmp_path / "line"
    run(product, out)
    before = snapshot(out)
    fake = FakeFit()
    with pytest.raises(LineError, match="exists already") as caught:
        run(product, out, fake, seed=1)
    assert "--force" in caught.value.remedy
    assert fake.start is None  # said at once, not after the fit
    with pytest.raises(ParityError):
        run(product, out, FakeFit(disagree=True), force=True, seed=1)
    assert snapshot(out) == before
    assert run(product, out, force=True, seed=1)[0].line.fit["seed"] == 1
    assert sorted(p.name for p in tmp_path.iterdir()) == ["line", "product"]


def test_force_never_deletes_what_is_no_profile(product: Path, tmp_path: Path) -> None:
    out = tmp_path / "holiday"
    write(out / "beach.png", 200, 0)
    file = tmp_path / "notes"
    file.write_text("important")
    for path in (out, file, product):
        with pytest.raises(LineError, match="is not a line profile"):
            run(product, path, force=True)
    assert (out / "beach.png").is_file()
    assert file.read_text() == "important"


def test_out_may_be_a_link_or_the_folder_where_one_stands(
    product: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(product, tmp_path / "real")
    (tmp_path / "link").symlink_to("real")
    profile, _ = run(product, tmp_path / "link", force=True, seed=1)
    assert (tmp_path / "link").is_symlink()
    assert profile.line.name == "real"
    assert LineProfile.open(tmp_path / "real").line.fit["seed"] == 1
    monkeypatch.chdir(tmp_path / "real")
    assert run(product, Path(), force=True, seed=2)[0].line.name == "real"
    assert LineProfile.open(tmp_path / "real").line.fit["seed"] == 2


def test_a_good_that_stands_far_out_is_named(product: Path, tmp_path: Path) -> None:
    write(product / "train/good/11.png", 180, 11)
    write(product / "train/good/12.png", 220, 12)
    _, summary = run(product, tmp_path / "line")
    assert [Path(p).name for p in summary.contaminated] == ["12.png", "11.png"]


def test_clean_goods_raise_no_alarm(product: Path, tmp_path: Path) -> None:
    assert run(product, tmp_path / "line")[1].contaminated == []


def test_frames_of_one_part_are_a_group(product: Path, tmp_path: Path) -> None:
    fake = FakeFit()
    run(product, tmp_path / "line", fake, parts=PartIds(r"(\d)\d?\.png", None))
    groups = [frame.group for frame in fake.frames]
    assert len(set(groups[:10])) == len(set(groups[10:])) == 1
    assert groups[0] != groups[10]
    run(product, tmp_path / "alone", fake)
    assert len({frame.group for frame in fake.frames}) == 20


def test_kinds_and_masks_reach_the_detector(product: Path, tmp_path: Path) -> None:
    for number, kind in enumerate(("scratch", "dent")):
        write(product / f"test/{kind}/{number}.png", 140, 300 + number)
        mask = np.zeros((40, 60), np.uint8)
        mask[10:20, 30:40] = 255
        (product / f"ground_truth/{kind}").mkdir(parents=True)
        cv2.imwrite(str(product / f"ground_truth/{kind}/{number}_mask.png"), mask)
    dataset = open_dataset(product)
    items = [
        msgspec.structs.replace(i, split="train") if i.kind in ("scratch", "dent") else i
        for i in dataset.items
    ]
    fake = FakeFit()
    fit_line(
        msgspec.structs.replace(dataset, items=items),
        tmp_path / "line",
        fake,
        config=FitConfig(),
        gate=GateConfig(),
        created=CREATED,
    )
    found = {frame.kind: frame.mask for frame in fake.frames if frame.label == DEFECT}
    assert found.keys() == {"scratch", "dent"}
    assert all(mask is not None and mask.sum() == 100 for mask in found.values())


def test_grey_deep_and_mixed_sizes_come_as_rgb_bytes(tmp_path: Path) -> None:
    root = tmp_path / "mixed"
    for i in range(12):
        name, shape = [("png", (40, 60)), ("tif", (40, 60)), ("png", (40, 60, 3))][i % 3]
        write(root / f"train/good/{i}.{name}", 100, i, shape)
    write(root / "train/good/large.png", 100, 99, (80, 90, 3))
    fake = FakeFit()
    profile, _ = run(root, tmp_path / "line", fake)
    assert {(i.ndim, i.shape[2], str(i.dtype)) for i in fake.images} == {(3, 3, "uint8")}
    assert fake.start is not None
    assert fake.start.size == (40, 60)
    assert [abs(s - 100) < 2 for s in profile.calibration.goods] == [True] * 13
    assert {p.suffix for p in profile.references(8)} <= {".png", ".tif"}


def test_significant_bits_reach_the_decoder_and_the_line(tmp_path: Path) -> None:
    for i in range(10):
        path = tmp_path / f"deep/train/good/{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), np.full((30, 30), 1600 + 16 * i, np.uint16))
    fake = FakeFit()
    profile, _ = run(tmp_path / "deep", tmp_path / "line", fake, bits=12)
    assert {int(i.max()) for i in fake.images} == set(range(100, 110))
    assert profile.line.preparation.bits == 12


@pytest.mark.parametrize("roi", [(0, 0, 61, 40), (-1, 0, 20, 20), (30, 5, 30, 20), (0, 30, 10, 41)])
def test_a_roi_out_of_the_frame_is_refused(product: Path, tmp_path: Path, roi: tuple[int, ...]) -> None:
    fake = FakeFit()
    with pytest.raises(ConfigError, match="60 x 40 pixels"):
        run(product, tmp_path / "line", fake, roi=roi)
    assert fake.start is None


def test_without_goods_there_is_nothing_to_fit(tmp_path: Path) -> None:
    for i in range(3):
        write(tmp_path / f"p/train/defect/{i}.png", 150, i)
        write(tmp_path / f"p/test/good/{i}.png", 100, 9 + i)
    with pytest.raises(DataError, match="no good images to fit on") as caught:
        run(tmp_path / "p", tmp_path / "line")
    assert "train/good" in caught.value.remedy


def test_the_default_detector_makes_such_a_line(gear_line: Path) -> None:
    """The real thing, once: the profile opens, its files are hashed, no pickle is in it."""
    profile = LineProfile.open(gear_line)
    assert set(profile.line.detector.files) == {"detector.xml", "detector.bin"}
    names = sorted(p.name for p in gear_line.iterdir())
    assert names == [
        "calibration-1.json",
        "detector.bin",
        "detector.xml",
        "line.json",
        "manifest.json",
        "references",
        "taught.npz",
    ]
    assert len(profile.calibration.goods) == 14
    assert profile.calibration.p_defect is not None
    assert json.loads((gear_line / "line.json").read_bytes())["fit"]["memory_patches"] == 512


def test_a_detectors_own_threshold_outlives_a_calibration(product: Path, tmp_path: Path) -> None:
    class WithRule(FakeFit):
        def finish(self) -> Fitted:
            return dataclasses.replace(super().finish(), threshold=104.5)

    dataset, out = open_dataset(product), tmp_path / "rule"
    profile, _ = fit_line(dataset, out, WithRule(), config=FitConfig(), gate=GateConfig(), created=CREATED)
    kept = recalibrate(profile, RecalibrationRequest(prevalence=0.1), created=CREATED)
    assert (profile.calibration.threshold, kept.calibration.threshold) == (104.5, 104.5)
    moved = recalibrate(kept, RecalibrationRequest(overkill_rate=0.05), created=CREATED)
    assert moved.calibration.threshold != 104.5


def test_copies_in_other_bytes_are_left_out_and_stay_in_the_manifest(product: Path, tmp_path: Path) -> None:
    good = product / "train/good"
    again = good / "again.bmp"
    assert cv2.imwrite(str(again), read_image(good / "03.png")[..., ::-1])
    profile, summary = run(product, tmp_path / "line")
    assert (summary.goods, summary.duplicates) == (20, 1)
    assert sha256_file(again) not in profile.calibration.good_scores
    assert sha256_file(again) in Manifest.read(profile.folder).having("train")


def test_a_frozen_camera_gives_no_line(product: Path, tmp_path: Path) -> None:
    good = product / "train/good"
    frozen = read_image(good / "00.png")[..., ::-1].copy()
    shutil.rmtree(good)
    good.mkdir()
    for at in range(12):
        frozen[0, 0] = at  # a clock in the corner
        assert cv2.imwrite(str(good / f"{at}.png"), frozen)
    with pytest.raises(DataError, match="12 good images are almost identical"):
        run(product, tmp_path / "line")
    assert not (tmp_path / "line").exists()


def test_a_name_that_is_no_utf8_is_refused_before_the_fit(product: Path, tmp_path: Path) -> None:
    name = os.fsencode(product / "train/good") + b"/gepr\xfcft.png"
    try:
        os.rename(product / "train/good/05.png", name)  # noqa: PTH104
    except OSError:
        pytest.skip("needs a file system that takes names that are no UTF-8")
    fake = FakeFit()
    with pytest.raises(DataError, match=r"gepr\\xfcft\.png is not valid UTF-8"):
        run(product, tmp_path / "line", fake)
    assert fake.start is None


def test_a_line_knows_the_size_of_its_frames(product: Path, tmp_path: Path) -> None:
    profile, _ = run(product, tmp_path / "line")
    assert profile.line.preparation.frame == (40, 60)
