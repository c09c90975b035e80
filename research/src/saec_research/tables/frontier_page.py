"""What the frontier says: conclusions, tables in Markdown, and plots."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from saec.errors import ConfigError
from saec.schedule.statistics.paired import Interval
from saec_research.tables.drawing import STYLE, new_figure, save
from saec_research.tables.frame_streams import RANKED, SINGLE
from saec_research.tables.frontier import BAR_SHARE, OURS, Curves, Point

if TYPE_CHECKING:
    from matplotlib.axes import Axes

RIVALS = ("random", "complexity", "seed")
"""Policies that ours must beat at ``BAR_SHARE``."""

ORACLE_POINTS = 0.02
"""How far below the oracle ours may lie on average, with a stated cloud of independent errors."""

_NAMES = {
    "value": "value (ours)",
    "random": "random",
    "complexity": "complexity only",
    "uncertainty": "uncertainty only",
    "seed": "seed's, within the budget",
    "oracle": "oracle",
    "edge": "edge only",
    "gate": "gate (ours)",
    "seed-unlimited": "seed's, as it is",
    "cloud": "cloud only",
}
_COLOURS = {
    "value": "#0b6e4f",
    "random": "#8a8a8a",
    "complexity": "#c77700",
    "uncertainty": "#2f6fb5",
    "seed": "#b3261e",
    "oracle": "#222222",
    "edge": "#8a8a8a",
    "gate": "#0b6e4f",
    "seed-unlimited": "#b3261e",
    "cloud": "#6a3d9a",
}
_SHOWN = (
    ("accuracy", "accuracy, %"),
    ("escape_rate", "escapes, % of defects"),
    ("joules", "energy, J per frame"),
)
_MARKERS = {"edge": "s", "gate": "D", "seed-unlimited": "^", "cloud": "o"}


class Margin(msgspec.Struct, frozen=True, kw_only=True):
    """Ours against one rival at ``BAR_SHARE``; differences of accuracy, 0.01 is one point.

    Attributes:
        mean: over lines and clouds.
        compared, behind, beyond_chance: lines and clouds, those where ours is behind, and those where the
            interval of 95 % says so, too.
        line, cloud: where ours is least ahead, with its ``lowest`` difference and that one's ``interval``.
    """

    rival: str
    mean: float
    compared: int
    behind: int
    beyond_chance: int
    line: str
    cloud: str
    lowest: float
    interval: Interval


class Conclusion(msgspec.Struct, frozen=True, kw_only=True):
    """Ours against the others at ``BAR_SHARE``.

    Attributes:
        margins: over each rival.
        oracle_gap: mean over lines of the oracle's lead with independent errors; None without such lines.
        mute: lines on which the cloud has no say, so all policies that fuse give the edge's labels.
        passed: whether ours is ahead of every rival everywhere and the gap is small enough.
    """

    margins: list[Margin]
    oracle_gap: float | None
    mute: list[str]
    passed: bool


def conclude(curves: Sequence[Curves]) -> Conclusion:
    """Compare at ``BAR_SHARE``, leaving out lines on which the cloud has no say.

    Raises:
        ConfigError: the share was not measured.
    """
    if not any(p.budget == BAR_SHARE for c in curves for p in c.points):
        raise ConfigError(f"the shares lack the budget {BAR_SHARE:g}", f"give --share {BAR_SHARE:g} as well")
    telling = [c for c in curves if c.fused]
    margins = [_margin(telling, rival) for rival in RIVALS] if telling else []
    gaps = [-_behind(c.at("oracle", BAR_SHARE))[0] for c in telling if c.correlation == 0]
    gap = float(np.mean(gaps)) if gaps else None
    return Conclusion(
        margins=margins,
        oracle_gap=gap,
        mute=[f"{c.line} ({c.cloud})" for c in curves if not c.fused],
        passed=not any(m.behind for m in margins) and (gap is None or gap <= ORACLE_POINTS),
    )


def _margin(curves: Sequence[Curves], rival: str) -> Margin:
    found = [(*_behind(c.at(rival, BAR_SHARE)), c) for c in curves]
    lowest, ends, where = min(found, key=lambda f: f[0])
    return Margin(
        rival=rival,
        mean=float(np.mean([f[0] for f in found])),
        compared=len(found),
        behind=sum(f[0] <= 0 for f in found),
        beyond_chance=sum(f[1][1] < 0 for f in found),
        line=where.line,
        cloud=where.cloud,
        lowest=lowest,
        interval=ends,
    )


def sentences(found: Conclusion) -> list[str]:
    """The conclusion in words."""
    said = [
        f"At a budget of {BAR_SHARE:.0%} ours is {100 * m.mean:+.1f} points ahead of the policy "
        f"{_NAMES[m.rival]} on average; behind it or level on {m.behind} of {m.compared} lines and clouds, "
        f"beyond chance on {m.beyond_chance}; least ahead on {m.line} ({m.cloud}), by {100 * m.lowest:+.1f} "
        f"{_range(m.interval, signed=True)}."
        for m in found.margins
    ]
    if found.oracle_gap is not None:
        said.append(
            f"With independent errors the oracle is {100 * found.oracle_gap:.1f} points ahead of ours on "
            f"average, where at most {100 * ORACLE_POINTS:.0f} are allowed."
        )
    if found.mute:
        said.append(f"The cloud has no say, so nothing is compared: {'; '.join(found.mute)}.")
    return said


def frontier_markdown(curves: Sequence[Curves]) -> str:
    """One table per line and cloud, in percent; joules per frame."""
    return "\n".join(_table(c) for c in curves)


def _table(curves: Curves) -> str:
    energy = "edge and questions" if curves.edge_joules is not None else "questions, stated"
    rows = [
        f"### {curves.line}: cloud {curves.cloud}",
        "",
        f"{curves.n_good} goods, {curves.n_defect} defects; {curves.splits} calibration"
        f"{'s' if curves.splits != 1 else ''}, the cloud has a say in {curves.fused}.",
        "",
        f"| policy | budget | asked | accuracy (95 %) | escapes (95 %) | overkill | ours less this (95 %) "
        f"| J per frame ({energy}) |",
        "|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    ordered = sorted(curves.points, key=lambda p: (p.budget is None, p.budget or 0.0))
    return "\n".join([*rows, *(_row(p) for p in ordered), ""])


def _row(p: Point) -> str:
    budget = "–" if p.budget is None else f"{100 * p.budget:.0f}"
    behind = "–"
    if p.behind is not None and p.behind_interval is not None and p.policy != OURS:
        behind = f"{100 * p.behind:+.1f} {_range(p.behind_interval, signed=True)}"
    return (
        f"| {_NAMES[p.policy]} | {budget} | {100 * p.share:.1f} "
        f"| {100 * p.accuracy:.1f} {_range(p.accuracy_interval)} "
        f"| {100 * p.escape_rate:.1f} {_range(p.escape_interval)} "
        f"| {100 * p.overkill_rate:.1f} | {behind} | {p.joules:.2f} |"
    )


def plot(curves: Sequence[Curves], stem: Path) -> list[str]:
    """Accuracy, escapes and energy of one line: a column for each cloud. Writes PNG and SVG."""
    from matplotlib import rc_context

    with rc_context(STYLE):
        across = len(curves) == 1  # then the three panels stand side by side
        figure = new_figure(12.2, 3.2) if across else new_figure(3.3 * len(curves) + 1.9, 7.2)
        shape = (1, 3) if across else (3, len(curves))
        axes = figure.subplots(*shape, squeeze=False, sharex=True, sharey=False if across else "row")
        axes = axes.T if across else axes
        for column, c in enumerate(curves):
            for row, (what, label) in enumerate(_SHOWN):
                _panel(axes[row][column], c, what)
                if column == 0:
                    axes[row][0].set_ylabel(label)
                if across or row == len(_SHOWN) - 1:
                    axes[row][column].set_xlabel("frames asked about, %")
            axes[0][column].set_title(f"cloud {c.cloud}" if across else c.cloud, fontsize=9)
        handles, labels = axes[0][0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside right upper", fontsize=8)
        c = curves[0]
        figure.suptitle(f"{c.line}: {c.n_good} goods, {c.n_defect} defects; bands are 95 %", fontsize=10)
        return save(figure, stem)


def _panel(axes: Axes, curves: Curves, what: str) -> None:
    scale = 1.0 if what == "joules" else 100.0
    for name in RANKED:
        points = [p for p in curves.points if p.policy == name]
        points.sort(key=lambda p: p.budget or 0.0)
        edge = curves.at("edge", None)
        x = [0.0, *(100 * p.share for p in points)]
        y = [scale * getattr(p, what) for p in (edge, *points)]
        ours = name == OURS
        style = "--" if name == "oracle" else "-"
        axes.plot(
            x,
            y,
            style,
            color=_COLOURS[name],
            lw=2.2 if ours else 1.2,
            marker=".",
            ms=5,
            zorder=4 if ours else 3,
            label=_NAMES[name],
        )
        if ours and what != "joules":
            field = "accuracy_interval" if what == "accuracy" else "escape_interval"
            ends = np.array([getattr(p, field) for p in (edge, *points)]) * scale
            axes.fill_between(x, ends[:, 0], ends[:, 1], color=_COLOURS[name], alpha=0.12, lw=0)
    for name in SINGLE:
        p = curves.at(name, None)
        axes.plot(
            100 * p.share,
            scale * getattr(p, what),
            _MARKERS[name],
            color=_COLOURS[name],
            mfc="white",
            ms=6,
            zorder=5,
            label=_NAMES[name],
        )


def _behind(point: Point) -> tuple[float, Interval]:
    assert point.behind is not None  # ours has every budget that a rival has
    assert point.behind_interval is not None
    return point.behind, point.behind_interval


def _range(ends: tuple[float, float], *, signed: bool = False) -> str:
    form = "+.1f" if signed else ".1f"
    return f"({100 * ends[0]:{form}} to {100 * ends[1]:{form}})"
