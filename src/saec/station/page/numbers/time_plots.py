"""Geometry of the plots of Numbers; a template turns it into SVG.

A plot is PLOT_WIDTH x PLOT_HEIGHT units, stretched to the room that there is; its axis begins at the bottom.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from saec.station.page.numbers.link_figures import LinkFigures, LinkStretch
from saec.station.page.numbers.time_window import TimeWindow
from saec.station.page.numbers.window_figures import TimeStretch, WindowFigures

PLOT_WIDTH, PLOT_HEIGHT = 1000.0, 100.0

_TICKS = 4
_THICK = 0.01
"""Half the thickness of a line, as a share of the height."""

_ROUND = (1.0, 2.0, 2.5, 5.0, 10.0)


@dataclass(frozen=True, slots=True)
class PlotBox:
    """A rectangle of a plot; ``kind`` gives it colour and pattern."""

    kind: str
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class TimePlot:
    """A plot over the time of a window.

    Attributes:
        top: the value at its upper end; the axis begins with 0.
        ticks: moments at the lower end, each with its place from 0 to 1.
    """

    top: float
    ticks: Sequence[tuple[float, float]]
    boxes: Sequence[PlotBox]


def frames_plot(figures: WindowFigures) -> TimePlot:
    """The frames of each stretch: goods below, defects and frames that were not judged above them."""
    top = _round_top(max((one.sums.frames for one in figures.stretches), default=0), least=4.0)
    boxes = []
    for one in figures.stretches:
        parts = {"good": one.sums.goods, "defect": one.sums.defects, "error": one.sums.errors}
        boxes += _stack(figures.window, one, {kind: count / top for kind, count in parts.items()})
    return TimePlot(top, _ticks(figures.window), boxes)


def rate_plot(figures: WindowFigures) -> TimePlot:
    """The reject rate of each stretch as a line, in its 95 % interval as an area; nothing without frames."""
    known = [one for one in figures.stretches if one.sums.frames]
    highest = max((one.sums.share(one.sums.defects) or 0.0 for one in known), default=0.0)
    top = min(1.0, _round_top(1.6 * highest, least=0.01))
    boxes = []
    for one in known:
        rate, interval = one.sums.share(one.sums.defects), one.sums.interval(one.sums.defects)
        assert rate is not None
        assert interval is not None
        low, high = (min(1.0, end / top) for end in interval)
        boxes.append(_box(figures.window, one, "interval", low, high))
        boxes.append(
            _box(figures.window, one, "rate", max(0.0, rate / top - _THICK), min(1.0, rate / top + _THICK))
        )
    return TimePlot(top, _ticks(figures.window), boxes)


@dataclass(frozen=True, slots=True)
class RateSpan:
    """A stretch of time with a rate, and the interval that it is known to lie in."""

    begin: float
    end: float
    value: float
    low: float
    high: float


def interval_plot(window: TimeWindow, spans: Sequence[RateSpan]) -> TimePlot:
    """The rate of each stretch as a line, in its interval as an area; an interval may leave the plot."""
    highest = max((1.6 * one.value for one in spans), default=0.0)
    nearest = min((one.high for one in spans), default=0.0)
    top = min(1.0, _round_top(max(highest, 1.2 * nearest), least=0.01))
    boxes = []
    for one in spans:
        low, high, at = (min(1.0, end / top) for end in (one.low, one.high, one.value))
        boxes.append(_box(window, one, "interval", low, high))
        boxes.append(_box(window, one, "rate", max(0.0, at - _THICK), min(1.0, at + _THICK)))
    return TimePlot(top, _ticks(window), boxes)


def deciders_plot(figures: WindowFigures) -> TimePlot:
    """Who decided in each stretch, as shares: the edge below, above it the cloud, the edge for it, nobody."""
    boxes = []
    for one in figures.stretches:
        sums = one.sums
        parts = {"edge": sums.edge, "cloud": sums.cloud, "fallback": sums.fallback, "nobody": sums.nobody}
        boxes += _stack(
            figures.window, one, {kind: sums.share(count) or 0.0 for kind, count in parts.items()}
        )
    return TimePlot(1.0, _ticks(figures.window), boxes)


def link_plot(figures: LinkFigures) -> TimePlot:
    """The states of the links in each stretch, as shares of its time; what is unknown stays empty."""
    boxes = [box for one in figures.stretches for box in _stack(figures.window, one, one.shares)]
    return TimePlot(1.0, _ticks(figures.window), boxes)


def _stack(window: TimeWindow, one: TimeStretch | LinkStretch, shares: Mapping[str, float]) -> list[PlotBox]:
    boxes, at = [], 0.0
    for kind, share in shares.items():
        if share > 0:
            boxes.append(_box(window, one, kind, at, at + share))
        at += share
    return boxes


def _box(
    window: TimeWindow, one: TimeStretch | LinkStretch | RateSpan, kind: str, low: float, high: float
) -> PlotBox:
    """A box between two heights from 0 to 1."""
    span = window.until - window.since
    x, end = (PLOT_WIDTH * (moment - window.since) / span for moment in (one.begin, one.end))
    gap = 0.08 * (end - x)
    y = PLOT_HEIGHT * (1 - high)
    return PlotBox(
        kind,
        round(x + gap, 2),
        round(y, 3),
        round(end - x - 2 * gap, 2),
        round(PLOT_HEIGHT * (high - low), 3),
    )


def _ticks(window: TimeWindow) -> list[tuple[float, float]]:
    return [
        (n / _TICKS, window.since + n / _TICKS * (window.until - window.since)) for n in range(_TICKS + 1)
    ]


def _round_top(value: float, *, least: float) -> float:
    """The next round number from a value on: 1, 2, 2.5 or 5 times a power of ten."""
    value = max(value, least)
    power = 10.0 ** math.floor(math.log10(value))
    return next(round(step * power, 12) for step in _ROUND if step * power >= value * (1 - 1e-9))
