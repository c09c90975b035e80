"""Times that come from elsewhere, as a file's: they may be anything."""

from __future__ import annotations

import math

_AHEAD = 86400.0
"""Seconds by which a time may lie ahead of the station's clock and be believed."""


def plausible_time(told: float, now: float) -> float:
    """A time that a frame brought, or now where it cannot be: before 1970, or beyond tomorrow.

    Args:
        told, now: seconds since the epoch.
    """
    return told if math.isfinite(told) and 0.0 <= told <= now + _AHEAD else now
