"""Kinds of defects on the page: how often each was named, the confusion, and how far to trust confidences."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from saec.evaluation.kind_figures import NO_KIND, NO_KINDS, KindFigures
from saec.report import words
from saec.types import UNKNOWN_KIND, VerdictRecord

MOST = 12
"""Kinds that the page shows by name; the others are counted together."""

OTHER = "others"


@dataclass(frozen=True)
class KindCell:
    """Defects of one true kind that were given one name; ``css`` says whether that is right."""

    defects: int
    css: Literal["right", "miss", ""]


@dataclass(frozen=True)
class KindRow:
    """A true kind. ``about`` says that the line does not know it."""

    kind: str
    about: str
    cells: list[KindCell]


@dataclass(frozen=True)
class BandRow:
    """Names of one band of confidence, as text."""

    band: str
    named: int
    confidence: str
    right: str
    interval: str


@dataclass(frozen=True)
class KindsView:
    """What the page says of kinds.

    Attributes:
        named: each name and how many defects have it, the commonest first.
        sentences: how right the names are; empty where no true kind is known.
        columns, rows: the confusion: true kinds down, names across.
        bands: how right the names of each band of confidence are.
    """

    named: list[tuple[str, int]]
    sentences: list[str]
    columns: list[str]
    rows: list[KindRow]
    bands: list[BandRow]


def kinds_view(verdicts: Sequence[VerdictRecord], figures: KindFigures | None) -> KindsView | None:
    """The page's part on kinds; None where no verdict names a kind and none was measured."""
    counts = Counter(v.kind for v in verdicts if v.kind is not None)
    if not counts and figures is None:
        return None
    ordered = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
    named, rest = ordered[:MOST], sum(n for _, n in ordered[MOST:])
    named += [(OTHER, rest)] if rest else []
    if figures is None:
        return KindsView(named, [], [], [], [])
    columns = _columns(figures)
    rows = _rows(figures, columns)
    shown = [*columns, OTHER] if len(columns) < len(figures.names) else columns
    return KindsView(named, figures.sentences(), shown, rows, _bands(figures))


def _columns(figures: KindFigures) -> list[str]:
    """The names to show, in the confusion's order: the commonest kinds, and all that are no kinds."""
    totals = Counter({name: sum(row[name] for row in figures.confusion.values()) for name in figures.names})
    kinds = Counter({name: n for name, n in totals.items() if name not in NO_KINDS})
    shown = {name for name, _ in kinds.most_common(MOST)}
    return [name for name in figures.names if name in shown or name in NO_KINDS]


def _rows(figures: KindFigures, columns: Sequence[str]) -> list[KindRow]:
    sizes = Counter({kind: sum(row.values()) for kind, row in figures.confusion.items()})
    shown = {kind for kind, _ in sizes.most_common(MOST)}
    rows = [_row(kind, figures, columns) for kind in figures.confusion if kind in shown]
    hidden = [row for kind, row in figures.confusion.items() if kind not in shown]
    if hidden:
        merged = _merged(Counter[str]({n: sum(row[n] for row in hidden) for n in figures.names}), columns)
        rows.append(KindRow(OTHER, words.count(len(hidden), "kind"), [KindCell(n, "") for n in merged]))
    return rows


def _row(kind: str, figures: KindFigures, columns: Sequence[str]) -> KindRow:
    known = kind in figures.known
    right = kind if known else UNKNOWN_KIND
    counts = _merged(figures.confusion[kind], columns)
    names = [*columns, OTHER][: len(counts)]
    cells = [KindCell(n, _css(name, right, n)) for name, n in zip(names, counts, strict=True)]
    return KindRow(kind, "" if known else "not known to the line", cells)


def _css(name: str, right: str, defects: int) -> Literal["right", "miss", ""]:
    if name == right:
        return "right"
    return "miss" if defects and name != NO_KIND else ""


def _merged(row: Counter[str] | dict[str, int], columns: Sequence[str]) -> list[int]:
    """The counts of the shown columns, and the sum of the others where there are any."""
    counts = [row[name] for name in columns]
    return [*counts, sum(row.values()) - sum(counts)] if len(columns) < len(row) else counts


def _bands(figures: KindFigures) -> list[BandRow]:
    return [
        BandRow(
            band=f"{100 * band.low:.0f} to {words.percent(band.high)}",
            named=band.named,
            confidence=words.share(band.confidence),
            right=words.share(band.right / band.named),
            interval=f"{100 * band.interval[0]:.1f} to {words.share(band.interval[1])}",
        )
        for band in figures.bands
    ]
