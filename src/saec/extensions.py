"""This distribution's version, and what others add to it by entry points: commands, policies, checkpoints.

A distribution states them in its own pyproject.toml; ``saec-research`` is one. Names are looked up on this
machine alone.
"""

from __future__ import annotations

from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any

VERSION = "0.1.0"
"""``saec.__version__`` is the same."""


@cache
def extensions(group: str) -> tuple[EntryPoint, ...]:
    """The entry points of a group, in the order of their names; nothing is imported yet.

    Args:
        group: "saec.commands", "saec.policies" or "saec.checkpoints".
    """
    return tuple(sorted(entry_points(group=group), key=lambda point: point.name))


def extension(group: str, name: str) -> Any | None:
    """What an installed distribution adds to a group under that name, imported; None where none does."""
    return next((point.load() for point in extensions(group) if point.name == name), None)
