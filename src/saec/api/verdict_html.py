"""A verdict as HTML for a notebook. All words are text and never markup."""

from __future__ import annotations

import base64
from html import escape
from typing import TYPE_CHECKING

from saec.errors import SaecError
from saec.frame.map_pictures import encode_jpeg

if TYPE_CHECKING:
    from saec.api.verdict_view import Verdict

_SIDE = 360


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
