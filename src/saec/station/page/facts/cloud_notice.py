"""What the cloud may not do with a version of a line: said before the version judges."""

from __future__ import annotations

from dataclasses import dataclass

from saec.profile import Calibration
from saec.schedule.policies import asked_policy, policy_kind
from saec.station.page.words.languages import msgid
from saec.station.setup.station_settings import LineSettings, StationSettings

_MEASURE = msgid(
    "To let it count, run “saec calibrate” with “--cloud” and labelled defects; add the result as a version."
)


@dataclass(frozen=True, slots=True)
class CloudNotice:
    """Why the cloud changes no label with a version, and what helps; English sentences (``msgid``).

    Attributes:
        remedy: "" where the cloud was measured and found to be of no use.
    """

    what: str
    remedy: str


NOT_MEASURED = CloudNotice(
    msgid("With this version the cloud changes no label: it was not measured with it."), _MEASURE
)
NO_DEFECTS = CloudNotice(
    msgid("With this version the cloud changes no label: there were no labelled defects to measure it on."),
    _MEASURE,
)
NO_BETTER = CloudNotice(
    msgid(
        "With this version the cloud changes no label: on its calibration images it adds nothing to the edge."
    ),
    "",
)


def cloud_notice(
    calibration: Calibration, line: LineSettings, settings: StationSettings
) -> CloudNotice | None:
    """Why the cloud changes no label with a version; None where it may, and where the line asks none.

    Any cloud that was measured counts: the files do not say which one will be there.

    Args:
        calibration: the version's.
        line: the line's settings; ``settings`` are the station's.

    Raises:
        ConfigError: the line's policy is not installed.
    """
    trusts = calibration.clouds.values()
    if settings.cloud is None or not line.cloud or any(trust.mode == "fused" for trust in trusts):
        return None
    if policy_kind(asked_policy(line.policy, line.budget)).cloud != "trusted":
        return None
    if not trusts:
        return NOT_MEASURED
    return NO_DEFECTS if all(trust.mode == "advisory" for trust in trusts) else NO_BETTER
