"""Who answers a frame. A policy is a file here, and a line in ``POLICIES``.

A policy of another distribution is an entry point of the group ``saec.policies``.
"""

from __future__ import annotations

from collections.abc import Iterator
from pkgutil import resolve_name
from typing import TYPE_CHECKING

from saec.errors import ConfigError
from saec.extensions import extension, extensions

if TYPE_CHECKING:
    from saec.schedule.policies.policy_contract import PolicyKind

POLICIES = {
    "gate": "saec.schedule.policies.gate:KIND",
    "value": "saec.schedule.policies.ranking:VALUE",
    "edge": "saec.schedule.policies.one_side:EDGE",
    "cloud": "saec.schedule.policies.one_side:CLOUD",
    "random": "saec.schedule.policies.ranking:RANDOM",
    "complexity": "saec.schedule.policies.ranking:COMPLEXITY",
    "uncertainty": "saec.schedule.policies.ranking:UNCERTAINTY",
}
"""Each policy's name, and where its ``PolicyKind`` is; it is imported when it is asked for."""

DEFAULT_POLICY = "gate"
BUDGET_POLICY = "value"
"""The policy of whoever states a budget and no policy."""


def policy_names() -> list[str]:
    """The names of all policies that are installed."""
    return [*POLICIES, *(point.name for point in extensions("saec.policies"))]


def asked_policy(name: str | None, budget: float | None) -> str:
    """The policy that settings mean: the named one, else the default with or without a budget."""
    return name or (DEFAULT_POLICY if budget is None else BUDGET_POLICY)


def policy_kind(name: str) -> PolicyKind:
    """What is known of a policy.

    Raises:
        ConfigError: no installed distribution has a policy of that name.
    """
    where = POLICIES.get(name)
    kind: PolicyKind | None = resolve_name(where) if where else extension("saec.policies", name)
    if kind is not None:
        return kind
    raise ConfigError(
        f"there is no policy {name}",
        f"use one of {', '.join(policy_names())}; the package saec-research adds more for comparison",
    )


def reasons() -> dict[str, str]:
    """Every reason that an installed policy gives, in words."""
    from saec.schedule.policies.policy_contract import LINK_REASONS
    from saec.schedule.policies.ranking import ORACLE_REASONS

    found = dict(LINK_REASONS)
    for name in policy_names():
        found.update(policy_kind(name).reasons)
    return found | ORACLE_REASONS


def presets() -> Iterator[tuple[str, str]]:
    """The name of each published command, with the policy that has its parameters."""
    for name in policy_names():
        for preset in policy_kind(name).presets:
            yield preset, name
