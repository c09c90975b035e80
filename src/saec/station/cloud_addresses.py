"""The addresses of a station's cloud as its lines ask them: state, counts, and words on each change."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import msgspec
import structlog

from saec.cloud.remote.address_pool import STATES, AddressFigures
from saec.cloud.remote.engine import RemoteEngine
from saec.station.line.runner import LineRunner

_OTHER = STATES[-1]

log = structlog.get_logger()


def address_figures(runners: Iterable[LineRunner]) -> dict[str, AddressFigures]:
    """State and counts by address, over all clouds that the lines ask.

    An address that one line's model has is up, though another line trusts other weights.
    """
    engines = {id(cloud.engine): cloud.engine for runner in runners for cloud in runner.clouds}
    found: dict[str, AddressFigures] = {}
    for engine in engines.values():
        if isinstance(engine, RemoteEngine):
            for address, one in engine.addresses.items():
                found[address] = _together(found[address], one) if address in found else one
    return found


def _together(one: AddressFigures, other: AddressFigures) -> AddressFigures:
    best = min(one, other, key=lambda figures: STATES.index(figures.state))
    return msgspec.structs.replace(
        best,
        asked=one.asked + other.asked,
        failed=one.failed + other.failed,
        hedged=one.hedged + other.hedged,
        weights=best.weights or one.weights or other.weights,
    )


class AddressWatch:
    """Says in the log what becomes of an address, and raises an alarm where its weights are not trusted.

    Args:
        alarm: called with the kind, the words and the address.
    """

    def __init__(self, alarm: Callable[[str, str, str], None]) -> None:
        self._alarm = alarm
        self._states: dict[str, str] = {}

    def look(self, figures: dict[str, AddressFigures]) -> None:
        """Compare with the last look."""
        for address, one in figures.items():
            before = self._states.get(address, "up")
            if one.state == before:
                continue
            say = log.info if one.state == "up" else log.warning
            say("cloud address", address=address, state=one.state, before=before, weights=one.weights[:12])
            if one.state == _OTHER:
                self._alarm(
                    "cloud-weights",
                    f"{address} has other weights ({one.weights[:12] or 'it does not say which'}) than the "
                    "lines trust, and is asked about no frame",
                    address,
                )
        self._states = {address: one.state for address, one in figures.items()}
