"""A version of a line, opened: everything of it that judges a frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from saec.edge.detector_kinds import on_device
from saec.frame.judges import Cloud, Judges, by_trust, open_judges, read_references, warm_up
from saec.profile import LineProfile
from saec.schedule.calibration.drift import DriftMonitor
from saec.schedule.policies import asked_policy, policy_kind
from saec.schedule.policies.policy_contract import PolicySettings
from saec.settings import BudgetConfig
from saec.station.line.guard import FrameGuard
from saec.station.setup.station_settings import LineSettings

_GUARD_REFERENCES = 4


@dataclass(frozen=True, slots=True, eq=False)
class OpenedVersion:
    """One version of a line, ready to judge.

    Attributes:
        number: the version.
        memoryless: a route depends on its own frame alone, so it can be found again.
        judges: detector, policy, rules, and the cloud where it is asked.
        guard: stops frames that are no fair picture.
        drift: watches the scores.
    """

    number: int
    memoryless: bool
    judges: Judges
    guard: FrameGuard
    drift: DriftMonitor


def open_version(
    profile: LineProfile, number: int, line: LineSettings, clouds: Sequence[Cloud]
) -> OpenedVersion:
    """Open a version and let its edge judge one frame, so that the first real one does not pay for it.

    The cloud is not asked: the station starts whether or not the link is up.

    Args:
        clouds: the models' clouds in order of preference; the line asks those that it trusts, else the first.

    Raises:
        SaecError: a file is missing or damaged, or the settings contradict the profile.
    """
    profile = on_device(profile, line.device)
    policy = asked_policy(line.policy, line.budget)
    settings = PolicySettings(budget=BudgetConfig(share=line.budget))
    asked = by_trust(clouds, profile.calibration, policy)
    cloud = asked[0] if asked else None
    judges = open_judges(profile, cloud, alternates=asked[1:], policy=policy, settings=settings)
    named = [replace(one, rules=replace(one.rules, line=line.name)) for one in judges.alternates]
    judges = replace(judges, rules=replace(judges.rules, line=line.name), alternates=named)
    warm_up(replace(judges, engine=None, alternates=()))
    references = read_references(profile, min(_GUARD_REFERENCES, len(profile.references())))
    return OpenedVersion(
        number=number,
        memoryless=not asked or policy_kind(policy).memoryless,
        judges=judges,
        guard=FrameGuard(line.guard, references),
        drift=DriftMonitor(profile.calibration.goods),
    )
