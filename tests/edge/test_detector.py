"""The patch detector at the line, on a small line with the real backbone."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import cv2
import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

import saec
from saec.data.images.pixels import read_image
from saec.edge import open_detector
from saec.edge.detector import PatchDetector
from saec.errors import ImageError, LineError
from saec.profile import LineProfile
from saec.rounding import apart
from saec.settings.keyword_fields import FitFields
from saec.types import DEFECT, GOOD, EdgeOpinion, Image

pytestmark = pytest.mark.numeric


@pytest.fixture(scope="module")
def profile(gear_line: Path) -> LineProfile:
    return LineProfile.open(gear_line)


@pytest.fixture(scope="module")
def detector(profile: LineProfile) -> PatchDetector:
    made = open_detector(profile)
    assert isinstance(made, PatchDetector)
    return made


@pytest.fixture(scope="module")
def images(gears: Path) -> list[Image]:
    """Four goods, then four defects."""
    return [
        read_image(p) for folder in ("good", "defect") for p in sorted((gears / "test" / folder).iterdir())
    ]


@pytest.fixture(scope="module")
def opinions(detector: PatchDetector, images: list[Image]) -> list[EdgeOpinion]:
    return detector.inspect(images)


def map_of(opinion: EdgeOpinion) -> NDArray[np.float32]:
    assert opinion.map is not None
    return opinion.map


def changed(profile: LineProfile, **changes: object) -> LineProfile:
    calibration = msgspec.structs.replace(profile.calibration, **changes)
    return LineProfile(profile.folder, profile.line, calibration)


def test_a_batch_gives_what_single_calls_give(
    detector: PatchDetector, images: list[Image], opinions: list[EdgeOpinion]
) -> None:
    for image, together in zip(images[::-1], opinions[::-1], strict=True):
        (alone,) = detector.inspect([image])
        assert alone.score == together.score
        assert np.array_equal(map_of(alone), map_of(together))
    assert detector.inspect([]) == []


def test_maps_do_not_share_memory(opinions: list[EdgeOpinion]) -> None:
    first, *others = [map_of(opinion) for opinion in opinions]
    assert not any(np.shares_memory(first, other) for other in others)
    assert not np.array_equal(first, others[0])


def test_plain_defects_score_above_goods(opinions: list[EdgeOpinion]) -> None:
    goods, defects = [o.score for o in opinions[:4]], [o.score for o in opinions[4:]]
    assert np.mean([d > g for d in defects for g in goods]) >= 0.8


def test_label_and_probability_follow_the_calibration(
    profile: LineProfile, images: list[Image], opinions: list[EdgeOpinion]
) -> None:
    sigmoid = profile.calibration.p_defect
    assert sigmoid is not None
    for opinion in opinions:
        assert opinion.label == (DEFECT if opinion.score >= profile.calibration.threshold else GOOD)
        assert opinion.p_defect == sigmoid(opinion.score)
    at = opinions[0].score
    (same,) = PatchDetector(changed(profile, threshold=at, p_defect=None)).inspect(images[:1])
    assert (same.score, same.label, same.p_defect) == (at, DEFECT, None)
    above = float(np.nextafter(at, np.inf))
    assert PatchDetector(changed(profile, threshold=above)).inspect(images[:1])[0].label == GOOD


def test_the_map_covers_the_frame(gears: Path, images: list[Image], tmp_path: Path) -> None:
    """Of goods alone; what defects have taught adds to the score of the frame, and to cells of the map."""
    settings = FitFields(side_px=128, memory_patches=64, folds=4, threads=1, learn="never")
    profile = saec.fit(gears, out=tmp_path / "line", **settings).profile
    p = profile.line.preparation
    for opinion in open_detector(profile).inspect(images):
        assert opinion.map is not None
        assert opinion.map.shape == (p.height // 8, p.width // 8)
        assert opinion.map.dtype == np.float32
        assert opinion.map_box == (0, 0, 128, 128)
        hottest = np.sort(opinion.map, axis=None)[::-1][: max(1, round(0.01 * opinion.map.size))]
        allowed = apart(len(hottest) + 2, 2 * float(np.abs(opinion.map).max()))
        assert opinion.score == pytest.approx(float(hottest.mean()), rel=0, abs=allowed)


def test_frames_of_other_sizes_are_judged(detector: PatchDetector, images: list[Image]) -> None:
    larger = cv2.resize(images[0], (300, 260), interpolation=cv2.INTER_CUBIC).astype(np.uint8)
    (opinion,) = detector.inspect([larger])
    assert opinion.map_box == (0, 0, 300, 260)
    assert np.isfinite(opinion.score)


def test_a_region_of_interest_is_cropped(profile: LineProfile, images: list[Image]) -> None:
    preparation = msgspec.structs.replace(profile.line.preparation, roi=(10, 20, 138, 148))
    line = msgspec.structs.replace(profile.line, preparation=preparation)
    detector = PatchDetector(LineProfile(profile.folder, line, profile.calibration))
    padded = np.zeros((160, 150, 3), np.uint8)
    padded[20:148, 10:138] = images[0]
    whole = PatchDetector(profile).inspect(images[:1])[0]
    part = detector.inspect([padded])[0]
    assert (part.score, part.map_box) == (whole.score, (10, 20, 138, 148))
    with pytest.raises(ImageError, match="lies outside a frame"):
        detector.inspect([padded[:100]])


def test_a_graph_for_other_frames_is_refused(profile: LineProfile) -> None:
    preparation = msgspec.structs.replace(profile.line.preparation, width=160)
    line = msgspec.structs.replace(profile.line, preparation=preparation)
    with pytest.raises(
        LineError, match=r"takes the shape \(1, 128, 128, 3\), but the profile says \(1, 128, 160, 3\)"
    ):
        PatchDetector(LineProfile(profile.folder, line, profile.calibration))


def test_a_changed_graph_is_noticed(gear_line: Path, tmp_path: Path) -> None:
    copy = tmp_path / "line"
    shutil.copytree(gear_line, copy)
    data = bytearray((copy / "detector.bin").read_bytes())
    data[1000] ^= 1
    (copy / "detector.bin").write_bytes(bytes(data))
    with pytest.raises(LineError, match=r"detector\.bin does not have the hash"):
        LineProfile.open(copy)


@pytest.mark.parametrize("wrong", ["floats", "grey", "empty", "first"])
def test_an_array_that_is_no_image_is_refused_and_named(
    detector: PatchDetector, images: list[Image], wrong: str
) -> None:
    good = images[0]
    arrays: dict[str, Any] = {
        "floats": good / 255.0,
        "grey": good[..., 0],
        "empty": good[:0],
        "first": good.transpose(2, 0, 1),
    }
    with pytest.raises(ImageError, match="image 1 has"):
        detector.inspect([good, arrays[wrong]])
