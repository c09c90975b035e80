"""The review over HTTP: a terminal of its own shows frames and answers them, another program sends labels."""

from __future__ import annotations

from asyncio import to_thread
from collections.abc import Callable
from functools import partial
from typing import Annotated, Any, Literal, TypeVar

import msgspec
from fastapi import APIRouter, HTTPException, Query, Request
from fastapi.responses import FileResponse

from saec.data.images.pixels import read_image
from saec.decoding import decode
from saec.station.people.person import Person
from saec.station.review.asked_frames import put_asked
from saec.station.review.place_checks import checked_place
from saec.station.review.review_records import (
    Label,
    MarkedPlace,
    ReviewAnswer,
    ReviewFrame,
    ReviewTask,
    Stroke,
)
from saec.station.review.review_store import ReviewStore
from saec.station.station import Station
from saec.station.storage.records import SpooledFrame
from saec.types import DEFECT, GOOD, Box
from saec.web.admission.request_bodies import RequestBodies

_LARGEST = 1_000_000
_LONGEST_NAME = 100
_DIGITS = 18
_LABELS: dict[str, int | None] = {"good": GOOD, "defect": DEFECT, "unsure": None}
_WORDS = {label: word for word, label in _LABELS.items()}

T = TypeVar("T")


class LabelRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a request says of a frame.

    Attributes:
        label: "good", "defect" or "unsure".
        kind: the kind of the defect.
        boxes: where it is, x0, y0, x1, y1 in pixels of the upright picture; x1 and y1 are exclusive.
        strokes: likewise, as a brush paints it.
        seconds: how long the person looked.
        second: have another person look as well.
        person: who says so; only a program may name somebody, who is else the program itself.
    """

    label: Literal["good", "defect", "unsure"]
    kind: str = ""
    boxes: tuple[Box, ...] = ()
    strokes: tuple[Stroke, ...] = ()
    seconds: float | None = None
    second: bool = False
    person: str = ""


class TakeRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A person asks for frames.

    Attributes:
        line: None takes all lines of the settings.
        most: how many the person has then, at most.
        person: who asks; only a program may name somebody.
    """

    line: str | None = None
    most: Annotated[int, msgspec.Meta(ge=1, le=20)] = 1
    person: str = ""


class ReviewerRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A person takes an answer back, or gives frames back; ``person`` is as in ``LabelRequest``."""

    person: str = ""


def review_routes(
    station: Station, bodies: RequestBodies, frame_of: Callable[[str], SpooledFrame]
) -> APIRouter:
    """Routes of the review.

    Args:
        frame_of: the frame with an id; an HTTPException 404 without one.
    """
    router = APIRouter()
    router.include_router(_looking(station))
    router.include_router(_taking(station, bodies))

    @router.post("/v1/frames/{id}/label", status_code=201)
    async def post_label(id: str, request: Request) -> dict[str, Any]:
        """Keep what a person says of a frame; the same answer again is the same label."""
        asked, frame = await _read(bodies, request, LabelRequest), frame_of(id)
        person, store = _person(request, asked.person), station.review.store

        def answer() -> Label:
            known = store.frame(frame.seq) or put_asked(store, station.spool, frame)
            return store.answer(person, frame.seq, _answer(store, known, asked), origin="http")

        return _label(await to_thread(answer))

    return router


def _taking(station: Station, bodies: RequestBodies) -> APIRouter:
    """Frames for a person, and back."""
    router = APIRouter()

    @router.post("/v1/review/take")
    async def post_take(request: Request) -> list[dict[str, Any]]:
        """Frames for a person, whom they are kept for; asked again, it is given more time for them."""
        asked = await _read(bodies, request, TakeRequest)
        person = _person(request, asked.person)
        tasks = await to_thread(station.review.store.take, person, asked.line, asked.most)
        return [_task(task) for task in tasks]

    @router.post("/v1/review/undo")
    async def post_undo(request: Request) -> dict[str, Any]:
        """Take a person's newest answer back, and hand the frame back: ``{"task": ...}``, or null."""
        person = _person(request, (await _read(bodies, request, ReviewerRequest)).person)
        back = await to_thread(station.review.store.undo, person)
        return {"task": None if back is None else _task(back)}

    @router.post("/v1/review/release")
    async def post_release(request: Request) -> dict[str, Any]:
        """Give back all frames that a person has."""
        person = _person(request, (await _read(bodies, request, ReviewerRequest)).person)
        await to_thread(station.review.store.release, person)
        return {}

    return router


def _looking(station: Station) -> APIRouter:
    """How the review stands, its labels and pictures."""
    router = APIRouter()

    @router.get("/v1/review")
    async def get_review() -> dict[str, Any]:
        """How the review of each line stands: what waits, was drawn, was lost; labels and pictures."""
        states = await to_thread(station.review.store.states)
        return {line: msgspec.to_builtins(state) for line, state in states.items()}

    @router.get("/v1/review/labels")
    async def get_labels(
        line: Annotated[str | None, Query(max_length=100)] = None,
        limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    ) -> list[dict[str, Any]]:
        """The newest labels, with who gave them; those that were taken back as well."""
        labels = partial(station.review.store.labels, line=line, most=limit, withdrawn=True)
        return [_label(one) for one in await to_thread(labels)]

    @router.get("/v1/review/{id}/image")
    async def get_picture(id: str) -> FileResponse:
        """The picture of a frame of the review, also where retention has removed it from the spool."""
        store, number = station.review.store, id.rpartition("-")[2]
        known = number.isdecimal() and len(number) <= _DIGITS
        frame = await to_thread(store.frame, int(number)) if known else None
        if frame is None or frame.frame != id:
            raise HTTPException(404, f"the frame {id[:80]!r} is not in the review")
        path = store.folder / frame.image
        if not frame.image or not path.is_file():
            raise HTTPException(410, f"the picture of {id} is not kept any more")
        return FileResponse(path)

    return router


async def _read(bodies: RequestBodies, request: Request, kind: type[T]) -> T:
    """The body of a request; an empty one is an empty object."""
    async with bodies.read(request, _LARGEST) as data:
        try:
            return decode(bytes(data) or b"{}", kind)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as e:
            raise HTTPException(400, f"the body is not what is expected: {e}") from e


def _answer(store: ReviewStore, frame: ReviewFrame, asked: LabelRequest) -> ReviewAnswer:
    """The answer that a request means, its place cut off at the borders of the picture."""
    place = None
    if asked.boxes or asked.strokes:
        height, width = read_image(store.picture(frame)).shape[:2]
        place = checked_place(MarkedPlace(boxes=asked.boxes, strokes=asked.strokes), width, height)
    return ReviewAnswer(
        label=_LABELS[asked.label],
        kind=" ".join(asked.kind.split()),
        place=place,
        seconds=asked.seconds,
        second=asked.second,
    )


def _person(request: Request, named: str) -> str:
    """Who answers: the person who is logged in; whom a program names, or the program itself."""
    person, named = request.state.person, " ".join(named.split())
    if isinstance(person, Person):
        if named not in ("", person.shown):
            raise HTTPException(403, "you answer for yourself; leave `person` out")
        return person.shown
    if len(named) > _LONGEST_NAME or not named.isprintable():
        raise HTTPException(400, "the name of the person is too long, or cannot be printed")
    return named or str(request.state.who)


def _task(task: ReviewTask) -> dict[str, Any]:
    """A task as JSON; a second opinion is asked for without what is known of the frame."""
    frame = task.frame
    told = {"label": _WORDS[frame.label], "decided_by": frame.decided_by, "version": frame.version}
    return {
        "id": frame.frame,
        "line": frame.line,
        "part": frame.part,
        "accepted": frame.accepted,
        "image": f"/v1/review/{frame.frame}/image",
        "second": task.second,
        "until": task.until,
        "why": None if task.second else frame.why,
        "verdict": None if task.second else told,
    }


def _label(label: Label) -> dict[str, Any]:
    answer = label.answer
    return {
        "n": label.n,
        "id": label.frame,
        "line": label.line,
        "person": label.person,
        "time": label.time,
        "label": _WORDS[answer.label],
        "kind": answer.kind,
        "place": None if answer.place is None else msgspec.to_builtins(answer.place),
        "shown_version": label.shown_version,
        "shown_label": None if label.shown_label is None else _WORDS[label.shown_label],
        "withdrawn": label.withdrawn,
        "origin": label.origin,
    }
