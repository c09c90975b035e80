"""Who works on the command line, as the record of actions names them."""

from __future__ import annotations

import os
import pwd
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec

from saec.settings.setting_fields import Option

if TYPE_CHECKING:
    from saec.station.audit.audit_log import AuditLog

ROLE = "shell"
"""The role of whoever works on the command line: who can write the data folder may do all."""


class ActionSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The section [action]: what is recorded beside a change.

    Attributes:
        reason: Why you change it. The audit keeps this text.
    """

    reason: Annotated[str, Option(everyday=True, metavar="TEXT")] = ""


def shell_actor() -> str:
    """The actor of this process: "shell:" and the system's name of its user, or the number of one without.

    The environment may say anything, so it is not asked.
    """
    user = os.geteuid()
    try:
        return f"shell:{pwd.getpwuid(user).pw_name}"
    except KeyError:
        return f"shell:{user}"


def audit_of(data: Path) -> AuditLog:
    """The record of actions of a data folder."""
    from saec.station.audit.audit_log import AuditLog

    return AuditLog(data)
