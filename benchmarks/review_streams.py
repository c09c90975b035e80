"""Streams of frames for the benchmark of reviews: what a line is fitted on, what comes, and what judges it.

Of a data set: a quarter of the train goods, by the hash of their part, is kept apart, whatever the seed, and
judges with the test split. The others are dealt by seed, a third to the fit, the rest to the stream. The
stream's defects are train defects where the set has them. Where it has none, half of the test defects, by
the hash of their part, may come in a stream, and only the other half judges. So no part is both taught and
judged.

Of a drawn line: 80 goods before a drift, of which the fit has 60; 240 goods and the train defects while it
goes on; fresh goods and defects after it judge.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from labelled_frames import Drawing, LabelledFrames, of_data_set, of_family

from saec.settings import FitConfig
from saec.types import DEFECT, GOOD

DEFECTS = 0.1
"""Share of defects in a stream."""

DRAWN = Drawing(
    goods=320,
    test_goods=150,
    defects=16,
    train_defects=16,
    side=256,
    variation=0.2,
    drift=0.5,
    still=80,
    product=2**31 + 20_000,
)


@dataclass(frozen=True, slots=True, eq=False)
class ReviewStream:
    """One seed of a line.

    Attributes:
        name: of the line.
        frames: all frames of the set.
        fit: indices of the goods that the line is fitted on.
        stream: indices of the frames that come, in their order.
        judged: indices of the frames that judge it; none of them, and no part of them, is in the others.
    """

    name: str
    frames: LabelledFrames
    fit: list[int]
    stream: list[int]
    judged: list[int]


def streams_of_set(root: Path, config: FitConfig, work: Path | None, seeds: int) -> Iterator[ReviewStream]:
    """A data set's streams, one a seed."""
    frames = of_data_set(root, config, work)
    goods, test_goods = frames.chosen(GOOD, train=True), frames.chosen(GOOD, train=False)
    apart = [at for at in goods if _number(frames, at) % 4 == 0]
    goods = [at for at in goods if _number(frames, at) % 4 != 0]
    pool, judged = frames.chosen(DEFECT, train=True), frames.chosen(DEFECT, train=False)
    if not pool:
        pool = [at for at in judged if _number(frames, at) % 2 == 0]
        judged = [at for at in judged if _number(frames, at) % 2 != 0]
    for seed in range(seeds):
        rng = np.random.default_rng([20, seed])
        dealt = [int(at) for at in rng.permutation(goods)]
        third = len(dealt) // 3
        coming = [*dealt[third:], *_some(rng, pool, len(dealt) - third)]
        stream = [int(at) for at in rng.permutation(coming)]
        yield _checked(
            ReviewStream(frames.name, frames, sorted(dealt[:third]), stream, apart + test_goods + judged)
        )


def drifting_streams(family: str, config: FitConfig, work: Path | None, seeds: int) -> Iterator[ReviewStream]:
    """A drawn line's streams, one a seed; frames come in the order of the drift."""
    frames = of_family(family, DRAWN, config, work)
    goods, defects = frames.chosen(GOOD, train=True), frames.chosen(DEFECT, train=True)
    judged = frames.chosen(GOOD, train=False) + frames.chosen(DEFECT, train=False)
    later = goods[DRAWN.still :]
    when = {at: n / len(later) for n, at in enumerate(later)}
    when |= {at: n / len(defects) for n, at in enumerate(defects)}
    for seed in range(seeds):
        rng = np.random.default_rng([20, seed])
        fit = sorted(int(at) for at in rng.permutation(goods[: DRAWN.still])[:60])
        some = [int(at) for at in rng.permutation(later)[:180]]
        stream = sorted([*some, *_some(rng, defects, len(some))], key=when.__getitem__)
        yield _checked(ReviewStream(f"{family}, drifting", frames, fit, stream, judged))


def _number(frames: LabelledFrames, at: int) -> int:
    """A number that stands for the frame's part."""
    return int(frames.frames[at].group[:8], 16)


def _some(rng: np.random.Generator, pool: list[int], goods: int) -> list[int]:
    """Defects that make ``DEFECTS`` of a stream with so many goods."""
    count = round(goods * DEFECTS / (1 - DEFECTS))
    return [int(at) for at in rng.permutation(pool)[:count]]


def _checked(stream: ReviewStream) -> ReviewStream:
    """Stop where a part is both taught and judged."""
    parts = [
        {stream.frames.frames[at].group for at in some} for some in (stream.fit, stream.stream, stream.judged)
    ]
    if (parts[0] | parts[1]) & parts[2]:
        raise SystemExit(f"{stream.name}: a part is both taught and judged")
    return stream
