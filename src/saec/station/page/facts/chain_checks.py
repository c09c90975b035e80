"""The check of the audit's chain that a person asks for: one at a time, in a thread of its own."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import structlog

from saec.errors import SaecError
from saec.station.audit.audit_log import AuditLog
from saec.station.audit.audit_rows import RawRow
from saec.station.audit.audit_verify import ChainCheck, KnownHeads, verify_chain

_STEP = 2000
"""Rows between two words of how far it is."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class ChainCheckState:
    """How a check stands.

    Attributes:
        running: whether one is under way.
        rows: how many rows it has seen.
        ended: when the last one ended, seconds since the epoch; None before the first.
        found: what that one found; None where it could not be made.
        problem: why, then.
    """

    running: bool = False
    rows: int = 0
    ended: float | None = None
    found: ChainCheck | None = None
    problem: str = ""


class ChainChecks:
    """Checks the chain of a station; safe to use from several threads.

    Args:
        audit: the chain.
        clock: seconds since the epoch.
    """

    def __init__(self, audit: AuditLog, clock: Callable[[], float] = time.time) -> None:
        self._audit, self._clock = audit, clock
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self.state = ChainCheckState()

    def start(self, known: KnownHeads) -> None:
        """Begin a check, unless one is under way.

        Args:
            known: heads that left the machine, by which a cut end or a chain made anew is found.
        """
        with self._lock:
            if self.state.running:
                return
            self.state = replace(self.state, running=True, rows=0)
            self._thread = threading.Thread(
                target=self._run, args=(known,), name="saec-chain-check", daemon=True
            )
            self._thread.start()

    def wait(self) -> None:
        """Wait until the check that is under way has ended."""
        thread = self._thread
        if thread is not None:
            thread.join()

    def _run(self, known: KnownHeads) -> None:
        found, problem = None, ""
        try:
            found = verify_chain(self._seen(), known)
        except SaecError as e:
            problem = str(e)
        except Exception as e:
            problem = repr(e)
            log.error("chain not checked", error=problem)
        rows = self.state.rows if found is None else found.head.n
        self.state = ChainCheckState(False, rows, self._clock(), found, problem)

    def _seen(self) -> Iterator[RawRow]:
        for at, raw in enumerate(self._audit.walk(), 1):
            if at % _STEP == 0:
                self.state = replace(self.state, rows=at)
            yield raw
