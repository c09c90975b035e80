"""How well the edge names kinds of defect: confusion by kind, accuracy over known kinds, calibration.

Only defects whose true kind is stated count. A true kind and a name are the same where they differ by case,
blanks, dashes and underscores alone: the folder ``big_dent`` is the kind "Big dent".
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from saec.data.items import plain_name
from saec.evaluation.shown_table import pandas_module, table_html, table_text
from saec.schedule.statistics.exact_interval import clopper_pearson
from saec.schedule.statistics.paired import Interval
from saec.types import DEFECT, UNKNOWN_KIND, VerdictRecord

if TYPE_CHECKING:
    import pandas

JUDGED_GOOD = "judged good"
NO_KIND = "no kind"
NO_KINDS = (UNKNOWN_KIND, JUDGED_GOOD, NO_KIND)
"""Columns of the confusion that are no kinds."""

_TITLE = "Defects by true kind (rows) and by what they were named (columns)"

BANDS = 5
"""Bands of equal width into which confidences are sorted."""


class ConfidenceBand(msgspec.Struct, frozen=True):
    """The names of one band of confidence: from ``low`` to below ``high``; the last band holds its end.

    Attributes:
        named: how many there are.
        right: how many of them are right.
        confidence: their mean confidence.
        interval: the share of right names, with 95 % confidence (Clopper and Pearson 1934).
    """

    low: float
    high: float
    named: int
    right: int
    confidence: float
    interval: Interval


class KindFigures(msgspec.Struct, frozen=True, kw_only=True):
    """How well the edge names the kinds of labelled defects. None is undefined.

    A name is right where it is the true kind, and "unknown" where the line does not know the true kind.

    Attributes:
        known: the kinds that the line knows.
        confusion: true kind -> name -> defects. The names are the known kinds, "unknown", "judged good" (a
            missed defect), and "no kind" for a defect without a name: the cloud alone found it.
        n_defect: defects whose true kind is stated.
        n_known: those of known kinds that have a name, "unknown" included.
        accuracy: share of right names among these, with its 95 % interval.
        n_new, new_as_unknown: named defects of kinds that the line does not know, and the share of them that
            it calls "unknown", with its interval.
        n_named: all named defects of stated kind; what follows is of these.
        right, confidence: the share of right names, and the mean confidence. Calibrated names have both
            alike.
        brier: mean squared distance of confidence and rightness, 1 or 0 (Brier 1950).
        calibration_error: mean distance of confidence and share of right names over ``bands``, weighted by
            their names (Naeini et al. 2015). Few names make it too large.
        bands: bands of confidence that have names.
    """

    known: tuple[str, ...] = ()
    confusion: dict[str, dict[str, int]] = {}
    n_defect: int = 0
    n_known: int = 0
    accuracy: float | None = None
    accuracy_interval: Interval | None = None
    n_new: int = 0
    new_as_unknown: float | None = None
    new_as_unknown_interval: Interval | None = None
    n_named: int = 0
    right: float | None = None
    confidence: float | None = None
    brier: float | None = None
    calibration_error: float | None = None
    bands: tuple[ConfidenceBand, ...] = ()

    @property
    def names(self) -> list[str]:
        """The columns of the confusion, in their order."""
        return list(next(iter(self.confusion.values()), {}))

    def sentences(self) -> list[str]:
        """How right the names are, in words for a reader of the figures."""
        said = []
        if self.accuracy_interval is not None:
            right, share = _of(self.accuracy, self.n_known, self.accuracy_interval)
            said.append(f"The name was right for {right} defects of kinds that the line knows ({share}).")
        if self.new_as_unknown_interval is not None:
            right, share = _of(self.new_as_unknown, self.n_new, self.new_as_unknown_interval)
            said.append(f"Of other kinds, {right} defects were called unknown ({share}).")
        if self.right is not None and self.confidence is not None:
            said.append(
                f"The mean confidence in a name was {100 * self.confidence:.1f} %, and "
                f"{100 * self.right:.1f} % of the names were right."
            )
        return said

    def to_pandas(self) -> pandas.DataFrame:
        """The confusion: a row for each true kind, a column for each name.

        Raises:
            ExtraError: pandas is not installed.
        """
        frame: pandas.DataFrame = pandas_module().DataFrame.from_dict(
            self.confusion, orient="index", columns=self.names
        )
        return frame

    def __repr__(self) -> str:
        return table_text(_TITLE, self._rows(), (), left=(0,))

    def _repr_html_(self) -> str:
        return table_html(_TITLE, self._rows(), (), left=(0,))

    def _rows(self) -> list[list[str]]:
        body = [[kind, *(str(n) for n in row.values())] for kind, row in self.confusion.items()]
        return [["", *self.names], *body]


class _Named(msgspec.Struct, frozen=True):
    """One named defect of stated kind."""

    new: bool
    right: bool
    confidence: float


def kind_figures(verdicts: Iterable[VerdictRecord], kinds: Sequence[str] = ()) -> KindFigures | None:
    """The figures of the judged defects whose true kind is stated.

    Args:
        verdicts: the standing verdicts of a line.
        kinds: the kinds that the line knows; where none are given, those that the verdicts name.

    Returns:
        None where the line knows no kinds, or no defect has a stated kind.
    """
    verdicts = [v for v in verdicts if v.label is not None]
    given = {v.kind for v in verdicts if v.kind not in (None, UNKNOWN_KIND)}
    known = tuple(kinds) or tuple(sorted(name for name in given if name))
    stated = [v for v in verdicts if v.truth == DEFECT and v.true_kind]
    if not known or not stated:
        return None
    spelt = {plain_name(name): name for name in known}
    pairs = [(spelt.get(plain_name(v.true_kind), v.true_kind), v) for v in stated]
    named = [_named(kind, v, known) for kind, v in pairs if v.label == DEFECT and v.kind is not None]
    old, new = [n for n in named if not n.new], [n for n in named if n.new]
    return KindFigures(
        known=known,
        confusion=_confusion(pairs, known),
        n_defect=len(stated),
        n_known=len(old),
        accuracy=_share(old),
        accuracy_interval=clopper_pearson(_right(old), len(old)),
        n_new=len(new),
        new_as_unknown=_share(new),
        new_as_unknown_interval=clopper_pearson(_right(new), len(new)),
        n_named=len(named),
        **_calibration(named),
    )


def _named(kind: str, verdict: VerdictRecord, known: Sequence[str]) -> _Named:
    new = kind not in known
    right = verdict.kind == (UNKNOWN_KIND if new else kind)
    return _Named(new, right, verdict.kind_confidence or 0.0)


def _confusion(pairs: Sequence[tuple[str, VerdictRecord]], known: Sequence[str]) -> dict[str, dict[str, int]]:
    """Rows of the kinds that there are, the known ones first; every row has all columns."""
    found = [(kind, _name(verdict)) for kind, verdict in pairs]
    names, kinds = {name for _, name in found}, {kind for kind, _ in found}
    columns = [
        *known,
        *sorted(names - {*known, *NO_KINDS}),
        UNKNOWN_KIND,
        JUDGED_GOOD,
    ]
    columns += [NO_KIND] if NO_KIND in names else []
    rows = [*(kind for kind in known if kind in kinds), *sorted(kinds - set(known))]
    table = {row: dict.fromkeys(columns, 0) for row in rows}
    for kind, name in found:
        table[kind][name] += 1
    return table


def _name(verdict: VerdictRecord) -> str:
    if verdict.label != DEFECT:
        return JUDGED_GOOD
    return NO_KIND if verdict.kind is None else verdict.kind


def _calibration(named: Sequence[_Named]) -> dict[str, Any]:
    if not named:
        return {}
    bands = [band for at in range(BANDS) if (band := _band(named, at)) is not None]
    return {
        "right": _share(named),
        "confidence": sum(n.confidence for n in named) / len(named),
        "brier": sum((n.confidence - n.right) ** 2 for n in named) / len(named),
        "calibration_error": sum(abs(b.named * b.confidence - b.right) for b in bands) / len(named),
        "bands": tuple(bands),
    }


def _band(named: Sequence[_Named], at: int) -> ConfidenceBand | None:
    inside = [n for n in named if min(BANDS - 1, int(n.confidence * BANDS)) == at]
    interval = clopper_pearson(_right(inside), len(inside))
    if interval is None:
        return None
    mean = sum(n.confidence for n in inside) / len(inside)
    return ConfidenceBand(at / BANDS, (at + 1) / BANDS, len(inside), _right(inside), mean, interval)


def _of(share: float | None, among: int, interval: Interval) -> tuple[str, str]:
    """ "10 of 12" and "83.3 %; 51.6 to 97.9 % with 95 % confidence"."""
    share = share or 0.0
    low, high = interval
    between = f"{100 * low:.1f} to {100 * high:.1f} % with 95 % confidence"
    return f"{round(share * among)} of {among}", f"{100 * share:.1f} %; {between}"


def _right(named: Sequence[_Named]) -> int:
    return sum(n.right for n in named)


def _share(named: Sequence[_Named]) -> float | None:
    return _right(named) / len(named) if named else None
