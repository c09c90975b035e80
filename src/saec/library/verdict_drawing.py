"""A verdict drawn: as a figure of matplotlib, and as HTML for a notebook, where words are never markup."""

from __future__ import annotations

import base64
from html import escape
from textwrap import wrap
from typing import TYPE_CHECKING

from saec.errors import ExtraError, SaecError
from saec.frame.map_pictures import encode_jpeg, shrink

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from saec.library.verdict_view import Verdict

_SIDE, _COLUMNS = 360, 90
_COLOURS = {"good": "#1b6b3a", "defect": "#a3182c"}


def plot_verdict(verdict: Verdict) -> Figure:
    """The image and, beside it, the image under its anomaly map.

    Raises:
        ExtraError: matplotlib is not installed.
        ImageError: the image has gone.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise ExtraError("matplotlib", "notebook") from None
    facts = _facts(verdict)
    height, width = verdict.image.shape[:2]
    head = 0.4 + 0.2 * len(facts)
    figure = Figure(figsize=(8.0, min(8.0, max(2.4, 4.0 * height / width)) + head), layout="constrained")
    left, right = figure.subplots(1, 2)
    _show(left, shrink(verdict.image, 900), "image")
    _show(right, verdict.picture(max_side=900), "anomaly map; outlined from the threshold")
    figure.suptitle("\n".join(facts), fontsize=10, color=_COLOURS.get(verdict.label_name, "black"))
    return figure


def verdict_html(verdict: Verdict) -> str:
    """A small table of the verdict's facts beside its picture, for a notebook."""
    left = 'style="text-align:left"'
    rows = "".join(
        f"<tr><th {left}>{escape(name)}</th><td {left}>{escape(value)}</td></tr>"
        for name, value in _rows(verdict)
    )
    return (
        f'<div style="display:flex;gap:1em;align-items:flex-start">{_img(verdict)}<table>{rows}</table></div>'
    )


def _img(verdict: Verdict) -> str:
    try:
        data = encode_jpeg(verdict.picture(max_side=_SIDE))
    except SaecError as e:  # its file has gone: the facts stand
        return f"<p>{escape(e.what)}</p>"
    text = base64.b64encode(data).decode()
    alt = f"{verdict.id} with its anomaly map: {verdict.label_name}"
    return f'<img alt="{escape(alt, quote=True)}" src="data:image/jpeg;base64,{text}">'


def _show(axes: Axes, picture: object, title: str) -> None:
    axes.imshow(picture)  # type: ignore[arg-type]
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


def _rows(verdict: Verdict) -> list[tuple[str, str]]:
    rows = [("image", verdict.id), ("label", verdict.label_name)]
    if verdict.p_defect is not None:
        rows.append(("P(defect)", f"{verdict.p_defect:.3f}"))
    if verdict.score is not None:
        rows.append(("score", f"{verdict.score:.4g} (threshold {verdict.threshold:.4g})"))
    rows.append(("decided by", f"{verdict.decided_by}: {verdict.reason}"))
    if verdict.state != "final":
        rows.append(("state", verdict.state))
    if verdict.explanation is not None:
        rows.append(("kind", verdict.explanation.kind))
        rows.append(("description", verdict.explanation.description))
    if verdict.error is not None:
        rows.append(("error", verdict.error.message))
    return rows
