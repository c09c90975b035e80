"""From what a line keeps of its frames to its detector: goods, defects, kinds, and scores as if unseen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from saec.edge.learning.defects.defect_head_fit import DefectHeadFit, fit_defect_head
from saec.edge.learning.defects.kind_head import KindHead
from saec.edge.learning.defects.kind_head_fit import fit_kind_head
from saec.edge.learning.defects.seen_cells import SeenCells, see_cells
from saec.edge.learning.feature_sums import Features
from saec.edge.learning.fit_contract import Progress
from saec.edge.learning.goods.goods_fit import GoodsFit, GoodsKept, fit_goods
from saec.edge.learning.head.defect_head import DefectHead
from saec.edge.learning.head.detector_head import PatchModel
from saec.edge.learning.head.kind_outputs import pooled_features
from saec.edge.learning.head.tensor_ops import NumpyOps
from saec.edge.learning.patch_candidates import owner_number
from saec.edge.learning.taught_frames import PICKED, TaughtFrame, TaughtFrames
from saec.settings import FitConfig
from saec.types import DEFECT, GOOD

Floats = NDArray[np.float32]
Indices = NDArray[np.int64]

GAIN_WORTH = 0.03
"""Rise of the goods' distances at half the goods, below which more goods would scarcely help."""

ORDERED = 256
"""Goods at most that are put in the order in which they cover the goods; the first become references."""


@dataclass(frozen=True, slots=True, eq=False)
class Learned:
    """A fitted detector.

    Attributes:
        model: its arrays.
        goods, defects: sha256 -> score as if unseen, of the frames whose features are kept; of goods only
            those that were not chosen by their score.
        order: sha256 of goods, in the order in which they cover the goods.
        notes: sentences for the user.
        kinds: the kinds of defect that it can name.
        params: numbers for the profile.
    """

    model: PatchModel
    goods: dict[str, float]
    defects: dict[str, float]
    order: list[str]
    notes: list[str]
    kinds: tuple[str, ...] = ()
    params: dict[str, float] = field(default_factory=dict)


def learn(
    taught: TaughtFrames, config: FitConfig, inside: NDArray[np.bool_] | None, progress: Progress
) -> Learned:
    """Fit the detector to what is kept of the frames. The order in which they were taught does not count.

    Args:
        taught: the frames, settled.
        config: how the line is made.
        inside: 2h x 2w, the cells of the map within the region of interest, or None for all.
        progress: told of the folds.

    Raises:
        DataError: fewer than three goods, or all of one part.
    """
    return learn_defects(taught, learn_goods(taught, config, inside, progress), config)


@dataclass(frozen=True, slots=True, eq=False)
class LearnedGoods:
    """What the goods have taught.

    Attributes:
        frames: the goods whose features are kept.
        fit: the detector of the goods.
        scores: the score of each of ``frames`` by one that has not seen its part.
        found: the detector without labelled defects.
    """

    frames: list[TaughtFrame]
    fit: GoodsFit
    scores: NDArray[np.float64]
    found: Learned


def learn_goods(
    taught: TaughtFrames, config: FitConfig, inside: NDArray[np.bool_] | None, progress: Progress
) -> LearnedGoods:
    """Fit the detector to the goods alone; see ``learn``. Labelled defects change nothing of it."""
    goods = taught.frames(GOOD)
    folds, _ = dealt_folds(goods, [], config.folds)
    fit, scores = goods_fit(taught, goods, folds, config, inside, progress)
    covering = covering_order(taught.features(goods))
    found = Learned(
        model=PatchModel(fit.model),
        goods=_by_hash(goods, scores),
        defects={},
        order=[goods[at].sha for at in covering],
        notes=[_more_goods(fit.half_gap, taught.count)],
    )
    return LearnedGoods(goods, fit, scores, found)


def learn_defects(taught: TaughtFrames, known: LearnedGoods, config: FitConfig) -> Learned:
    """What the goods have taught, and what labelled defects add to it.

    Args:
        taught: the frames; its goods are those of ``known``.
        known: what the goods have taught.
        config: how the line is made.
    """
    goods, defects = known.frames, taught.frames(DEFECT)
    if not defects:
        return known.found
    folds = dealt_folds(goods, defects, config.folds)
    seen = see_cells(taught, known.fit, goods, defects, folds, known.scores)
    return _with_defects(known.found, seen, goods, defects, config)


def goods_fit(
    taught: TaughtFrames,
    goods: Sequence[TaughtFrame],
    folds: Indices,
    config: FitConfig,
    inside: NDArray[np.bool_] | None,
    progress: Progress,
) -> tuple[GoodsFit, NDArray[np.float64]]:
    """The detector of the goods, and the score of each of ``goods`` by one that has not seen its part."""
    assert taught.steps is not None
    assert taught.sums is not None
    assert taught.candidates is not None
    kept = GoodsKept(
        steps=taught.steps,
        sums=taught.sums,
        candidates=taught.candidates,
        features=taught.features(goods),
        owners=np.array([owner_number(frame.sha) for frame in goods], np.uint64),
        folds=folds,
        inside=inside,
    )
    fit = fit_goods(kept, memory=config.memory_patches, seed=config.seed, progress=progress)
    return fit, fit.scores.astype(np.float64)


def dealt_folds(
    goods: Sequence[TaughtFrame], defects: Sequence[TaughtFrame], count: int
) -> tuple[Indices, Indices]:
    """The fold of each good and of each defect, from 0; frames of one part share it.

    Parts are dealt out in the order of their hashes, so the fold depends on the set of frames alone.
    """
    fold_of: dict[str, int] = {}
    for frames in (goods, defects):
        groups = sorted({frame.group for frame in frames} - fold_of.keys())
        folds = max(1, min(count, len(groups)))
        fold_of |= {group: at % folds for at, group in enumerate(groups)}
    of_goods, of_defects = ([fold_of[frame.group] for frame in frames] for frames in (goods, defects))
    return np.array(of_goods, np.int64), np.array(of_defects, np.int64)


def covering_order(features: Features) -> list[int]:
    """Indices of at most ``ORDERED`` frames (n x C x h x w): the most central by its mean features first,
    then each time the one farthest from those before it."""
    means = features.mean((2, 3), dtype=np.float64)
    unit = (means - means.mean(0)) / np.maximum(means.std(0), 1e-6)
    order = [int((unit**2).sum(1).argmin())]
    nearest = np.full(len(unit), np.inf)
    while len(order) < min(ORDERED, len(unit)):
        nearest = np.minimum(nearest, ((unit - unit[order[-1]]) ** 2).sum(1))
        nearest[order] = -1.0
        order.append(int(nearest.argmax()))
    return order


def _with_defects(
    found: Learned,
    seen: SeenCells,
    goods: Sequence[TaughtFrame],
    defects: Sequence[TaughtFrame],
    config: FitConfig,
) -> Learned:
    """What is found of the goods, and what the defects have taught."""
    if config.learn == "never":
        return replace(found, defects=_by_hash(defects, seen.defects.scores))
    head, kinds = fit_defect_head(seen.goods, seen.defects), _kinds(seen, defects)
    weights = head.weights
    earned = weights.hot > 0 or weights.full > 0
    model = PatchModel(
        goods=found.model.goods,
        cells=seen.model if earned or kinds is not None else None,
        defects=_defect_head(head) if earned else None,
        kinds=kinds,
    )
    return replace(
        found,
        model=model,
        goods=_by_hash(goods, head.goods),
        defects=_by_hash(defects, head.defects),
        notes=[*found.notes, _weight_sentence(head, len(defects))],
        kinds=() if kinds is None else kinds.kinds,
        params={"hot_weight": weights.hot, "full_weight": weights.full},
    )


def _defect_head(fit: DefectHeadFit) -> DefectHead:
    return DefectHead(
        hot_weights=fit.hot.weights,
        hot_offset=fit.hot.offset,
        full_weights=fit.full.weights,
        full_offset=fit.full.offset,
        level=fit.weights.level.astype(np.float32),
        gain=fit.weights.gain.astype(np.float32),
    )


def _kinds(seen: SeenCells, defects: Sequence[TaughtFrame]) -> KindHead | None:
    """The head that names kinds, where enough defects have one."""
    named = [at for at, frame in enumerate(defects) if frame.kind]
    if not named:
        return None
    known = seen.defects
    hot = known.hot_features()[named, :, : known.residuals.shape[2]]
    residuals, heat = known.residuals[named], seen.heat[named]
    pooled = pooled_features(NumpyOps(), hot, residuals, heat, seen.model.hottest, residuals.shape)
    fit = fit_kind_head(pooled, [defects[at].kind for at in named], known.parts[named])
    return None if fit is None else fit.head


def _by_hash(frames: Sequence[TaughtFrame], scores: NDArray[np.float64]) -> dict[str, float]:
    """The score of each frame; without goods that were picked by it, whose tail is not that of all goods."""
    pairs = zip(frames, scores, strict=True)
    return {frame.sha: float(score) for frame, score in pairs if frame.share != PICKED}


def _weight_sentence(fit: DefectHeadFit, count: int) -> str:
    hot, full = fit.weights.hot, fit.weights.full
    if hot == 0 and full == 0:
        return (
            f"the {count} labelled defects have not earned a say in the score: on frames that it has not "
            "seen, what they teach finds no more defects"
        )
    return (
        f"the {count} labelled defects have a say in the score, with the weights {hot:g} (unusual cells) and "
        f"{full:g} (all cells), by frames that what they teach has not seen"
    )


def _more_goods(half_gap: float | None, count: int) -> str:
    if half_gap is None:
        return "it is unknown whether more good images would help: these are too few to tell"
    if half_gap > GAIN_WORTH:
        return (
            f"more good images would still help: fitted on half of the {count} images, "
            f"the detector finds unseen good images {half_gap:.1%} more unusual"
        )
    return (
        f"more good images would hardly help: fitted on half of the {count} images, "
        f"the detector finds unseen good images only {max(half_gap, 0.0):.1%} more "
        "unusual"
    )
