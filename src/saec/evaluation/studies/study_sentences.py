"""What a study has to say, in sentences for whoever accepts the line."""

from __future__ import annotations

from collections.abc import Iterator

from saec.evaluation.studies.attribute_study import AttributeStudy, CountedShare, RaterResult
from saec.evaluation.studies.score_study import ScoreStudy
from saec.evaluation.studies.trials import LINE_RATER
from saec.profile import OPEN
from saec.schedule.statistics.agreement import Kappa

UNKNOWN = "unknown"


def share_text(share: CountedShare) -> str:
    """Such as "48 of 50, 96.0 % (86.3 to 99.5)"."""
    if share.value is None:
        return UNKNOWN
    text = f"{share.hits} of {share.of}, {share.value:.1%}"
    if share.interval is not None:
        low, high = share.interval
        text += f" ({100 * low:.1f} to {100 * high:.1f})"
    return text


def kappa_text(kappa: Kappa | None) -> str:
    """Such as "0.91 (0.82 to 0.98)"."""
    if kappa is None or kappa.value is None or kappa.interval is None:
        return UNKNOWN
    low, high = kappa.interval
    return f"{kappa.value:.2f} ({low:.2f} to {high:.2f})"


def study_sentences(study: AttributeStudy, scores: ScoreStudy | None) -> Iterator[str]:
    """The findings, the gravest first; then what the study is too small for."""
    for rater in study.raters:
        yield from _of_rater(rater)
    if len(study.raters) > 1:
        if study.all_agree.of:
            yield f"All raters gave one answer about {share_text(study.all_agree)} of the parts."
        yield f"Agreement of all ratings beyond chance (kappa): {kappa_text(study.agreement)}."
    if scores is not None:
        yield from _of_scores(scores)
    for limit in study.limits_to:
        yield f"Too little: {limit}."


def _of_rater(rater: RaterResult) -> Iterator[str]:
    name = "The line" if rater.rater == LINE_RATER else rater.rater
    if rater.repeated.of:
        yield f"{name} repeated itself on {share_text(rater.repeated)} of the parts."
    if rater.effective.of:
        yield f"{name} was always right on {share_text(rater.effective)} of the parts."
    if rater.missed.of:
        told = f"missed defects (escapes) in {share_text(rater.missed)} of the trials"
        yield f"{name}: {told}; at least once on {share_text(rater.missed_parts)} of the defects."
    if rater.rejected.of:
        told = f"false rejects (overkills) in {share_text(rater.rejected)} of the trials"
        yield f"{name}: {told}; at least once on {share_text(rater.rejected_parts)} of the good parts."
    if rater.unanswered:
        yield f"{name} gave no answer in {rater.unanswered} of {rater.trials} trials."


def _of_scores(scores: ScoreStudy) -> Iterator[str]:
    yield (
        f"When a part comes again, its score scatters by {scores.repeat_deviation:.3g} (one standard "
        f"deviation); parts differ by {scores.part_deviation:.3g}."
    )
    low, high = scores.guard_band
    begin, end = ("open" if abs(score) >= OPEN else f"{score:.3g}" for score in scores.gate)
    told = f"A label may change between {low:.3g} and {high:.3g}; the gate ({begin} to {end})"
    if scores.covered:
        yield f"{told} covers that."
    else:
        yield f"{told} does not. Make light and position steadier, or the gate wider (`saec calibrate`)."
    unsteady = sorted((part for part in scores.parts if part.flips > 0.01), key=lambda part: -part.flips)
    for part in unsteady[:5]:
        yield f"The label of part {part.part} is expected to change in {part.flips:.0%} of its trials."
