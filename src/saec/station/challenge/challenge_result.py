"""The result of a run: what was missed, with exact bounds, and why it passed, failed or said nothing."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from saec.frame.verdicts import ADVISORY, STAND_INS
from saec.schedule.statistics.exact_interval import clopper_pearson
from saec.station.challenge_records import (
    ChallengeRecord,
    ConditionCheck,
    GoldenOutcome,
    GoldenVerdict,
    RunState,
)
from saec.types import DEFECT, VerdictRecord

_NAMED = 5
"""Parts that a reason names."""

_WORDS: dict[GoldenOutcome, str] = {
    "no-label": "had an error for a verdict",
    "late": "had no verdict by the deadline",
    "no-cloud": "needed the cloud, which did not answer in time",
    "absent": "had no verdict at all",
}


def golden_outcome(label: int, verdict: VerdictRecord | None, *, in_time: bool) -> GoldenOutcome:
    """What the verdict on a golden part says of its line.

    Args:
        label: what the part is.
        verdict: the first one, which the line would have acted on; None without one.
        in_time: it came by the deadline.
    """
    if verdict is None:
        return "absent"
    if verdict.label is None:
        return "no-label"
    if not in_time:
        return "late"
    waits = verdict.state == "provisional" and verdict.reason != ADVISORY
    if waits or (verdict.route is not None and verdict.route.reason in STAND_INS):
        return "no-cloud"
    if verdict.label == label:
        return "right"
    return "missed" if label == DEFECT else "false-reject"


def judged_run(
    record: ChallengeRecord,
    parts: Sequence[GoldenVerdict],
    conditions: Sequence[ConditionCheck],
    *,
    most_missed: int,
    most_false_rejects: int,
    broken: Sequence[str] = (),
    ended: float,
    confidence: float,
) -> ChallengeRecord:
    """A run with its result.

    It failed where more was missed or rejected than allowed, a part had an error for a verdict, or a
    condition is out of tolerance: that is known whatever else went wrong. Else it was interrupted where
    anything else kept a part from being judged. Only a run of all parts, each with a label in time, can pass.

    Args:
        record: the run as it began.
        parts: what was said of each part of the set.
        conditions: how the pictures were.
        most_missed, most_false_rejects: how many are allowed.
        broken: why it could not be carried through, sentences.
        ended: seconds since the epoch.
        confidence: that of the intervals.
    """
    told = [one for one in parts if one.outcome in ("right", "missed", "false-reject")]
    defects = [one for one in told if one.label == DEFECT]
    goods = [one for one in told if one.label != DEFECT]
    missed, rejects = _named(parts, "missed"), _named(parts, "false-reject")
    failures = []
    if len(missed) > most_missed:
        failures.append(f"{_count(missed, 'defect')} judged good: {_shown(missed)}")
    if len(rejects) > most_false_rejects:
        failures.append(f"{_count(rejects, 'good')} judged a defect: {_shown(rejects)}")
    if nothing := _named(parts, "no-label"):
        failures.append(f"{_count(nothing, 'part')} {_WORDS['no-label']}: {_shown(nothing)}")
    failures += [_condition(check) for check in conditions if not check.ok]
    hindered = [
        f"{_count(names, 'part')} {_WORDS[outcome]}: {_shown(names)}"
        for outcome in ("late", "no-cloud", "absent")
        if (names := _named(parts, outcome))
    ]
    hindered += [*broken] if told or broken else ["no golden part was judged"]
    state: RunState = "failed" if failures else "interrupted" if hindered else "passed"
    return msgspec.structs.replace(
        record,
        ended=ended,
        state=state,
        parts=tuple(parts),
        conditions=tuple(conditions),
        missed=len(missed),
        defects=len(defects),
        false_rejects=len(rejects),
        goods=len(goods),
        escape=clopper_pearson(len(missed), len(defects), confidence),
        overkill=clopper_pearson(len(rejects), len(goods), confidence),
        reasons=(*failures, *hindered),
    )


def _named(parts: Sequence[GoldenVerdict], outcome: str) -> list[str]:
    return [one.part for one in parts if one.outcome == outcome]


def _count(names: Sequence[str], word: str) -> str:
    return f"{len(names)} {word}{'' if len(names) == 1 else 's'}"


def _shown(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more


def _condition(check: ConditionCheck) -> str:
    if abs(check.difference) > check.tolerance:
        return f"{check.name} differs by {check.difference:+.3g}, allowed are {check.tolerance:.3g}"
    return (
        f"{check.name} of {check.worst} differs by {check.worst_difference:+.3g}, "
        f"allowed are {check.worst_tolerance:.3g}"
    )
