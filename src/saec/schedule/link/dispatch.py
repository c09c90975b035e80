"""What is on its way to the cloud, and until when it must be answered. Pure: told what happens and when.

The same object serves a live run and the simulator, so both make the same decisions from the same events.
Without a deadline it only counts: the link is up wherever there is a cloud, and nothing is ever late. With
one it brings together the link (``saec.schedule.link.circuit_breaker``), the estimate of the cloud's time
(``saec.schedule.link.latency``) and the frames that wait:

- when a frame is routed it says what is known of the cloud, the time left and the expected wait included, so
  a policy turns back at once what cannot be answered in time;
- a frame that was sent and is not answered shortly before its deadline is handed back (``overdue``) to be
  answered by the edge; it keeps its place in the queue, and the cloud's answer may make it final later;
- until the first answer nothing can be promised, so the cloud is asked in good faith;
- where every frame is turned back nothing more would be learnt of the cloud, so after a rest it is probed
  with one frame, as a link is that was down.

Times are in seconds of one clock that does not go back.
"""

from __future__ import annotations

from heapq import heappop, heappush
from typing import Generic, TypeVar

from saec.schedule.link.circuit_breaker import Link
from saec.schedule.link.latency import ServiceTime
from saec.settings import LinkConfig
from saec.types import UNBOUNDED, CloudState

T = TypeVar("T")


class Dispatch(Generic[T]):
    """Frames on their way to the cloud.

    Args:
        batch: frames that a request takes at most.
        capacity: frames that may wait.
        deadline: seconds from taking a frame to its verdict, or None.
        connected: whether there is a cloud at all.
        config: how the link is watched where there is a deadline.

    Attributes:
        asked: requests that have ended, answered or failed.
    """

    def __init__(
        self,
        *,
        batch: int,
        capacity: int = UNBOUNDED,
        deadline: float | None = None,
        connected: bool = True,
        config: LinkConfig | None = None,
    ) -> None:
        config = config or LinkConfig()
        self._batch = batch
        self._capacity = capacity
        self._connected = connected
        self._allowed = None if deadline is None else max(0.0, deadline - config.margin)
        self._cooldown = config.cooldown
        limit = deadline or 0.0
        timeout = limit if config.timeout is None else config.timeout
        self._link = Link(config, timeout=timeout, slow_after=config.slow * limit)
        self._service = ServiceTime()
        self.asked = 0
        self._queue = 0
        self._under_way: tuple[int, float] | None = None
        self._ended = 0.0
        self._held: dict[int, T] = {}
        self._due: list[tuple[float, int]] = []

    @property
    def queue(self) -> int:
        """Frames that were sent and are not asked about yet."""
        return self._queue

    @property
    def held(self) -> int:
        """Frames without an answer that their deadline still protects."""
        return len(self._held)

    @property
    def retry_at(self) -> float | None:
        """When a link that is down may be probed, None while it is not down."""
        return self._link.retry_at

    def state(self, now: float, taken: float) -> CloudState:
        """What is known of the cloud for a frame that was taken at ``taken`` and is routed now."""
        if self._allowed is None:
            return CloudState("up" if self._connected else "down", self._queue, self._capacity)
        left = taken + self._allowed - now
        if not self._connected:
            return CloudState("down", self._queue, self._capacity, None, left)
        link = self._link.state(now)
        wait = self._service.promise(self._queue, self._batch, self._age(now)) if self._service.seen else None
        if link == "probing" or (link != "down" and self._starves(wait, left, now)):
            busy = self._queue + (self._under_way is not None)
            return CloudState("probing", busy, 1, None, left)
        return CloudState(link, self._queue, self._capacity, wait, left)

    def _age(self, now: float) -> tuple[int, float] | None:
        return None if self._under_way is None else (self._under_way[0], now - self._under_way[1])

    def _starves(self, wait: float | None, left: float, now: float) -> bool:
        """Whether every frame is turned back as late and the cloud has rested, so nothing is learnt."""
        idle = not self._queue and self._under_way is None
        return wait is not None and wait > left and idle and now - self._ended >= self._cooldown

    def send(self) -> None:
        """A frame was routed to the cloud."""
        self._queue += 1

    def hold(self, key: int, taken: float, entry: T) -> None:
        """From now on a sent frame is handed back when its deadline comes near; its key is its own."""
        if self._allowed is not None:
            self._held[key] = entry
            heappush(self._due, (taken + self._allowed, key))

    def overdue(self, now: float) -> list[T]:
        """The frames that must be answered now without the cloud; each is handed back once."""
        entries = []
        while self._due and self._due[0][0] <= now:
            entry = self._held.pop(heappop(self._due)[1], None)
            if entry is not None:
                entries.append(entry)
        return entries

    def next_due(self) -> float | None:
        """When ``overdue`` will next have something, None where nothing is held."""
        while self._due and self._due[0][1] not in self._held:
            heappop(self._due)
        return self._due[0][0] if self._due else None

    def claim(self, key: int) -> bool:
        """A frame is answered; False where it was handed back before, so that this answer comes late."""
        return self._allowed is None or self._held.pop(key, None) is not None

    def request(self, now: float) -> int:
        """Frames that a request may take now: none while the link is down, one to probe it."""
        if self._allowed is None:
            return self._batch
        return {"down": 0, "probing": 1}.get(self._link.state(now), self._batch)

    def begin(self, now: float, frames: int) -> None:
        """A request goes out; one at a time is under way."""
        self._queue -= frames
        self._under_way = (frames, now)
        self._link.begin(now)

    def end(self, now: float, *, answered: bool) -> None:
        """The request under way was answered, or failed as a whole."""
        assert self._under_way is not None
        frames, begun = self._under_way
        self._under_way, self._ended = None, now
        self.asked += 1
        self._link.end(now, answered=answered)
        if answered:
            self._service.observe(frames, now - begun)

    def drop(self, frames: int) -> None:
        """Frames that were sent and will not be asked about."""
        self._queue -= frames

    def reset(self, now: float) -> None:
        """Nothing waits and nothing is under way, as after a failure of whoever asks."""
        if self._under_way is not None:
            self.end(now, answered=False)
        self._queue = 0
