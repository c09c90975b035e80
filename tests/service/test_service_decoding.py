"""No asker holds all decoders, and who has gone or asks too much is no longer decoded for."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import numpy as np
import pytest

from saec.data.images import pixels as images
from saec.data.images.killable_decoder import Decoder, Spares
from saec.errors import DecoderDiedError, DecoderOverranError, DecoderStartError
from saec.service import decoder_pool as decoding
from saec.service.decoder_pool import DecoderPool
from saec.service.requests.data_urls import decode_image_file
from saec.service.requests.refusals import RequestRefused
from tests import bombs
from tests.service.service_helpers import client, data_url, encoded, noise, running, scoring_body, wait_until

BOMB = b"bomb"
GOOD = encoded(noise(0, 20, 20))


class Held(Decoder):
    """A decoder that is at a bomb until it is let go or killed, and decodes all else at once."""

    def __init__(self, spares: Spares) -> None:
        self.at_work, self.over, self.killed = threading.Event(), threading.Event(), 0

    def decode(self, data: bytes, *, bits: int = 16, name: str = "") -> Any:
        if data != BOMB:
            return images.decode_image(data)
        self.at_work.set()
        assert self.over.wait(60)
        raise DecoderDiedError("it was ended")

    def kill(self) -> None:
        self.killed += 1
        self.over.set()

    def close(self) -> None:
        self.over.set()


def tried(count: int, most: int, test: Callable[[DecoderPool, list[Held]], Awaitable[None]]) -> None:
    """Run a test with so many decoders, of which each asker may hold ``most``."""

    async def run() -> None:
        made: list[Held] = []

        def make(spares: Spares) -> Held:
            made.append(Held(spares))
            return made[-1]

        several = DecoderPool(count, lambda who: most, lambda job: None, make)
        try:
            await asyncio.wait_for(test(several, made), 60)
        finally:
            several.close()

    asyncio.run(run())


async def until(true: Callable[[], bool]) -> None:
    while not true():
        await asyncio.sleep(0.005)


def test_one_asker_with_bombs_holds_its_share_and_another_is_served() -> None:
    async def test(several: DecoderPool, made: list[Held]) -> None:
        a = [asyncio.create_task(several.images([BOMB], "a")) for _ in range(5)]
        await until(lambda: sum(d.at_work.is_set() for d in made) == 2)
        for _ in range(3):
            (image,) = await several.images([GOOD], "b")
            np.testing.assert_array_equal(image, images.decode_image(GOOD))
        assert sum(d.at_work.is_set() for d in made) == 2
        for decoder in made:
            decoder.over.set()
        found = await asyncio.gather(*a, return_exceptions=True)
        assert [(type(e), e.code) for e in found] == [(RequestRefused, "image_too_costly")] * 5

    tried(4, 2, test)


def test_who_holds_least_comes_first() -> None:
    async def test(several: DecoderPool, made: list[Held]) -> None:
        first = asyncio.create_task(several.images([BOMB], "a"))
        await until(lambda: made[0].at_work.is_set())
        order: list[str] = []

        async def ask(who: str) -> None:
            await several.images([GOOD], who)
            order.append(who)

        waiting = [asyncio.create_task(ask(who)) for who in ("a", "a", "b")]
        await asyncio.sleep(0)
        made[0].over.set()
        with pytest.raises(RequestRefused):
            await first
        await asyncio.gather(*waiting)
        assert sorted(order) == ["a", "a", "b"]

    tried(1, 1, test)


def test_who_has_gone_is_not_decoded_for() -> None:
    async def test(several: DecoderPool, made: list[Held]) -> None:
        gone = asyncio.create_task(several.images([BOMB], "a"))
        await until(lambda: made[0].at_work.is_set())
        also_gone = asyncio.create_task(several.images([GOOD], "a"))
        await asyncio.sleep(0)
        also_gone.cancel()
        gone.cancel()
        await asyncio.gather(gone, also_gone, return_exceptions=True)
        assert made[0].killed == 1
        assert len(await several.images([GOOD, GOOD], "a")) == 2

    tried(1, 1, test)


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (DecoderOverranError("too long"), 400, "image_too_costly"),
        (DecoderDiedError("it died"), 400, "image_too_costly"),
        (DecoderStartError("no process"), 503, "no_decoder"),
        (OSError(24, "Too many open files"), 503, "no_decoder"),
        (MemoryError(), 503, "no_decoder"),
    ],
)
def test_what_ends_a_decoding_is_said(error: Exception, status: int, code: str) -> None:
    def fail(data: bytes) -> Any:
        raise error

    with pytest.raises(RequestRefused) as refused:
        decode_image_file(b"", fail)
    assert (refused.value.status, refused.value.code) == (status, code)
    assert (refused.value.after is not None) == (status == 503)


def test_a_service_survives_bombs_and_stops_while_one_is_decoded(served: Any, monkeypatch: Any) -> None:
    bomb = scoring_body(data_url(bombs.jpeg_of_scans(4096, 88), "jpeg"))
    monkeypatch.setattr(decoding.DecoderPool.__init__, "__defaults__", (partial(Decoder, seconds=0.3),))
    with running(served) as (where, handler), client(where) as http:
        answer = http.post("/v1/chat/completions", json=bomb)
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "image_too_costly")
        fine = http.post("/v1/chat/completions", json=scoring_body(data_url(GOOD)))
        assert fine.status_code == 200

        def ask() -> None:
            with client(where) as other:
                other.post("/v1/chat/completions", json=bomb)

        thread = threading.Thread(target=ask)
        thread.start()
        wait_until(lambda: handler.active)
    thread.join(60)
    assert not thread.is_alive()
    assert not handler.active


def test_headers_are_looked_at_before_a_decoder_is(served: Any) -> None:
    with running(served) as (where, _), client(where) as http:
        for data in (bombs.jpeg_of_scans(64, 400), bombs.hdr(9, 9), bombs.riff(bombs.vp8x(16000, 16000))):
            answer = http.post("/v1/chat/completions", json=scoring_body(data_url(data)))
            assert answer.json()["error"]["code"] in ("bad_image", "too_many_pixels")
