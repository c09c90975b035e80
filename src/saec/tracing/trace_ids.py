"""Trace ids and the text that carries one from program to program (W3C Trace Context, version 00).

A frame's trace id is a hash of what every record of the frame holds: id, content and time. So the edge's
thread, the cloud's client and a sink, also those of a process that was started anew, find the same id, and
nobody has to carry it. The frame's own span has the first half of that id as its id.
"""

from __future__ import annotations

import hashlib
import re

_PARENT = re.compile(r"(?!ff)[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(?:-.*)?")
"""Version, trace id, span id and flags; a later version may have more after them."""

_SAMPLED = 1


def frame_trace(frame: str, sha256: str, time: float) -> str:
    """The trace id of a frame, 32 hexadecimal digits: the first half of a SHA-256.

    Args:
        frame: the frame's id.
        sha256: the hash of its file's bytes.
        time: when it was taken or read, seconds since the epoch, as its verdict says it.
    """
    key = f"{frame}\n{sha256}\n{float(time)!r}"
    return hashlib.sha256(key.encode("utf-8", "backslashreplace")).hexdigest()[:32]


def frame_parent(trace: str) -> str:
    """The traceparent of what belongs to a frame: its trace and the frame's own span. "" for no trace."""
    return f"00-{trace}-{trace[:16]}-01" if trace else ""


def read_traceparent(text: str | None) -> str:
    """A traceparent header as version 00; "" where there is none, or none that is valid."""
    found = _PARENT.fullmatch(text.strip()) if text else None
    if found is None or not int(found[1], 16) or not int(found[2], 16):
        return ""
    return f"00-{found[1]}-{found[2]}-{found[3]}"


def trace_in(parent: str) -> str:
    """The trace id in a traceparent; "" in ""."""
    return parent[3:35]


def span_in(parent: str) -> str:
    """The span id in a traceparent."""
    return parent[36:52]


def is_sampled(parent: str) -> bool:
    """Whether the spans below this one are wanted, by its flags."""
    return bool(int(parent[53:55], 16) & _SAMPLED)
