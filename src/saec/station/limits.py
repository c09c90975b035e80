"""How long a turn of each thread may take; beyond it the thread is stuck.

A limit is far above what a slow disk, a slow processor or a peer on the network that hangs can cost: each
time-out of the settings that a turn may use up is in it.
"""

from __future__ import annotations

from saec.data.images.decoder_process import HANG, SLOW_START
from saec.settings import CloudConfig

LEAST = 60.0
"""Seconds that any turn may take: a disk under load syncs within them, and one frame is judged."""

OPENING = 300.0
"""Seconds within which a version of a line is read, checked, compiled and warmed up, on any processor."""

_PHASES = 4
"""Phases of a request that have the time-out each: connect, send, wait, receive."""

_CROPS = 5
"""Crops of a frame that the ranking asks about, one after the other at worst."""

_OFFERS = 4
"""Verdicts that a sink is offered in one turn at most when it refuses them."""


EDGE = LEAST + SLOW_START + HANG
"""Seconds in which a frame is decoded, the start of a process for it and one that hangs included; then, anew,
in which it is looked at."""


def cloud_limit(cloud: CloudConfig | None) -> float:
    """Limit of a line's questions. A batch is asked together, and if that fails each frame alone. Before it,
    the version that has looked at the frames may have to be opened again."""
    if cloud is None:
        return OPENING
    asks = (cloud.views or 1) * (_CROPS if cloud.scoring == "rank" else 1)
    return OPENING + _PHASES * cloud.remote.timeout_s * (1 + cloud.batch) * asks


def identify_limit(cloud: CloudConfig | None) -> float:
    """Limit of asking one model of the cloud who it is."""
    return LEAST + (0.0 if cloud is None else _PHASES * cloud.remote.timeout_s)


def sink_limit(timeout: float) -> float:
    """Limit of offering a sink what it did not take, and some later verdicts."""
    return LEAST + _OFFERS * _PHASES * timeout
