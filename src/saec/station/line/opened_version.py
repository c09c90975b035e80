"""A version of a line, opened as a recipe wants it: everything of it that judges a frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import msgspec
import structlog

from saec.edge.detector_kinds import on_device
from saec.edge.no_detector import NoDetector
from saec.frame.judges import Cloud, Judges, by_trust, open_judges, read_references, warm_up
from saec.profile import Calibration, LineProfile
from saec.schedule.calibration.drift import DriftMonitor
from saec.schedule.policies import asked_policy, policy_kind
from saec.schedule.policies.policy_contract import PolicySettings, Scheduler
from saec.settings import BudgetConfig
from saec.station.line.guard import FrameGuard
from saec.station.recipes.recipe_settings import RecipeSettings
from saec.station.setup.station_settings import LineSettings
from saec.station.storage.records import SpooledFrame
from saec.station.storage.spool import Spool
from saec.types import Box, EdgeOpinion, Image

log = structlog.get_logger()

_GUARD_REFERENCES = 4

_OF_FILES, _OF_PIXEL, _LEAST = 2.0, 72, 4 << 20
"""What an opened version takes, as ``benchmarks/change_over.py`` measures it: so many times its files, so
many bytes for each pixel of its input, and as much in any case."""


class VersionKey(NamedTuple):
    """What a recipe makes of a version: recipes that agree in it share what is opened.

    Attributes:
        number: the version.
        region: the part of the picture that is judged; None for all of it.
        threshold: takes the place of the version's own; None leaves it.
    """

    number: int
    region: Box | None = None
    threshold: float | None = None


def version_key(recipe: RecipeSettings | None, current: int) -> VersionKey:
    """What judges by a recipe, or without one, where ``current`` is the line's current version."""
    if recipe is None:
        return VersionKey(current)
    return VersionKey(recipe.version or current, recipe.region, recipe.threshold)


class LastingState(NamedTuple):
    """What a version remembers of the frames before; it outlives a version that was closed for want of room.

    Attributes:
        policy: decides who answers; it may hold a budget.
        drift: watches the scores.
    """

    policy: Scheduler
    drift: DriftMonitor


@dataclass(frozen=True, slots=True, eq=False)
class AnsweringVersion:
    """What fuses the cloud's answers about the frames of a version; it has no detector and is small.

    Attributes:
        key: the version and what its recipe makes of it.
        judges: all that judges, but for the detector.
    """

    key: VersionKey
    judges: Judges


@dataclass(frozen=True, slots=True, eq=False)
class OpenedVersion:
    """One version of a line, ready to judge.

    Attributes:
        key: the version and what its recipe makes of it.
        memoryless: a route depends on its own frame alone, so it can be found again.
        judges: detector, policy, rules, and the cloud where it is asked.
        guard: stops frames that are no fair picture.
        drift: watches the scores.
    """

    key: VersionKey
    memoryless: bool
    judges: Judges
    guard: FrameGuard
    drift: DriftMonitor

    @property
    def number(self) -> int:
        return self.key.number

    @property
    def lasting(self) -> LastingState:
        return LastingState(self.judges.policy, self.drift)

    def answering(self) -> AnsweringVersion:
        """The part that answers for the cloud."""
        return AnsweringVersion(self.key, replace(self.judges, detector=NoDetector()))


def open_version(
    profile: LineProfile,
    key: VersionKey,
    line: LineSettings,
    clouds: Sequence[Cloud],
    lasting: LastingState | None = None,
) -> OpenedVersion:
    """Open a version and let its edge judge one frame, so that the first real one does not pay for it.

    The cloud is not asked: the station starts whether or not the link is up.

    Args:
        profile: the version's profile.
        key: the version and what its recipe makes of it.
        line: the line's settings.
        clouds: the models' clouds in order of preference; the line asks those that it trusts, else the first.
        lasting: what it remembered when it was closed.

    Raises:
        SaecError: a file is missing or damaged, or the settings contradict the profile.
    """
    judges, memoryless = _open_judges(profile, key, line, clouds, edge=True)
    if lasting is not None:
        judges = replace(judges, policy=lasting.policy)
    warm_up(replace(judges, engine=None, alternates=()))
    references = read_references(profile, min(_GUARD_REFERENCES, len(profile.references())))
    return OpenedVersion(
        key=key,
        memoryless=memoryless,
        judges=judges,
        guard=FrameGuard(line.guard, references),
        drift=DriftMonitor(profile.calibration.goods) if lasting is None else lasting.drift,
    )


def open_answering(
    profile: LineProfile, key: VersionKey, line: LineSettings, clouds: Sequence[Cloud]
) -> AnsweringVersion:
    """Open what answers for the cloud alone; arguments and errors are those of ``open_version``."""
    return AnsweringVersion(key, _open_judges(profile, key, line, clouds, edge=False)[0])


def _open_judges(
    profile: LineProfile, key: VersionKey, line: LineSettings, clouds: Sequence[Cloud], *, edge: bool
) -> tuple[Judges, bool]:
    """The judges of a version, and whether their routes are memoryless."""
    profile = on_device(profile, line.device)
    if key.threshold is not None:
        calibration = with_threshold(profile.calibration, key.threshold)
        profile = LineProfile(profile.folder, profile.line, calibration)
    policy = asked_policy(line.policy, line.budget)
    settings = PolicySettings(budget=BudgetConfig(share=line.budget))
    asked = by_trust(clouds, profile.calibration, policy)
    judges = open_judges(
        profile,
        asked[0] if asked else None,
        alternates=asked[1:],
        policy=policy,
        settings=settings,
        detector=None if edge else NoDetector(),
    )
    named = [replace(one, rules=replace(one.rules, line=line.name)) for one in judges.alternates]
    judges = replace(judges, rules=replace(judges.rules, line=line.name), alternates=named)
    return judges, not asked or policy_kind(policy).memoryless


def with_threshold(calibration: Calibration, threshold: float) -> Calibration:
    """A calibration with a threshold that was set by hand; its gate is widened where it does not hold it."""
    gate = calibration.gate
    return msgspec.structs.replace(
        calibration,
        threshold=threshold,
        gate=msgspec.structs.replace(gate, low=min(gate.low, threshold), high=max(gate.high, threshold)),
        by_hand={**calibration.by_hand, "threshold": threshold},
    )


def version_bytes(profile: LineProfile) -> int:
    """Bytes of memory that an opened version takes, by its files and its input; measured ones are near."""
    files = sum((profile.folder / name).stat().st_size for name in profile.line.detector.files)
    pixels = profile.line.preparation.height * profile.line.preparation.width
    return round(max(_LEAST, _OF_FILES * files + _OF_PIXEL * pixels))


def judge_beside(
    shadow: OpenedVersion, frame: SpooledFrame, image: Image, opinion: EdgeOpinion, spool: Spool
) -> None:
    """Let a shadow judge the same pixels.

    Args:
        shadow: the version that judges without effect.
        frame: the frame's row.
        image: its pixels, those of the region alone where its recipe has one.
        opinion: what the edge of the version that judges it said of them.
        spool: keeps the counts.
    """
    name, told = f"shadow:{frame.line}:v{shadow.number}", log.bind(line=frame.line)
    try:
        (said,) = shadow.judges.detector.inspect([image])
    except Exception as e:
        spool.count(f"{name}:error")
        told.warning("shadow version failed", frame=frame.id, version=shadow.number, error=str(e))
        return
    same = said.label == opinion.label
    spool.count(f"{name}:{'same' if same else 'other'}")
    if not same:
        told.info(
            "shadow version gives another label",
            frame=frame.id,
            version=shadow.number,
            label=said.label,
            score=said.score,
            current_label=opinion.label,
            current_score=opinion.score,
        )
