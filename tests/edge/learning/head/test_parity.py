"""The gate would tell if the exported graph and the fitted detector were not one."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from numpy.typing import NDArray

from saec.edge.learning.head.detector_head import PatchModel, head
from saec.edge.learning.head.parity import check_parity, rounding_of
from saec.edge.learning.head.tensor_ops import NumpyOps
from saec.errors import ParityError
from tests.edge.learning.head.random_heads import random_features, random_head

Floats = NDArray[np.float32]

MODEL = random_head()
FRAMES = [random_features(seed) for seed in range(6)]
SCORES = [float(head(NumpyOps(), frame, MODEL).score[0]) for frame in FRAMES]
ROUNDING = 1e-6


def told(shift: float = 0.0) -> list[tuple[Floats, float]]:
    return [(frame, score + shift) for frame, score in zip(FRAMES, SCORES, strict=True)]


def exact(features: Floats) -> float:
    return float(head(NumpyOps(), features, MODEL).score[0])


def test_parity_counts_and_measures() -> None:
    found = check_parity(MODEL, exact, FRAMES[:2], told(), 3.0, rounding=ROUNDING)
    assert (found.heads, found.images, found.threshold, found.largest) == (2, 6, 3.0, 0.0)
    far = check_parity(MODEL, exact, FRAMES, told(0.5), -1e6, rounding=ROUNDING)
    assert far.largest == pytest.approx(0.5, abs=1e-4)


@pytest.mark.parametrize("shift", [-2.0, 2.0])
@pytest.mark.parametrize("whole", [True, False])
def test_it_fails_where_one_label_differs(shift: float, whole: bool) -> None:
    scores = sorted(SCORES)
    gaps = np.diff(scores)
    at = int(gaps.argmax())  # one score lies just on the other side of the threshold, no other does
    assert gaps[at] > 3
    threshold = scores[at] + 1 if shift > 0 else scores[at + 1] - 1
    heads, pairs = (FRAMES, told(shift)) if whole else (FRAMES, told())
    exported = exact if whole else (lambda features: exact(features) + shift)
    with pytest.raises(ParityError, match="another label than the fitted detector on 1 of 12") as caught:
        check_parity(MODEL, exported, heads, pairs, threshold, rounding=ROUNDING)
    assert caught.value.remedy


@pytest.mark.parametrize("shift", [-2e-4, 2e-4])
def test_a_threshold_within_rounding_of_a_score_is_moved_out_of_its_way(shift: float) -> None:
    threshold = SCORES[2] + shift / 2
    found = check_parity(MODEL, exact, [], told(shift), threshold, rounding=ROUNDING)
    assert found.threshold != threshold
    assert abs(found.threshold - threshold) < 1e-3
    assert [s >= found.threshold for s in SCORES] == [s + shift >= found.threshold for s in SCORES]


def test_what_rounding_explains_of_goods_that_are_nearly_the_same_is_no_error() -> None:
    goods = dataclasses.replace(MODEL.goods, whiten=MODEL.goods.whiten * np.float32(1e4))
    sharp = PatchModel(goods)  # no head for defects
    score = float(head(NumpyOps(), FRAMES[0], sharp).score[0])
    explained = rounding_of(sharp, FRAMES[0], 1e-4)
    assert explained > 0.01
    pairs = [(FRAMES[0], score + explained / 2)]
    threshold = score + explained / 4
    assert check_parity(sharp, exact, [], pairs, threshold, rounding=1e-4).threshold != threshold
    beyond = 10 * explained + 0.01 * abs(score)
    with pytest.raises(ParityError):
        check_parity(sharp, exact, [], [(FRAMES[0], score + 2 * beyond)], score + beyond, rounding=1e-4)
