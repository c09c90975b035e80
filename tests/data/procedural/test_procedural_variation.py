"""Benign variation and the kinds that are drawn only when named; without them nothing has changed."""

from __future__ import annotations

import json
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saec.cli import main
from saec.data.images.pixels import read_image
from saec.data.procedural import EXTRA_KINDS, FAMILIES, KINDS, RenderedFrame, draw_product, write_dataset
from saec.data.procedural.painting.canvas import Canvas, View
from saec.data.procedural.painting.defects import VISIBLE_AREA, VISIBLE_LEVELS
from saec.data.procedural.painting.variation import (
    EXPOSURE,
    SHIFT,
    SPECK_LEVELS,
    SPECKS,
    TURN,
    Variation,
)
from saec.data.procedural.painting.virtual_camera import Light, VirtualCamera
from saec.errors import DataError
from saec.settings import DrawingConfig

SIZE = 96
DRAWN = Path(__file__).with_name("procedural_drawn.json")
"""Mean RGB of each sixteenth of frames, drawn before there was any variation."""
WITH_EXTRAS = [f for f in FAMILIES if draw_product(f, 1).extra_kinds]


def sixteenths(family: str, kind: str | None) -> np.ndarray:
    """4 x 4 x 3 means; rounding by other CPUs moves them by less than 0.01."""
    image = draw_product(family, 4).render(3, kind, 0.5, SIZE).image
    means: np.ndarray = cv2.resize(image.astype(np.float32), (4, 4), interpolation=cv2.INTER_AREA)
    return means


def frame_kinds(family: str) -> tuple[str | None, str, str]:
    """Good, a kind by the family's name, and the last, which is structural where there is one."""
    kinds = draw_product(family, 4).kinds
    return None, kinds[zlib.crc32(family.encode()) % len(kinds)], kinds[-1]


@pytest.mark.parametrize("family", FAMILIES)
def test_without_variation_frames_are_what_they_always_were(family: str) -> None:
    drawn = json.loads(DRAWN.read_text("utf-8"))[family]
    for kind in frame_kinds(family):
        assert np.abs(sixteenths(family, kind).ravel() - drawn[kind or "good"]).max() < 0.1, kind


def check_pair(sample: RenderedFrame) -> None:
    change = np.abs(sample.image.astype(int) - sample.clean)
    assert change[~sample.mask].max(initial=0) == 0
    assert sample.mask.mean() >= VISIBLE_AREA
    assert change[sample.mask].mean() >= VISIBLE_LEVELS


@settings(max_examples=50)
@given(
    family=st.sampled_from(sorted(FAMILIES)),
    seeds=st.tuples(st.integers(0, 2**33), st.integers(0, 2**31)),
    pick=st.integers(0, 10**6),
    difficulty=st.floats(0, 1),
    variation=st.floats(0, 1),
    size=st.integers(64, 140),
)
def test_a_defect_differs_from_its_clean_partner_inside_the_mask_alone(
    family: str, seeds: tuple[int, int], pick: int, difficulty: float, variation: float, size: int
) -> None:
    product = draw_product(family, seeds[0])
    kinds = product.kinds + product.extra_kinds
    sample = product.render(seeds[1], kinds[pick % len(kinds)], difficulty, size, variation)
    check_pair(sample)
    assert sample.variation == variation


@pytest.mark.parametrize("variation", [0.3, 1.0])
def test_goods_and_defects_vary_alike(variation: float) -> None:
    product = draw_product("connector", 2)
    good = product.render(5, size=SIZE, variation=variation)
    for kind in product.kinds + product.extra_kinds:
        assert np.array_equal(product.render(5, kind, 0.5, SIZE, variation).clean, good.image), kind


def test_more_variation_carries_frames_further_from_what_they_were() -> None:
    products = [draw_product(family, 1) for family in ("fabric", "label", "gear", "blister-pack")]

    def far(variation: float) -> float:
        pairs = [(p.render(i, size=SIZE), p.render(i, size=SIZE, variation=variation)) for p in products
                 for i in range(6)]  # fmt: skip
        return float(np.mean([np.abs(a.image.astype(float) - b.image).mean() for a, b in pairs]))

    assert 1 < far(0.1) < far(0.4) < far(1.0)


@given(amount=st.floats(0, 1), seed=st.integers(0, 2**31))
def test_variation_stays_within_the_bounds_that_are_stated(amount: float, seed: int) -> None:
    v = Variation.draw(amount, np.random.default_rng(seed))
    assert abs(v.turn) <= amount * TURN
    assert max(abs(v.x), abs(v.y)) <= amount * SHIFT
    assert EXPOSURE[0] <= v.exposure <= EXPOSURE[1]
    assert 0 <= v.specks <= amount * SPECKS + 0.5
    light = v.light(16)
    assert light.shape == (16, 16)
    assert light.min() > 0


@given(seed=st.integers(0, 2**31))
def test_an_amount_of_nothing_changes_nothing(seed: int) -> None:
    v = Variation.draw(0.0, np.random.default_rng(seed))
    assert (v.turn, v.x, v.y, v.swing, v.defocus, v.specks) == (0, 0, 0, 0, 0, 0)
    assert np.array_equal(v.light(16), np.ones((16, 16), np.float32))


def test_a_varied_camera_shoots_a_rectangle_as_in_the_whole_picture_and_dust_stays_in_bounds() -> None:
    rng = np.random.default_rng(0)
    camera = VirtualCamera(80, Light(1.0, 0.9), blur=0.5, noise=0.0, unevenness=0.0, rng=rng)
    before = camera.grain.copy()
    camera.vary(Variation(0, 0, 0, 0, 0.8, (0.1, -0.1), None, 3.0, SPECKS, SPECK_LEVELS), rng)
    assert 0 < np.abs(camera.grain - before).max() <= SPECK_LEVELS
    canvas = Canvas(View(80), np.random.default_rng(1))
    canvas.fill_ground((0.2, 0.3, 0.4))
    canvas.stamp(canvas.disc(0, 0, 0.6), (0.7, 0.6, 0.5), rise=0.1, bevel=0.1, gloss=0.3)
    whole = camera.shoot(canvas)
    for cut in ((slice(0, 20), slice(0, 30)), (slice(33, 61), slice(40, 80))):
        assert np.abs(camera.shoot(canvas, cut).astype(int) - whole[cut]).max() <= 1


@pytest.mark.parametrize("family", WITH_EXTRAS)
def test_extra_kinds_show_when_named(family: str) -> None:
    product = draw_product(family, 1)
    for kind in product.extra_kinds:
        for difficulty in (0.0, 0.6, 1.0):
            sample = product.render(2, kind, difficulty, SIZE)
            check_pair(sample)
        assert product.noun in sample.description
        assert sample.description != product.render(2, product.kinds[-1], 0.6, SIZE).description


def test_extra_kinds_are_of_countable_things_and_never_drawn_unless_named() -> None:
    assert len(WITH_EXTRAS) >= 15
    assert not set(EXTRA_KINDS) & set(KINDS)
    for family in FAMILIES:
        product = draw_product(family, 0)
        assert not set(EXTRA_KINDS) & set(product.kinds)
        assert ("extra part" in product.extra_kinds) == ("missing part" in product.kinds)


def test_an_extra_part_is_where_one_more_of_its_kind_was_not() -> None:
    sample = draw_product("bearing", 3).render(4, "extra part", 0.0, 160)
    assert sample.description.startswith("One ball too many is at the ")
    grown = sample.image[sample.mask].astype(float).mean()
    assert grown > sample.clean[sample.mask].astype(float).mean() + 20  # a bright ball where a dark gap was


def test_a_family_without_parts_has_no_extra_kinds() -> None:
    product = draw_product("leather", 0)
    assert product.extra_kinds == ()
    with pytest.raises(DataError, match="extra part"):
        product.render(0, "extra part", size=SIZE)


@pytest.mark.parametrize("variation", [-0.1, 1.01, float("nan")])
def test_variation_out_of_range_is_named(variation: float) -> None:
    with pytest.raises(DataError, match="variation"):
        draw_product("wood", 0).render(0, size=SIZE, variation=variation)


def test_a_data_set_carries_variation_and_named_kinds(tmp_path: Path) -> None:
    counts = ["--n-train", "2", "--n-good", "1", "--n-defect", "2", "--size-px", "96"]
    named = ["--kind", "extra part", "--kind", "asymmetry", "--variation", "0.7"]
    out = tmp_path / "set"
    assert main(["data", "procedural", "--family", "zipper", "--out", str(out), *counts, *named]) == 0
    records = [json.loads(line) for line in (out / "samples.jsonl").read_text("utf-8").splitlines()]
    assert {r["variation"] for r in records} == {0.7}
    assert [r["kind"] for r in records] == ["good"] * 3 + ["extra part", "asymmetry"]
    first = read_image(out / records[0]["path"])
    assert np.array_equal(first, draw_product("zipper", 0).render(0, size=96, variation=0.7).image)
    assert "benign variation 0.7" in (out / "README.txt").read_text("utf-8")


def test_variation_is_off_by_default(tmp_path: Path) -> None:
    write_dataset(tmp_path / "set", "wood", DrawingConfig(n_train=1, n_good=0, n_defect=0, size_px=64))
    image = read_image(tmp_path / "set/train/good/000.png")
    assert np.array_equal(image, draw_product("wood", 0).render(0, size=64).image)
