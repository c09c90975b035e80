"""What a PLC tells, for a person who watches: a line for each signal that has changed."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from saec.station.plc.signals import PlcSignals


class ShownSignals:
    """The signals of a PLC as they were shown last. A heartbeat is shown twice: at first, and when it moves.

    Args:
        places: where the signals lie, by name.
    """

    def __init__(self, places: Mapping[str, str]) -> None:
        self._places = places
        self._shown: dict[str, str] = {}
        self._silent = False

    def changes(self, seen: PlcSignals | None) -> list[str]:
        """A line for each signal with its name, its address and its value, where it is not as shown.

        Args:
            seen: what was read; None where the PLC has told nothing yet.
        """
        if seen is None:
            told, self._silent = [] if self._silent else ["   the PLC has told nothing yet"], True
            return told
        told = []
        values = msgspec.structs.asdict(seen)
        for name, place in self._places.items():
            if name not in values:  # the check value, which is compared when the link opens
                continue
            value = _shown(values[name])
            before = self._shown.get(name)
            if name == "heartbeat" and before not in (None, value):
                value = "changes"
                if before == value:
                    continue
            if before != value:
                told.append(f"   {name} ({place}) {'' if value == 'changes' else '= '}{value}")
                self._shown[name] = value
        if seen.bad != self._shown.get("bad", ""):
            self._shown["bad"] = seen.bad
            told += [f"   {seen.bad}"] if seen.bad else []
        return told


def _shown(value: bool | int | str | None) -> str:
    if isinstance(value, str):
        return value or '""'
    return str(int(value or 0))
