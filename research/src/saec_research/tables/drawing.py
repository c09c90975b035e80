"""Plots of the bench: matplotlib without a display, each as PNG and SVG."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from saec.errors import ExtraError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

INK, GRID = "#222222", "#d9d9d9"
STYLE: Any = {
    "font.size": 9,
    "axes.edgecolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": GRID,
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "svg.fonttype": "none",
    "svg.hashsalt": "saec",
}


def new_figure(width: float, height: float) -> Figure:
    """An empty figure in inches; drawn without pyplot, so nothing global is left behind.

    Raises:
        ExtraError: matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise ExtraError("matplotlib", "bench") from None
    return Figure(figsize=(width, height), layout="constrained")


def save(figure: Figure, stem: Path) -> list[str]:
    """Write ``stem``.png and .svg and return their names. Undated, so that equal plots are equal files."""
    figure.savefig(stem.with_suffix(".png"), dpi=110, metadata={"Software": None})
    figure.savefig(stem.with_suffix(".svg"), metadata={"Date": None, "Creator": None})
    return [stem.with_suffix(suffix).name for suffix in (".png", ".svg")]
