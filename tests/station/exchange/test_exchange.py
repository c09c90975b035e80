"""Labels go out in three forms and come back as what they were; no answer is changed, no use is lost."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import cv2
import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image as Pillow
from PIL.ExifTags import Base

from saec.data.dataset import open_dataset
from saec.errors import ReviewError
from saec.station.audit.audit_log import AuditLog
from saec.station.exchange.brush_runs import brush_mask
from saec.station.exchange.exported_frames import LABELS_FILE, ExportedLabel
from saec.station.exchange.label_export import ExportForm, ExportQuery, export_labels
from saec.station.exchange.label_import import LabelImport, dataset_labels, import_labels
from saec.station.exchange.label_studio import CONFIG, TASKS, is_label_studio, read_label_studio
from saec.station.review.place_masks import marked_pixels
from saec.station.review.review_records import MarkedPlace, ReviewAnswer, ReviewFrame, Stroke
from saec.station.review.review_settings import ReviewSettings
from saec.station.review.review_store import ReviewStore

WIDTH, HEIGHT = 64, 48
BOX = MarkedPlace(boxes=((10, 12, 30, 28),))
BRUSH = MarkedPlace(strokes=(Stroke(6.0, ((40.0, 20.0), (52.0, 30.0))),))


def put(store: ReviewStore, seq: int, *, drawn: bool, verdict: int = 0, part: str = "") -> ReviewFrame:
    image = np.full((HEIGHT, WIDTH, 3), seq, np.uint8)
    data = cv2.imencode(".png", image)[1].tobytes()
    name = f"images/{seq}.png"
    (store.folder / "images").mkdir(parents=True, exist_ok=True)
    (store.folder / name).write_bytes(data)
    return store.put(
        ReviewFrame(
            seq=seq,
            frame=f"cell-{seq:010d}",
            line="cell",
            sha256=hashlib.sha256(data).hexdigest(),
            image=name,
            part=part,
            version="1",
            label=verdict,
            decided_by="edge",
            accepted=float(seq),
            why="random" if drawn else "gate",
            probability=0.1 if drawn else None,
            worth=1.0,
            use="prove" if drawn else "teach",
        )
    )


def make(folder: Path) -> ReviewStore:
    """A good and a defect of each use, with places, and one that nobody has answered about."""
    store = ReviewStore(folder, ReviewSettings(second=0.0))
    put(store, 1, drawn=True)
    put(store, 2, drawn=True, verdict=1)
    put(store, 3, drawn=False)
    put(store, 4, drawn=False, verdict=1)
    put(store, 5, drawn=False)
    store.answer("anna", 1, ReviewAnswer(label=0))
    store.answer("anna", 2, ReviewAnswer(label=1, kind="deep scratch", place=BOX))
    store.answer("anna", 3, ReviewAnswer(label=0))
    store.answer("anna", 4, ReviewAnswer(label=1, kind="stain", place=BRUSH))
    return store


def nowhere(frame: str) -> ReviewFrame:
    raise ReviewError(f"no frame {frame}", "none")


def export(store: ReviewStore, folder: Path, form: ExportForm, **query: Any) -> Path:
    out = folder / f"out-{form}"
    asked = ExportQuery(line="cell", **query)
    export_labels(store, AuditLog(folder), asked, form, out, "anna", "engineer")
    return out


def test_mvtec_keeps_what_proves_apart_from_what_teaches(tmp_path: Path) -> None:
    store = make(tmp_path)
    out = export(store, tmp_path, "mvtec")
    items = {item.path.stem: item for item in open_dataset(out).items}
    assert {(stem, item.split, item.label, item.kind) for stem, item in items.items()} == {
        ("cell-0000000001", "test", 0, "good"),
        ("cell-0000000002", "test", 1, "deep scratch"),
        ("cell-0000000003", "train", 0, "good"),
    }
    mask = cv2.imread(str(out / "ground_truth/deep scratch/cell-0000000002_mask.png"), 0)
    assert mask is not None
    assert np.array_equal(mask > 0, marked_pixels(BOX, WIDTH, HEIGHT))
    assert (tmp_path / "out-mvtec-taught-defects" / "stain" / "cell-0000000004.png").is_file()
    rows = (out / LABELS_FILE).read_bytes().splitlines()
    told = {row.frame: row for row in (msgspec.json.decode(row, type=ExportedLabel) for row in rows)}
    assert {frame: row.use for frame, row in told.items()} == {
        f"cell-{n:010d}": "prove" if n < 3 else "teach" for n in (1, 2, 3, 4)
    }
    for row in told.values():
        assert hashlib.sha256((out / row.file).read_bytes()).hexdigest() == row.sha256
    assert [row.what for row in AuditLog(tmp_path).rows()] == ["review.export"]


def test_coco_is_read_back_as_it_was(tmp_path: Path) -> None:
    out = export(make(tmp_path), tmp_path, "coco")
    table = json.loads((out / "test" / "_annotations.coco.json").read_text())
    (mark,) = table["annotations"]
    assert mark["bbox"] == [10, 12, 20, 16]
    assert mark["area"] == 320
    items = {
        item.path.stem: (item.split, item.label)
        for item in open_dataset(out, layout="coco:unmarked=good").items
    }
    assert items == {
        "cell-0000000001": ("test", 0),
        "cell-0000000002": ("test", 1),
        "cell-0000000003": ("train", 0),
        "cell-0000000004": ("train", 1),
    }


@pytest.mark.parametrize("form", ["mvtec", "coco", "label-studio"])
def test_what_went_out_comes_back_as_a_second_opinion(tmp_path: Path, form: ExportForm) -> None:
    store = make(tmp_path)
    out = export(store, tmp_path, form)
    if form == "label-studio":
        assert is_label_studio(out / TASKS)
        labels = list(read_label_studio(out / TASKS, "ben"))
    else:
        labels = list(dataset_labels(out, "ben", layout="coco:unmarked=good" if form == "coco" else "auto"))
    found = import_labels(store, labels, origin="back", admit=nowhere)
    assert found.refused == []
    assert found.taken == len(labels) >= 3
    for label in store.labels("ben"):
        before = next(one for one in store.labels("anna") if one.seq == label.seq).answer
        assert (label.answer.label, label.answer.kind) == (before.label, before.kind)
        assert label.origin == "back"
        if before.place is not None and not (form == "coco" and before.place == BOX):
            assert label.answer.place is not None  # a table of boxes alone does not say which pixels
            one = marked_pixels(before.place, WIDTH, HEIGHT)
            other = marked_pixels(label.answer.place, WIDTH, HEIGHT)
            near = np.ones((3, 3), np.uint8)  # an outline's border pixel may count or not
            assert not (other & ~(cv2.dilate(one.astype(np.uint8), near) > 0)).any()
            assert not ((cv2.erode(one.astype(np.uint8), near) > 0) & ~other).any()
    again = import_labels(store, labels, origin="back", admit=nowhere)
    assert again == LabelImport(taken=0, known=found.taken, refused=[])
    assert len(store.labels("anna", most=50)) == 4


def test_tasks_for_frames_that_wait_carry_the_verdict(tmp_path: Path) -> None:
    out = export(make(tmp_path), tmp_path, "label-studio", unanswered=True)
    tasks = {task["data"]["frame"]: task for task in json.loads((out / TASKS).read_text())}
    waiting = tasks["cell-0000000005"]
    assert "annotations" not in waiting
    assert waiting["predictions"][0]["result"][0]["value"]["choices"] == ["good"]
    assert waiting["data"]["image"] == "/data/local-files/?d=out-label-studio/images/cell-0000000005.png"
    assert 'value="deep scratch"' in (out / CONFIG).read_text()


def studio(path: Path, *results: dict[str, Any], frame: str = "cell-0000000005", **more: Any) -> Path:
    task = {
        "data": {"image": f"/data/local-files/?d=x/{frame}.png"},
        "annotations": [{"result": list(results), **more}],
    }
    path.write_text(json.dumps([task]))
    return path


def shape(kind: str, **value: Any) -> dict[str, Any]:
    return {"type": kind, "original_width": WIDTH, "original_height": HEIGHT, "value": value}


def test_a_label_of_label_studio_is_its_person_s_answer(tmp_path: Path) -> None:
    store = make(tmp_path)
    box = shape(
        "rectanglelabels", x=25.0, y=25.0, width=50.0, height=25.0, rotation=0, rectanglelabels=["dent"]
    )
    path = studio(tmp_path / "p.json", box, completed_by={"email": "ben@plant.example"})
    found = import_labels(store, read_label_studio(path, "nobody"), origin="p.json", admit=nowhere)
    assert found.taken == 1
    (label,) = store.labels("ben@plant.example")
    assert (label.answer.label, label.answer.kind) == (1, "dent")
    assert label.answer.place == MarkedPlace(boxes=((16, 12, 48, 24),))


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        (["good"], ReviewAnswer(label=0)),
        (["defect"], ReviewAnswer(label=1)),
        (["scratch"], ReviewAnswer(label=1, kind="scratch")),
        (["not sure"], ReviewAnswer(label=None)),
    ],
)
def test_choices_are_labels_or_kinds(tmp_path: Path, words: list[str], answer: ReviewAnswer) -> None:
    path = studio(tmp_path / "p.json", {"type": "choices", "value": {"choices": words}})
    (label,) = read_label_studio(path, "ben")
    assert (label.frame, label.person, label.answer) == ("cell-0000000005", "ben", answer)


def test_what_says_nothing_is_no_label(tmp_path: Path) -> None:
    assert list(read_label_studio(studio(tmp_path / "a.json"), "ben")) == []
    cancelled = studio(
        tmp_path / "b.json", {"type": "choices", "value": {"choices": ["good"]}}, was_cancelled=True
    )
    assert list(read_label_studio(cancelled, "ben")) == []


@pytest.mark.parametrize(
    ("result", "what"),
    [
        ({"type": "choices", "value": {"choices": ["good", "defect"]}}, "contradict"),
        ({"type": "rectanglelabels", "value": {"x": 1}}, "how large its picture is|lacks a number"),
        (shape("polygonlabels"), "no points"),
        (shape("brushlabels", rle=[1, 2, 3]), "ends too soon"),
        (shape("brushlabels", rle=[300]), "no byte"),
        (shape("rectanglelabels", x=1, y="a", width=1, height=1), "lacks a number"),
    ],
)
def test_a_damaged_mark_names_its_task(tmp_path: Path, result: dict[str, Any], what: str) -> None:
    path = tmp_path / "p.json"
    path.write_bytes(msgspec.json.encode([{"annotations": [{"result": [result]}]}]))
    with pytest.raises(ReviewError, match=what):
        list(read_label_studio(path, "ben"))


def test_what_is_refused_is_named_and_the_rest_is_taken(tmp_path: Path) -> None:
    store = make(tmp_path)
    labels = [
        *read_label_studio(
            studio(tmp_path / "a.json", shape("choices", choices=["good"]), frame="elsewhere-1"), "ben"
        ),
        *read_label_studio(
            studio(tmp_path / "b.json", shape("choices", choices=["defect"]), frame="cell-0000000001"), "anna"
        ),
        *read_label_studio(studio(tmp_path / "c.json", shape("choices", choices=["good"])), "ben"),
    ]
    found = import_labels(store, labels, origin="x", admit=nowhere)
    assert (found.taken, found.known) == (1, 0)
    assert "no frame elsewhere-1" in found.refused[0]
    assert "you have answered cell-0000000001 already" in found.refused[1]


def test_a_picture_is_measured_as_it_is_judged_turned_as_its_file_says(tmp_path: Path) -> None:
    store = make(tmp_path)
    turned = Pillow.new("RGB", (WIDTH, HEIGHT))
    exif = turned.getexif()
    exif[Base.Orientation] = 6
    turned.save(store.folder / "images" / "2.png", exif=exif)
    table = json.loads((export(store, tmp_path, "coco") / "test" / "_annotations.coco.json").read_text())
    sizes = {image["id"]: (image["width"], image["height"]) for image in table["images"]}
    assert sizes == {1: (WIDTH, HEIGHT), 2: (HEIGHT, WIDTH)}


def test_an_export_never_overwrites(tmp_path: Path) -> None:
    store = make(tmp_path)
    (tmp_path / "out-mvtec").mkdir()
    with pytest.raises(ReviewError, match="exists already"):
        export(store, tmp_path, "mvtec")
    with pytest.raises(ReviewError, match="nothing to export"):
        export_labels(store, AuditLog(tmp_path), ExportQuery(line="other"), "coco", tmp_path / "o", "a", "b")
    assert not (tmp_path / "o").exists()


class BitWriter:
    """Packs bits as thi.ng's rle-pack does."""

    def __init__(self) -> None:
        self.text = ""

    def write(self, value: int, count: int) -> None:
        self.text += f"{value:0{count}b}"

    def code(self) -> list[int]:
        padded = self.text + "0" * (-len(self.text) % 8)
        return [int(padded[at : at + 8], 2) for at in range(0, len(padded), 8)]


@given(st.lists(st.booleans(), min_size=12, max_size=12))
def test_a_brush_is_read_as_it_was_painted(painted: list[bool]) -> None:
    values = [255 * on for on in painted for _ in range(4)]
    bits = BitWriter()
    bits.write(len(values), 32)
    bits.write(7, 5)
    for size in (3, 4, 8, 16):
        bits.write(size - 1, 4)
    at = 0
    while at < len(values):
        end = at
        while end < len(values) and values[end] == values[at]:
            end += 1
        bits.write(1, 1)
        bits.write(2, 2)
        bits.write(end - at - 1, 8)
        bits.write(values[at], 8)
        at = end
    mask = brush_mask(bits.code(), 4, 3)
    assert mask.ravel().tolist() == painted
