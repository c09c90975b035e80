"""What is pushed: rendered once for all, newest state to the slow, nothing while nobody looks."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable

from saec.station.page.live.page_events import PageEvents
from saec.station.page.words.languages import Wording
from saec.station.people.roles import Role

BOUND = 30.0


class Counted:
    """Topics whose state a test sets; counts what is asked of it."""

    def __init__(self, *names: str) -> None:
        self.state = dict.fromkeys(names, "first")
        self.seen: dict[str, str] = {}
        self.rendered: Counter[str] = Counter()
        self.looks = 0
        self.fails = 0

    def every(self) -> list[str]:
        return list(self.state)

    def changed(self) -> list[str]:
        self.looks += 1
        if self.fails:
            self.fails -= 1
            raise OSError("the disk hangs")
        news = [name for name, text in self.state.items() if self.seen.get(name) != text]
        self.seen = dict(self.state)
        return news

    def text(self, name: str, words: Wording, role: Role) -> str:
        self.rendered[f"{name} {words.language} {role}"] += 1
        return f"<p>{self.state[name]}\n{words.language}</p>"


async def until(stream: AsyncIterator[str], text: str) -> str:
    """All that a stream gives up to a piece with a text in it."""
    got = ""
    async with asyncio.timeout(BOUND):
        async for piece in stream:
            got += piece
            if text in piece:
                return got
    raise AssertionError(got)


def running(test: Callable[[PageEvents, Counted], Awaitable[None]], *names: str) -> None:
    """Run a test beside the events' own task."""

    async def both() -> None:
        part = Counted(*(names or ("a", "b")))
        events = PageEvents([part])
        task = asyncio.create_task(events.run())
        try:
            await test(events, part)
        finally:
            task.cancel()

    asyncio.run(both())


def test_all_who_look_share_one_rendering() -> None:
    async def test(events: PageEvents, part: Counted) -> None:
        streams = [events.stream("de", Role.VIEWER) for _ in range(20)]
        got = await asyncio.gather(*(until(stream, "first") for stream in streams))
        assert events.clients == 20
        assert len(set(got)) == 1
        assert "event: a\ndata: <p>first\ndata: de</p>\n\n" in got[0]
        part.state["a"] = "second"
        await asyncio.gather(*(until(stream, "second") for stream in streams))
        assert part.rendered == {"a de viewer": 2, "b de viewer": 1}
        for stream in streams:
            await stream.aclose()  # type: ignore[attr-defined]
        assert events.clients == 0

    running(test)


def test_who_is_slow_gets_the_newest_and_never_what_came_between() -> None:
    async def test(events: PageEvents, part: Counted) -> None:
        quick, slow = events.stream("en", Role.ADMIN), events.stream("en", Role.ADMIN)
        await asyncio.gather(until(quick, "first"), until(slow, "first"))
        for text in ("second", "third", "fourth"):
            part.state["a"] = text
            assert "event: b" not in await until(quick, text)
        late = await until(slow, "fourth")
        assert "second" not in late
        assert "third" not in late

    running(test)


def test_languages_and_roles_have_their_own_and_nobody_s_is_not_kept() -> None:
    async def test(events: PageEvents, part: Counted) -> None:
        one, other = events.stream("en", Role.VIEWER), events.stream("zh_Hans", Role.OPERATOR)
        assert "en</p>" in await until(one, "first")
        assert "zh_Hans</p>" in await until(other, "first")
        await one.aclose()  # type: ignore[attr-defined]
        part.state["a"] = "second"
        await until(other, "second")
        assert part.rendered["a en viewer"] == 1
        again = events.stream("en", Role.VIEWER)
        assert "second" in await until(again, "second")

    running(test)


def test_nothing_is_looked_at_while_nobody_listens() -> None:
    async def test(events: PageEvents, part: Counted) -> None:
        for _ in range(50):
            await asyncio.sleep(0)
        assert part.looks == 0

    running(test)


def test_a_look_that_fails_is_taken_again_and_loses_nothing() -> None:
    async def test(events: PageEvents, part: Counted) -> None:
        part.fails = 1
        stream = events.stream("en", Role.VIEWER)
        assert "event: b" in await until(stream, "first")
        part.state["b"], part.fails = "second", 1
        assert "event: b\ndata: <p>second" in await until(stream, "second")

    running(test)


def test_who_may_see_it_no_more_is_told_and_gets_nothing_else() -> None:
    async def test(events: PageEvents, part: Counted) -> None:
        allowed = True

        async def still() -> bool:
            return allowed

        stream = events.stream("en", Role.VIEWER, still)
        await until(stream, "first")
        allowed, part.state["a"] = False, "second"
        rest = "".join([piece async for piece in stream])
        assert rest == "event: ended\ndata:\n\n"
        assert events.clients == 0

    running(test)


def test_streams_end_with_the_page() -> None:
    async def test() -> None:
        ended = False
        events = PageEvents([Counted("a")], lambda: ended)
        task = asyncio.create_task(events.run())
        stream = events.stream("en", Role.VIEWER)
        await until(stream, "first")
        ended = True
        async with asyncio.timeout(BOUND):
            assert "".join([piece async for piece in stream]).count("event: a") == 0
            await task

    asyncio.run(test())


def test_a_sign_of_life_is_among_the_first_events() -> None:
    async def test(events: PageEvents, part: Counted) -> None:
        got = await until(events.stream("en", Role.VIEWER), "first")
        assert got.startswith("retry: ")
        assert "event: beat\ndata: " in got

    running(test)
