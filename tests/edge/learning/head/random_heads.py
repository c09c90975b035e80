"""Heads of random arrays, for tests of what executes them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from saec.edge.learning.defects.kind_head import KindHead
from saec.edge.learning.head.defect_head import DefectHead
from saec.edge.learning.head.detector_head import GoodsModel, PatchModel
from saec.edge.learning.head.hot_cells import CellModel

CHANNELS, HEIGHT, WIDTH = 6, 8, 4
MEMORY, AXES = 9, 4


def random_features(seed: int, count: int = 1) -> NDArray[np.float32]:
    shape = (count, CHANNELS, HEIGHT, WIDTH)
    return np.random.default_rng(seed).normal(0, 1, shape).astype(np.float32)


def random_head(seed: int = 0, *, learned: bool = True, region: bool = False) -> PatchModel:
    rng = np.random.default_rng(seed)

    def some(*shape: int, low: float | None = None) -> NDArray[np.float32]:
        values = rng.normal(0, 1, shape) if low is None else rng.uniform(low, low + 1, shape)
        return values.astype(np.float32)

    patches = some(MEMORY, AXES)
    fine = (2 * HEIGHT, 2 * WIDTH)
    inside = cells = None
    if region:
        shown = np.zeros((HEIGHT, WIDTH), np.bool_)
        shown[2:7, 1:] = True
        cells = np.flatnonzero(shown)
        inside = np.flatnonzero(shown.repeat(2, 0).repeat(2, 1))
    goods = GoodsModel(
        project=some(CHANNELS, AXES),
        offset=some(AXES),
        memory=-2.0 * patches.T,
        bias=(patches**2).sum(1),
        places=some(CHANNELS, HEIGHT * WIDTH),
        whiten=some(HEIGHT // 4 * WIDTH // 4, CHANNELS, CHANNELS),
        block=(4, 4),
        rows=some(fine[0], HEIGHT, low=0.0),
        columns=some(WIDTH, fine[1], low=0.0),
        centre=some(2),
        spread=some(2, low=1.0),
        expected=some(*fine),
        deviation=some(*fine, low=0.5),
        inside=inside,
    )
    if not learned:
        return PatchModel(goods)
    seen = CellModel(
        mean=some(CHANNELS),
        deviation=some(CHANNELS, low=0.5),
        patches=some(MEMORY, CHANNELS),
        hot=4,
        hottest=2,
        inside=cells,
    )
    defects = DefectHead(
        hot_weights=some(2 * CHANNELS),
        hot_offset=0.3,
        full_weights=some(CHANNELS),
        full_offset=-0.2,
        level=np.array([0.5, 0.2], np.float32),
        gain=np.array([2.0, 1.0], np.float32),
    )
    pooled = 2 * CHANNELS + 4
    kinds = KindHead(
        kinds=("dent", "scratch"),
        centre=some(pooled),
        scale=some(pooled, low=0.1),
        weights=some(pooled, 2),
        offset=some(2),
        sharpness=2.0,
        bar=0.3,
        examples=some(5, pooled),
        reach=3.0,
    )
    return PatchModel(goods, seen, defects, kinds)
