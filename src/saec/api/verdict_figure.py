"""A verdict as a figure of matplotlib; imported when one is asked for, for matplotlib is an extra."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from matplotlib.figure import Figure

from saec.frame.map_pictures import shrink
from saec.types import Image

if TYPE_CHECKING:
    from matplotlib.axes import Axes


SIDE = 900
"""Most pixels of a picture's longer side."""


class VerdictFigure(Figure):
    """A figure that a notebook shows though pyplot does not know it, so that none has to be closed."""

    def _repr_png_(self) -> bytes:
        file = io.BytesIO()
        self.savefig(file, format="png", dpi=100)
        return file.getvalue()


def draw_verdict(
    image: Image, picture: Image, facts: Sequence[str], *, colour: str = "black"
) -> VerdictFigure:
    """The image and, beside it, the image under its anomaly map.

    Args:
        image: H x W x 3 uint8, RGB.
        picture: the image with its map, alike.
        facts: lines above both.
        colour: the colour of the facts.
    """
    lines = [line.replace("$", r"\$") for line in facts]  # matplotlib takes a pair of $ for mathematics
    height, width = image.shape[:2]
    head = 0.4 + 0.2 * len(lines)
    figure = VerdictFigure(
        figsize=(8.0, min(8.0, max(2.4, 4.0 * height / width)) + head), layout="constrained"
    )
    left, right = figure.subplots(1, 2)
    _show(left, shrink(image, SIDE), "image")
    _show(right, picture, "anomaly map; the outline is the threshold")
    figure.suptitle("\n".join(lines), fontsize=10, color=colour)
    return figure


def _show(axes: Axes, picture: Any, title: str) -> None:
    axes.imshow(picture)
    axes.set_title(title, fontsize=9)
    axes.set_axis_off()
