"""What the reason of a verdict means, as a sentence for the report and for the station's page."""

from __future__ import annotations

from functools import cache

from saec.frame.verdicts import CLOUD_ERROR, DISAGREEMENT, NO_CLOUD, OVERDUE
from saec.schedule.policies import reasons as policy_reasons
from saec.types import VerdictRecord

ANSWERED_LATER = "answered-later"

_OTHERS = {
    ANSWERED_LATER: "the line could not wait for the cloud; its answer came later and stands",
    CLOUD_ERROR: "the cloud failed on this frame: the edge's label is used",
    DISAGREEMENT: "the edge was sure of one label and the cloud of the other",
    OVERDUE: "the cloud did not answer before the deadline: the edge's label is used",
    NO_CLOUD: "the frame should go to the cloud, but there was none: the edge's label is used",
    "read-error": "the file cannot be read, or it is not an image",
    "edge-error": "the detector failed on this frame",
    "guard-dark-error": "the frame is too dark to judge",
    "guard-bright-error": "the frame is too bright to judge",
    "guard-blurred-error": "the frame is too blurred to judge",
    "guard-empty-error": "there is no part in the frame",
    "recipe-error": "no recipe was in force for this frame, or it cannot be opened",
    "quarantine-error": "the frame is in quarantine, because judging it failed again and again",
    "part-any-defect": "the frames of the part: a defect on one is enough",
    "part-newest": "the newest frame of each source of the part: a defect on one is enough",
    "part-vote": "the frames of the part: the greater number decides",
    "part-incomplete": "frames of the part are missing or could not be judged, so it has no label",
    "line-error": "the station's settings lack the line of this frame",
}
"""Reasons beside those that policies give."""


def verdict_sentence(verdict: VerdictRecord) -> str:
    """Why a verdict is what it is."""
    return reason_sentence(shown_reason(verdict))


def shown_reason(verdict: VerdictRecord) -> str:
    """The reason that a person is told.

    A verdict keeps the reason of its frame's route. Where the route was the edge's and the cloud decided all
    the same, that reason speaks of the label before this one.
    """
    later = verdict.decided_by == "cloud" and verdict.route is not None and verdict.route.decision == "edge"
    return ANSWERED_LATER if later else verdict.reason


def reason_sentence(reason: str) -> str:
    """What a verdict's reason means; the reason itself where no sentence is known."""
    return reason_sentences().get(reason, reason)


@cache
def reason_sentences() -> dict[str, str]:
    """Every reason in words; a report asks for each of its frames."""
    return policy_reasons() | _OTHERS
