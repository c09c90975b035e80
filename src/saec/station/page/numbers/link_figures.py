"""How the links were in a window of time, line by line and stretch by stretch."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from saec.station.page.numbers.link_times import LINK_STATES, LinkTimes
from saec.station.page.numbers.time_window import TimeWindow


@dataclass(frozen=True, slots=True)
class LinkSums:
    """How long a line's link was in each state.

    Attributes:
        seconds: how long it was in each state.
        span: seconds of the window.
    """

    line: str
    seconds: Mapping[str, float]
    span: float

    @property
    def known(self) -> float:
        """The share of the window in which the state is known."""
        return sum(self.seconds.values()) / self.span

    def share(self, state: str) -> float | None:
        """The share of the known time in a state; None where nothing is known."""
        known = sum(self.seconds.values())
        return self.seconds[state] / known if known > 0.0 else None


@dataclass(frozen=True, slots=True)
class LinkStretch:
    """A part of a window; ``shares`` are those of its time over all lines with a link, by state."""

    begin: float
    end: float
    shares: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class LinkFigures:
    """A window with the links' states; ``lines`` are those with a link, by name."""

    window: TimeWindow
    lines: Sequence[LinkSums]
    stretches: Sequence[LinkStretch]

    @property
    def known(self) -> bool:
        """Whether anything is known of this time."""
        return any(one.known > 0.0 for one in self.lines)


def link_figures(links: LinkTimes, window: TimeWindow, linked: Collection[str]) -> LinkFigures:
    """The times of the links in a window.

    Args:
        links: what is kept of them.
        linked: the lines that have a link now; they have a row even where nothing is known of them.
    """
    spans = [(begin, end, links.between(begin, end)) for begin, end in pairwise(window.edges)]
    names = {*linked, *(line for _, _, found in spans for line in found)}
    shown = sorted(name for name in names if window.line in (None, name))
    lines = [
        LinkSums(
            line,
            {
                state: sum(found[line][state] for _, _, found in spans if line in found)
                for state in LINK_STATES
            },
            window.until - window.since,
        )
        for line in shown
    ]
    stretches = [
        LinkStretch(
            begin,
            end,
            {
                state: sum(found[line][state] for line in shown if line in found) / (end - begin) / len(shown)
                for state in LINK_STATES
            },
        )
        for begin, end, found in spans
        if shown
    ]
    return LinkFigures(window, lines, stretches)
