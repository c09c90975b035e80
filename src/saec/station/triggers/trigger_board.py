"""Which trigger waits for which source's picture.

A PLC announces a trigger; the source that takes its picture claims it; whoever announced it learns which
frame of the spool it became. A trigger is claimed once, and a picture that comes after its trigger was given
up claims none: no result is ever of another part.
"""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Callable

import msgspec

from saec.types import Capture


class Trigger(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody asks for a picture of a part and for its result.

    Attributes:
        plc: name of who asks.
        number: rises with each trigger of a PLC at this station; never used again.
        source: name of the source that takes the picture.
        line: name of the line that judges it.
        at: when it came, seconds of ``time.perf_counter``.
        due: when the result ceases to be of use, on the same clock.
        part: id of the part, "" when unknown.
        recipe: number of the recipe in force at the trigger; None without recipes.
    """

    plc: str
    number: int
    source: str
    line: str
    at: float
    due: float
    part: str = ""
    recipe: int | None = None

    @property
    def capture(self) -> Capture:
        """How a frame that is taken for it was taken; the camera's part is still open."""
        return Capture(plc=self.plc, trigger=self.number)


class Announced:
    """A trigger that was announced, for who announced it.

    Attributes:
        trigger: what was announced.
        seq: number of the frame that it became, or None so far.
        failure: why its picture was not taken, "" so far.
    """

    def __init__(self, trigger: Trigger, told: Callable[[], None] | None = None) -> None:
        self.trigger, self._told = trigger, told
        self.seq: int | None = None
        self.failure = ""
        self._settled = threading.Event()

    def wait(self, seconds: float) -> bool:
        """Wait until it has become a frame or has failed; whether it has."""
        return self._settled.wait(seconds)

    def settle(self, seq: int | None, failure: str = "") -> None:
        """Tell what became of it; the first time counts."""
        if not self._settled.is_set():
            self.seq, self.failure = seq, failure
            self._settled.set()
            if self._told is not None:
                self._told()


class TriggerBoard:
    """The open triggers of a station; safe to use from several threads.

    Attributes:
        hearing: called with each trigger before any source can claim it.
    """

    def __init__(self) -> None:
        self.hearing: list[Callable[[Trigger], None]] = []
        self._lock = threading.Condition()
        self._open: dict[str, deque[Announced]] = {}
        self._claimed: dict[tuple[str, int], Announced] = {}
        self._withdrawn: Counter[str] = Counter()
        self._strays: Counter[str] = Counter()

    def announce(self, trigger: Trigger, told: Callable[[], None] | None = None) -> Announced:
        """A trigger that waits for its source's next picture.

        Args:
            trigger: what is announced.
            told: called once it has become a frame or has failed, by the thread that knows.
        """
        announced = Announced(trigger, told)
        for hear in self.hearing:
            hear(trigger)
        with self._lock:
            self._open.setdefault(trigger.source, deque()).append(announced)
            self._lock.notify_all()
        return announced

    def wait_for(self, source: str, seconds: float) -> Trigger | None:
        """The oldest open trigger of a source, which stays open; waits for one for so long."""
        with self._lock:
            self._lock.wait_for(lambda: self._open.get(source), seconds)
            waiting = self._open.get(source)
            return waiting[0].trigger if waiting else None

    def claim(self, source: str, *, drained: int | None = None) -> Trigger | None:
        """A source has a picture: the oldest open trigger is its, and no other picture's.

        Args:
            source: its name.
            drained: how many triggers had been withdrawn (``withdrawn``) when the source last threw away all
                that it had for earlier triggers. Where one was withdrawn since, the picture may be that
                one's, and claims none. None claims in any case.
        """
        with self._lock:
            waiting = self._open.get(source)
            if not waiting or drained not in (None, self._withdrawn[source]):
                self._strays[source] += 1
                return None
            announced = waiting.popleft()
            self._claimed[announced.trigger.plc, announced.trigger.number] = announced
            return announced.trigger

    def withdrawn(self, source: str) -> int:
        """How many triggers of a source were given up before a picture had claimed them."""
        with self._lock:
            return self._withdrawn[source]

    def strays(self, source: str) -> int:
        """How many pictures of a source came for no trigger."""
        with self._lock:
            return self._strays[source]

    def taken(self, capture: Capture | None, seq: int) -> None:
        """The picture of a claimed trigger is the spool's frame ``seq``."""
        self._settle(capture, seq, "")

    def failed(self, trigger: Trigger, why: str) -> None:
        """The picture of a claimed trigger was not taken."""
        self._settle(trigger.capture, None, why)

    def withdraw(self, announced: Announced) -> bool:
        """Give a trigger up, whose picture has not come; whether no picture had claimed it yet."""
        trigger = announced.trigger
        with self._lock:
            self._claimed.pop((trigger.plc, trigger.number), None)
            waiting = self._open.get(trigger.source, deque())
            if announced in waiting:
                waiting.remove(announced)
                self._withdrawn[trigger.source] += 1
                return True
        return False

    def _settle(self, capture: Capture | None, seq: int | None, why: str) -> None:
        if capture is None or capture.trigger is None:
            return
        with self._lock:
            announced = self._claimed.pop((capture.plc, capture.trigger), None)
        if announced is not None:
            announced.settle(seq, why)
