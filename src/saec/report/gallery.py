"""Which frames the report shows: sections that tear the verdicts into disjoint groups.

The order of the sections is the order in which an operator wants to look: what went wrong, what
was changed, what was not sure, and only then a sample of what was. A frame stands in the first
section that takes it, so that the counts add up to the number of frames.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from saec.profile import Gate
from saec.report.tally import changed, heard, wrong
from saec.types import DEFECT, GOOD, VerdictRecord


@dataclass(frozen=True)
class Rule:
    """A section before it has frames.

    Attributes:
        takes: whether a verdict belongs here, given the line's gate.
        first: which frames are shown first, those near the threshold or those far from it.
        limit: how many are shown on a page of one run.
    """

    key: str
    title: str
    about: str
    takes: Callable[[VerdictRecord, Gate | None], bool]
    first: Literal["near", "far"]
    limit: int


@dataclass(frozen=True)
class GallerySection:
    """A part of the gallery: ``shown`` are the first of the ``total`` frames that belong to it."""

    key: str
    title: str
    about: str
    total: int
    shown: list[VerdictRecord]


def inside(gate: Gate | None, score: float | None) -> bool:
    """Whether the edge alone is not sure of this score."""
    return gate is not None and score is not None and gate.low <= score <= gate.high


CHANGED = ("cloud-right", "cloud-wrong", "changed")
"""The groups of frames whose label the cloud changed, in the order in which their own section shows them."""

RULES = (
    Rule(
        "errors",
        "Not judged",
        "These frames have no label. Each says what is wrong with it.",
        lambda v, _: v.label is None,
        "near",
        24,
    ),
    Rule(
        "cloud-wrong",
        "Made wrong by the cloud",
        "The edge was right, but the final label is wrong.",
        lambda v, _: changed(v) and wrong(v),
        "far",
        24,
    ),
    Rule(
        "escapes",
        "Missed defects (escapes)",
        "Defects that were judged good. The lowest scores come first.",
        lambda v, _: wrong(v) and v.truth == DEFECT,
        "far",
        24,
    ),
    Rule(
        "overkills",
        "False rejects (overkill)",
        "Good frames that were judged defect. The highest scores come first.",
        lambda v, _: wrong(v) and v.truth == GOOD,
        "far",
        24,
    ),
    Rule(
        "cloud-right",
        "Corrected by the cloud",
        "The edge was wrong, but the final label is right.",
        lambda v, _: changed(v) and v.truth is not None,
        "far",
        24,
    ),
    Rule(
        "changed",
        "Changed by the cloud",
        "The final label differs from the edge's. The true labels are not known.",
        lambda v, _: changed(v),
        "far",
        24,
    ),
    Rule(
        "fallback",
        "Decided without the cloud's answer",
        "The cloud should have answered but did not, so the edge's label is used.",
        lambda v, _: v.decided_by == "edge-fallback",
        "near",
        12,
    ),
    Rule(
        "second-opinion",
        "The cloud disagrees",
        "On this line the cloud only advises: its opinion is shown, and the edge's label stays.",
        lambda v, _: (
            v.cloud is not None
            and v.cloud.role == "advisory"
            and (v.cloud.p_defect >= 0.5) != (v.label == DEFECT)
        ),
        "near",
        12,
    ),
    Rule(
        "settled",
        "Unsure, and right with the cloud",
        "The edge was not sure. With the cloud's opinion the label stayed, and it is "
        "right. Those closest to the threshold come first.",
        lambda v, _: heard(v) and v.truth is not None,
        "near",
        12,
    ),
    Rule(
        "unsure",
        "Unsure",
        "The score lies inside the gate, or the cloud was asked. Those closest to the threshold come first.",
        lambda v, gate: v.cloud is not None or inside(gate, v.score),
        "near",
        16,
    ),
    Rule(
        "sure-defect",
        "Sure defects",
        "A sample of what the edge rejected alone. The clearest come first.",
        lambda v, _: v.label == DEFECT,
        "far",
        12,
    ),
    Rule(
        "sure-good",
        "Sure good frames",
        "A sample of what the edge passed alone. Those closest to the threshold come first.",
        lambda v, _: v.label == GOOD,
        "near",
        8,
    ),
)
"""The sections in their order; the last two take what no other does."""


def sections(
    verdicts: Sequence[VerdictRecord], threshold: float, gate: Gate | None, *, share: float = 1.0
) -> list[GallerySection]:
    """Sort the verdicts into sections; empty ones are left out.

    Args:
        verdicts: the verdicts of one run.
        threshold, gate: the thresholds of its line, in score units.
        share: the part of the usual number of pictures per section, for a page of several runs.

    Returns:
        Disjoint sections that together hold every verdict.
    """

    def distance(v: VerdictRecord) -> float:
        return abs(v.score - threshold) if v.score is not None else 0.0

    made: dict[str, list[VerdictRecord]] = {}
    for v in verdicts:
        made.setdefault(next(rule.key for rule in RULES if rule.takes(v, gate)), []).append(v)
    found = []
    for rule in RULES:
        if rule.key in made:
            ordered = sorted(made[rule.key], key=distance, reverse=rule.first == "far")
            shown = ordered[: max(2, round(rule.limit * share))]
            found.append(GallerySection(rule.key, rule.title, rule.about, len(ordered), shown))
    return found
