"""The pieces under the products: views, noise, camera, marks, glyphs, words."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saec.data.procedural import KINDS
from saec.data.procedural.painting import sentences as words
from saec.data.procedural.painting.canvas import Canvas, View
from saec.data.procedural.painting.marks import MARKS, Mark, Spot, lay
from saec.data.procedural.painting.noise import TILE, tile
from saec.data.procedural.painting.virtual_camera import (
    DUST_LEVELS,
    DUST_MAX,
    DUST_RADIUS,
    Light,
    VirtualCamera,
)
from saec.data.procedural.shapes.glyphs import glyph_strokes

LIGHT = Light(azimuth=1.0, elevation=0.9)


def canvas(size: int = 80, seed: int = 0) -> Canvas:
    c = Canvas(View(size, 0.3, 1.1, 0.05, -0.02), np.random.default_rng(seed))
    c.fill_ground((0.2, 0.25, 0.3))
    c.stamp(
        c.disc(0, 0, 0.7), (0.6, 0.5, 0.4), rise=0.1, bevel=0.1, relief=0.01 * c.noise("fbm", 3.0), gloss=0.4
    )
    return c


def camera(size: int = 80, noise: float = 1.5, seed: int = 1) -> VirtualCamera:
    return VirtualCamera(size, LIGHT, blur=0.5, noise=noise, unevenness=0.05, rng=np.random.default_rng(seed))


@given(
    size=st.integers(64, 600),
    angle=st.floats(-4, 4),
    zoom=st.floats(0.5, 2),
    x=st.floats(-0.3, 0.3),
    y=st.floats(-0.3, 0.3),
    u=st.floats(-1, 1),
    v=st.floats(-1, 1),
)
def test_a_view_can_be_turned_back(
    size: int, angle: float, zoom: float, x: float, y: float, u: float, v: float
) -> None:
    view = View(size, angle, zoom, x, y)
    px, py = view.pixels([(u, v)])[0]
    assert view.inverse() @ (px, py, 1.0) == pytest.approx((u, v), abs=1e-9)


def test_a_view_without_turn_centres_the_product() -> None:
    assert View(100).pixels([(0, 0), (-1, -1), (1, 1)]) == pytest.approx(
        np.array([(49.5, 49.5), (-0.5, -0.5), (99.5, 99.5)])
    )


@pytest.mark.parametrize("name", ["white", "fine", "soft", "fbm", "cloud"])
def test_a_noise_tile_is_normalised_and_periodic(name: str) -> None:
    t = tile(name)
    assert t.shape == (2 * TILE, 2 * TILE)
    assert np.array_equal(t[:TILE], t[TILE:])
    assert abs(float(t.mean())) < 0.05
    assert float(t.std()) == pytest.approx(1.0, abs=0.05)
    seam = np.abs(t[TILE - 1] - t[TILE]).mean()
    inside = np.abs(np.diff(t[:TILE], axis=0)).mean()
    assert seam < 1.5 * inside


def test_cells_have_one_value_each_and_a_distance_that_grows_inwards() -> None:
    value, edge = tile("cell-value"), tile("cell-edge")
    same = (value[:, 1:] == value[:, :-1]) & (edge[:, 1:] > 2)
    assert (same | (edge[:, 1:] <= 2)).all()
    assert 0 <= value.min() < 0.1
    assert 0.9 < value.max() <= 1
    assert edge.min() == 0


def test_a_rectangle_is_shot_as_in_the_whole_picture() -> None:
    c, cam = canvas(), camera()
    whole = cam.shoot(c)
    for cut in ((slice(0, 20), slice(0, 30)), (slice(33, 61), slice(40, 80)), (slice(79, 80), slice(5, 6))):
        assert np.abs(cam.shoot(c, cut).astype(int) - whole[cut]).max() <= 1


def test_dust_stays_within_its_bounds() -> None:
    size = 200
    seen = 0
    for seed in range(30):
        dust = camera(size, noise=0.0, seed=seed).grain - 0.5
        seen += bool(dust.any())
        assert np.abs(dust).max() <= DUST_LEVELS
        assert np.count_nonzero(dust[0]) <= DUST_MAX * math.pi * (DUST_RADIUS * size + 1.5) ** 2
    assert seen > 10


def test_light_from_the_left_shows_on_the_left() -> None:
    c = Canvas(View(80), np.random.default_rng(0))
    c.whole(np.full((3, 80, 80), 0.5, np.float32))
    c.stamp(c.disc(0, 0, 0.6), (0.5, 0.5, 0.5), rise=0.2, bevel=0.3)
    left = VirtualCamera(
        80, Light(math.pi, 0.8), blur=0, noise=0, unevenness=0, rng=np.random.default_rng(0)
    ).shoot(c)
    assert left[40, 16:30].mean() > left[40, 50:64].mean() + 10


@pytest.mark.parametrize("kind", MARKS)
@pytest.mark.parametrize("at", [(40.0, 40.0), (16.0, 40.0), (1.0, 79.0)])
def test_a_mark_touches_its_own_rectangle_alone(kind: str, at: tuple[float, float]) -> None:
    rng = np.random.default_rng(3)
    before, after = canvas(), canvas()
    mark = MARKS[kind](Spot(*at, 9.0, np.array([0.6, 0.5, 0.4], np.float32), 3.1, rng))
    cut = lay(after, mark, 1.0)
    assert cut is not None
    changed = (before.albedo != after.albedo).any(axis=0) | (before.height != after.height)
    changed[cut] = False
    assert not changed.any()


def test_a_mark_of_the_surface_stays_on_the_body_and_a_burr_beside_it() -> None:
    for kind, beside in (("stain", False), ("burr", True)):
        before, after = canvas(), canvas()
        spot = Spot(75.0, 40.0, 14.0, np.array([0.6, 0.5, 0.4], np.float32), 0.0, np.random.default_rng(1))
        lay(after, MARKS[kind](spot), 1.0)
        changed = (before.albedo != after.albedo).any(axis=0)
        assert changed.any()
        assert not changed[before.body == (255 if beside else 0)].any()


def test_a_mark_outside_the_frame_changes_nothing() -> None:
    mark = Mark(500, 500, np.ones((5, 5), np.float32), np.zeros(3, np.float32), np.zeros((5, 5), np.float32))
    assert lay(canvas(), mark, 1.0) is None


def test_a_broken_edge_shows_the_ground() -> None:
    c = canvas()
    spot = Spot(40.0, 40.0, 10.0, np.zeros(3, np.float32), 0.0, np.random.default_rng(0))
    mark = MARKS["chip"](spot)
    lay(c, mark, mark.strengths[0])
    assert c.albedo[:, 40, 40] == pytest.approx(c.ground[:, 40, 40])


@given(st.integers(-(10**6), 10**6))
@settings(max_examples=40)
def test_any_whole_number_is_a_glyph_in_its_box(look: int) -> None:
    strokes = glyph_strokes(look)
    assert all(len(line) >= 2 for line in strokes)
    assert np.abs(np.concatenate([np.array(line) for line in strokes])).max() <= 1


@pytest.mark.parametrize(
    ("box", "word"),
    [
        ((0, 0, 10, 10), "upper left"),
        ((45, 0, 55, 10), "top"),
        ((90, 45, 100, 55), "right side"),
        ((40, 40, 60, 60), "centre"),
        ((0, 90, 4, 100), "lower left"),
        ((99, 99, 100, 100), "lower right"),
        ((0, 0, 100, 100), "centre"),
    ],
)
def test_places_are_ninths_of_the_frame(box: tuple[int, int, int, int], word: str) -> None:
    assert words.place_in_frame(box, (100, 100)) == word


@pytest.mark.parametrize(
    ("colour", "tone"),
    [
        ((20, 20, 20), "dark"),
        ((220, 220, 220), "bright"),
        ((150, 90, 90), "reddish"),
        ((90, 90, 160), "bluish"),
    ],
)
def test_tones_are_what_was_painted(colour: tuple[int, int, int], tone: str) -> None:
    clean = np.full((40, 40, 3), 110, np.uint8)
    image, mask = clean.copy(), np.zeros((40, 40), bool)
    mask[10:14, 10:14] = True
    image[mask] = colour
    text = words.defect_sentence("stain", "gear", "", clean, image, mask, (10, 10, 14, 14))
    assert text == f"A small {tone} stain lies on the upper left of the gear."


def test_every_kind_has_a_sentence() -> None:
    clean, mask = np.zeros((9, 9, 3), np.uint8), np.ones((9, 9), bool)
    for kind in KINDS:
        assert "gear" in words.defect_sentence(kind, "gear", "tooth", clean, clean + 9, mask, (0, 0, 9, 9))
