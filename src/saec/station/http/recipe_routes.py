"""The recipe in force on a line, over HTTP: asked, and chosen."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
from fastapi import APIRouter, HTTPException, Request

from saec.decoding import decode
from saec.station.people.person import Person
from saec.station.recipes.recipe_choice import PROGRAM
from saec.station.station import Station
from saec.web.admission.request_bodies import RequestBodies

_LARGEST = 4096
_LONGEST_REASON = 1000


class RecipeRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a request asks for.

    Attributes:
        number: the recipe's number.
        reason: why; the record of actions keeps it.
    """

    number: int
    reason: str = ""


def recipe_routes(station: Station, bodies: RequestBodies) -> APIRouter:
    """Routes of the recipe in force."""
    router = APIRouter()

    def status(line: str) -> dict[str, Any]:
        found = station.recipes.status(line) if line in station.runners else None
        if found is None:
            raise HTTPException(404, f"there is no line {line[:80]!r} with recipes")
        return found

    @router.get("/v1/lines/{line}/recipe")
    def get_recipe(line: str) -> dict[str, Any]:
        """The recipe in force, whether the line is ready for it, and which others it has."""
        return status(line)

    @router.post("/v1/lines/{line}/recipe")
    async def post_recipe(line: str, request: Request) -> dict[str, Any]:
        """Put a recipe in force: ``{"number": 7, "reason": "order 12"}``.

        The answer means that the choice is on the disk and holds for the next picture. A number that the
        line does not have is an error, and leaves no recipe in force.
        """
        status(line)
        async with bodies.read(request, _LARGEST) as data:
            try:
                wish = decode(bytes(data), RecipeRequest)
            except (msgspec.DecodeError, UnicodeDecodeError) as e:
                raise HTTPException(400, f'send {{"number": 7}} as JSON: {e}') from e
        person = request.state.person
        role = person.role.value if isinstance(person, Person) and person.role is not None else PROGRAM
        reason = wish.reason.strip()[:_LONGEST_REASON]
        choose = station.recipes.choose
        await asyncio.to_thread(choose, line, wish.number, request.state.who, role, reason)
        return status(line)

    return router
