"""The table of what each choice of the threshold would give on a line's cross-fitted scores."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from saec.data.manifest import Manifest
from saec.profile import LineProfile
from saec.schedule.calibration.rule_words import cost_words
from saec.schedule.calibration.threshold_choices import ThresholdChoice, choices_of
from saec.settings.threshold_rule import ErrorCosts, ThresholdRule

_HEAD = ("chosen by", "threshold", "missed defects", "false rejects", "cost")


class ThresholdTable:
    """The choices of a line's threshold; it is printed as a table.

    Attributes:
        choices: what each rule gives; empty where no defects are labelled.
        costs: what errors cost in ``expected_cost``.
        prevalence: the share of defects in it.
    """

    def __init__(self, choices: tuple[ThresholdChoice, ...], costs: ErrorCosts, prevalence: float) -> None:
        self.choices = choices
        self.costs = costs
        self.prevalence = prevalence

    @classmethod
    def of(cls, profile: LineProfile) -> ThresholdTable:
        """The table of a line, by part where its manifest knows the parts."""
        calibration, path = profile.calibration, profile.folder / "manifest.json"
        parts = {}
        if calibration.defects and path.is_file():
            parts = {sha: entry.part for sha, entry in Manifest.read(path).roles.items()}
        found = tuple(choices_of(calibration, parts))
        return cls(found, calibration.rule.cost or ErrorCosts(), calibration.prevalence)

    def lines(self) -> list[str]:
        """The table as lines of text; none where there is nothing to compare."""
        if not self.choices:
            return []
        rows = [_HEAD, *(_row(choice) for choice in self.choices)]
        widths = [max(len(row[at]) for row in rows) for at in range(len(_HEAD))]
        table = [
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
            for row in rows
        ]
        return [
            "choices, each judged on images that its threshold has not seen, with 95 % intervals:",
            *table,
            f"cost: expected per frame, where {cost_words(self.costs)} and "
            f"{100 * self.prevalence:g} % of the frames are defects",
        ]

    def __iter__(self) -> Iterator[ThresholdChoice]:
        return iter(self.choices)

    def __len__(self) -> int:
        return len(self.choices)

    def __repr__(self) -> str:
        return "\n".join(self.lines()) or "<no choices: the line knows no labelled defects>"

    def _repr_html_(self) -> str:
        return f"<pre>{escape(repr(self))}</pre>"


def _row(choice: ThresholdChoice) -> tuple[str, ...]:
    cost = "-" if choice.expected_cost is None else f"{choice.expected_cost:.3g}"
    return (
        ("> " if choice.chosen else "  ") + _name(choice.rule),
        "-" if choice.threshold is None else f"{choice.threshold:.4g}",
        _rate(choice.escape_rate, choice.escape_interval),
        _rate(choice.overkill_rate, choice.overkill_interval),
        cost,
    )


def _name(rule: ThresholdRule | None) -> str:
    """The setting that gives a rule, and its value."""
    if rule is None:
        return "threshold by hand"
    if rule.overkill_rate is not None:
        return f"overkill-rate {rule.overkill_rate:g}"
    if rule.escape_rate is not None:
        return f"escape-rate {rule.escape_rate:g}"
    if rule.cost is not None:
        return f"cost {rule.cost.missed_defect:g} : {rule.cost.false_reject:g}"
    return "default"


def _rate(rate: float | None, interval: tuple[float, float] | None) -> str:
    if rate is None or interval is None:
        return "-"
    return f"{100 * rate:.1f} % [{100 * interval[0]:.1f}, {100 * interval[1]:.1f}]"
