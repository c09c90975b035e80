"""How well raters repeat themselves, agree with each other, and agree with the truth.

The attribute gauge study of the automotive industry (AIAG, Measurement Systems Analysis, 4th edition, chapter
III, section C), with exact intervals over parts, and kappas.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Literal, NamedTuple

import msgspec

from saec.evaluation.studies.trials import PartTrial
from saec.schedule.statistics.agreement import Kappa, cohen_kappa, dichotomous_kappa
from saec.schedule.statistics.exact_interval import clopper_pearson
from saec.schedule.statistics.paired import Interval
from saec.types import DEFECT, GOOD

Grade = Literal["acceptable", "marginal", "not acceptable"]

LIMITS = {"effectiveness": (0.90, 0.80), "missed": (0.02, 0.05), "rejected": (0.05, 0.10)}
"""Acceptable, then marginal, by the guideline: at least so effective, at most so many of the others."""

ENOUGH_PARTS, ENOUGH_TRIALS = 20, 2
"""Fewer parts, or fewer trials of each, say too little."""


class CountedShare(NamedTuple):
    """A share with its exact interval (Clopper and Pearson 1934); ``of`` 0 is unknown."""

    hits: int
    of: int
    interval: Interval | None

    @property
    def value(self) -> float | None:
        return self.hits / self.of if self.of else None


class RaterResult(msgspec.Struct, frozen=True, kw_only=True):
    """One rater, a person or the line.

    Attributes:
        rater: the name.
        parts, trials: how many parts, and how many answers.
        unanswered: trials without an answer.
        repeated: parts of several trials whose answers were all the same.
        effective: parts of known truth whose answers were all right.
        missed: trials of defects that were judged good, over all trials of defects; no interval, as trials
            of one part are not independent.
        missed_parts: defects that were judged good at least once.
        rejected, rejected_parts: likewise, good parts that were judged defects.
        truth_kappa: agreement with the truth beyond chance; None without truth.
        grades: what the guideline says of "effectiveness", "missed" and "rejected", where these are known.
    """

    rater: str
    parts: int
    trials: int
    unanswered: int
    repeated: CountedShare
    effective: CountedShare
    missed: CountedShare
    missed_parts: CountedShare
    rejected: CountedShare
    rejected_parts: CountedShare
    truth_kappa: Kappa | None
    grades: dict[str, Grade]


class PairResult(msgspec.Struct, frozen=True, kw_only=True):
    """Two raters: their agreement beyond chance, trial by trial of the parts that both have rated."""

    first: str
    second: str
    kappa: Kappa


class AttributeStudy(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a study.

    Attributes:
        raters: each rater.
        pairs: each two of them.
        all_agree: parts that all raters have rated, with one answer only.
        all_right: likewise, which was right; of parts of known truth.
        agreement: how far all ratings agree beyond chance.
        unsteady: parts with different answers, with the share of defect among them.
        limits_to: what the study is too small for, as sentences.
    """

    raters: list[RaterResult]
    pairs: list[PairResult]
    all_agree: CountedShare
    all_right: CountedShare
    agreement: Kappa
    unsteady: dict[str, float]
    limits_to: list[str]


def attribute_study(trials: Sequence[PartTrial], confidence: float = 0.95) -> AttributeStudy:
    """The study of these trials.

    Args:
        trials: answers by any number of raters, each about any parts, any number of times.
        confidence: level of the intervals.
    """
    truths = {trial.part: trial.truth for trial in trials if trial.truth is not None}
    answers: dict[str, dict[str, list[int | None]]] = defaultdict(lambda: defaultdict(list))
    for trial in trials:
        answers[trial.rater][trial.part].append(trial.label)
    raters = [_rater(name, rated, truths, confidence) for name, rated in sorted(answers.items())]
    pairs = [
        _pair(first, second, answers[first], answers[second], confidence)
        for first, second in combinations(sorted(answers), 2)
    ]
    shared = [part for part in _all_parts(trials) if all(part in rated for rated in answers.values())]
    given = {part: [label for rated in answers.values() for label in rated[part]] for part in shared}
    known = [part for part in shared if part in truths]
    everything: dict[str, list[int]] = defaultdict(list)
    for trial in trials:
        if trial.label is not None:
            everything[trial.part].append(trial.label)
    return AttributeStudy(
        raters=raters,
        pairs=pairs,
        all_agree=_share(
            [len(set(given[part])) == 1 and None not in given[part] for part in shared], confidence
        ),
        all_right=_share([set(given[part]) == {truths[part]} for part in known], confidence),
        agreement=dichotomous_kappa([(sum(some), len(some)) for some in everything.values()], confidence),
        unsteady={
            part: sum(some) / len(some) for part, some in sorted(everything.items()) if len(set(some)) > 1
        },
        limits_to=_too_small(answers, truths),
    )


def _rater(
    name: str, rated: Mapping[str, Sequence[int | None]], truths: Mapping[str, int], confidence: float
) -> RaterResult:
    repeated = [len(set(some)) == 1 and None not in some for some in rated.values() if len(some) > 1]
    known = {part: some for part, some in rated.items() if part in truths}
    effective = _share([set(some) == {truths[part]} for part, some in known.items()], confidence)
    wrong = {
        label: [some for part, some in known.items() if truths[part] == label] for label in (GOOD, DEFECT)
    }
    missed = _trials_of(wrong[DEFECT], GOOD)
    rejected = _trials_of(wrong[GOOD], DEFECT)
    pairs = [
        (label, truths[part], part) for part, some in known.items() for label in some if label is not None
    ]
    kappa = cohen_kappa([one[:2] for one in pairs], [one[2] for one in pairs], confidence) if pairs else None
    return RaterResult(
        rater=name,
        parts=len(rated),
        trials=sum(map(len, rated.values())),
        unanswered=sum(label is None for some in rated.values() for label in some),
        repeated=_share(repeated, confidence),
        effective=effective,
        missed=missed,
        missed_parts=_share([GOOD in some for some in wrong[DEFECT]], confidence),
        rejected=rejected,
        rejected_parts=_share([DEFECT in some for some in wrong[GOOD]], confidence),
        truth_kappa=kappa,
        grades=_grades(effective, missed, rejected),
    )


def _trials_of(parts: Sequence[Sequence[int | None]], label: int) -> CountedShare:
    """Answers with a label among all answers about these parts; what was not answered does not count."""
    labels = [one for some in parts for one in some if one is not None]
    return CountedShare(labels.count(label), len(labels), None)


def _pair(
    first: str,
    second: str,
    one: Mapping[str, Sequence[int | None]],
    other: Mapping[str, Sequence[int | None]],
    confidence: float,
) -> PairResult:
    pairs, parts = [], []
    for part in one.keys() & other.keys():
        for a, b in zip(one[part], other[part], strict=False):
            if a is not None and b is not None:
                pairs.append((a, b))
                parts.append(part)
    order = sorted(range(len(pairs)), key=lambda at: parts[at])  # a set has no order
    kappa = cohen_kappa([pairs[at] for at in order], [parts[at] for at in order], confidence)
    return PairResult(first=first, second=second, kappa=kappa)


def _share(flags: Sequence[bool], confidence: float) -> CountedShare:
    hits, of = sum(flags), len(flags)
    return CountedShare(hits, of, clopper_pearson(hits, of, confidence))


def _grades(effective: CountedShare, missed: CountedShare, rejected: CountedShare) -> dict[str, Grade]:
    found: dict[str, Grade] = {}
    for name, share in (("effectiveness", effective), ("missed", missed), ("rejected", rejected)):
        value = share.value
        if value is not None:
            found[name] = _grade(value, LIMITS[name], upwards=name == "effectiveness")
    return found


def _grade(value: float, limits: tuple[float, float], *, upwards: bool) -> Grade:
    sign = 1 if upwards else -1
    good, fair = (sign * value >= sign * limit for limit in limits)
    return "acceptable" if good else "marginal" if fair else "not acceptable"


def _all_parts(trials: Sequence[PartTrial]) -> list[str]:
    return list(dict.fromkeys(trial.part for trial in trials))


def _too_small(
    answers: Mapping[str, Mapping[str, Sequence[int | None]]], truths: Mapping[str, int]
) -> list[str]:
    said = []
    for name, rated in sorted(answers.items()):
        if len(rated) < ENOUGH_PARTS:
            said.append(f"{name} has rated {len(rated)} parts: take at least {ENOUGH_PARTS}")
        few = sum(len(some) < ENOUGH_TRIALS for some in rated.values())
        if few:
            said.append(f"{name} has rated {few} of {len(rated)} parts only once: rate each twice or more")
    labels = set(truths.values())
    if not truths:
        said.append("no part has a known truth: errors cannot be told")
    elif labels != {GOOD, DEFECT}:
        missing = "defects" if labels == {GOOD} else "good parts"
        said.append(f"there are no {missing} among the parts of known truth")
    return said
