"""The PLCs and couplers as the station tells of them: what they do, and what they have counted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from saec.station.page.page_templates import PageTemplates
from saec.station.page.station_feed import StationFeed
from saec.station.page.words.languages import Wording
from saec.station.people.roles import Role
from saec.station.setup.station_settings import StationSettings

SIGNALS = "signals"
"""Why a PLC finds no Ready where the station has no other reason: its own signals."""


@dataclass(frozen=True, slots=True)
class PlcNow:
    """A PLC as it is now.

    Attributes:
        state: one of ``PLC_STATES``; "" where the station says nothing.
        phase: where the handshake stands; "" while the PLC is not read.
        blocked: why a trigger would not be taken; "" where it would be, or one is under way.
        faults: answers without a result, by the name of their code.
    """

    name: str
    line: str
    state: str
    phase: str
    blocked: str
    error: str
    triggers: int
    results: int
    faults: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class ChannelNow:
    """An output or an input.

    Attributes:
        on: None where an output is in its fail-safe state, or an input was not read.
        pending: parts on their way to an output.
        counts: what was counted, without what never happened.
    """

    name: str
    on: bool | None
    pending: int
    counts: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class CouplerNow:
    """A coupler as it is now; ``state`` is "" where the station says nothing."""

    name: str
    state: str
    error: str
    outputs: tuple[ChannelNow, ...]
    inputs: tuple[ChannelNow, ...]


@dataclass(frozen=True, slots=True)
class MachineNow:
    """All PLCs and couplers of the settings, in their order."""

    plcs: tuple[PlcNow, ...] = ()
    couplers: tuple[CouplerNow, ...] = field(default=())


def machine_now(settings: StationSettings, feed: StationFeed) -> MachineNow:
    """The PLCs and couplers of a station.

    Args:
        settings: name them.
        feed: what the station says of them; one that is silent says nothing.
    """
    status: Mapping[str, Any] = {} if feed.silent else feed.status
    plcs, couplers = status.get("plcs", {}), status.get("couplers", {})
    return MachineNow(
        tuple(_plc(one.name, one.line, plcs.get(one.name, {})) for one in settings.plc),
        tuple(_coupler(one.name, couplers.get(one.name, {})) for one in settings.coupler),
    )


def _plc(name: str, line: str, told: Mapping[str, Any]) -> PlcNow:
    state, counts = told.get("state", ""), told.get("counts", {})
    phase = told.get("phase", "") if state == "up" else ""
    return PlcNow(
        name=name,
        line=line,
        state=state,
        phase=phase,
        blocked=(told.get("not_ready") or SIGNALS) if phase == "waiting" else "",
        error=told.get("error", ""),
        triggers=counts.get("trigger", 0),
        results=counts.get("result", 0),
        faults=dict(told.get("faults", {})),
    )


def _coupler(name: str, told: Mapping[str, Any]) -> CouplerNow:
    return CouplerNow(
        name=name,
        state=told.get("state", ""),
        error=told.get("error", ""),
        outputs=_channels(told.get("outputs", {})),
        inputs=_channels(told.get("inputs", {})),
    )


def _channels(told: Mapping[str, Mapping[str, Any]]) -> tuple[ChannelNow, ...]:
    """All that are on or off; an encoder has but a position."""
    return tuple(
        ChannelNow(
            name=name,
            on=one["on"],
            pending=one.get("pending", 0),
            counts={what: n for what, n in one["counts"].items() if n},
        )
        for name, one in told.items()
        if "on" in one
    )


class MachineTopic:
    """The topic ``machine``; a station without PLCs and couplers has none.

    Args:
        settings: name the PLCs and couplers.
        feed: what the station says of them.
        templates: those of the page.
    """

    def __init__(self, settings: StationSettings, feed: StationFeed, templates: PageTemplates) -> None:
        self._settings, self._feed, self._templates = settings, feed, templates
        self._now = MachineNow()

    def every(self) -> list[str]:
        return ["machine"] if self._settings.plc or self._settings.coupler else []

    def changed(self) -> list[str]:
        before, self._now = self._now, machine_now(self._settings, self._feed)
        return self.every() if self._now != before else []

    def text(self, name: str, words: Wording, role: Role) -> str:
        return self._templates.text("machine_states.html", words, machine=self._now)
