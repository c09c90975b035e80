"""The seed's resource figures: four panels of bars for one set."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from saec.bench.drawing import STYLE, new_figure, save
from saec.bench.paper_page import NAMES
from saec.bench.summary import Summary

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
        figure = new_figure(8.4, 5.4)
        axes = figure.subplots(2, 2)
        for panel, (name, title) in zip(axes.ravel(), PANELS, strict=True):
            _panel(panel, summaries, name)
            panel.set_title(title, fontsize=9)
        figure.suptitle(f"{summaries[0].dataset}: resources of the run, lower is better", fontsize=10)
        return save(figure, stem)


def _panel(axes: Axes, summaries: Sequence[Summary], figure: str) -> None:
    axes.grid(axis="x", visible=False)
    axes.set_xticks(
        range(len(summaries)), [NAMES[s.row].replace(" ", "\n", 1) for s in summaries], fontsize=8
    )
    axes.set_xlim(-0.6, len(summaries) - 0.4)
    known = [
        (at, m, s.deviation[figure] or 0.0)
        for at, s in enumerate(summaries)
        if (m := s.mean[figure]) is not None
    ]
    if not known:
        axes.set_yticks([])
        words = "not measured on this machine"
        axes.text(0.5, 0.5, words, transform=axes.transAxes, ha="center", color="#666666")
        return
    axes.set_ylim(0, 1.18 * max(mean + deviation for _, mean, deviation in known))
    for at, mean, deviation in known:
        axes.bar(at, mean, 0.62, color=_COLOURS[summaries[at].row], yerr=deviation or None, capsize=3)
        _say(axes, f"{mean:.3g}", at, mean + deviation)
    for at, s in enumerate(summaries):
        if s.mean[figure] is None:
            _say(axes, "unknown", at, 0.0)


def _say(axes: Axes, text: str, x: float, y: float) -> None:
    axes.annotate(text, (x, y), (0, 2), textcoords="offset points", ha="center", fontsize=8)
