"""The plot of the benchmark of spending."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from spending_figures import DEFECTS, Figures, Row

from saec_research.tables.drawing import INK, STYLE, new_figure, save

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SERIES = (
    ("whole", "whole frame at", "o-", "#0072b2"),
    ("always", "whole + crop of the hottest place, of every frame:", "s-", "#d55e00"),
    ("crop", "--spend crop, side", "D--", "#8c4a9e"),
    ("scene", "--spend scene, side", "*--", "#00805f"),
)
"""Kind of way, its words, its mark and its colour. The legend names the sides of its points."""


def write_plot(found: Figures, stem: Path) -> None:
    """AUROC against the frame's visual tokens, a panel for each kind of defects, with the edge's own."""
    from matplotlib import rc_context

    with rc_context(STYLE):
        figure = new_figure(9.0, 4.4)
        for axes, kind in zip(figure.subplots(1, 2), DEFECTS, strict=True):
            axes.axhline(found.edge[kind].auroc, color=INK, lw=1, ls=":", label="the edge alone")
            for sort, *look in SERIES:
                _draw(axes, [row for row in found.rows if _sort(row.way) == sort], kind, *look)
            axes.set_title(f"{kind} defects, {found.length[kind]:.0f} px of 672", fontsize=9)
            axes.set_xlabel("visual tokens of the frame")
            axes.set_xlim(0, None)
        figure.axes[0].set_ylabel("AUROC, mean over lines")
        handles, labels = figure.axes[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=2, fontsize=8)
        save(figure, stem)


def _draw(axes: Axes, rows: list[Row], kind: str, words: str, mark: str, colour: str) -> None:
    """One curve with its intervals over lines and frames."""
    sides = [row.way.replace("whole ", "").replace(" + crop ", "+").rpartition(" ")[2] for row in rows]
    x = [row.frame for row in rows]
    ends = np.array([row.rates[kind].auroc_interval for row in rows]).T
    axes.vlines(x, ends[0], ends[1], color=colour, lw=0.7, alpha=0.6)
    axes.plot(
        x,
        [row.rates[kind].auroc for row in rows],
        mark,
        ms=10 if mark[0] == "*" else 5,
        color=colour,
        lw=1.2,
        label=f"{words} {', '.join(sides)}",
    )


def _sort(way: str) -> str:
    if way.startswith("--spend"):
        return "scene" if "scene" in way else "crop"
    return "always" if "crop" in way else "whole"
