"""A fault of a data set: what `saec data check` lists, and what stops the other commands."""

from __future__ import annotations

from typing import Literal

import msgspec

Level = Literal["error", "warning"]


class Fault(msgspec.Struct, frozen=True):
    """One fault: the files that it concerns, what is wrong and what to do."""

    level: Level
    code: str
    paths: list[str]
    message: str
    remedy: str
