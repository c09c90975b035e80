"""The self-check finds what is off, and lets pass what rounding explains."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from saec.cloud.engines.qwen import load_qwen
from saec.cloud.engines.qwen_forward import QwenModel
from saec.cloud.fast.packing import Layer
from saec.cloud.fast.self_check import Agreement, check_agreement, check_questions, compare
from saec.errors import ModelError
from saec.settings import CloudConfig
from saec_research.small_model import FOLDER as SMALL

pytestmark = pytest.mark.numeric

NEAR: dict[str, Any] = {"side": 120, "count": 3}


@pytest.fixture(scope="module")
def core() -> QwenModel:
    return QwenModel(SMALL, {}, torch.device("cpu"), torch.float32)


def test_the_fast_pass_agrees_on_the_shipped_checkpoint(core: QwenModel) -> None:
    found = compare(core, **NEAR)
    assert found.difference.max() <= found.exact < 1e-3
    assert found.flips == 0
    assert len(set(found.ours)) == 3
    assert "of 3 questions" in found.text()


def test_it_is_asked_at_every_load() -> None:
    loaded = load_qwen(CloudConfig(model="small", device="cpu", dtype="float32"), SMALL, {})
    assert loaded.agreement is not None
    assert loaded.agreement.difference.max() <= loaded.agreement.exact


def test_a_weight_that_is_packed_wrongly_is_found(core: QwenModel) -> None:
    packed = cast("list[Layer]", core.fast._of(None).layers)
    wrong = packed[2]._replace(out=packed[0].out)
    layers = list(packed)
    packed[2] = wrong
    try:
        with pytest.raises(ModelError, match="than the library transformers"):
            check_agreement(core, exact=True, rounded=False, **NEAR)
    finally:
        packed[:] = layers


def _found(
    ours: NDArray[np.float64] | list[float],
    plain: NDArray[np.float64] | list[float],
    alone: NDArray[np.float64] | list[float],
) -> Agreement:
    return Agreement(np.asarray(ours), np.asarray(plain), np.asarray(alone), exact=1e-3, rounded=0.01)


@pytest.mark.parametrize(
    ("off", "kind", "refused"),
    [
        (5e-4, {"exact": True, "rounded": False}, False),
        (2e-3, {"exact": True, "rounded": False}, True),
        (0.02, {"exact": False, "rounded": False}, False),  # the plain pass differs from itself by as much
        (0.05, {"exact": False, "rounded": False}, True),
        (-0.05, {"exact": False, "rounded": False}, True),
        (0.05, {"exact": False, "rounded": True}, False),
        (0.2, {"exact": False, "rounded": True}, True),
        (np.nan, {"exact": False, "rounded": True}, True),
    ],
)
def test_what_the_arithmetic_explains_passes_and_no_more(
    core: QwenModel, monkeypatch: pytest.MonkeyPatch, off: float, kind: dict[str, Any], refused: bool
) -> None:
    plain = np.array([0.3, 0.6, 0.7])
    made = _found(plain + off, plain, plain + 0.02)
    monkeypatch.setattr("saec.cloud.fast.self_check.compare", lambda *_: made)
    if refused:
        with pytest.raises(ModelError):
            check_agreement(core, **kind, **NEAR)
    else:
        assert check_agreement(core, **kind, **NEAR) is made


def test_labels_that_differ_are_counted() -> None:
    assert _found([0.4, 0.6, 0.2, 0.9], [0.6, 0.6, 0.1, 0.8], [0.5] * 4).flips == 0.25


def test_probes_differ_and_are_the_same_again() -> None:
    made = check_questions(3, 56, 7)
    assert all(image.shape == (56, 56, 3) for image in made)
    assert not np.array_equal(made[0], made[1])
    for image, again in zip(made, check_questions(3, 56, 7), strict=True):
        assert np.array_equal(image, again)


def test_answers_that_are_no_numbers_are_no_fault_of_the_fast_pass(core: QwenModel) -> None:
    weight = core.model.model.language_model.norm.weight
    kept = weight.data.clone()
    weight.data[0] = float("nan")
    try:
        with pytest.raises(ModelError, match="own answers are NaN or infinite") as refused:
            check_agreement(core, exact=True, rounded=False, **NEAR)
    finally:
        weight.data.copy_(kept)
    assert "report" not in refused.value.remedy
