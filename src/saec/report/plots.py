"""Geometry of the report's drawings; the template turns it into SVG.

Goods stand above the axis and defects hang below it, so that the two need no colour to be told apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from saec.profile import OPEN, Gate
from saec.types import DEFECT, VerdictRecord

WIDTH, HEIGHT, MARGIN = 720, 220, 30
_BINS = 48


@dataclass(frozen=True)
class Bar:
    """A bar in drawing units; ``count`` and ``label`` are for its tooltip."""

    x: float
    y: float
    width: float
    height: float
    kind: str
    label: str


@dataclass(frozen=True)
class Tick:
    x: float
    label: str


@dataclass(frozen=True)
class Axis:
    """The range of scores that is drawn; scores above ``high`` are gathered at its end."""

    low: float
    high: float

    def share(self, score: float) -> float:
        """Where a score lies, 0 to 1; beyond the range it stops at the end."""
        return min(1.0, max(0.0, (score - self.low) / (self.high - self.low)))


@dataclass(frozen=True)
class Histogram:
    """Scores of a run in drawing units (WIDTH x HEIGHT).

    Attributes:
        upper, lower: largest count of a bin above and below the axis; ``lower`` is 0 without truth.
        base: y of the axis.
        threshold: x of the line's threshold.
        gate: x and width of the band in which the edge is not sure, or None.
        beyond: number of scores gathered in the last bin because they lie above the range.
    """

    bars: list[Bar]
    ticks: list[Tick]
    base: float
    threshold: float
    gate: tuple[float, float] | None
    upper: int
    lower: int
    beyond: int


def score_axis(verdicts: Sequence[VerdictRecord], threshold: float, gate: Gate | None) -> Axis:
    """A range that shows the goods and the gate well, however far the clearest defects lie."""
    scores = np.array([v.score for v in verdicts if v.score is not None] or [threshold])
    ends = [] if gate is None else [end for end in (gate.low, gate.high) if abs(end) < OPEN]
    marks = [threshold, *ends]
    low, top = min(float(scores.min()), *marks), max(marks)
    reach = (top - low) or (float(scores.max()) - low) or abs(threshold) or 1.0
    high = min(max(float(scores.max()), top + 0.3 * reach), low + 3.0 * reach)
    pad = 0.02 * (high - low)
    return Axis(low - pad, high + pad)


def histogram(verdicts: Sequence[VerdictRecord], threshold: float, gate: Gate | None) -> Histogram | None:
    """The scores of a run; None when no frame has one."""
    scored = [v for v in verdicts if v.score is not None]
    if not scored:
        return None
    axis = score_axis(scored, threshold, gate)
    defect = _counts([v for v in scored if v.truth == DEFECT], axis)
    known = any(v.truth is not None for v in scored)
    other = _counts([v for v in scored if v.truth != DEFECT], axis)
    room = HEIGHT - MARGIN - 22
    total = max(1, int(other.max()) + int(defect.max()))
    base = 16 + room * int(other.max()) / total if known else 16.0 + room
    unit = room / total
    bars = _bars(other, base, -unit, "good" if known else "unknown", axis)
    bars += _bars(defect, base, unit, "defect", axis)
    return Histogram(
        bars=bars,
        ticks=[Tick(WIDTH * axis.share(t), f"{t:g}") for t in _round_ticks(axis)],
        base=base,
        threshold=WIDTH * axis.share(threshold),
        gate=None if gate is None else _band(axis, gate),
        upper=int(other.max()),
        lower=int(defect.max()),
        beyond=sum(v.score is not None and v.score > axis.high for v in scored),
    )


def _counts(verdicts: Sequence[VerdictRecord], axis: Axis) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    places = [axis.share(v.score) for v in verdicts if v.score is not None]
    return np.histogram(places, bins=_BINS, range=(0.0, 1.0))[0].astype(np.int64)


def _bars(
    counts: np.ndarray[tuple[int], np.dtype[np.int64]], base: float, unit: float, kind: str, axis: Axis
) -> list[Bar]:
    step, span = WIDTH / _BINS, (axis.high - axis.low) / _BINS
    bars = []
    for i, count in enumerate(counts):
        if count:
            height = max(1.5, abs(unit) * int(count))
            y = base - height if unit < 0 else base
            where = f"{count} at scores {axis.low + i * span:.3g} to {axis.low + (i + 1) * span:.3g}"
            bars.append(Bar(i * step + 0.75, y, step - 1.5, height, kind, where))
    return bars


def _band(axis: Axis, gate: Gate) -> tuple[float, float]:
    start = WIDTH * axis.share(gate.low)
    return start, max(1.0, WIDTH * axis.share(gate.high) - start)


def _round_ticks(axis: Axis) -> list[float]:
    """Three to nine round numbers inside the range, none so near its end that the text is cut."""
    raw = (axis.high - axis.low) / 6
    power = 10.0 ** np.floor(np.log10(raw))
    step = float(power * min((1, 2, 5, 10), key=lambda m: abs(m * power - raw)))
    first = int(np.ceil(axis.low / step))
    last = int(np.floor(axis.high / step))
    marks = [float(f"{i * step:.9g}") for i in range(first, last + 1)]
    return [mark for mark in marks if 0.02 < axis.share(mark) < 0.98]
