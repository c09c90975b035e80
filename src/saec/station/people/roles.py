"""The roles of people at the station."""

from __future__ import annotations

from enum import StrEnum


class Role(StrEnum):
    """What a person may do. Each role may do all that the ones before it may.

    >>> Role.ENGINEER.allows(Role.VIEWER)
    True
    >>> Role.OPERATOR.allows(Role.ENGINEER)
    False
    """

    VIEWER = "viewer"
    OPERATOR = "operator"
    ENGINEER = "engineer"
    ADMIN = "admin"

    def allows(self, needed: Role) -> bool:
        """Whether this role may do what needs another."""
        order = list(Role)
        return order.index(self) >= order.index(needed)
