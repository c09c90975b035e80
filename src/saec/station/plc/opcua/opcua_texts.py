"""Values of OPC UA as those of signals."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from saec.station.plc.signal_types import SignalValue


def texts_checked(values: Mapping[str, Any]) -> tuple[dict[str, SignalValue], str]:
    """The values whose texts can be read, without space around them, and what of one cannot be right.

    Args:
        values: those that OPC UA has, by the names of signals; a String that was never set is None.
    """
    found: dict[str, SignalValue] = {}
    bad = ""
    for name, value in values.items():
        text = value.strip() if isinstance(value, str) else value
        if isinstance(text, str) and not text.isprintable():
            bad = f"{name}: {text[:20]!r} is no printable text (write printable characters)"
            continue
        found[name] = "" if text is None else text
    return found, bad
