"""Products and frames: what holds for every family, kind and seed."""

from __future__ import annotations

import doctest
import pickle
import re
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st

import saec.data.procedural as procedural
from saec.data.procedural import FAMILIES, HELD_OUT, KINDS, OBJECTS, TEXTURES, RenderedFrame, draw_product
from saec.data.procedural.painting.defects import (
    VISIBLE_AREA,
    VISIBLE_CONTRAST,
    VISIBLE_LEVELS,
    local_deviation,
)
from saec.data.procedural.painting.design import RIM, SURFACE
from saec.errors import DataError

SIZE = 96


def check_pair(sample: RenderedFrame) -> None:
    """The invariant: outside the mask nothing differs, inside it the change can be seen."""
    change = np.abs(sample.image.astype(int) - sample.clean)
    assert change[~sample.mask].max(initial=0) == 0
    assert sample.mask.mean() >= VISIBLE_AREA
    assert change[sample.mask].mean() >= VISIBLE_LEVELS
    assert sample.contrast >= VISIBLE_CONTRAST


@pytest.mark.parametrize("family", FAMILIES)
def test_every_kind_of_every_family_shows_inside_its_mask_alone(family: str) -> None:
    product = draw_product(family, 1)
    for i, kind in enumerate(product.kinds):
        sample = product.render(i, kind, 0.5, SIZE)
        check_pair(sample)
        assert sample.kind == kind
        assert sample.image.shape == (SIZE, SIZE, 3)
        assert sample.image.dtype == np.uint8


@settings(max_examples=60, deadline=None)
@given(
    family=st.sampled_from(sorted(FAMILIES)),
    seeds=st.tuples(st.integers(0, 2**31), st.integers(0, 2**31)),
    pick=st.integers(0, 10**6),
    difficulty=st.floats(0, 1),
    size=st.integers(64, 140),
)
def test_any_defect_of_any_product_is_exact_and_visible(
    family: str, seeds: tuple[int, int], pick: int, difficulty: float, size: int
) -> None:
    product = draw_product(family, seeds[0])
    try:
        sample = product.render(seeds[1], product.kinds[pick % len(product.kinds)], difficulty, size)
    except DataError as e:  # what would show nowhere is not drawn, and says so
        if "would not be visible anywhere" not in e.what:
            raise
        reject()
    check_pair(sample)


def test_a_defect_hides_nothing_of_its_good_frame() -> None:
    product = draw_product("gear", 5)
    good = product.render(9, size=SIZE)
    for kind in product.kinds:
        assert np.array_equal(product.render(9, kind, size=SIZE).clean, good.image)


def test_a_good_frame_has_no_mask_no_box_and_no_contrast() -> None:
    sample = draw_product("wood", 2).render(4, size=SIZE)
    assert (sample.kind, sample.box, sample.contrast, sample.difficulty) == ("good", None, 0.0, 0.0)
    assert not sample.mask.any()
    assert np.array_equal(sample.image, sample.clean)


def test_the_same_arguments_give_the_same_bytes_in_another_process() -> None:
    code = (
        "import hashlib; from saec.data.procedural import draw_product;"
        "s = draw_product('label', 3).render(5, 'stain', 0.4, 96);"
        "print(hashlib.sha256(s.image.tobytes() + s.mask.tobytes()).hexdigest(), s.description)"
    )
    runs = [
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True) for _ in "ab"
    ]
    assert runs[0].stdout == runs[1].stdout
    assert "stain" in runs[0].stdout


def test_a_product_travels_to_a_worker() -> None:
    product = draw_product("circuit-board", 8)
    sample = product.render(0, "misprint", 0.5, SIZE)
    again = pickle.loads(pickle.dumps(product)).render(0, "misprint", 0.5, SIZE)
    assert np.array_equal(again.image, sample.image)


@pytest.mark.parametrize("family", FAMILIES)
def test_frames_of_a_product_are_alike_and_products_are_not(family: str) -> None:
    def colours(product: int, frame: int) -> np.ndarray:
        image = draw_product(family, product).render(frame, size=SIZE).image
        return np.sort(image.reshape(-1, 3).mean(axis=1))

    frames = [colours(0, i) for i in range(3)]
    others = [colours(i, 0) for i in range(1, 6)]
    within = max(np.abs(f - frames[0]).mean() for f in frames[1:])
    between = max(np.abs(o - frames[0]).mean() for o in others)
    assert 0 < within < between


def test_benign_variation_changes_pixels_but_not_the_product() -> None:
    product = draw_product("keypad", 1)
    a, b = (product.render(i, size=SIZE).image.astype(float) for i in range(2))
    assert np.abs(a - b).mean() > 1
    assert abs(a.mean() - b.mean()) < 15


def test_there_are_many_families_and_kinds_and_some_of_each_group_are_held_out() -> None:
    assert len(FAMILIES) >= 16
    assert len(KINDS) >= 10
    assert len(set(HELD_OUT)) >= 4
    assert set(HELD_OUT) & set(TEXTURES)
    assert set(HELD_OUT) & set(OBJECTS)
    assert set(HELD_OUT) < set(FAMILIES)


def test_every_kind_is_had_by_a_family_that_training_sees_and_each_family_has_several() -> None:
    kinds = {family: set(draw_product(family, 0).kinds) for family in FAMILIES}
    assert set().union(*(k for f, k in kinds.items() if f not in HELD_OUT)) == set(KINDS)
    assert min(map(len, kinds.values())) >= 5


def test_harder_defects_are_smaller_and_fainter() -> None:
    def measured(kind: str, difficulty: float) -> tuple[float, float]:
        samples = [
            product.render(i, kind, difficulty, SIZE)
            for family in ("cast-surface", "granite", "gear", "bottle-mouth", "solar-cell", "label", "fabric")
            for i in range(4)
            if kind in (product := draw_product(family, i)).kinds
        ]
        areas, contrasts = [s.mask.mean() for s in samples], [s.contrast for s in samples]
        return float(np.median(areas)), float(np.median(contrasts))

    for kind in SURFACE:
        easy, hard = measured(kind, 0.05), measured(kind, 0.95)
        assert easy[0] > 2 * hard[0], kind
        assert easy[1] > hard[1], kind
    for kind in RIM:
        assert measured(kind, 0.05)[0] > 2 * measured(kind, 0.95)[0], kind


def test_an_extent_makes_marks_small_and_leaves_them_plain() -> None:
    def measured(extent: float) -> tuple[float, float]:
        samples = [
            draw_product(family, 5).render(i, kind, 0.3, 448, extent=extent)
            for family in ("cast-surface", "leather", "bearing")
            for i, kind in enumerate(("scratch", "stain", "dent"))
        ]
        lengths = [max(s.box[2] - s.box[0], s.box[3] - s.box[1]) for s in samples if s.box]
        return float(np.median(lengths)), float(np.median([s.contrast for s in samples]))

    plain, small = measured(1.0), measured(0.2)
    assert small[0] < plain[0] / 3
    assert small[1] > 0.6 * plain[1]
    product = draw_product("wood", 1)
    assert np.array_equal(
        product.render(1, "stain", 0.4, SIZE).image, product.render(1, "stain", 0.4, SIZE, 0.0, 1.0).image
    )
    for extent in (0.0, 1.5, float("nan")):
        with pytest.raises(DataError, match="extent"):
            product.render(1, "stain", 0.4, SIZE, extent=extent)


def test_contrast_is_what_its_words_say() -> None:
    sample = draw_product("brushed-metal", 3).render(2, "stain", 0.3, SIZE)
    x0, y0, x1, y1 = sample.box or (0, 0, 0, 0)
    rows, cols = np.nonzero(sample.mask)
    assert (x0, y0, x1, y1) == (cols.min(), rows.min(), cols.max() + 1, rows.max() + 1)
    change = np.abs(sample.image.astype(float) - sample.clean)[sample.mask].mean()
    deviation = local_deviation(sample.clean, (slice(y0, y1), slice(x0, x1)))
    assert sample.contrast == pytest.approx(change / deviation)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_description_is_one_sentence_that_names_the_product(family: str) -> None:
    product = draw_product(family, 0)
    for kind in (None, *product.kinds):
        text = product.render(3, kind, 0.4, SIZE).description
        assert re.fullmatch(r"[A-Z][a-z ]+\.", text), text
        assert product.noun in text


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"family": "unicorn"}, "unicorn"),
        ({"kind": "bent pin"}, "bent pin"),
        ({"difficulty": 1.5}, "1.5"),
        ({"difficulty": float("nan")}, "nan"),
        ({"size": 20}, "20"),
        ({"product": -1}, "-1"),
        ({"frame": -1}, "-1"),
    ],
)
def test_what_cannot_be_drawn_is_named(change: dict[str, object], word: str) -> None:
    a = {
        "family": "wood",
        "product": 0,
        "frame": 0,
        "kind": "stain",
        "difficulty": 0.5,
        "size": SIZE,
    } | change
    with pytest.raises(DataError, match=re.escape(word)):
        draw_product(a["family"], a["product"]).render(a["frame"], a["kind"], a["difficulty"], a["size"])  # type: ignore[arg-type]


def test_it_runs_without_msgspec_and_pulls_no_other_reader_in() -> None:
    code = (
        "import sys; sys.modules['msgspec'] = None; import saec.data.procedural;"
        "print(*sorted(m for m in sys.modules if m.startswith('saec.') and 'procedural' not in m))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert set(out.split()) <= {"saec.data", "saec.data.progress", "saec.errors", "saec.silence"}


def test_the_example_of_the_package_is_true() -> None:
    result = doctest.testmod(procedural)
    assert result.attempted > 0
    assert result.failed == 0
