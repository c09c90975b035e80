"""The challenge of a line, over HTTP: asked, run, and overridden."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Annotated, Any, TypeVar

import msgspec
from fastapi import APIRouter, HTTPException, Query, Request

from saec.decoding import decode
from saec.station.challenge_records import ChallengeWay
from saec.station.people.person import Person
from saec.station.recipes.recipe_choice import PROGRAM
from saec.station.station import Station
from saec.web.admission.request_bodies import RequestBodies

_LARGEST = 4096
_LONGEST_REASON = 1000

T = TypeVar("T")


class ChallengeRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A run that is asked for.

    Attributes:
        way: what is judged; None takes the line's setting.
        reason: why; the record of actions keeps it.
    """

    way: ChallengeWay | None = None
    reason: str = ""


class OverrideRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A failed run that is overridden.

    Attributes:
        run: its number.
        reason: why the line may judge all the same.
    """

    run: int
    reason: str


def challenge_routes(station: Station, bodies: RequestBodies) -> APIRouter:
    """Routes of the challenges."""
    router = APIRouter()

    def known(line: str) -> None:
        if line not in station.runners:
            raise HTTPException(404, f"there is no line {line[:80]!r}")

    async def told(request: Request, kind: type[T], example: str) -> T:
        async with bodies.read(request, _LARGEST) as data:
            try:
                return decode(bytes(data) or b"{}", kind)
            except (msgspec.DecodeError, UnicodeDecodeError) as e:
                raise HTTPException(400, f"send {example} as JSON: {e}") from e

    @router.get("/v1/lines/{line}/challenge")
    def get_challenge(line: str, most: Annotated[int, Query(ge=1, le=500)] = 20) -> dict[str, Any]:
        """How a line's challenge stands, and its last runs, newest first."""
        known(line)
        runs = station.spool.challenges(line, most)
        return {**station.challenges.status(line), "runs": msgspec.to_builtins(runs)}

    @router.post("/v1/lines/{line}/challenge", status_code=202)
    async def post_challenge(line: str, request: Request) -> dict[str, Any]:
        """Run the golden parts: ``{"way": "pictures", "reason": "new lamp"}``, or no body at all.

        The answer means that the wish is on the disk; the run begins at once, and its result is in the list.
        """
        known(line)
        wish = await told(request, ChallengeRequest, '{"way": "pictures"}')
        who, role = _who(request)
        ask = partial(
            station.challenges.ask,
            line,
            who,
            role=role,
            way=wish.way,
            reason=wish.reason.strip()[:_LONGEST_REASON],
        )
        await asyncio.to_thread(ask)
        return station.challenges.status(line)

    @router.post("/v1/lines/{line}/challenge/override")
    async def post_override(line: str, request: Request) -> dict[str, Any]:
        """Let a line judge again in spite of a failed run: ``{"run": 7, "reason": "lamp changed"}``."""
        known(line)
        wish = await told(request, OverrideRequest, '{"run": 7, "reason": "..."}')
        who, role = _who(request)
        override = station.challenges.override
        await asyncio.to_thread(override, line, wish.run, who, role, wish.reason.strip()[:_LONGEST_REASON])
        return station.challenges.status(line)

    return router


def _who(request: Request) -> tuple[str, str]:
    person = request.state.person
    role = person.role.value if isinstance(person, Person) and person.role is not None else PROGRAM
    return request.state.who, role
