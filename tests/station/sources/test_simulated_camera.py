"""A simulated camera: each trigger its own part's picture, and what goes wrong harms no other trigger."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

import cv2
import msgspec
import numpy as np
import pytest

from saec.errors import DataError
from saec.station.sources import SimulatedCameraSource
from saec.station.sources.frame_source import SourceHooks
from saec.station.sources.played_pictures import PlayedOrder, pictures_in
from saec.station.threads import Stopping
from saec.station.triggers.trigger_board import Announced, Trigger, TriggerBoard
from tests.station.sources.test_sources import Taken
from tests.station.station_fakes import png

LONG = 30.0


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number, name in enumerate(["7/A1.png", "7/A2.png", "8/B1.png"]):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(png(number))
    return tmp_path


def settings(folder: Path, **given: Any) -> SimulatedCameraSource:
    told = {"kind": "simulated", "name": "cam", "line": "l", "path": folder, "exposure_s": 0, **given}
    return msgspec.convert(told, SimulatedCameraSource)


class Camera:
    """A camera that runs, and what it has handed over."""

    def __init__(self, one: SimulatedCameraSource) -> None:
        self.board, self.taken = TriggerBoard(), Taken()
        self._number = 0
        self._stopping = Stopping()
        hooks = SourceHooks(
            self._accept,
            self.taken.refused,
            self.taken.alarm,
            self.taken.remember,
            self.board,
            self.taken.count,
        )
        self.body = one.make_source(hooks)
        self._thread = threading.Thread(target=self.body.run, args=(self._stopping,), daemon=True)

    def _accept(self, frame: Any, data: bytes) -> Any:
        receipt = self.taken.accept(frame, data)
        self.board.taken(frame.capture, receipt.seq)
        return receipt

    def trigger(self, part: str = "") -> Announced:
        self._number += 1
        now = time.perf_counter()
        return self.board.announce(
            Trigger(plc="plc", number=self._number, source="cam", line="l", at=now, due=now + 1, part=part)
        )

    def until(self, what: str, count: int) -> None:
        end = time.monotonic() + LONG
        while self.taken.counts[what] < count:
            assert time.monotonic() < end
            time.sleep(0.001)

    @contextmanager
    def running(self) -> Iterator[None]:
        self._thread.start()
        yield
        self._stopping.set()
        self._thread.join(LONG)


def test_a_trigger_gets_the_picture_of_its_part_and_else_the_next_one(folder: Path) -> None:
    camera = Camera(settings(folder, part_from="name"))
    with camera.running():
        for part in ("B1", "A2~3", "unknown", ""):
            announced = camera.trigger(part)
            assert announced.wait(LONG)
            assert announced.failure == ""
    files = [frame.key.rpartition("/")[2] for frame, _ in camera.taken.frames]
    assert files == ["B1.png", "A2.png", "A1.png", "A2.png"]
    frame, data = camera.taken.frames[0]
    assert data == (folder / "8/B1.png").read_bytes()
    assert (frame.part, frame.capture.plc, frame.capture.trigger, frame.capture.number) == ("B1", "plc", 1, 1)


def test_a_missed_picture_leaves_its_trigger_open_and_takes_the_next(folder: Path) -> None:
    camera = Camera(settings(folder, mishaps={"missed": 1.0}))
    with camera.running():
        announced = camera.trigger()
        assert not announced.wait(0.03)
        assert camera.board.withdraw(announced)
    assert camera.taken.frames == []


def test_a_late_picture_is_a_stray_and_never_the_next_triggers(folder: Path) -> None:
    camera = Camera(settings(folder, part_from="name", mishaps={"late": 1.0, "late_s": 0.05}))
    with camera.running():
        late = camera.trigger("A1")
        assert not late.wait(0.02)
        camera.board.withdraw(late)
        on_time = camera.trigger("B1")
        camera.until("stray", 1)
        assert on_time.wait(LONG)
    assert [frame.part for frame, _ in camera.taken.frames] == ["B1"]
    assert camera.taken.frames[0][0].key.endswith("B1.png")


def test_a_picture_that_comes_twice_is_taken_once(folder: Path) -> None:
    camera = Camera(settings(folder, mishaps={"doubled": 1.0}))
    with camera.running():
        assert camera.trigger().wait(LONG)
        camera.until("stray", 1)
    assert len(camera.taken.frames) == 1


def test_black_and_blurred_pictures_keep_their_size(folder: Path) -> None:
    seen = {}
    for mishap in ("black", "blurred"):
        camera = Camera(settings(folder, mishaps={mishap: 1.0}))
        with camera.running():
            assert camera.trigger().wait(LONG)
        data = camera.taken.frames[0][1]
        seen[mishap] = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    original = cv2.imread(str(folder / "7/A1.png"))
    assert seen["black"].shape == seen["blurred"].shape == original.shape
    assert seen["black"].max() == 0
    assert seen["blurred"].std() <= original.std()


def test_without_triggers_it_plays_by_itself_with_parts_and_recipes(folder: Path) -> None:
    camera = Camera(settings(folder, per_s=1000, loop=False, part_from="name"))
    camera.body.run(Stopping())
    told = [(frame.part, frame.recipe, frame.capture.trigger) for frame, _ in camera.taken.frames]
    assert told == [("A1", 7, None), ("A2", 7, None), ("B1", 8, None)]
    assert camera.body.state == "ended"


def test_a_camera_without_pictures_says_so(tmp_path: Path) -> None:
    camera = Camera(settings(tmp_path))
    camera.body.run(Stopping())
    assert camera.body.state == "lost"
    assert "holds no pictures" in camera.taken.alarms[0][1]


def test_a_table_says_order_parts_and_recipes(folder: Path) -> None:
    table = folder / "parts.csv"
    table.write_text("file,part,recipe\n8/B1.png,X,3\n7/A1.png,Y,\n")
    pictures = pictures_in(folder, table=table)
    assert [(one.path.name, one.part, one.recipe) for one in pictures] == [
        ("B1.png", "X", 3),
        ("A1.png", "Y", None),
    ]
    parts = [one.part for one in islice(PlayedOrder(pictures), 5)]
    assert parts == ["X", "Y", "X~2", "Y~2", "X~3"]
    table.write_text("file,part,recipe\ngone.png,X,3\n")
    with pytest.raises(DataError, match="gone"):
        pictures_in(folder, table=table)


def test_a_random_order_is_the_same_for_the_same_seed(folder: Path) -> None:
    pictures = pictures_in(folder, part_from="name")
    orders = [
        [one.part for one in islice(PlayedOrder(pictures, "random", seed=seed), 30)] for seed in (1, 1, 2)
    ]
    assert orders[0] == orders[1] != orders[2]
    assert sorted(orders[0][:3]) == ["A1", "A2", "B1"]


@pytest.fixture
def repeated(tmp_path: Path) -> Path:
    """A folder as many data sets have it: each kind of defect counts its pictures from 000."""
    for name in ("broken/000.png", "broken/001.png", "good/000.png", "good/001.png", "good/002.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(png(9))
    return tmp_path


def test_parts_that_come_twice_are_found_when_the_folder_is_read(repeated: Path) -> None:
    said = r"broken/000\.png and good/000\.png both show the part 000, and 1 other part is repeated as well"
    with pytest.raises(DataError, match=said) as e:
        settings(repeated, part_from="name").pictures()
    assert "`table`" in e.value.remedy
    camera = Camera(settings(repeated, part_from="name"))
    camera.body.run(Stopping())
    assert camera.body.state == "lost"
    assert "both show the part 000" in camera.taken.alarms[0][1]
    assert "both show the part 000" in next(iter(settings(repeated, part_from="name").notes()))


def test_parts_may_come_twice_where_no_trigger_names_them(repeated: Path) -> None:
    assert len(settings(repeated, part_from="name", per_s=5).pictures()) == 5
    assert list(settings(repeated).notes()) == ["plays 5 pictures"]


def test_a_table_that_names_a_part_twice_is_refused(folder: Path) -> None:
    table = folder / "parts.csv"
    table.write_text("file,part,recipe\n8/B1.png,X,3\n7/A1.png,X,\n")
    with pytest.raises(DataError, match=r"8/B1\.png and 7/A1\.png both show the part X"):
        settings(folder, table=table).pictures()
