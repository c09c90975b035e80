"""Figures of merit from verdicts with known truth. A figure that is undefined is None, never 0 or NaN.

Two kinds are kept apart. What the line did: accuracy, escapes and overkill of the labels that it gave.
And what the scores could do: AUROC and average precision, and the *oracle* figures, which pick their
threshold on the very images that they are measured on, so no line can have them; they are here because
others publish them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from saec.errors import DataError
from saec.evaluation.kind_figures import KindFigures, kind_figures
from saec.evaluation.shown_table import pandas_module, table_html, table_text
from saec.runs.question_costs import SpentMeans, SpentTally
from saec.schedule.statistics.auroc import auroc
from saec.schedule.statistics.exact_interval import clopper_pearson
from saec.schedule.statistics.paired import Interval
from saec.types import DEFECT, GOOD, VerdictRecord

if TYPE_CHECKING:
    import pandas

Array = NDArray[np.float64]
_LEFT = (0, 2)
"""The columns of the table that begin at their left."""


class Confusion(msgspec.Struct, frozen=True):
    """Counts of judged frames; a positive is a defect, so fn are escapes and fp is overkill."""

    tp: int
    fp: int
    tn: int
    fn: int


class Percentiles(msgspec.Struct, frozen=True):
    """Milliseconds."""

    p50: float
    p95: float
    p99: float


class Metrics(msgspec.Struct, frozen=True, kw_only=True):
    """What was measured on one line. Rates are shares from 0 to 1; None is undefined or not measured.

    ``Line.evaluate`` gives it. Printed, it shows a short table.

    >>> report = line.evaluate(gears)
    >>> report.n_good, report.n_defect, report.escape_rate
    (4, 4, 0.0)
    >>> print(report)
    Metrics of 4 good and 4 defect images
    ...
      missed defects...0.0 %  0 of 4; 0.0 to 60.2 % with 95 % confidence
    ...

    Attributes:
        image_auroc, average_precision: figures of the ranking; None unless both classes are there and every
            frame can be ranked on one scale.
        accuracy, balanced_accuracy: accuracy of the labels given; the latter is the mean over both classes.
        majority_accuracy: the accuracy of always giving the commoner label.
        accuracy_oracle, f1_oracle: highest over all thresholds on these very frames.
        escape_rate, overkill_rate: escapes / defects and overkills / goods, with the 95 % interval of
            Clopper and Pearson (1934).
        escalation_rate: share of judged frames, truth known or not, that were routed to the cloud.
        n_good, n_defect: judged frames of known truth.
        n_error: frames without a label; they are in no rate.
        n_provisional: judged frames that the edge answered because the cloud failed on them; they are in
            every rate, with the edge's label.
        n_unknown: judged frames of unknown truth; they are in the escalation rate and the times alone.
        n_mask_out: frames that are in no pixel figure: their masks are in doubt, unreadable, empty for a
            defect, of another size, or boxes.
        ms_judging: times of judged frames, ms; ms_waiting: of those among them that waited
            (``saec.frame.verdicts``).
        ms_by_stage: the same of each stage, over the frames that went through it.
        pixel_auroc, pro: figures of ``saec.evaluation.pixel_metrics``, where masks exist.
        kinds: how well the edge names kinds of defect; None where the line knows no kinds, or no defect
            has a stated kind.
        spent: tokens and bytes of the questions to the cloud, truth known or not.
        notes: what a reader of the figures must know, one sentence each.
    """

    image_auroc: float | None = None
    average_precision: float | None = None
    accuracy: float | None = None
    balanced_accuracy: float | None = None
    majority_accuracy: float | None = None
    accuracy_oracle: float | None = None
    f1_oracle: float | None = None
    escape_rate: float | None = None
    escape_interval: Interval | None = None
    overkill_rate: float | None = None
    overkill_interval: Interval | None = None
    escalation_rate: float | None = None
    n_good: int = 0
    n_defect: int = 0
    n_error: int = 0
    n_provisional: int = 0
    n_unknown: int = 0
    n_mask_out: int = 0
    confusion: Confusion = Confusion(0, 0, 0, 0)
    ms_judging: Percentiles | None = None
    ms_waiting: Percentiles | None = None
    ms_by_stage: dict[str, Percentiles] = {}
    pixel_auroc: float | None = None
    pro: float | None = None
    kinds: KindFigures | None = None
    spent: SpentMeans | None = None
    notes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """The figures by their names, as plain values: what ``metrics.json`` holds."""
        plain: dict[str, Any] = msgspec.to_builtins(self)
        return plain

    def to_pandas(self) -> pandas.DataFrame:
        """One row, a column for each figure; a figure's parts are named as in "confusion.tp".

        Raises:
            ExtraError: pandas is not installed.
        """
        frame: pandas.DataFrame = pandas_module().DataFrame([_flat(self.to_dict())])
        return frame

    def __repr__(self) -> str:
        return table_text(self._title, _figure_rows(self), self.notes, left=_LEFT)

    def _repr_html_(self) -> str:
        return table_html(self._title, _figure_rows(self), self.notes, left=_LEFT)

    @property
    def _title(self) -> str:
        return f"Metrics of {self.n_good} good and {self.n_defect} defect images"


def evaluate_verdicts(verdicts: Iterable[VerdictRecord], kinds: Sequence[str] = ()) -> Metrics:
    """Metrics of a run's verdicts; ``kinds`` are those that the line knows, see ``kind_figures``.

    Frames are ranked by anomaly score. Where the cloud decided some of them they are ranked by P(defect),
    the one scale that edge and cloud share; if then a frame has none, the ranking is undefined.
    """
    verdicts = list(verdicts)
    judged = [v for v in verdicts if v.label is not None]
    known = [v for v in judged if v.truth is not None]
    by_p = any(v.decided_by == "cloud" for v in known)
    rank = [v.p_defect if by_p else v.score for v in known]
    metrics = evaluate_labels(
        [int(v.truth == DEFECT) for v in known],
        [int(v.label == DEFECT) for v in known],
        None if any(r is None for r in rank) else [float(r) for r in rank if r is not None],
    )
    sent = sum(v.route is not None and v.route.decision == "cloud" for v in judged)
    stages, spent = _by_stage(judged), SpentTally()
    for verdict in judged:
        spent.add(verdict)
    return msgspec.structs.replace(
        metrics,
        escalation_rate=_share(sent, len(judged)),
        n_error=len(verdicts) - len(judged),
        n_provisional=sum(v.state == "provisional" for v in judged),
        n_unknown=len(judged) - len(known),
        ms_judging=stages.pop("judging", None),
        ms_waiting=stages.pop("waiting", None),
        ms_by_stage=stages,
        kinds=kind_figures(verdicts, kinds),
        spent=spent.means(),
    )


def evaluate_labels(truth: Sequence[int], label: Sequence[int], rank: Sequence[float] | None) -> Metrics:
    """Metrics of labels against truth.

    Args:
        truth, label: GOOD or DEFECT of each frame.
        rank: a number for each frame, higher is more likely a defect; None where there is none.

    Raises:
        DataError: lengths that differ, another label, or a rank that is not finite.
    """
    t, y = np.asarray(truth, dtype=np.int64), np.asarray(label, dtype=np.int64)
    if t.shape != y.shape or not np.isin(np.r_[t, y], (GOOD, DEFECT)).all():
        raise DataError(
            "truth and label are not two lists of 0 and 1 of the same length", "give both for every frame"
        )
    tp, fp = int((t & y).sum()), int(((1 - t) & y).sum())
    fn, tn = int(t.sum()) - tp, int((1 - t).sum()) - fp
    n_good, n_defect = tn + fp, tp + fn
    escape, overkill = _share(fn, n_defect), _share(fp, n_good)
    figures = Metrics(
        accuracy=_share(tp + tn, n_good + n_defect),
        balanced_accuracy=None if escape is None or overkill is None else 1 - (escape + overkill) / 2,
        majority_accuracy=_share(max(n_good, n_defect), n_good + n_defect),
        escape_rate=escape,
        escape_interval=clopper_pearson(fn, n_defect),
        overkill_rate=overkill,
        overkill_interval=clopper_pearson(fp, n_good),
        n_good=n_good,
        n_defect=n_defect,
        confusion=Confusion(tp, fp, tn, fn),
    )
    if rank is None or not n_good or not n_defect:
        return figures
    return msgspec.structs.replace(figures, **_ranking(t, np.asarray(rank, dtype=np.float64)))


def mean_row(rows: Sequence[Metrics]) -> dict[str, Any]:
    """The mean over several lines, keyed as ``Metrics``: counts are added, figures are averaged.

    A figure is averaged over the lines that have it and None where none has.
    """
    means: dict[str, Any] = {key: _mean(column) for key, column in _columns(rows).items()}
    means |= {key: sum(getattr(row, key) for row in rows) for key in _COUNTS}
    for key in TIMES:
        times = [t for row in rows if (t := getattr(row, key)) is not None]
        ps = Percentiles.__struct_fields__
        means[key] = {p: _mean([getattr(t, p) for t in times]) for p in ps} if times else None
    return means


def over_seeds(rows: Sequence[Metrics]) -> dict[str, dict[str, float | None]]:
    """Mean and sample standard deviation of each figure over runs that differ by their seed.

    The deviation of fewer than two is None.
    """
    spread = {}
    for key, column in _columns(rows).items():
        known = [v for v in column if v is not None]
        deviation = float(np.std(known, ddof=1)) if len(known) > 1 else None
        spread[key] = {"mean": _mean(known), "deviation": deviation}
    return spread


TIMES = ("ms_judging", "ms_waiting")
_COUNTS = ("n_good", "n_defect", "n_error", "n_provisional", "n_unknown", "n_mask_out")
_FIGURES = (
    "image_auroc",
    "average_precision",
    "accuracy",
    "balanced_accuracy",
    "majority_accuracy",
    "accuracy_oracle",
    "f1_oracle",
    "escape_rate",
    "overkill_rate",
    "escalation_rate",
    "pixel_auroc",
    "pro",
)
"""The figures of ``Metrics`` that are averaged over lines and spread over seeds; a new one joins here."""


def _columns(rows: Sequence[Metrics]) -> dict[str, list[float | None]]:
    return {key: [getattr(row, key) for row in rows] for key in _FIGURES}


def _mean(values: Sequence[float | None]) -> float | None:
    known = [v for v in values if v is not None]
    return float(np.mean(known)) if known else None


def _share(k: int, n: int) -> float | None:
    return k / n if n else None


def _ranking(truth: NDArray[np.int64], rank: Array) -> dict[str, float]:
    """AUROC, average precision and oracle figures; both classes are there."""
    if rank.shape != truth.shape or not np.isfinite(rank).all():
        raise DataError("a frame has no finite score to rank by", "check the verdicts: each needs a score")
    order = np.argsort(-rank, kind="stable")
    last_of_tie = np.r_[np.diff(rank[order]) != 0, True]
    found = np.cumsum(truth[order])[last_of_tie]
    called = (np.flatnonzero(last_of_tie) + 1).astype(np.float64)
    n_defect, n = found[-1], len(truth)
    # Of each threshold: defects found and goods passed. Calling nothing a defect is a threshold as well.
    right = np.r_[n - n_defect, found + (n - n_defect) - (called - found)]
    return {
        "image_auroc": auroc(rank[truth == GOOD], rank[truth == DEFECT]),
        "average_precision": float(np.sum(np.diff(found, prepend=0) / n_defect * found / called)),
        "accuracy_oracle": float(right.max() / n),
        "f1_oracle": float((2 * found / (called + n_defect)).max()),
    }


def _by_stage(verdicts: Sequence[VerdictRecord]) -> dict[str, Percentiles]:
    """Percentiles of each stage over the frames that went through it."""
    times: dict[str, list[float]] = {}
    for verdict in verdicts:
        for stage, ms in verdict.ms.items():
            times.setdefault(stage, []).append(ms)
    return {s: Percentiles(*(float(p) for p in np.percentile(v, (50, 95, 99)))) for s, v in times.items()}


def _figure_rows(metrics: Metrics) -> list[tuple[str, str, str]]:
    """One row for each figure that there is: its name, its value, and what to know of it."""
    count = metrics.confusion
    rows = [
        ("accuracy", _percent(metrics.accuracy), ""),
        ("balanced accuracy", _percent(metrics.balanced_accuracy), ""),
        (
            "missed defects",
            _percent(metrics.escape_rate),
            _of(count.fn, metrics.n_defect, metrics.escape_interval),
        ),
        (
            "false rejects",
            _percent(metrics.overkill_rate),
            _of(count.fp, metrics.n_good, metrics.overkill_interval),
        ),
        ("image AUROC", _number(metrics.image_auroc), ""),
        ("average precision", _number(metrics.average_precision), ""),
        ("pixel AUROC", _number(metrics.pixel_auroc), ""),
        ("PRO", _number(metrics.pro), ""),
        ("sent to the cloud", _percent(metrics.escalation_rate), ""),
        *_kind_rows(metrics.kinds),
    ]
    for name, times in (("judging, ms", metrics.ms_judging), ("waiting, ms", metrics.ms_waiting)):
        if times is not None:
            rows.append((name, f"{times.p50:.1f}", f"median; 95 % within {times.p95:.1f}"))
    for name, frames in (
        ("without a label", metrics.n_error),
        ("provisional", metrics.n_provisional),
        ("of unknown truth", metrics.n_unknown),
    ):
        if frames:
            rows.append((name, str(frames), "images"))
    return [row for row in rows if row[1]]


def _kind_rows(kinds: KindFigures | None) -> list[tuple[str, str, str]]:
    if kinds is None:
        return []
    right = round((kinds.accuracy or 0.0) * kinds.n_known)
    of = _of(right, kinds.n_known, kinds.accuracy_interval)
    return [("kinds named right", _percent(kinds.accuracy), of)]


def _flat(figures: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in figures.items():
        if isinstance(value, dict):
            found |= _flat(value, f"{prefix}{name}.")
        elif name.endswith("_interval") and value is not None:
            found |= {f"{prefix}{name}.low": value[0], f"{prefix}{name}.high": value[1]}
        else:
            found[f"{prefix}{name}"] = value
    return found


def _percent(share: float | None) -> str:
    return "" if share is None else f"{100 * share:.1f} %"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def _of(count: int, among: int, interval: Interval | None) -> str:
    if interval is None:
        return ""
    return f"{count} of {among}; {100 * interval[0]:.1f} to {100 * interval[1]:.1f} % with 95 % confidence"
