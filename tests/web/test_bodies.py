"""A body is read within bounds, or refused with a status that says why."""

from __future__ import annotations

import asyncio

import pytest
from fastapi import HTTPException, Request
from starlette.types import Message

from saec.web.bodies import read_body

PIECE: Message = {"type": "http.request", "body": b"abc", "more_body": True}
LAST: Message = {"type": "http.request", "body": b"d", "more_body": False}
GONE: Message = {"type": "http.disconnect"}


def read(*messages: Message, largest: int = 100, length: str = "") -> bytes:
    """The body that a server's messages make; after the last of them nothing comes."""
    waiting = list(messages)

    async def receive() -> Message:
        return waiting.pop(0) if waiting else await asyncio.Future()

    headers = [(b"content-length", length.encode())] if length else []
    request = Request({"type": "http", "method": "POST", "headers": headers}, receive)
    return asyncio.run(read_body(request, largest, seconds=0.05))


def test_a_body_in_pieces_is_put_together() -> None:
    assert read(PIECE, PIECE, LAST) == b"abcabcd"


@pytest.mark.parametrize(
    ("messages", "length", "status"),
    [
        ([PIECE, GONE], "", 400),
        ([GONE], "9", 400),
        ([PIECE], "", 408),
        ([PIECE] * 40, "", 413),
        ([], "101", 413),
    ],
)
def test_what_is_no_whole_body_in_time_is_refused(messages: list[Message], length: str, status: int) -> None:
    with pytest.raises(HTTPException) as refused:
        read(*messages, length=length)
    assert refused.value.status_code == status
