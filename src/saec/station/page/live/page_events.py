"""What the page pushes to browsers: server-sent events, rendered once and shared by all who look.

Nothing is kept for a client but how far it has come. One that is slow gets the newest state of each topic
when it is ready again, and never what came between.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from typing import Protocol

import structlog

from saec.station.page.words.languages import Wording, wording
from saec.station.people.roles import Role

LOOK_S = 0.05
"""Seconds between two looks at what is new."""

LEAST_S = 0.25
"""Seconds between two messages at least."""

BEAT_S = 2.0
"""Seconds between two signs of life, by which a browser knows a dead connection."""

_FAILED_S = 1.0
_NO_DATA = "data:\n"

Variant = tuple[str, Role]
"""What a rendering depends on: the language and the role."""

log = structlog.get_logger()


class Topics(Protocol):
    """A part of the page that changes: one or more topics, each a fragment under an event's name."""

    def changed(self) -> list[str]:
        """Names of the topics that may look different since the last call; at the first call all."""
        ...

    def every(self) -> list[str]:
        """Names of all topics."""
        ...

    def text(self, name: str, words: Wording, role: Role) -> str:
        """A topic's fragment as it is now."""
        ...


Rendered = dict[str, tuple[int, str]]
"""The fragments of one variant, each with the turn in which it last changed."""


async def _for_ever() -> bool:
    return True


class PageEvents:
    """Looks at what is new, renders it and wakes those who wait for it.

    Args:
        parts: what may change; their methods are called by one thread at a time.
        ended: whether the page ends; streams then end at once.
    """

    def __init__(self, parts: Sequence[Topics], ended: Callable[[], bool] = lambda: False) -> None:
        self._parts, self._ended = parts, ended
        self._clients: Counter[Variant] = Counter()
        self._rendered: dict[Variant, Rendered] = {}
        self._turn = 0
        self._turned = asyncio.Event()
        self._wanted = asyncio.Event()

    @property
    def clients(self) -> int:
        """How many browsers listen."""
        return self._clients.total()

    async def run(self) -> None:
        """Look and render for as long as somebody listens, and rest while nobody does."""
        beaten = 0.0
        while not self._ended():
            await self._wanted.wait()
            begun = time.monotonic()
            beat = begun - beaten >= BEAT_S
            try:
                news = await asyncio.to_thread(self._look, dict(self._rendered), list(self._clients), beat)
            except Exception as e:  # a disk that hangs, a database being replaced: the next look may work
                log.warning("page events not made", error=repr(e))
                self._rendered, news = {}, {}  # what was new is not known any more
                await asyncio.sleep(_FAILED_S)
            if beat:
                beaten = begun
            if news:
                self._publish(news)
            pause = (LEAST_S if news else LOOK_S) - (time.monotonic() - begun)
            await asyncio.sleep(max(0.0, pause))
        self._wake()

    async def stream(
        self, language: str, role: Role, still: Callable[[], Awaitable[bool]] = _for_ever
    ) -> AsyncIterator[str]:
        """The events for one browser, from now until it goes.

        Args:
            still: whether the person may still see them; asked before each message. Where not, the last event
                is ``ended``.
        """
        variant, seen = (language, role), -1
        with self._joined(variant):
            yield "retry: 1000\n\n"
            while not self._ended():
                rendered = self._rendered.get(variant)
                turned, turn = self._turned, self._turn
                text = "" if rendered is None else _events_since(rendered, seen)
                if text and not await still():
                    yield _event("ended", "")
                    return
                if text:
                    seen = turn
                    yield text
                else:
                    await turned.wait()

    @contextlib.contextmanager
    def _joined(self, variant: Variant) -> Iterator[None]:
        self._clients[variant] += 1
        self._wanted.set()
        try:
            yield
        finally:
            self._clients[variant] -= 1
            if not self._clients[variant]:
                del self._clients[variant]
                self._rendered.pop(variant, None)
            if not self._clients:
                self._wanted.clear()

    def _publish(self, news: dict[Variant, Rendered]) -> None:
        self._rendered.update((variant, one) for variant, one in news.items() if variant in self._clients)
        self._turn += 1
        self._wake()

    def _wake(self) -> None:
        turned, self._turned = self._turned, asyncio.Event()
        turned.set()

    def _look(
        self, known: dict[Variant, Rendered], variants: list[Variant], beat: bool
    ) -> dict[Variant, Rendered]:
        """Render what is new for every variant that somebody listens to; those that now look different."""
        changed = [(part, part.changed()) for part in self._parts]
        news, turn = {}, self._turn + 1
        for variant in variants:
            language, role = variant
            words, before = wording(language), known.get(variant)
            made = {} if before is None else dict(before)
            for part, names in changed:
                for name in part.every() if before is None else names:
                    _put(made, name, part.text(name, words, role), turn)
            if beat or before is None:
                _put(made, "beat", words.time(time.time()), turn)
            if made != before:
                news[variant] = made
        return news


def _put(made: Rendered, name: str, text: str, turn: int) -> None:
    if name not in made or made[name][1] != text:
        made[name] = turn, text


def _events_since(rendered: Rendered, turn: int) -> str:
    """The events of all topics that changed after a turn."""
    return "".join(_event(name, text) for name, (at, text) in rendered.items() if at > turn)


def _event(name: str, text: str) -> str:
    lines = "".join(f"data: {line}\n" for line in text.splitlines())
    return f"event: {name}\n{lines or _NO_DATA}\n"
