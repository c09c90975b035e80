"""How a version of a line does beside another on reviewed frames, and what speaks against promoting it.

    DATA/teaching/comparisons/LINE/AFTER-BEFORE.json

The frames were drawn at random and labelled by people, and neither version was taught them. A comparison
holds for the files of both versions: it names their hashes.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import msgspec

from saec.errors import LineError, SaecError
from saec.profile import write_json
from saec.schedule.statistics.paired import Interval
from saec.schedule.statistics.paired_rates import PairedRates
from saec.station.line.version_store import Version, VersionStore
from saec.station.storage.database.schema import sync_folder
from saec.texts import read_json

FEWEST = 10
"""Reviewed goods, and reviewed defects, without which nothing can be told."""

Concern = Literal[
    "not-compared", "few-frames", "more-escapes", "more-overkill", "challenge-failed", "labels-changed"
]

Unproven = Literal["taught", "gone", "unsure", "unjudged", "recipe", "old"]
"""Why a reviewed frame is not compared: a version knows it; its picture is gone; nobody is sure; a version
could not judge it; it is of another recipe; there are many newer ones."""

CONCERNS: dict[Concern, str] = {
    "not-compared": "it was not compared with the version that judges now",
    "few-frames": f"fewer than {FEWEST} reviewed good frames or defects show how it does",
    "more-escapes": "it misses more defects than the version that judges now",
    "more-overkill": "it rejects more good frames than the version that judges now",
    "challenge-failed": "it failed the challenge set",
    "labels-changed": "people took labels back that it was taught",
}
"""What speaks against a version, as half a sentence."""


class ComparedFrame(msgspec.Struct, frozen=True, kw_only=True):
    """A reviewed frame that both versions judged.

    Attributes:
        seq, frame: its number and id.
        truth: what people say, GOOD or DEFECT.
        kind: the kind of the defect, "" when unknown.
        before, after: the label of each version, with the cloud's recorded answer where it trusts that cloud.
        before_score, after_score: the edge's scores.
        cloud: P(defect) that the cloud gave when the frame was judged; None where it was not asked.
    """

    seq: int
    frame: str
    truth: int
    kind: str = ""
    before: int
    after: int
    before_score: float
    after_score: float
    cloud: float | None = None


class ComparedErrors(msgspec.Struct, frozen=True, kw_only=True):
    """Errors of both versions, with 95 % intervals; None where no frame of that label was reviewed.

    Attributes:
        escape: shares of the defects that are judged good (missed defects).
        overkill: shares of the goods that are judged defects (false rejects).
    """

    escape: PairedRates | None = None
    overkill: PairedRates | None = None


class ComparedChallenge(msgspec.Struct, frozen=True, kw_only=True):
    """How a version did on the line's challenge set.

    Attributes:
        parts: how many golden parts it judged.
        wrong: those that it judged wrong.
        passed: whether the set passed.
    """

    parts: int
    wrong: tuple[str, ...] = ()
    passed: bool


class VersionComparison(msgspec.Struct, frozen=True, kw_only=True):
    """A version beside the one that judges.

    Attributes:
        before, after: the version that judges, and the other one.
        before_content, after_content: hashes of their files.
        time: when they were compared, seconds since the epoch.
        job: id of the job that did.
        errors: those of edge and cloud, as recorded.
        edge: those of the edge alone.
        recorded: frames with a recorded answer of the cloud.
        before_trusts, after_trusts: those whose cloud the version trusts, so that the answer counts.
        frames: reviewed frames that both judged.
        left_out: how many reviewed frames were left out, by why, see ``Unproven``.
        changed: frames that they judge unlike, wrong ones of the second first.
        challenge: None where the line has no challenge set.
        labels_changed: labels that it was taught and that people took back or changed.
    """

    line: str
    before: int
    after: int
    before_content: str
    after_content: str
    time: float
    job: str = ""
    errors: ComparedErrors
    edge: ComparedErrors
    recorded: int = 0
    before_trusts: int = 0
    after_trusts: int = 0
    frames: int = 0
    left_out: dict[str, int] = {}
    changed: tuple[ComparedFrame, ...] = ()
    challenge: ComparedChallenge | None = None
    labels_changed: int = 0


class Comparisons:
    """The comparisons of a line's versions.

    Args:
        store: the line's versions.
    """

    def __init__(self, store: VersionStore) -> None:
        self._store = store
        self.folder = store.folder.parents[1] / "teaching" / "comparisons" / store.folder.name

    def keep(self, made: VersionComparison) -> None:
        """Keep a comparison in the place of an earlier one of the same versions."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_json(self._path(made.after, made.before), made)
        sync_folder(self.folder)

    def find(self, after: int, before: int) -> VersionComparison | None:
        """The comparison of a version with another; None where there is no sound one of these files."""
        path = self._path(after, before)
        try:
            made: VersionComparison = read_json(
                path, VersionComparison, error=LineError, remedy="", missing=LineError("", "")
            )
            known = {version.number: version for version in self._store.state().known}
        except (SaecError, OSError):
            return None
        same = _is(known.get(after), made.after_content) and _is(known.get(before), made.before_content)
        return made if same else None

    def concerns(self, number: int) -> tuple[Concern, ...]:
        """What speaks against promoting a version now; nothing does for the one that judges.

        Raises:
            LineError: the line has no versions.
        """
        current = self._store.state().current
        return () if number == current else concerns_about(self.find(number, current))

    def _path(self, after: int, before: int) -> Path:
        return self.folder / f"{after}-{before}.json"


def concerns_about(made: VersionComparison | None) -> tuple[Concern, ...]:
    """What speaks against the second version of a comparison.

    A version counts as worse where either of its error rates is above the other's, be it by chance: it costs
    a reason to promote it, no more.
    """
    if made is None:
        return ("not-compared",)
    found: list[Concern] = []
    escape, overkill = made.errors.escape, made.errors.overkill
    if any(rates is None or rates.images < FEWEST for rates in (escape, overkill)):
        found.append("few-frames")
    if escape is not None and escape.difference > 0:
        found.append("more-escapes")
    if overkill is not None and overkill.difference > 0:
        found.append("more-overkill")
    if made.challenge is not None and not made.challenge.passed:
        found.append("challenge-failed")
    if made.labels_changed:
        found.append("labels-changed")
    return tuple(found)


def said_concerns(concerns: Sequence[Concern]) -> str:
    """What speaks against a version, as the rest of a sentence."""
    return "; ".join(CONCERNS[concern] for concern in concerns)


def comparison_sentences(made: VersionComparison) -> list[str]:
    """A comparison in words, for a terminal."""
    said = [f"v{made.after} beside v{made.before} on {made.frames} reviewed frames that neither was taught"]
    if made.recorded:
        said.append(
            f"{made.recorded} have a recorded answer of the cloud: it counts for {made.before_trusts} frames "
            f"of v{made.before} and for {made.after_trusts} of v{made.after}"
        )
    for what, rates in (("missed defects", made.errors.escape), ("false rejects", made.errors.overkill)):
        said.append(f"{what}: none reviewed" if rates is None else f"{what}: {_rates(rates)}")
    if made.challenge is None:
        said.append("the line has no golden parts, so no challenge set was tried")
    else:
        wrong = ", ".join(made.challenge.wrong) or "none"
        said.append(f"golden parts: {made.challenge.parts}, wrong: {wrong}")
    concerns = concerns_about(made)
    if concerns:
        said.append(f"promote it only for a reason: {said_concerns(concerns)}")
    return said


def _rates(rates: PairedRates) -> str:
    def share(value: float, span: Interval) -> str:
        return f"{100 * value:.1f} % [{100 * span[0]:.1f}, {100 * span[1]:.1f}]"

    return (
        f"{share(rates.before, rates.before_span)} before, {share(rates.after, rates.after_span)} after; "
        f"difference {share(rates.difference, rates.difference_span)}, {rates.mended} mended, "
        f"{rates.spoiled} spoiled, p = {rates.p:.3g}"
    )


def _is(version: Version | None, content: str) -> bool:
    return version is not None and version.content == content
