"""Tasks of Label Studio: an export with what people said and the line's opinion, and its labels read back."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import parse_qs, urlsplit
from xml.sax.saxutils import quoteattr

import msgspec

from saec.data.items import is_defect_name, is_good_name, is_unknown_name, stated_kind
from saec.decoding import decode
from saec.errors import ReviewError
from saec.profile import write_json
from saec.station.exchange.brush_runs import brush_mask
from saec.station.exchange.exported_frames import ExportedFrame, copy_picture, exported_label, write_labels
from saec.station.exchange.label_import import GivenLabel
from saec.station.review.place_masks import marked_pixels, mask_outlines
from saec.station.review.review_records import MarkedPlace, Points, ReviewAnswer
from saec.texts import MOST_JSON, read_text
from saec.types import DEFECT, GOOD, Box

TASKS, CONFIG = "tasks.json", "labeling-config.xml"
_CHOICES = {GOOD: "good", DEFECT: "defect", None: "not sure"}


def write_label_studio(frames: Iterable[ExportedFrame], out: Path, kinds: Iterable[str]) -> int:
    """Write tasks, the pictures beside them, and the labelling interface; how many tasks there are.

    All frames go out, those that nobody has answered about among them, with the line's verdict as a
    prediction. The pictures are addressed as local files under the parent of ``out``.

    Args:
        frames: what is handed out.
        out: the folder; it is there.
        kinds: kinds of defects that are offered.
    """
    rows: list[tuple[str, ExportedFrame]] = []
    tasks = []
    for frame in frames:
        file = f"images/{frame.name}"
        copy_picture(frame, out / file)
        rows.append((file, frame))
        tasks.append(_task(frame, f"/data/local-files/?d={out.name}/{file}"))
    write_json(out / TASKS, tasks)
    (out / CONFIG).write_text(_interface(sorted({*kinds, *(f.kind for _, f in rows)})), encoding="utf-8")
    write_labels(rows, out)
    return len(rows)


def _task(frame: ExportedFrame, address: str) -> dict[str, Any]:
    kept = frame.reviewed.frame
    told = msgspec.to_builtins(exported_label("", frame))
    data = {"image": address, **{key: told[key] for key in ("frame", "sha256", "line", "part", "use")}}
    task: dict[str, Any] = {
        "data": data,
        "predictions": [
            {"model_version": f"{kept.line} v{kept.version}", "result": [_choice(kept.label)]},
        ],
    }
    if frame.reviewed.settled is not None:
        marks = list(_shapes(frame)) if frame.reviewed.settled == DEFECT else []
        task["annotations"] = [{"result": [_choice(frame.reviewed.settled), *marks]}]
    return task


def _choice(label: int | None) -> dict[str, Any]:
    value = {"choices": [_CHOICES[label]]}
    return {"from_name": "label", "to_name": "image", "type": "choices", "value": value}


def _shapes(frame: ExportedFrame) -> Iterator[dict[str, Any]]:
    """Boxes as they are; brush and outlines as polygons."""
    place = frame.reviewed.place
    if place is None:
        return
    size = {"original_width": frame.width, "original_height": frame.height, "to_name": "image"}
    across, down = 100 / frame.width, 100 / frame.height
    for x0, y0, x1, y1 in place.boxes:
        value = {"x": x0 * across, "y": y0 * down, "width": (x1 - x0) * across, "height": (y1 - y0) * down}
        yield {
            **size,
            "from_name": "box",
            "type": "rectanglelabels",
            "value": {**value, "rotation": 0, "rectanglelabels": [frame.kind]},
        }
    painted = msgspec.structs.replace(place, boxes=())
    for outline in mask_outlines(marked_pixels(painted, frame.width, frame.height)):
        points = [[x * across, y * down] for x, y in outline]
        yield {
            **size,
            "from_name": "outline",
            "type": "polygonlabels",
            "value": {"points": points, "closed": True, "polygonlabels": [frame.kind]},
        }


def _interface(kinds: list[str]) -> str:
    labels = "".join(f"<Label value={quoteattr(kind)}/>" for kind in kinds)
    choices = "".join(f"<Choice value={quoteattr(word)}/>" for word in _CHOICES.values())
    return (
        '<View><Image name="image" value="$image" zoom="true"/>'
        f'<Choices name="label" toName="image" required="true">{choices}</Choices>'
        f'<RectangleLabels name="box" toName="image">{labels}</RectangleLabels>'
        f'<PolygonLabels name="outline" toName="image">{labels}</PolygonLabels>'
        f'<BrushLabels name="brush" toName="image">{labels}</BrushLabels></View>\n'
    )


class _Result(msgspec.Struct):
    type: str = ""
    value: dict[str, Any] = {}
    original_width: int = 0
    original_height: int = 0


class _Annotation(msgspec.Struct):
    result: list[_Result] = []
    completed_by: int | str | dict[str, Any] | None = None
    was_cancelled: bool = False


class _Task(msgspec.Struct):
    data: dict[str, Any] = {}
    annotations: list[_Annotation] = []


def is_label_studio(path: Path) -> bool:
    """Whether a file may be an export of Label Studio: a JSON list of tasks."""
    if not path.is_file() or path.suffix.lower() != ".json":
        return False
    with path.open("rb") as f:
        return f.read(64).lstrip()[:1] == b"["


def read_label_studio(path: Path, person: str) -> Iterator[GivenLabel]:
    """The labels of a JSON export, one for each annotation.

    Args:
        path: what Label Studio exported as JSON.
        person: who answered, where an annotation does not say it.

    Raises:
        ReviewError: the file is no such export, or a mark cannot be read.
    """
    try:
        tasks = decode(read_text(path, most=MOST_JSON, error=ReviewError), list[_Task])
    except (msgspec.DecodeError, UnicodeDecodeError) as e:
        raise ReviewError(f"{path} is no export of Label Studio: {e}", "export the project as JSON") from e
    for number, task in enumerate(tasks, 1):
        where = f"{path}, task {number}"
        frame = str(task.data.get("frame") or _file_in(task.data))
        for annotation in task.annotations:
            if annotation.was_cancelled:
                continue
            answer = _answer(annotation, where)
            if answer is not None:
                yield GivenLabel(
                    frame=frame,
                    sha256=str(task.data.get("sha256", "")),
                    person=_person(annotation.completed_by) or person,
                    answer=answer,
                    where=where,
                )


def _file_in(data: dict[str, Any]) -> str:
    """The frame's id by the name of the picture's file."""
    for value in data.values():
        if isinstance(value, str) and "/" in value:
            parts = urlsplit(value)
            named = parse_qs(parts.query).get("d", [parts.path])[0]
            return PurePosixPath(named).stem
    return ""


def _person(told: int | str | dict[str, Any] | None) -> str:
    if isinstance(told, dict):
        return str(told.get("email") or told.get("username") or told.get("id") or "")
    return "" if told is None else str(told)


def _answer(annotation: _Annotation, where: str) -> ReviewAnswer | None:
    """What an annotation says; None where it says nothing."""
    words = [str(one) for result in annotation.result for one in result.value.get("choices", [])]
    boxes: list[Box] = []
    outlines: list[Points] = []
    kinds: list[str] = []
    for result in annotation.result:
        if result.type in _READERS:
            more_boxes, more_outlines = _READERS[result.type](result, where)
            boxes += more_boxes
            outlines += more_outlines
            kinds += [str(kind) for kind in result.value.get(result.type, [])]
    label, kind = _meant(words, where)
    named = kind or next((stated_kind(one) for one in kinds if stated_kind(one)), "")
    marked = bool(boxes or outlines)
    if not words and not marked:
        return None
    if not words:
        label = DEFECT
    place = MarkedPlace(boxes=tuple(boxes), outlines=tuple(outlines)) if marked and label == DEFECT else None
    return ReviewAnswer(label=label, kind=named if label == DEFECT else "", place=place)


def _meant(words: list[str], where: str) -> tuple[int | None, str]:
    """The label of the choices, and the kind where a choice is one."""
    goods = [word for word in words if is_good_name(word)]
    defects = [word for word in words if not is_good_name(word) and not _is_unsure(word)]
    if goods and defects:
        raise ReviewError(f"{where}: the choices {goods[0]} and {defects[0]} contradict", "keep one of them")
    if goods:
        return GOOD, ""
    if defects:
        return DEFECT, next((stated_kind(word) for word in defects if not is_defect_name(word)), "")
    return None, ""


def _is_unsure(word: str) -> bool:
    return is_unknown_name(word) or word.strip().lower() in ("not sure", "")


def _rectangle(result: _Result, where: str) -> tuple[list[Box], list[Points]]:
    value = _numbers(result.value, ("x", "y", "width", "height"), where)
    width, height = _size(result, where)
    x0, y0 = value["x"] * width / 100, value["y"] * height / 100
    x1, y1 = x0 + value["width"] * width / 100, y0 + value["height"] * height / 100
    turn = math.radians(float(result.value.get("rotation") or 0.0))
    if turn:
        corners = ((x0, y0), (x1, y0), (x1, y1), (x0, y1))
        cos, sin = math.cos(turn), math.sin(turn)
        return [], [
            tuple(
                (x0 + (x - x0) * cos - (y - y0) * sin, y0 + (x - x0) * sin + (y - y0) * cos)
                for x, y in corners
            )
        ]
    return [(math.floor(x0), math.floor(y0), math.ceil(x1), math.ceil(y1))], []


def _polygon(result: _Result, where: str) -> tuple[list[Box], list[Points]]:
    width, height = _size(result, where)
    try:
        points = tuple((float(x) * width / 100, float(y) * height / 100) for x, y in result.value["points"])
    except (KeyError, TypeError, ValueError) as e:
        raise ReviewError(f"{where}: a polygon has no points", "export again from Label Studio") from e
    return [], [points]


def _brush(result: _Result, where: str) -> tuple[list[Box], list[Points]]:
    width, height = _size(result, where)
    return [], list(mask_outlines(brush_mask(result.value.get("rle") or [], width, height)))


_READERS = {"rectanglelabels": _rectangle, "polygonlabels": _polygon, "brushlabels": _brush}


def _size(result: _Result, where: str) -> tuple[int, int]:
    if result.original_width < 1 or result.original_height < 1:
        raise ReviewError(f"{where}: a mark does not say how large its picture is", "export again as JSON")
    return result.original_width, result.original_height


def _numbers(value: dict[str, Any], names: tuple[str, ...], where: str) -> dict[str, float]:
    found = {name: value.get(name) for name in names}
    if not all(isinstance(one, int | float) and math.isfinite(one) for one in found.values()):
        raise ReviewError(f"{where}: a box lacks a number", "export again from Label Studio")
    return {name: float(one) for name, one in found.items() if isinstance(one, int | float)}
