"""The plot of the benchmark of few labelled defects."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from saec_research.tables.drawing import INK, STYLE, new_figure, save

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LOOKS = (("o-", "#0072b2"), ("s-", "#d55e00"), ("D-", "#00805f"), ("^-", "#8c4a9e"), ("v-", "#a6761d"))
"""Mark and colour of each data set; told apart without colour by the mark."""

PANELS = (("balanced", "balanced accuracy"), ("escape", "missed defects"), ("overkill", "false rejects"))


def write_plot(rows: Sequence[dict[str, Any]], file: Path) -> None:
    """Median and range over the draws against the number of labelled defects, a panel for each figure."""
    from matplotlib import rc_context

    names = list(dict.fromkeys(row["set"] for row in rows))
    with rc_context(STYLE):
        figure = new_figure(9.5, 3.6)
        for axes, (key, words) in zip(figure.subplots(1, len(PANELS)), PANELS, strict=True):
            for name, look in zip(names, LOOKS * len(names), strict=False):
                _draw(axes, [row for row in rows if row["set"] == name], key, name, look)
            counts = sorted({row["k"] for row in rows})
            axes.set_xscale("symlog", linthresh=1)
            axes.set_xticks(counts, [str(k) for k in counts])
            axes.minorticks_off()
            axes.set_title(words)
            axes.set_xlabel("labelled defects")
            axes.yaxis.set_major_formatter(lambda value, _at: f"{100 * value:.3g} %")
        figure.axes[2].axhline(0.05, color=INK, lw=1, ls=":")
        handles, labels = figure.axes[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=min(len(names), 5))
        save(figure, file.with_suffix(""))


def _draw(axes: Axes, rows: list[dict[str, Any]], key: str, name: str, look: tuple[str, str]) -> None:
    counts = sorted({row["k"] for row in rows})
    values = [np.array([row[key] for row in rows if row["k"] == k]) for k in counts]
    axes.fill_between(
        counts, [v.min() for v in values], [v.max() for v in values], color=look[1], alpha=0.15, lw=0
    )
    axes.plot(
        counts,
        [np.median(v) for v in values],
        look[0],
        color=look[1],
        ms=5,
        lw=1.4,
        label=name.replace("_", " "),
    )
