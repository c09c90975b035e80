"""A short table as text, and as HTML for a notebook. All words are text and never markup."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from html import escape
from types import ModuleType

from saec.errors import ExtraError

Rows = Sequence[Sequence[str]]


def table_text(title: str, rows: Rows, notes: Sequence[str], *, left: Collection[int] = ()) -> str:
    """The table with its title above it and its notes below it.

    Args:
        title: what the table is.
        rows: its cells; all rows have the same number of them.
        notes: sentences.
        left: the columns whose cells begin at their left; those of the others end at their right.
    """
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]) if rows else 0)]
    lines = []
    for row in rows:
        cells = [
            f"{cell:{'<' if i in left else '>'}{width}}"
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append(f"  {'  '.join(cells)}".rstrip())
    return "\n".join([title, *lines, *notes])


def table_html(title: str, rows: Rows, notes: Sequence[str], *, left: Collection[int] = ()) -> str:
    """The same as HTML."""
    body = "".join(
        f"<tr>{''.join(_cell(text, left=i in left) for i, text in enumerate(row))}</tr>" for row in rows
    )
    said = "".join(f"<p>{escape(note)}</p>" for note in notes)
    return f"<table><caption>{escape(title)}</caption>{body}</table>{said}"


def pandas_module() -> ModuleType:
    """pandas, which a table of figures needs.

    Raises:
        ExtraError: it is not installed.
    """
    try:
        import pandas
    except ImportError:
        raise ExtraError("pandas", "notebook") from None
    module: ModuleType = pandas
    return module


def _cell(text: str, *, left: bool) -> str:
    style = ' style="text-align:left"' if left else ""
    return f"<td{style}>{escape(text)}</td>"
