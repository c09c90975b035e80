"""How the user chooses the threshold: by an overkill rate, by an escape rate, or by what errors cost."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from saec.decoding import with_fields
from saec.errors import ConfigError
from saec.settings.setting_fields import OpenShare, Positive

GOODS_ALONE = 0.05
"""The overkill rate of a threshold from goods alone, where nothing was chosen."""

MOST_OVERKILL = 0.20
"""The overkill rate that the default never exceeds, however many defects it would catch."""


class ErrorCosts(msgspec.Struct, frozen=True, kw_only=True):
    """What an error costs, in any unit: only the ratio of the two counts.

    Attributes:
        missed_defect: cost of one defect that is judged good (an escape).
        false_reject: cost of one good that is judged defect (an overkill).
    """

    missed_defect: Positive = 1.0
    false_reject: Positive = 1.0


class ThresholdRule(msgspec.Struct, frozen=True, kw_only=True):
    """What the threshold is chosen by; at most one is given, and without any the default holds.

    Attributes:
        overkill_rate: the share of goods that may be rejected; the threshold is from goods alone.
        escape_rate: the share of defects that may be missed; the threshold is from the labelled defects.
        cost: what errors cost; the threshold has the smallest expected cost at the stated prevalence.
    """

    overkill_rate: OpenShare | None = None
    escape_rate: OpenShare | None = None
    cost: ErrorCosts | None = None


def requested_rule(
    overkill_rate: float | None, escape_rate: float | None, cost: Mapping[str, float] | None
) -> ThresholdRule:
    """The rule that settings ask for; without any it is the default.

    Raises:
        ConfigError: two of them are given, or a cost is missing, has another name or is not above 0.
    """
    given = {"overkill_rate": overkill_rate, "escape_rate": escape_rate, "cost": cost}
    names = [name for name, value in given.items() if value is not None]
    if len(names) > 1:
        raise ConfigError(
            f"{' and '.join(names)} cannot be used together: each of them sets the threshold",
            "give one of overkill_rate, escape_rate and cost",
        )
    return ThresholdRule(
        overkill_rate=overkill_rate,
        escape_rate=escape_rate,
        cost=None if cost is None else _costs(cost),
    )


def _costs(given: Mapping[str, float]) -> ErrorCosts:
    costs = with_fields(ErrorCosts(), given, "cost")
    if missing := [name for name in costs.__struct_fields__ if name not in given]:
        raise ConfigError(
            f"cost lacks {' and '.join(missing)}", "give both, such as missed_defect=10 false_reject=1"
        )
    return costs
