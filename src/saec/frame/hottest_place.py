"""Where an anomaly map is hottest, as a box in the frame: what is called a defect, or is most unusual."""

from __future__ import annotations

import statistics

import cv2
import numpy as np

from saec.profile import Calibration
from saec.types import Box, EdgeOpinion


def hottest_box(opinion: EdgeOpinion, threshold: float) -> Box | None:
    """Where the defect is: the box of the region that stands out most.

    Of the connected regions at or above the threshold it takes the one with the greatest sum of
    score above the threshold, so that a large warm region outweighs one hot pixel.

    A map without a ``map_box`` is taken to cover a frame of its own size.

    Returns:
        The box in pixels of the frame, or None when there is no map or nothing reaches the threshold.
    """
    if opinion.map is None:
        return None
    values = np.nan_to_num(opinion.map, nan=-np.inf)
    count, regions, stats, _ = cv2.connectedComponentsWithStats((values >= threshold).astype(np.uint8))
    if count < 2:
        return None
    # The small constant lets a region that is just at the threshold count by its size.
    excess = np.where(values >= threshold, values - threshold + 1e-6, 0.0)
    best = 1 + int(np.argmax(np.bincount(regions.ravel(), excess.ravel(), count)[1:]))
    left, top, width, height = (int(v) for v in stats[best][:4])
    return _to_frame((left, top, left + width, top + height), values.shape, opinion.map_box)


def hottest_place(opinion: EdgeOpinion) -> Box | None:
    """Where the frame is most unusual, whether or not anything reaches the threshold.

    It is the box of the region around the map's maximum that lies at least halfway up from the map's median:
    a small one around a spot, a large one where the heat has no place of its own.

    Returns:
        The box in pixels of the frame, or None when there is no map or it is flat.
    """
    if opinion.map is None:
        return None
    known = np.isfinite(opinion.map)
    if not known.any():
        return None
    values = np.where(known, opinion.map, -np.inf)
    top, middle = float(values.max()), float(np.median(opinion.map[known]))
    if top == middle:
        return None
    warm = (values >= middle + (top - middle) / 2).astype(np.uint8)
    _, regions, stats, _ = cv2.connectedComponentsWithStats(warm)
    region = regions[np.unravel_index(values.argmax(), values.shape)]
    x, y, width, height = (int(v) for v in stats[region][:4])
    return _to_frame((x, y, x + width, y + height), values.shape, opinion.map_box)


def unusual_place(
    opinion: EdgeOpinion, calibration: Calibration, *, score: float | None = None
) -> Box | None:
    """Where the frame is most unusual, if it is unusual anywhere.

    Below half the way from the median good's score to the threshold the hottest place is mostly one of noise
    (docs/spending.md).

    Args:
        opinion: the edge's.
        calibration: the line's.
        score: a score to take instead of the opinion's, for a good that the line was fitted on.
    """
    score = opinion.score if score is None else score
    middle = statistics.median(calibration.goods) if calibration.goods else calibration.threshold
    return None if score < (middle + calibration.threshold) / 2 else hottest_place(opinion)


def _to_frame(cells: Box, shape: tuple[int, ...], map_box: Box | None) -> Box:
    x0, y0, x1, y1 = map_box if map_box is not None else (0, 0, shape[1], shape[0])
    x_cell, y_cell = (x1 - x0) / shape[1], (y1 - y0) / shape[0]
    left, top, right, bottom = cells
    return (
        x0 + int(left * x_cell),
        y0 + int(top * y_cell),
        x0 + min(x1 - x0, int(np.ceil(right * x_cell))),
        y0 + min(y1 - y0, int(np.ceil(bottom * y_cell))),
    )
