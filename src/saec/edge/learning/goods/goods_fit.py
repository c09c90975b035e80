"""Fit the detector to goods, and score the goods as if unseen, from what a line keeps of them.

Goods are scored by cross-fitting: a fold's detector is fitted without the goods that it scores. Both the
scale of the maps and the line's threshold rest on these scores. The folds share sums, from which a fold's
goods are subtracted. Each has a memory of its own: a memory in whose choice a fold's goods had a say lies
farther from them than from other goods, even after their patches are taken out.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from saec.edge.learning.feature_sums import Features, FeatureSums, Steps, by_block
from saec.edge.learning.goods.covering import cover
from saec.edge.learning.goods.good_moments import Standard, standard_of, whitening
from saec.edge.learning.goods.place_scale import map_matrices, place_scale
from saec.edge.learning.head.detector_head import GoodsModel, scaled, scored
from saec.edge.learning.head.tensor_ops import NumpyOps
from saec.edge.learning.patch_candidates import PatchCandidates
from saec.errors import DataError

Floats = NDArray[np.float32]
Indices = NDArray[np.int64]

PROJECTED = 64
"""Dimensions in which patches are compared, at most (a random projection, Johnson and Lindenstrauss 1984)."""

CURVED = 40
"""Goods from which the rise at half of them says how scores fall with all."""

LEAST_GOODS = 3
"""Goods below which nothing can be fitted: two that score the third."""

LEAST_HALF = 5
"""Goods that half of the goods must be to say how scores fall with their number."""

LEAST_FOLDS = 4
"""Folds below which their half is not clearly less than a detector of all but one has seen."""

Progress = Callable[[str, int, int], None]
"""Told what is being done, how far, of how many."""

_NO_FOLD = -1
"""The fold of a patch whose good is not scored: no fold leaves it out."""

_PIECE = 512
"""Patches whose distances to the memory are computed at once."""


@dataclass(frozen=True, slots=True, eq=False)
class GoodsKept:
    """What a line keeps of its goods.

    Attributes:
        steps, sums, candidates: what is kept about all goods.
        features: n x C x h x w, those of the goods that are scored.
        owners: n, uint64, the number of each among the candidates' owners.
        folds: n, the fold of each, from 0, none empty; goods of one part share it.
        inside: 2h x 2w, cells within the region of interest, or None for all.
    """

    steps: Steps
    sums: FeatureSums
    candidates: PatchCandidates
    features: Features
    owners: NDArray[np.uint64]
    folds: Indices
    inside: NDArray[np.bool_] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class GoodsFit:
    """A detector fitted to goods.

    Attributes:
        model: its arrays.
        standard: mean and deviation of the features, in steps.
        memory: indices, among the candidates, of the patches of ``model.memory``.
        fold_memories: the same of each fold's detector.
        maps: n x 2h x 2w, cross-fitted anomaly map of each good that was kept (``detector_head.scaled``).
        scores: n, their scores as if unseen by the final detector.
        half_gap: how much further unseen goods would lie (as a share of the typical distance) were the
            detector fitted on half of the goods; small when more goods would scarcely help. None where
            there are too few goods to tell.
    """

    model: GoodsModel
    standard: Standard
    memory: Indices
    fold_memories: list[Indices]
    maps: Floats
    scores: Floats
    half_gap: float | None


def fit_goods(
    goods: GoodsKept,
    *,
    memory: int,
    seed: int,
    progress: Progress = lambda _what, _done, _of: None,
    workers: int | None = None,
) -> GoodsFit:
    """Fit the detector; the same goods give the same, however many threads work.

    Args:
        goods: what a line keeps of its goods.
        memory: patches that the memory keeps.
        seed: the random projection's.
        progress: is told of each fold.
        workers: threads; one for each core unless given.

    Raises:
        DataError: fewer than ``LEAST_GOODS`` goods, or a single fold.
    """
    _check(goods)
    with ThreadPoolExecutor(workers or os.cpu_count() or 1) as pool:
        fit = _Fit.of(goods, memory, seed)
        folds = int(goods.folds.max()) + 1
        halved = pool.submit(fit.half)
        done = pool.map(fit.held_out, range(folds))
        distances = np.empty((len(goods.features), 2, *fit.fine), np.float32)
        memories = []
        for fold, (chosen, found) in enumerate(done):
            distances[goods.folds == fold] = found
            memories.append(chosen)
            progress("cross-fit", fold + 1, folds)
        scale = place_scale(distances, goods.inside)
        model = fit.model(scale.centre, scale.spread, scale.expected, scale.deviation)
        half = halved.result()
    scores, half_gap = _scored(scale.maps, model), None
    if half is not None:
        scores *= np.float32(1.0 - _fall(goods, model, distances, half))
        half_gap = _half_gap(goods, distances, half)
    return GoodsFit(model, fit.standard, fit.memory, memories, scale.maps, scores, half_gap)


def _check(goods: GoodsKept) -> None:
    if len(goods.folds) < LEAST_GOODS:
        raise DataError(
            f"{len(goods.folds)} good images are too few to fit a detector", f"give at least {LEAST_GOODS}"
        )
    if goods.folds.max() < 1:
        raise DataError(
            "all good images have the same part id", "give images of at least two parts, or check the ids"
        )


def _scored(maps: Floats, model: GoodsModel) -> Floats:
    scores: Floats = scored(NumpyOps(), maps, model, len(maps)).score
    return scores


def _fall(goods: GoodsKept, model: GoodsModel, seen: Floats, half: _Half) -> float:
    """The share by which cross-fitted scores would fall, had the folds' detectors seen all goods.

    A fold's detector saw fewer goods than the final one, so what it judges scores a bit higher: the more so,
    the higher the score, for what is rare is what more goods show. Scores fall with the logarithm of the
    goods seen, as learning curves do over so short a way; the judges that saw half of the goods say by how
    much. Of fewer than ``CURVED`` goods they say nothing: then scores stay.
    """
    if goods.sums.count < CURVED:
        return 0.0
    near, far = (
        float(_scored(scaled(NumpyOps(), distances, model, len(distances)), model).mean())
        for distances in (seen[half.judged], half.distances)
    )
    if near <= 0.0:
        return 0.0
    rest = goods.sums.count - np.bincount(goods.folds).mean()
    return (far / near - 1.0) * float(np.log(goods.sums.count / rest) / np.log(rest / half.left))


def _half_gap(goods: GoodsKept, seen: Floats, half: _Half) -> float:
    """Relative rise of distances from all goods to half of them, by the same curve."""
    rise = float(half.distances.mean() / seen[half.judged].mean() - 1.0)
    rest = goods.sums.count - np.bincount(goods.folds).mean()
    return rise * float(np.log(2.0) / np.log(rest / half.left))


@dataclass(frozen=True, slots=True, eq=False)
class _Half:
    """Some goods judged by a detector of half of the goods.

    Attributes:
        left: goods that the detector saw.
        judged: indices of the goods that it judged.
        distances: their distance maps, m x 2 x 2h x 2w.
    """

    left: int
    judged: Indices
    distances: Floats


@dataclass(frozen=True, slots=True, eq=False)
class _Fit:
    """A fit under way.

    Attributes:
        project: C x d, standardised features to those that are compared.
        patches: the candidates, projected.
        candidate_folds: the fold of each candidate.
        memory: indices of the candidates that are the final detector's memory.
        rows, columns: see ``map_matrices``.
    """

    goods: GoodsKept
    standard: Standard
    project: Floats
    patches: Floats
    candidate_folds: Indices
    memory: Indices
    rows: Floats
    columns: Floats

    @classmethod
    def of(cls, goods: GoodsKept, memory: int, seed: int) -> _Fit:
        standard = standard_of(goods.sums)
        project = _random_rotation(len(standard.mean), seed)
        patches = _standardised(goods.candidates.patches, standard) @ project
        folds, whole = _candidate_folds(goods), cover(patches, memory)
        _, _, height, width = goods.features.shape
        matrices = map_matrices(height, width)
        return cls(goods, standard, project, patches, folds, whole, *matrices)

    @property
    def fine(self) -> tuple[int, int]:
        """Height and width of the maps."""
        return len(self.rows), self.columns.shape[1]

    def held_out(self, fold: int) -> tuple[Indices, Floats]:
        """The memory without a fold, and the distance maps (2 x 2h x 2w each) of the fold's goods."""
        out = self.goods.folds == fold
        chosen = self._memory_without(np.array([fold]))
        return chosen, self._distances(self.goods.features[out], chosen, out)

    def half(self) -> _Half | None:
        """Some goods judged without half of the folds, theirs among them; None where too few are left."""
        folds = int(self.goods.folds.max()) + 1
        less = np.arange((folds + 1) // 2)
        out = np.isin(self.goods.folds, less)
        left = self.goods.sums.count - int(out.sum())
        if folds < LEAST_FOLDS or left < LEAST_HALF:
            return None
        judged = np.flatnonzero(self.goods.folds < max(1, folds // 4))
        chosen = self._memory_without(less)
        return _Half(left, judged, self._distances(self.goods.features[judged], chosen, out))

    def model(self, centre: Floats, spread: Floats, expected: Floats, deviation: Floats) -> GoodsModel:
        """The arrays of the final detector, for features in their own units."""
        goods, standard = self.goods, self.standard
        size = goods.steps.size.astype(np.float64)
        real_mean = standard.mean * size + goods.steps.centre
        project = self.project / (standard.deviation * size)[:, None]
        patches = self.patches[self.memory]
        places = goods.sums.first / goods.sums.count * size[:, None, None] + goods.steps.centre[:, None, None]
        return GoodsModel(
            project=project.astype(np.float32),
            offset=(-real_mean @ project).astype(np.float32),
            memory=np.ascontiguousarray(-2.0 * patches.T),
            bias=(patches**2).sum(1),
            places=places.reshape(len(size), -1).astype(np.float32),
            whiten=(whitening(goods.sums, standard) / size).astype(np.float32),
            block=goods.sums.block,
            rows=self.rows,
            columns=self.columns,
            centre=centre,
            spread=spread,
            expected=expected,
            deviation=deviation,
            inside=None if goods.inside is None else np.flatnonzero(goods.inside),
        )

    def _memory_without(self, folds: Indices) -> Indices:
        """The memory, chosen as if the goods of these folds had never been; indices among the candidates.

        To repair the final memory would cost less, but where it holds patches of these folds it holds no
        others near them. What is filled in later leaves holes there, just where their goods are unusual.
        """
        left = np.flatnonzero(~np.isin(self.candidate_folds, folds))
        return left[cover(self.patches[left], len(self.memory))]

    def _distances(self, features: Features, chosen: Indices, left_out: NDArray[np.bool_]) -> Floats:
        """Distance maps (2 x 2h x 2w each) by the detector of these patches and of the goods left in."""
        _, _, height, width = features.shape
        sums = self.goods.sums.without(self.goods.features[left_out])
        both = np.stack([self._nearest(features, chosen), self._there(features, sums)], 1, dtype=np.float32)
        taller: Floats = self.rows @ both.reshape(len(features), 2, height, width)
        maps: Floats = taller @ self.columns
        return maps

    def _nearest(self, features: Features, chosen: Indices) -> Floats:
        """Distance of each patch to the nearest of the memory, n x hw."""
        n, channels, height, width = features.shape
        # |p - m|^2 = |p|^2 + (|m|^2 - 2 p.m), whose bracket is one product of [p, 1] and [-2 m, |m|^2]
        memory = self.patches[chosen]
        columns = np.concatenate([-2.0 * memory.T, (memory**2).sum(1)[None]])
        weights = np.ascontiguousarray((self.project / self.standard.deviation[:, None]).T, np.float32)
        offset = weights @ self.standard.mean.astype(np.float32)
        patches = np.ones((height * width, len(weights) + 1), np.float32)
        squared = np.empty((n, height * width), np.float32)
        for frame, found in zip(features.reshape(n, channels, -1), squared, strict=True):
            patches[:, :-1] = (weights @ frame.astype(np.float32)).T - offset
            for piece in _pieces(len(patches)):
                found[piece] = (patches[piece] @ columns).min(1)
            found += np.einsum("nd,nd->n", patches[:, :-1], patches[:, :-1])
        return np.sqrt(np.maximum(squared, np.float32(0.0)))

    def _there(self, features: Features, sums: FeatureSums) -> Floats:
        """Mahalanobis distance of each patch at its place, n x hw."""
        n, _, height, width = features.shape
        rows, columns = sums.block
        off: Floats = features.astype(np.float32) - (sums.first / sums.count).astype(np.float32)
        white: Floats = whitening(sums, self.standard) @ by_block(off, sums.block)
        there: Floats = np.sqrt(np.einsum("pcs,pcs->ps", white, white))
        parted = there.reshape(height // rows, width // columns, rows, columns, n)
        return parted.transpose(4, 0, 2, 1, 3).reshape(n, height * width)


def _random_rotation(channels: int, seed: int) -> Floats:
    """Orthonormal columns in random directions, C x d."""
    normal = np.random.default_rng(seed).normal(size=(channels, min(PROJECTED, channels)))
    q, r = np.linalg.qr(normal)
    rotation: Floats = (q * np.sign(np.diag(r))).astype(np.float32)
    return rotation


def _standardised(patches: NDArray[np.int8], standard: Standard) -> Floats:
    """Features in steps (n x C) to standardised ones."""
    mean, deviation = standard.mean.astype(np.float32), standard.deviation.astype(np.float32)
    return (patches - mean) / deviation


def _candidate_folds(goods: GoodsKept) -> Indices:
    """The fold of each candidate's owner, ``_NO_FOLD`` where it is not kept."""
    order = np.argsort(goods.owners)
    owners = goods.owners[order]
    at = np.minimum(np.searchsorted(owners, goods.candidates.owners), len(owners) - 1)
    return np.where(owners[at] == goods.candidates.owners, goods.folds[order][at], _NO_FOLD)


def _pieces(count: int) -> Iterator[slice]:
    return (slice(start, start + _PIECE) for start in range(0, count, _PIECE))
