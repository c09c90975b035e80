"""The seed's resource figures: four panels of bars for one set."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from saec_research.tables.drawing import STYLE, new_figure, save
from saec_research.tables.paper_page import NAMES
from saec_research.tables.summary import Summary

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PANELS = (
    ("gpu_util", "GPU utilisation, %"),
    ("gpu_power_w", "GPU power, W"),
    ("mwh_per_correct", "energy per correct decision, mWh"),
    ("memory_gb", "CPU memory, GB"),
)

_COLOURS = {
    "yolo": "#8a8a8a",
    "cloud": "#2f6fb5",
    "llava": "#6a3d9a",
    "seed": "#b3261e",
    "edge": "#7fb8a4",
    "saec": "#0b6e4f",
}


def plot_resources(summaries: Sequence[Summary], stem: Path) -> list[str]:
    """Bars of one set's rows, lower is better; what was not measured has words instead of a bar.

    Returns:
        Names of the PNG and the SVG.
    """
    from matplotlib import rc_context

    with rc_context(STYLE):
        figure = new_figure(8.4, 1.6 + 0.62 * len(summaries))
        axes = figure.subplots(2, 2, sharey=True)  # each row is named once, at the left
        for panel, (name, title) in zip(axes.ravel(), PANELS, strict=True):
            _panel(panel, summaries, name)
            panel.set_title(title, fontsize=9)
        figure.suptitle(f"{summaries[0].dataset}: resources of the run, lower is better", fontsize=10)
        return save(figure, stem)


def _panel(axes: Axes, summaries: Sequence[Summary], figure: str) -> None:
    axes.grid(axis="y", visible=False)
    axes.set_yticks(range(len(summaries)), [NAMES[s.row] for s in summaries], fontsize=8)
    axes.set_ylim(len(summaries) - 0.4, -0.6)
    known = [
        (at, m, s.deviation[figure] or 0.0)
        for at, s in enumerate(summaries)
        if (m := s.mean[figure]) is not None
    ]
    if not known:
        axes.set_xticks([])
        words = "not measured on this machine"
        axes.text(0.5, 0.5, words, transform=axes.transAxes, ha="center", color="#666666")
        return
    axes.set_xlim(0, 1.25 * max(mean + deviation for _, mean, deviation in known))
    axes.tick_params(axis="x", labelsize=8)
    axes.locator_params(axis="x", nbins=5)
    for at, mean, deviation in known:
        axes.barh(at, mean, 0.62, color=_COLOURS[summaries[at].row], xerr=deviation or None, capsize=3)
        _say(axes, f"{mean:.3g}", mean + deviation, at)
    for at, s in enumerate(summaries):
        if s.mean[figure] is None:
            _say(axes, "unknown", 0.0, at)


def _say(axes: Axes, text: str, x: float, y: float) -> None:
    axes.annotate(text, (x, y), (4, 0), textcoords="offset points", va="center", fontsize=8)
