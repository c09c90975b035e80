"""A verdict as a figure of matplotlib; imported when one is asked for, for matplotlib is an extra."""

from __future__ import annotations

import io
from textwrap import wrap
from typing import TYPE_CHECKING, Any

from matplotlib.figure import Figure

from saec.frame.map_pictures import shrink

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from saec.api.verdict_view import Verdict

_SIDE, _COLUMNS = 900, 90
_COLOURS = {"good": "#1b6b3a", "defect": "#a3182c"}


class VerdictFigure(Figure):
    """A figure that a notebook shows though pyplot does not know it, so that none has to be closed."""

    def _repr_png_(self) -> bytes:
        file = io.BytesIO()
        self.savefig(file, format="png", dpi=100)
        return file.getvalue()


def draw_verdict(verdict: Verdict) -> VerdictFigure:
    """The image and, beside it, the image under its anomaly map.

    Raises:
        ImageError: the image has gone, or was not judged.
    """
    facts = _facts(verdict)
    height, width = verdict.image.shape[:2]
    head = 0.4 + 0.2 * len(facts)
    figure = VerdictFigure(
        figsize=(8.0, min(8.0, max(2.4, 4.0 * height / width)) + head), layout="constrained"
    )
    left, right = figure.subplots(1, 2)
    _show(left, shrink(verdict.image, _SIDE), "image")
    _show(right, verdict.picture(max_side=_SIDE), "anomaly map; the outline is the threshold")
    figure.suptitle("\n".join(facts), fontsize=10, color=_COLOURS.get(verdict.label_name, "black"))
    return figure


def _show(axes: Axes, picture: Any, title: str) -> None:
    axes.imshow(picture)
    axes.set_title(title, fontsize=9)
    axes.set_axis_off()


def _facts(verdict: Verdict) -> list[str]:
    facts = [f"{verdict.id}: {verdict.label_name}"]
    if verdict.p_defect is not None:
        facts[0] += f", P(defect) {verdict.p_defect:.3f}"
    if verdict.score is not None:
        facts.append(f"score {verdict.score:.4g}, threshold {verdict.threshold:.4g}")
    if verdict.explanation is not None:
        words = f"{verdict.explanation.kind}: {verdict.explanation.description}"
        facts += wrap(words, _COLUMNS, max_lines=4, placeholder=" ...")
    return [fact.replace("$", r"\$") for fact in facts]  # matplotlib takes a pair of $ for mathematics
