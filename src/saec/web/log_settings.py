"""The section [log]: what a station and the cloud's service log."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from saec.settings.setting_fields import Option

LogLevel = Literal["debug", "info", "warning", "error"]


class LogConfig(msgspec.Struct, frozen=True, kw_only=True):
    """The section [log]: what a station and `saec cloud` log.

    Attributes:
        level: The least severe messages that are logged.
    """

    level: Annotated[LogLevel, Option(name="--log-level")] = "info"
