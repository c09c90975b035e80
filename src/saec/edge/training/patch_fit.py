"""Fit the patch detector to good frames: one pass over the images, the rest over their features on disk.

Goods are scored by cross-fitting: the folds are fitted without the goods that they score, so that a good
scores as one that was never seen. Both the scale of the maps and the line's threshold rest on these scores.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from saec.edge.training.feature_store import Spill
from saec.edge.training.good_statistics import CANDIDATES, Candidates, Moments, build_distances
from saec.edge.training.patch_network import Blur, Distances, PatchNet, Scale
from saec.errors import DataError

PLACE_SMOOTHING = 1.5
"""Standard deviation, in cells, of the smoothing of what goods show at each place."""

PLACE_FLOOR = 0.3
"""Of the mean deviation over places, added to each place's own: few goods say little about one place."""

WORKERS = 2
"""Folds that are fitted at a time, each on one thread; each takes some 300 MB at 448 x 448."""

MIN_GOODS = 10
"""Good images below which no detector is fitted."""

ORDERED = 256
"""Images at most that are put in the order in which they cover the goods; the first become references."""

FeatureFunction = Callable[[NDArray[np.uint8]], NDArray[np.float32]]
"""A prepared frame (H x W x 3) to its features (C x h x w)."""

Progress = Callable[[str, int, int], None]
"""Told what is being done, how far, of how many."""


@dataclass(frozen=True, slots=True, eq=False)
class PatchFit:
    """A fitted detector and what the fit saw.

    Attributes:
        net: the detector.
        scores: cross-fitted score of each good image.
        order: indices of the images, in the order in which they cover the goods.
        half_gap: how much further unseen goods would lie (as a share of the typical distance) were the
            detector fitted on half as many; small when more goods would scarcely help. None where there
            are too few folds to tell.
    """

    net: PatchNet
    scores: NDArray[np.float64]
    order: list[int]
    half_gap: float | None


@dataclass(frozen=True, slots=True, eq=False)
class _Goods:
    """The goods' features on disk, their sums, and patches of each."""

    features: Spill
    folds: NDArray[np.int64]
    moments: Moments
    candidates: Candidates
    means: NDArray[np.float32]

    def members(self, folds: Iterable[int]) -> list[int]:
        """The images of these folds."""
        indices: list[int] = np.flatnonzero(np.isin(self.folds, list(folds))).tolist()
        return indices

    def without(self, images: Sequence[int]) -> tuple[Moments, Tensor]:
        """Sums and candidates of all but these images."""
        left_out = Moments.empty(*self.features.shape)
        for i in images:
            left_out.add(torch.from_numpy(self.features[i]))
        chosen = torch.from_numpy(~np.isin(self.candidates.image, images))
        return self.moments.minus(left_out), self.candidates.patches[chosen]

    def distances_without(self, folds: Sequence[int], memory: int, seed: int) -> Distances:
        """The detector's distances, fitted on all but these folds."""
        return build_distances(*self.without(self.members(folds)), memory, seed)

    def maps(self, distances: Distances, images: Iterable[int]) -> list[NDArray[np.float32]]:
        """The distance maps of these images, 2 x H x W each."""
        return [distances(torch.from_numpy(self.features[i])[None])[0].numpy() for i in images]


def fit_patch(
    frames: Iterable[NDArray[np.uint8]],
    folds: NDArray[np.int64],
    features: FeatureFunction,
    finish: Callable[[Distances, Scale], PatchNet],
    *,
    memory: int,
    seed: int,
    inside: NDArray[np.bool_] | None = None,
    progress: Progress = lambda _what, _done, _of: None,
) -> PatchFit:
    """Fit the detector.

    Args:
        frames: prepared good frames, read once, one at a time.
        folds: fold of each frame, 0 to k - 1; frames of one part share a fold.
        features: the frozen backbone.
        finish: puts backbone, distances and scale together.
        memory: patches that the memory keeps.
        seed: seed of every random choice.
        inside: H/8 x W/8, cells within the region of interest, or None for all.

    Raises:
        DataError: fewer than ``MIN_GOODS`` frames, or a single fold.
    """
    if len(folds) < MIN_GOODS:
        raise DataError(
            f"{len(folds)} good images are too few to fit a detector", f"give at least {MIN_GOODS}"
        )
    if folds.max() < 1:
        raise DataError(
            "all good images have the same part id", "give images of at least two parts, or check the ids"
        )
    with (
        tempfile.TemporaryDirectory(prefix="saec-fit-") as folder,
        ExitStack() as files,
        one_thread(),
        torch.inference_mode(),
    ):
        goods = _gather(frames, folds, features, Path(folder), seed, progress)
        files.callback(goods.features.close)
        maps = _cross_fit(goods, memory, seed, Path(folder), progress)
        files.callback(maps.close)
        scale, scores = _scale(maps, inside)
        half_gap = _half_gap(goods, maps, memory, seed)
        progress("memory", 0, 1)
        distances = goods.distances_without([], memory, seed)
        progress("memory", 1, 1)
    means = torch.from_numpy(goods.means)
    unit = (means - means.mean(0)) / means.std(0).clamp_min(1e-6)
    return PatchFit(finish(distances, scale), scores, cover_from_middle(unit), half_gap)


def _gather(
    frames: Iterable[NDArray[np.uint8]],
    folds: NDArray[np.int64],
    features: FeatureFunction,
    folder: Path,
    seed: int,
    progress: Progress,
) -> _Goods:
    n = len(folds)
    spill, patches, means = None, [], []
    for i, frame in enumerate(frames):
        f = features(frame)
        if spill is None:
            spill = Spill(folder / "features", f.shape)
            moments = Moments.empty(*f.shape)
        spill.append(f)
        moments.add(torch.from_numpy(f))
        flat = f.reshape(len(f), -1).T
        draw = np.random.default_rng((seed, i)).permutation(len(flat))[: max(1, CANDIDATES // n)]
        patches.append(flat[draw])
        means.append(flat.mean(0))
        progress("features", i + 1, n)
    assert spill is not None
    image = np.repeat(np.arange(n), [len(p) for p in patches])
    candidates = Candidates(torch.from_numpy(np.concatenate(patches)), image)
    return _Goods(spill, folds, moments, candidates, np.stack(means))


def _cross_fit(goods: _Goods, memory: int, seed: int, folder: Path, progress: Progress) -> Spill:
    """Distance maps (2 x H x W) of each good by the detector of the folds that it is not in."""
    folds = range(int(goods.folds.max()) + 1)

    def held_out(fold: int) -> list[NDArray[np.float32]]:
        with torch.inference_mode():
            return goods.maps(goods.distances_without([fold], memory, seed), goods.members([fold]))

    maps: Spill | None = None
    with ThreadPoolExecutor(WORKERS) as pool:
        for fold, made in zip(folds, pool.map(held_out, folds), strict=True):
            maps = maps or Spill(folder / "maps", made[0].shape)
            for i, d in zip(goods.members([fold]), made, strict=True):
                maps[i] = d
            progress("cross-fit", fold + 1, len(folds))
    assert maps is not None
    return maps


def _scale(maps: Spill, inside: NDArray[np.bool_] | None) -> tuple[Scale, NDArray[np.float64]]:
    """The scale of the maps, and each good's score on it.

    What a place shows is estimated, for a good's own score, from the other goods: else a good would
    lower its own score, the more so the fewer goods there are.
    """
    cells = None if inside is None else torch.from_numpy(np.flatnonzero(inside))
    counted = slice(None) if cells is None else cells
    centre, spread = _typical(maps, inside)
    n, (_, height, width) = len(maps), maps.shape
    sums, squares = np.zeros((height, width)), np.zeros((height, width))
    for d in maps:
        s = ((d - centre) / spread).sum(0)
        sums += s
        squares += s * s
    blur = {k: _within(Blur(PLACE_SMOOTHING * k, height, width), inside) for k in (1, 2)}

    def place(total: NDArray[np.float64], square: NDArray[np.float64], count: int) -> Scale:
        mean = total / count
        variance = np.maximum(square / count - mean**2, 0.0) * count / max(count - 1, 1)
        expected = blur[1](torch.from_numpy(mean).float())
        deviation = blur[2](torch.from_numpy(variance).float()).sqrt()
        deviation = deviation + PLACE_FLOOR * deviation.flatten()[counted].mean() + 1e-6
        tensors = (torch.from_numpy(centre[:, 0, 0]).float(), torch.from_numpy(spread[:, 0, 0]).float())
        return Scale(*tensors, expected, deviation, cells)

    scores = np.empty(n)
    for i, d in enumerate(maps):
        s = ((d - centre) / spread).sum(0)
        others = place(sums - s, squares - s * s, n - 1)
        scores[i] = float(others(torch.from_numpy(d)[None])[0])
    return place(sums, squares, n), scores


def _within(blur: Blur, inside: NDArray[np.bool_] | None) -> Callable[[Tensor], Tensor]:
    """The smoothing of one map in which the cells outside the region have no share."""
    if inside is None:
        return lambda values: blur(values[None])[0]
    weight = torch.from_numpy(inside).float()
    share = blur(weight[None])[0].clamp_min(1e-6)
    return lambda values: blur((values * weight)[None])[0] / share


def _typical(
    maps: Spill, inside: NDArray[np.bool_] | None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Median and (p90 - median) of each distance over goods and the places inside, 2 x 1 x 1 each."""
    counted = np.ones(maps.shape[1:], np.bool_) if inside is None else inside
    stride = max(1, len(maps) * maps.shape[1] * maps.shape[2] // 400_000)
    some = np.concatenate([d[:, counted][:, i % stride :: stride] for i, d in enumerate(maps)], axis=1)
    median = np.median(some, axis=1)
    spread = np.maximum(np.quantile(some, 0.9, axis=1) - median, 1e-6)
    return median[:, None, None], spread[:, None, None]


def _half_gap(goods: _Goods, maps: Spill, memory: int, seed: int) -> float | None:
    """Relative rise of unseen goods' distances when the detector is fitted on half of the folds."""
    folds = int(goods.folds.max()) + 1
    if folds < 3:
        return None
    unseen = goods.members(range(max(1, folds // 4)))
    half = goods.distances_without(range((folds + 1) // 2), memory, seed)
    less = [float(d.mean()) for d in goods.maps(half, unseen)]
    more = [float(maps[i].mean()) for i in unseen]
    return float(np.mean(less) / np.mean(more) - 1.0)


@contextmanager
def one_thread() -> Iterator[None]:
    """Hold torch to one thread: where the cores are shared, its threads wait for each other ten times longer
    than they compute."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def cover_from_middle(vectors: Tensor) -> list[int]:
    """Indices of at most ``ORDERED`` of the vectors (n x C), the most central first, then each time the one
    farthest from those before it."""
    order = [int((vectors - vectors.mean(0)).square().sum(1).argmin())]
    nearest = torch.full((len(vectors),), torch.inf)
    while len(order) < min(ORDERED, len(vectors)):
        nearest = torch.minimum(nearest, (vectors - vectors[order[-1]]).square().sum(1))
        nearest[order] = -1.0
        order.append(int(nearest.argmax()))
    return order
