"""A picture and a table of facts as HTML for a notebook. All words are text and never markup."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from html import escape

from saec.frame.map_pictures import encode_jpeg
from saec.types import Image

SIDE = 360
"""Most pixels of a picture's longer side."""


def facts_html(facts: Iterable[tuple[str, str]], picture: Image | str, alt: str) -> str:
    """A small table of facts beside a picture.

    Args:
        facts: names and values.
        picture: H x W x 3 uint8, RGB; or the sentence that says why there is none.
        alt: what the picture shows, for those who cannot see it.
    """
    left = 'style="text-align:left"'
    rows = "".join(
        f"<tr><th {left}>{escape(name)}</th><td {left}>{escape(value)}</td></tr>" for name, value in facts
    )
    shown = f"<p>{escape(picture)}</p>" if isinstance(picture, str) else _img(picture, alt)
    return f'<div style="display:flex;gap:1em;align-items:flex-start">{shown}<table>{rows}</table></div>'


def _img(picture: Image, alt: str) -> str:
    text = base64.b64encode(encode_jpeg(picture)).decode()
    return f'<img alt="{escape(alt, quote=True)}" src="data:image/jpeg;base64,{text}">'
