"""Verdicts on their way out: one worker a sink, which offers again, waits, or gives a verdict up.

- The other side is away or overloaded: everything waits, in order, with longer pauses. Nothing is given up.
- It refuses a verdict: that one is offered ``attempts`` times. Then later ones are offered. When one of them
  is taken, the refused one is offered once more, and is a dead letter where it is refused again. While none
  is taken, it is the settings (a token, an address) or the receiver: everything waits.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import msgspec
import structlog

from saec.errors import LinkError, SaecError
from saec.frame.frame_spans import record_delivery
from saec.station.sinks.verdict_sink import AwayError, SinkSettings, VerdictSink
from saec.station.storage.outbox import Outbox
from saec.station.storage.records import AuditHead, Backlog, Delivery
from saec.station.threads import Stopping

_IDLE = 0.1
_FIRST, _LONGEST = 0.5, 30.0
"""Seconds of pause after a failure: doubled each time, up to the longest."""

_LONGEST_WISH = 3600.0
"""Seconds that a receiver may ask for."""

_REFUSED, _REFUSED_ALIKE = 0.2, 0.02
"""Seconds before a verdict that was refused is offered for the second time, doubled each time; the second
where it is refused as the last dead letter was, so that a product unknown to a receiver holds nobody up."""

_MOST = 100
_PROBES, _WAKE = 3, 5.0
"""Later verdicts that are offered in one turn to see whether the receiver takes any; and seconds after which
those that have come meanwhile cut a longer rest short."""

_MARKED = 20
_MARK_SECONDS = 0.2
"""After so many verdicts, or seconds, what was taken is marked on the disk; a crash repeats no more."""

_LOOK, _LOOK_LONG = 1.0, 10.0
"""Seconds between two counts of the backlog, and of one that is long."""

_LONG_BACKLOG = 10_000

_TOLD = 5
"""Different reasons that raise an alarm until a verdict is taken again."""

log = structlog.get_logger()


class RaiseAlarm(Protocol):
    """Tells a person; as ``Spool.alarm``."""

    def __call__(self, kind: str, text: str, frame: str = "", about: str = "") -> None: ...


@dataclass(frozen=True, slots=True)
class _Failure:
    """What a sink did not take, and why."""

    piece: Sequence[Delivery]
    error: Exception

    @property
    def away(self) -> bool:
        return isinstance(self.error, LinkError)

    @property
    def text(self) -> str:
        plain = str(self.error) if isinstance(self.error, SaecError) else repr(self.error)
        return plain[:500]


class DeliveryWorker:
    """Brings one sink what its outbox holds; ``run`` is the body of a thread, others may ask for the rest.

    Args:
        settings: the sink's settings.
        sink: the open sink.
        outbox: the spool's outbox.
        alarm: tells a person.
        head: the head of the record of actions, which is sent along.
        clock: seconds since the epoch.
        steady: seconds by a clock that is never set.
    """

    def __init__(
        self,
        settings: SinkSettings,
        sink: VerdictSink,
        outbox: Outbox,
        alarm: RaiseAlarm,
        *,
        head: Callable[[], AuditHead | None] = lambda: None,
        clock: Callable[[], float] = time.time,
        steady: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name, self._s, self._sink, self._outbox = settings.name, settings, sink, outbox
        self._tell, self._clock, self._steady = alarm, clock, steady
        self._backlog, self._looked = Backlog(0, None, 0), -_LOOK
        self._head_now, self._heads = head, dict[int, AuditHead | None]()  # and those first sent along
        self._unmarked: list[int] = []  # taken, and not yet marked on the disk
        self._singly = 0  # up to this of the outbox they are offered one by one
        self._head, self._refusals = 0, 0  # the verdict that is refused, and how often it was
        self._buried = ""  # why the last dead letter was refused
        self._newest, self._walked = 0, 0  # later verdicts were offered up to here: the new, and all in turn
        self._probed_at, self._rest_until = -_WAKE, 0.0
        self._state, self._error, self._pause = "new", "", _FIRST
        self._stuck_since: float | None = None
        self._told: set[str] = set()
        self._long = False

    def run(self, stopping: Stopping) -> None:
        while not stopping.is_set():
            stopping.wait(self.turn(stopping.is_set))

    def turn(self, stop: Callable[[], bool] = lambda: False) -> float:
        """Offer what waits; seconds to rest before the next turn."""
        self._mark()
        self._look()
        waiting = self._outbox.waiting(self.name, _MOST)
        self._forget_heads(waiting[0].n if waiting else None)
        if not waiting or self._rests(waiting[0]):
            return _IDLE
        failure = self._offer(waiting, stop)
        if failure is None:
            return 0.0
        return self._be_away(failure) if failure.away else self._be_refused(failure)

    # offering

    def _offer(self, waiting: Sequence[Delivery], stop: Callable[[], bool]) -> _Failure | None:
        """Bring the sink piece after piece, up to the first that it does not take."""
        marked = self._steady()
        for piece in self._pieces(waiting):
            if stop():
                break
            failure = self._bring(piece)
            if failure is not None:
                self._mark()
                return failure
            if len(self._unmarked) >= _MARKED or self._steady() - marked > _MARK_SECONDS:
                self._mark()
                marked = self._steady()
        self._mark()
        return None

    def _pieces(self, waiting: Sequence[Delivery]) -> Iterator[Sequence[Delivery]]:
        start = 0
        while start < len(waiting):
            size = 1 if waiting[start].n <= self._singly else self._sink.at_once
            yield waiting[start : start + size]
            start += size

    def _bring(self, piece: Sequence[Delivery]) -> _Failure | None:
        piece = self._stamped(piece)
        begin, verdicts = time.perf_counter(), [delivery.verdict for delivery in piece]
        try:
            self._sink.deliver(piece)
        except Exception as e:  # of any kind, so that no verdict stops those after it
            record_delivery(self.name, verdicts, begin, type(e).__name__)
            if not isinstance(e, SaecError):
                log.error("sink failed with an unexpected error", sink=self.name, error=repr(e), exc_info=e)
            return _Failure(piece, e)
        record_delivery(self.name, verdicts, begin)
        self._unmarked += [delivery.n for delivery in piece]
        for delivery in piece:
            self._heads.pop(delivery.n, None)
        if self._state != "up":
            log.info("sink takes verdicts", sink=self.name)
        self._state, self._error, self._pause = "up", "", _FIRST
        self._stuck_since, self._told, self._rest_until = None, set(), 0.0
        return None

    def _stamped(self, piece: Sequence[Delivery]) -> list[Delivery]:
        """With the head of the record of actions; what is sent again has that of the first time, so that a
        receiver is never sent two bodies under one key while this process lives."""
        head = self._head_now()
        return [
            msgspec.structs.replace(delivery, audit=self._heads.setdefault(delivery.n, head))
            for delivery in piece
        ]

    def _forget_heads(self, first: int | None) -> None:
        """Those of what waits no more."""
        if first is None:
            self._heads.clear()
        elif len(self._heads) > _MOST:
            self._heads = {n: head for n, head in self._heads.items() if n >= first}

    def _mark(self) -> None:
        """Note on the disk what was taken. Where the disk is full this raises, and nothing more is offered:
        else the receiver would be sent the same again and again."""
        if self._unmarked:
            self._outbox.delivered(self._unmarked)
            self._unmarked = []

    # failures

    def _be_away(self, failure: _Failure) -> float:
        wish = failure.error.wait if isinstance(failure.error, AwayError) else 0.0
        pause = max(self._pause, min(wish, _LONGEST_WISH))
        self._note("away", failure, pause)
        self._alarm(failure, f"{failure.text}; {self._backlog.waiting} verdicts wait")
        self._pause = min(2 * self._pause, _LONGEST)
        return pause

    def _be_refused(self, failure: _Failure) -> float:
        if len(failure.piece) > 1:  # which of them it is, is found out one by one
            self._singly = failure.piece[-1].n
            return 0.0
        head = failure.piece[0]
        if head.n != self._head:
            self._head, self._refusals = head.n, 0
        self._refusals += 1
        if self._refusals < self._s.attempts:
            first = _REFUSED_ALIKE if failure.text == self._buried else _REFUSED
            pause = min(first * 2.0 ** min(self._refusals - 1, 30), _LONGEST)
            self._note("refusing", failure, pause)
            return pause
        self._note("refusing", failure, self._pause)
        return self._probe(head, failure)

    def _probe(self, head: Delivery, failure: _Failure) -> float:
        """Offer later verdicts: where one is taken, it is the head alone that is refused."""
        later = self._candidates(head)
        for delivery in later:
            self._probed_at = self._steady()
            refusal = self._bring([delivery])
            if refusal is None:
                self._mark()
                return self._settle(head)
            if refusal.away:
                return self._be_away(refusal)
            self._newest, self._walked = max(self._newest, delivery.n), delivery.n
        words = (
            "refuses every verdict that it was offered" if later else "refuses the only verdict that waits"
        )
        self._rest_until = self._steady() + self._pause
        self._pause = min(2 * self._pause, _LONGEST)
        self._alarm(
            failure, f"{words}: {failure.text}; nothing is lost, {self._backlog.waiting} verdicts wait"
        )
        return _IDLE

    def _settle(self, head: Delivery) -> float:
        """The receiver takes verdicts: the refused one is offered for the last time."""
        last = self._bring([head])
        if last is None:
            return 0.0
        if last.away:
            return self._be_away(last)
        self._outbox.failed([head.n], last.text)
        self._bury(head, last)
        return 0.0

    def _candidates(self, head: Delivery) -> list[Delivery]:
        """Later verdicts to offer: those that have come since the last time, else all, a few in each turn."""
        return (
            self._later(max(head.n, self._newest))
            or self._later(max(head.n, self._walked))
            or self._later(head.n)
        )

    def _later(self, after: int, most: int = _PROBES) -> list[Delivery]:
        """What may be offered out of turn: of each frame the first that waits, so that no frame's final
        verdict comes before its provisional one."""
        return self._outbox.waiting(self.name, most, after=after, firsts=True)

    def _rests(self, head: Delivery) -> bool:
        """Whether a verdict that is refused rests still, as do those behind it."""
        now = self._steady()
        if head.n != self._head or now >= self._rest_until:
            return False
        return now - self._probed_at < _WAKE or not self._later(max(head.n, self._newest), 1)

    def _bury(self, head: Delivery, failure: _Failure) -> None:
        self._outbox.bury(head.n)
        self._head, self._refusals, self._buried = 0, 0, failure.text
        frame = head.verdict.id
        log.error(
            "verdict finally refused: a dead letter",
            sink=self.name,
            frame=frame,
            state=head.state,
            error=failure.text,
        )
        text = (
            f"{self.name} refused the {head.state} verdict on {frame} for the last time: {failure.text}; "
            "`saec station letters` lists, resends or drops it"
        )
        self._tell("sink-refused", text, frame, self.name)
        self._look(at_once=True)

    def _note(self, state: str, failure: _Failure, pause: float) -> None:
        first = failure.piece[0]
        self._state, self._error = state, failure.text
        self._stuck_since = self._steady() if self._stuck_since is None else self._stuck_since
        self._outbox.failed([first.n], failure.text)
        self._look(at_once=not self._told)
        log.warning(
            "sink failed",
            sink=self.name,
            frame=first.verdict.id,
            state=state,
            error=failure.text,
            attempts=first.attempts + 1,
            again_in_s=pause,
        )

    def _alarm(self, failure: _Failure, text: str) -> None:
        """One alarm for each reason until a verdict is taken again."""
        if failure.text not in self._told and len(self._told) < _TOLD:
            self._told.add(failure.text)
            frame = failure.piece[0].verdict.id
            self._tell("sink", f"{self.name}: {text}; the first one is on {frame}", frame, self.name)

    # the backlog

    def _look(self, *, at_once: bool = False) -> None:
        pause = _LOOK_LONG if self._backlog.waiting > _LONG_BACKLOG else _LOOK
        if at_once or self._steady() - self._looked >= pause:
            self._backlog, self._looked = self._outbox.backlog(self.name), self._steady()

    def keep_within(self, now: float | None) -> None:
        """Heed the limits of the backlog; called now and then.

        Args:
            now: seconds since the epoch; None where the clock is not trusted, and nothing goes for its age.
        """
        s, backlog = self._s, self._outbox.backlog(self.name)
        before = None if now is None else now - s.keep_hours * 3600
        old = before is not None and backlog.oldest is not None and backlog.oldest < before
        if not (old or backlog.waiting > s.keep):
            self._long = False
        elif s.overflow == "drop":
            gone = self._outbox.trim(self.name, s.keep, before)
            text = (
                f"the {gone} oldest verdicts for {self.name} were deleted undelivered, "
                "because of keep or keep_hours of its [[sink]]"
            )
            self._tell("sink-dropped", text, "", self.name)
        elif not self._long:
            self._long = True
            text = (
                f"{backlog.waiting} verdicts wait for {self.name}, more than keep or keep_hours of its "
                "[[sink]] allow; "
                "all are kept"
            )
            self._tell("sink-long", text, "", self.name)
        if backlog.dead > s.keep:
            gone = self._outbox.trim(self.name, s.keep, dead=True)
            text = (
                f"the {gone} oldest refused verdicts of {self.name} were deleted: [[sink]] keep is {s.keep}"
            )
            self._tell("sink-dropped", text, "", self.name)

    def status(self) -> dict[str, Any]:
        """Plain values; never waits. ``state``: new (nothing was offered yet), up, away or refusing."""
        backlog = self._backlog
        age = None if backlog.oldest is None else max(0.0, self._clock() - backlog.oldest)
        return {
            "state": self._state,
            "waiting": backlog.waiting,
            "oldest_s": age,
            "dead": backlog.dead,
            "error": self._error,
        }

    def problem(self) -> str | None:
        """Why the station is not ready, one sentence: nothing was taken for too long. Never waits."""
        if self._stuck_since is None:
            return None
        seconds = self._steady() - self._stuck_since
        if seconds <= self._s.late_s:
            return None
        waiting = self._backlog.waiting
        return f"sink {self.name} has taken no verdict for {seconds / 60:.0f} min; {waiting} wait"
