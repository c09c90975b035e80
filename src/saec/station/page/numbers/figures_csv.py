"""The counts of a window as a table for other programs."""

from __future__ import annotations

import csv
import io
from datetime import datetime

import msgspec

from saec.station.page.numbers.window_figures import WindowFigures
from saec.station.storage.counts.verdict_counts import VerdictCounts

COLUMNS = ("begin", "end", "line", *VerdictCounts.__struct_fields__[2:])
"""Times in ISO 8601 with the station's zone; the rest as in ``VerdictCounts``."""


def figures_csv(figures: WindowFigures) -> str:
    """A row for each stretch and line in which there is a frame (RFC 4180, with a header)."""
    out = io.StringIO()
    table = csv.writer(out)
    table.writerow(COLUMNS)
    for stretch in figures.stretches:
        for counts in stretch.lines:
            values = msgspec.structs.asdict(counts) | {
                "begin": _iso(stretch.begin),
                "end": _iso(stretch.end),
            }
            table.writerow([values[name] for name in COLUMNS])
    return out.getvalue()


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds).astimezone().isoformat(timespec="seconds")
