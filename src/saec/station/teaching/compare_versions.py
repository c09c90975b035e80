"""Compares two versions of a line on the reviewed frames that prove, without and with the cloud's answers.

The cloud is not asked again. Where it was asked when a frame was judged, its recorded answer counts for a
version that trusts this cloud, and for the other version the edge alone decides.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass

from saec.errors import LineError, SaecError
from saec.profile import Calibration, write_json
from saec.schedule.calibration.trust import fused_decision
from saec.schedule.statistics.paired_rates import PairedImage, paired_rates
from saec.station.line.opened_version import with_threshold
from saec.station.maintenance.version_comparisons import (
    ComparedErrors,
    ComparedFrame,
    Comparisons,
    Unproven,
    VersionComparison,
)
from saec.station.review.review_store import ReviewStore
from saec.station.storage.spool_reader import SpoolReader
from saec.station.teaching.edge_words import EdgeSaid, EdgeWords, edge_words, golden_check
from saec.station.teaching.job_desk import JobDesk
from saec.station.teaching.job_records import CompareJob, JobOutcome
from saec.station.teaching.line_base import FrameRecipes, LineBase, known_pictures, recipe_base
from saec.station.teaching.proving_frames import ProvingFrame, proving_frames
from saec.texts import read_json
from saec.types import DEFECT, GOOD, CloudRecord

MOST_CHANGED = 300
"""Frames on which the versions differ, or the second is wrong, that are kept."""


@dataclass(frozen=True, slots=True)
class JudgedTwice:
    """A frame that both versions judged.

    Attributes:
        before, after: what the edge of each says.
        labels: the label of each version with the cloud's recorded answer.
        cloud: that answer; None where it was not asked, or the record is gone.
        fused: whether it counts for each.
    """

    frame: ProvingFrame
    before: EdgeSaid
    after: EdgeSaid
    labels: tuple[int, int]
    cloud: CloudRecord | None
    fused: tuple[bool, bool]


def compare_as_asked(desk: JobDesk, work: CompareJob) -> JobOutcome:
    """The job that compares a version with the one that judges now.

    Raises:
        LineError: a version is gone or damaged.
    """
    with closing(ReviewStore(desk.data)) as reviews, desk.step("compare"):
        base = recipe_base(desk.data, desk.job.line, work.recipe)
        compare_versions(desk, reviews, base, work.version)
    return JobOutcome(version=work.version, notes=tuple(desk.notes), compared=True)


def compare_versions(
    desk: JobDesk, reviews: ReviewStore, base: LineBase, number: int, *, labels_changed: int | None = None
) -> VersionComparison:
    """Compare a version with the one that judges, and keep what comes of it.

    Args:
        desk: the job's.
        reviews: the station's.
        base: what judges now.
        number: the other version.
        labels_changed: labels that it was taught and that do not stand any more; None keeps what was known.

    Raises:
        LineError: a version is gone or damaged, or both are one.
    """
    if number == base.number:
        raise LineError(f"version {number} judges now", "choose another version")
    judged, left_out = _judged_frames(desk, reviews, base, number)
    comparisons = Comparisons(desk.versions)
    if labels_changed is None:
        earlier = comparisons.find(number, base.number)
        labels_changed = 0 if earlier is None else earlier.labels_changed
    contents = {version.number: version.content for version in desk.versions.state().known}
    made = VersionComparison(
        line=desk.job.line,
        before=base.number,
        after=number,
        before_content=contents[base.number],
        after_content=contents[number],
        time=time.time(),
        job=desk.job.id,
        errors=_errors([(one.frame, one.labels) for one in judged]),
        edge=_errors([(one.frame, (_label(one.before), _label(one.after))) for one in judged]),
        recorded=sum(one.cloud is not None for one in judged),
        before_trusts=sum(one.fused[0] for one in judged),
        after_trusts=sum(one.fused[1] for one in judged),
        frames=len(judged),
        left_out={str(why): count for why, count in left_out.items() if count},
        changed=_changed(judged),
        challenge=golden_check(desk, base, number),
        labels_changed=labels_changed,
    )
    comparisons.keep(made)
    desk.note(f"compared with version {base.number} on {made.frames} reviewed frames that neither was taught")
    return made


def _judged_frames(
    desk: JobDesk, reviews: ReviewStore, base: LineBase, number: int
) -> tuple[list[JudgedTwice], Counter[Unproven]]:
    """The frames that both versions judged, and how many others there are."""
    numbers = (base.number, number)
    known = [known_pictures(desk.versions.profile(version).folder) for version in numbers]
    with closing(SpoolReader.beside(desk.data)) as reader:
        recipes = FrameRecipes(reader, None if base.recipe is None else base.recipe.number)
        frames, left_out = proving_frames(reviews, desk.job.line, known, recipes)
        before, after = (_said(desk, reviews, base, version, frames) for version in numbers)
        calibrations = (_calibration(desk, base, numbers[0]), _calibration(desk, base, numbers[1]))
        judged = []
        for frame in frames:
            seq = frame.reviewed.frame.seq
            verdict = reader.verdicts(seq).get("final")
            cloud = None if verdict is None else verdict.cloud
            one = _judged(frame, (before[str(seq)], after[str(seq)]), cloud, calibrations)
            if one is None:
                left_out["unjudged"] += 1
            else:
                judged.append(one)
    return judged, left_out


def _said(
    desk: JobDesk, reviews: ReviewStore, base: LineBase, number: int, frames: Sequence[ProvingFrame]
) -> dict[str, EdgeSaid]:
    """What the edge of a version says of each frame, by its number; kept in the job's folder."""
    path = desk.work / f"said-{number}.json"
    kind = dict[str, EdgeSaid]
    known: dict[str, EdgeSaid] = {}
    if path.is_file():
        known = read_json(path, kind, error=LineError, remedy="start it again")
    left = [frame for frame in frames if str(frame.reviewed.frame.seq) not in known]
    if left:
        with edge_words(desk, base, number) as words:
            for at, frame in enumerate(left, 1):
                known[str(frame.reviewed.frame.seq)] = _look(words, reviews, frame)
                desk.progress("compare", at, len(left))
        write_json(path, known)
    return known


def _look(words: EdgeWords, reviews: ReviewStore, frame: ProvingFrame) -> EdgeSaid:
    row = frame.reviewed.frame
    try:
        data = reviews.picture(row).read_bytes()
    except (SaecError, OSError):  # it went while the job ran
        return EdgeSaid(0.0, None)
    return words.of(row.frame, data, row.sha256)


def _calibration(desk: JobDesk, base: LineBase, number: int) -> Calibration:
    calibration = desk.versions.profile(number).calibration
    threshold = base.key(number).threshold
    return calibration if threshold is None else with_threshold(calibration, threshold)


def _judged(
    frame: ProvingFrame,
    said: tuple[EdgeSaid, EdgeSaid],
    cloud: CloudRecord | None,
    calibrations: tuple[Calibration, Calibration],
) -> JudgedTwice | None:
    if any(one.label is None for one in said):
        return None
    found = [
        with_recorded(one, cloud, calibration) for one, calibration in zip(said, calibrations, strict=True)
    ]
    labels, fused = (found[0][0], found[1][0]), (found[0][1], found[1][1])
    return JudgedTwice(frame, said[0], said[1], labels, cloud, fused)


def with_recorded(said: EdgeSaid, cloud: CloudRecord | None, calibration: Calibration) -> tuple[int, bool]:
    """A version's label where the cloud has given an answer, and whether that counted."""
    label = _label(said)
    if cloud is None:
        return label, False
    trusted = (
        trust
        for trust in calibration.clouds.values()
        if (trust.mode, trust.model, trust.prompt) == ("fused", cloud.model, cloud.prompt)
    )
    trust = next(trusted, None)
    if trust is None:
        return label, False
    return fused_decision(calibration, trust, said.score, cloud.p_defect)[0], True


def _label(said: EdgeSaid) -> int:
    assert said.label is not None
    return said.label


def _errors(judged: Sequence[tuple[ProvingFrame, tuple[int, int]]]) -> ComparedErrors:
    def of(truth: int) -> list[PairedImage]:
        return [
            PairedImage(
                labels[0] != truth,
                labels[1] != truth,
                frame.weight,
                frame.reviewed.frame.part,
            )
            for frame, labels in judged
            if frame.truth == truth
        ]

    return ComparedErrors(escape=paired_rates(of(DEFECT)), overkill=paired_rates(of(GOOD)))


def _changed(judged: Sequence[JudgedTwice]) -> tuple[ComparedFrame, ...]:
    """The frames on which the versions differ, or the second is wrong; spoiled ones first."""

    def rank(one: JudgedTwice) -> tuple[bool, bool, int]:
        before, after = (label == one.frame.truth for label in one.labels)
        return after, not before, one.frame.reviewed.frame.seq

    told = [one for one in judged if one.labels[0] != one.labels[1] or one.labels[1] != one.frame.truth]
    return tuple(
        ComparedFrame(
            seq=one.frame.reviewed.frame.seq,
            frame=one.frame.reviewed.frame.frame,
            truth=one.frame.truth,
            kind=one.frame.reviewed.kind,
            before=one.labels[0],
            after=one.labels[1],
            before_score=one.before.score,
            after_score=one.after.score,
            cloud=None if one.cloud is None else one.cloud.p_defect,
        )
        for one in sorted(told, key=rank)[:MOST_CHANGED]
    )
