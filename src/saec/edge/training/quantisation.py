"""The feature graph in 8-bit integers, and whether the detector that is fitted on it is as good.

NNCF (Apache-2.0) looks at the ranges of all activations over some good frames and puts quantisers into the
graph; OpenVINO then runs its convolutions in int8. The features are others than in float32, so the whole
detector is fitted on them. It is kept only where its labels are those of a detector fitted in float32.
"""

from __future__ import annotations

import contextlib
import io
import logging
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from saec.errors import ExtraError, ParityError

FRAMES = 64
"""Good frames at most whose activations NNCF looks at."""

LABEL_CHANGES = 0.03
"""Share of the frames whose label may change; two may always. As many changed with another seed of a float32
fit, of 320 goods that lie in any direction."""

AUROC_LOSS = 0.005
"""By how much the AUROC may fall where defects are labelled."""

_FLOATING = ["AvgPool", "Concat"]
"""Layers after the last convolutions, which stay as they are: in int8 their rounding would depend on what
follows them, and the features alone would not be those of the whole detector."""

Scores = Mapping[str, float]
"""sha256 of a frame -> its score as if unseen."""


def quantised(model: Any, frames: Sequence[NDArray[np.uint8]]) -> Any:
    """A feature graph with its convolutions in int8.

    Args:
        model: ``openvino.Model``, 1 x H x W x 3 uint8 to features; it stays as it is.
        frames: good frames, H x W x 3.

    Returns:
        An ``openvino.Model`` with the same input and output.

    Raises:
        ExtraError: NNCF is not installed.
    """
    try:
        import nncf
    except ModuleNotFoundError as e:
        raise ExtraError(e.name or "nncf", "int8") from None
    from nncf.quantization.advanced_parameters import AdvancedQuantizationParameters, OverflowFix

    nncf.set_log_level(logging.ERROR)
    # Sums of two products overflow 16 bits on CPUs without VNNI. With a bit less in the weights none does,
    # and every CPU gives the same features.
    portable = AdvancedQuantizationParameters(overflow_fix=OverflowFix.ENABLE)
    data = nncf.Dataset([frame[None] for frame in frames])
    with contextlib.redirect_stdout(io.StringIO()):  # its progress bars
        return nncf.quantize(
            model.clone(),
            data,
            subset_size=len(frames),
            ignored_scope=nncf.IgnoredScope(types=_FLOATING, validate=False),
            advanced_parameters=portable,
        )


def check_quantised(plain: tuple[Scores, Scores], made: tuple[Scores, Scores], threshold: float) -> list[str]:
    """Compare a detector on int8 features with one on float32 features.

    The scores are on each detector's own scale. So labels are compared where both call the same number of
    goods defects.

    Args:
        plain: cross-fitted scores of goods and of defects in float32.
        made: the same frames' scores in int8.
        threshold: scores of ``made`` at or above it are defects.

    Returns:
        What was found, as sentences.

    Raises:
        ParityError: more labels differ than ``LABEL_CHANGES`` allows, or the AUROC falls by more than
            ``AUROC_LOSS``.
    """
    goods, defects = sorted(made[0]), sorted(made[1])
    before, after = (_of(scores, goods, defects) for scores in (plain, made))
    rejected = int((after[: len(goods)] >= threshold).sum())
    ordered = np.sort(before[: len(goods)])[::-1]
    matched = ordered[rejected - 1] if rejected else np.nextafter(ordered[0], np.inf)
    changes = int(((before >= matched) != (after >= threshold)).sum())
    said = f"int8 changes the label of {changes} of {len(after)} frames"
    good = changes <= max(2, LABEL_CHANGES * len(after))
    if defects:
        was, now = (_auroc(scores, len(goods)) for scores in (before, after))
        said += f", and the AUROC from {was:.4f} to {now:.4f}"
        good = good and was - now <= AUROC_LOSS
    if not good:
        raise ParityError(
            f"{said}, beside float32 on the same frames: more than is allowed "
            f"({LABEL_CHANGES:.0%} of the labels, {AUROC_LOSS:g} of AUROC)",
            "fit with dtype float32 or bfloat16",
        )
    return [f"{said}, beside float32 on the same frames"]


def _auroc(scores: NDArray[np.float64], goods: int) -> float:
    """Area under the ROC curve of scores whose first ``goods`` are of goods; ties count half."""
    defects = len(scores) - goods
    ranks = rankdata(scores)[goods:].sum()
    return float((ranks - defects * (defects + 1) / 2) / (goods * defects))


def _of(scores: tuple[Scores, Scores], goods: list[str], defects: list[str]) -> NDArray[np.float64]:
    return np.array([*(scores[0][sha] for sha in goods), *(scores[1][sha] for sha in defects)])
