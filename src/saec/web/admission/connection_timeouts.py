"""HTTP/1.1 with timeouts: each connection has a bounded time for the head, the body and the answer.

uvicorn bounds the pause between two requests alone, and takes that bound off at the first byte after an
answer.
"""

from __future__ import annotations

import asyncio
import logging
from enum import Enum
from typing import TYPE_CHECKING

import h11
import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from saec.web.admission.connection_slots import ConnectionSlot

if TYPE_CHECKING:
    from saec.web.admission.admission_control import AdmissionControl

SLOT = "slot"
"""Under this name the application finds a connection's slot in ``scope["state"]``."""


class _Phase(Enum):
    """What a connection waits for."""

    HEAD = "head"
    IDLE = "idle"
    BODY = "body"
    WORK = "work"
    ANSWER = "answer"


class TimeoutProtocol(H11Protocol):
    """A connection with a slot. Its phases follow each other; each has a time, counted from its beginning.

    In WORK the answer is being made, which the application bounds. ANSWER begins when the answer waits for
    the other side to fetch it, and ends when nothing of it waits any more.
    """

    config: HttpConfig
    _slot: ConnectionSlot
    _phase: _Phase | None = None
    _timer: asyncio.TimerHandle | None = None
    _slow = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        slots = self.config.admission.slots
        self._slot = slots.by_file[transport.get_extra_info("socket").fileno()]
        self._slot.protocol = self
        self.app_state = {**self.app_state, SLOT: self._slot}
        super().connection_made(transport)
        self._turn()

    def data_received(self, data: bytes) -> None:
        self._slot.since = self.loop.time()
        try:
            super().data_received(data)
        except ValueError:  # of a number with more digits than Python reads
            self.send_400_response("Invalid HTTP request received.")
        self._turn(heard=True)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._slow = True
        self._turn()

    def on_response_complete(self) -> None:
        self._slot.served, self._slot.since = True, self.loop.time()
        super().on_response_complete()
        if self.conn.their_state is h11.SEND_BODY and self.cycle.response_complete:
            self.transport.close()  # the rest of the body has been waited for
        self._turn()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        super().connection_lost(exc)

    def send_400_response(self, msg: str) -> None:
        """What was sent is no HTTP: say so where an answer can still be given, and close."""
        if self.cycle is not None and not self.cycle.response_complete:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            super().send_400_response(msg)
        else:
            self.leave()

    @property
    def idle(self) -> bool:
        """Whether nothing is asked for: no head has come, or its answer is given and the body still comes."""
        waits = self.conn.their_state is h11.SEND_BODY and self.cycle.response_started
        return self.conn.their_state is h11.IDLE or waits

    def leave(self) -> None:
        """Close at once."""
        self.transport.abort()

    def _turn(self, *, heard: bool = False) -> None:
        """Begin the phase that follows from the state, unless it is under way."""
        phase = self._now(heard=heard)
        if phase is self._phase:
            return
        self._phase = phase
        if self._timer is not None:
            self._timer.cancel()
        seconds = self._limit(phase)
        self._timer = None if seconds is None else self.loop.call_later(seconds, self._over)

    def _now(self, *, heard: bool) -> _Phase:
        unsent = self.transport.get_write_buffer_size() > 0
        self._slow = self._slow and (unsent or not self.cycle.response_complete)
        if self._slow or (self.transport.is_closing() and unsent):
            return _Phase.ANSWER
        if self.conn.their_state is h11.IDLE:
            begun = heard or self.cycle is None or self._phase is _Phase.HEAD
            return _Phase.HEAD if begun else _Phase.IDLE
        return _Phase.BODY if self.conn.their_state is h11.SEND_BODY else _Phase.WORK

    def _limit(self, phase: _Phase) -> float | None:
        settings = self.config.admission.settings
        return {
            _Phase.HEAD: settings.head_s,
            _Phase.IDLE: settings.idle_s,
            # The application gives up first, and says so.
            _Phase.BODY: settings.body_s + settings.linger_s + 1.0,
            _Phase.WORK: None,
            _Phase.ANSWER: settings.answer_s,
        }[phase]

    def _over(self) -> None:
        """The time of a phase is over; an answer may have been fetched meanwhile, unnoticed."""
        self._timer, ended = None, self._phase
        self._turn()
        if self._phase is ended:
            self.config.admission.slots.counts[f"slow {ended.value}" if ended else "slow"] += 1
            self.leave()


class HttpConfig(uvicorn.Config):
    """A server's configuration with its admission control.

    Args:
        app: already guarded.
        admission: who is let in.
        lifespan: whether the application begins and ends with the server.
    """

    def __init__(self, app: ASGIApp, admission: AdmissionControl, *, lifespan: str = "off") -> None:
        self.admission, certificate = admission, admission.certificate
        super().__init__(
            app,
            loop="asyncio",  # accepts by the socket's own method
            http=TimeoutProtocol,
            ws="none",
            lifespan=lifespan,  # type: ignore[arg-type]
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=bool(admission.settings.proxies),
            forwarded_allow_ips=list(admission.settings.proxies),
            timeout_keep_alive=max(1, round(admission.settings.idle_s)),
            timeout_graceful_shutdown=5,
            ssl_context_factory=None if certificate is None else lambda *_: certificate.context,
        )
        # What unknown clients send is counted; a line for each of it would fill the log.
        logging.getLogger("uvicorn.error").setLevel(logging.ERROR)
