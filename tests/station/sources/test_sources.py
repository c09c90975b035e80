"""Frames come in once each, none half written, of a camera the newest; a source that hangs can be stopped."""

from __future__ import annotations

import os
import socket
import threading
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from saec.errors import SpoolError, SpoolFullError
from saec.station.sources import CameraSource, FolderSource, VideoSource
from saec.station.sources import camera_reader as camera
from saec.station.sources.camera_reader import LatestFrame
from saec.station.sources.frame_source import SourceHooks
from saec.station.sources.watched_folder import WatchedFolder
from saec.station.storage.records import NewFrame, Receipt
from saec.station.threads import Stopping
from saec.station.triggers.trigger_board import TriggerBoard
from tests.station.station_fakes import png


class Taken:
    """Stands for the spool: keeps what it is given, as often as it has room."""

    def __init__(self, room: int = 10**9) -> None:
        self.frames: list[tuple[NewFrame, bytes]] = []
        self.room = room
        self.refusals: list[Any] = []
        self.alarms: list[Any] = []
        self.remembered: list[Any] = []
        self.counts: Counter[str] = Counter()
        self.enough, self.full = threading.Event(), threading.Event()

    def accept(self, frame: NewFrame, data: bytes) -> Receipt:
        if len(self.frames) >= self.room:
            self.full.set()
            raise SpoolFullError("full")
        self.frames.append((frame, data))
        if len(self.frames) >= 3:
            self.enough.set()
        return Receipt(len(self.frames), "x")

    def hooks(self) -> SourceHooks:
        return SourceHooks(self.accept, self.refused, self.alarm, self.remember, TriggerBoard(), self.count)

    def count(self, what: str, more: int) -> None:
        self.counts[what] += more

    def remember(self, line: str, keys: Sequence[str]) -> None:
        self.remembered += [(line, key) for key in keys]

    def refused(self, source: str, reason: str, kind: str = "refused") -> None:
        self.refusals.append(reason)

    def alarm(self, kind: str, text: str) -> None:
        self.alarms.append((kind, text))


def folder(tmp_path: Path, taken: Taken, **more: object) -> WatchedFolder:
    (tmp_path / "in").mkdir(exist_ok=True)
    settings = FolderSource(name="src", line="cell", path=tmp_path / "in", **more)  # type: ignore[arg-type]
    source = settings.make_source(taken.hooks())
    assert isinstance(source, WatchedFolder)
    return source


def test_a_part_is_named_by_its_file(tmp_path: Path) -> None:
    taken = Taken()
    source = folder(tmp_path, taken, settle_s=0.5, part_pattern="^(?P<part>A[0-9]+)/")
    for name in ("A1042/front.png", "front.png"):
        path = tmp_path / "in" / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(png(len(name)))
    source.look(0.0)
    source.look(1.0)
    assert {frame.part for frame, _ in taken.frames} == {"A1042", ""}


def test_a_file_is_read_when_it_has_settled_and_once(tmp_path: Path) -> None:
    taken = Taken()
    source = folder(tmp_path, taken, settle_s=1.0)
    path = tmp_path / "in" / "sub" / "a.png"
    path.parent.mkdir()
    path.write_bytes(b"half")
    source.look(0.0)
    path.write_bytes(png(1))
    for now in (0.9, 1.8):
        source.look(now)
        assert taken.frames == []
    source.look(2.0)
    source.look(9.0)
    ((frame, data),) = taken.frames
    assert data == png(1)
    assert (frame.line, frame.source, frame.suffix) == ("cell", "src", ".png")
    assert not path.exists()
    assert taken.remembered == []


def test_a_folder_that_is_gone_is_told_once_a_spell_and_watched_again(tmp_path: Path) -> None:
    taken = Taken()
    source = folder(tmp_path, taken, settle_s=0.5)
    for spell in (1, 2):
        (tmp_path / "in").rmdir()
        for now in (1.0, 2.0):
            source.look(10 * spell + now)
        assert source.state == "lost"
        assert [kind for kind, _ in taken.alarms] == ["folder"] * spell
        (tmp_path / "in").mkdir()
        source.look(10 * spell + 3.0)
        assert source.state == "watching"
    assert str(tmp_path / "in") in taken.alarms[0][1]
    (tmp_path / "in" / "a.png").write_bytes(png(1))
    source.look(30.0)
    source.look(31.0)
    assert len(taken.frames) == 1


def test_thumbnails_of_a_file_server_are_no_frames(tmp_path: Path) -> None:
    taken = Taken()
    source = folder(tmp_path, taken, after="keep")
    for name in ("@eaDir/a.png/THUMB_XL.png", "#recycle/b.png", "sub/@eaDir/c.png", "$RECYCLE.BIN/d.png"):
        path = tmp_path / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(png(2))
    (tmp_path / "in" / "a.png").write_bytes(png(1))
    for now in (0.0, 1.0, 2.0, 3.0):
        source.look(now)
    assert [data for _, data in taken.frames] == [png(1)]
    assert taken.refusals == []


@pytest.mark.parametrize(("after", "left"), [("keep", True), ("delete", False)])
def test_what_becomes_of_a_file(tmp_path: Path, after: str, left: bool) -> None:
    taken = Taken()
    source = folder(tmp_path, taken, after=after)
    (tmp_path / "in" / "a.png").write_bytes(png(1))
    for now in (0.0, 1.0, 2.0, 3.0):
        source.look(now)
    assert len(taken.frames) == 1
    assert (tmp_path / "in" / "a.png").exists() is left


def test_a_file_that_cannot_be_removed_is_remembered_and_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path, **_: object) -> None:
        raise OSError(30, "Read-only file system", str(path))

    taken = Taken()
    source = folder(tmp_path, taken)
    for name in "ab":
        (tmp_path / "in" / f"{name}.png").write_bytes(png(1))
    monkeypatch.setattr(os, "unlink", refuse)
    for now in (0.0, 1.0, 2.0, 3.0):
        source.look(now)
    assert len(taken.frames) == 2
    assert taken.remembered == [("cell", frame.key) for frame, _ in taken.frames]
    ((kind, text),) = taken.alarms
    assert kind == "folder"
    assert str(tmp_path / "in") in text
    assert 'after = "keep"' in text


def test_a_file_that_takes_the_name_of_one_that_was_accepted_is_not_removed(tmp_path: Path) -> None:
    path = tmp_path / "in" / "a.png"

    class Swapping(Taken):
        def accept(self, frame: NewFrame, data: bytes) -> Receipt:
            if not self.frames:
                path.write_bytes(png(1) + b"longer")
            return super().accept(frame, data)

    taken = Swapping()
    source = folder(tmp_path, taken)
    path.write_bytes(png(1))
    for now in (0.0, 1.0, 2.0, 3.0):
        source.look(now)
    assert [data for _, data in taken.frames] == [png(1), png(1) + b"longer"]
    assert not path.exists()


def test_files_that_stay_are_remembered_once_a_day(tmp_path: Path) -> None:
    taken = Taken()
    source = folder(tmp_path, taken, after="keep")
    (tmp_path / "in" / "a.png").write_bytes(png(1))
    for now in (0.0, 1.0, 2.0, 90_000.0, 90_001.0):
        source.look(now)
    assert len(taken.frames) == 1
    assert taken.remembered == [("cell", taken.frames[0][0].key)] * 2


def test_a_refused_file_stays_and_is_tried_again(tmp_path: Path) -> None:
    taken = Taken(room=1)
    source = folder(tmp_path, taken)
    for name in "ab":
        (tmp_path / "in" / f"{name}.png").write_bytes(png(1))
        os.utime(tmp_path / "in" / f"{name}.png", ns=(0, ord(name)))
    source.look(0.0)
    assert source.look(1.0)
    assert [f.name for f in (tmp_path / "in").iterdir()] == ["b.png"]
    assert taken.refusals == []  # the spool's owner has counted it
    taken.room = 2
    assert not source.look(2.0)
    assert [frame.key.split("@")[0] for frame, _ in taken.frames] == ["src/a.png", "src/b.png"]


def test_names_that_are_no_image_or_still_being_written_are_left(tmp_path: Path) -> None:
    taken = Taken()
    source = folder(tmp_path, taken)
    for name in (".a.png", "notes.txt"):
        (tmp_path / "in" / name).write_bytes(png(1))
    (tmp_path / "in" / "link.png").symlink_to("/etc/hostname")
    source.look(0.0)
    source.look(5.0)
    assert taken.frames == []


def test_a_pipe_is_no_file_and_a_name_need_not_be_utf8(tmp_path: Path) -> None:
    taken = Taken()
    source = folder(tmp_path, taken)
    os.mkfifo(tmp_path / "in" / "pipe.png")  # whoever opens it waits for a writer
    Path(os.fsdecode(os.fsencode(tmp_path / "in") + b"/bad\xff.png")).write_bytes(png(1))
    source.look(0.0)
    source.look(5.0)
    ((frame, _),) = taken.frames
    assert frame.key.startswith("src/bad\\udcff.png@")
    assert frame.key.encode()
    assert [path.name for path in (tmp_path / "in").iterdir()] == ["pipe.png"]


def test_the_newest_frame_wins() -> None:
    latest = LatestFrame()
    for i in range(3):
        latest.put(np.full((1, 1, 3), i, np.uint8), float(i))
    taken = latest.take(0.0)
    assert taken is not None
    image, captured = taken
    assert (image[0, 0, 0], captured, latest.dropped) == (2, 2.0, 2)
    assert latest.take(0.0) is None


@pytest.fixture
def video(tmp_path: Path) -> Path:
    path = tmp_path / "v.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 25.0, (64, 48))
    assert writer.isOpened()
    for i in range(10):
        writer.write(np.full((48, 64, 3), 20 * i, np.uint8))
    writer.release()
    return path


def test_every_nth_frame_of_a_video_once_and_again_when_refused(video: Path) -> None:
    taken = Taken()
    settings = VideoSource(name="v", line="cell", path=video, every=4)
    settings.make_source(taken.hooks()).run(Stopping())
    means = [cv2.imdecode(np.frombuffer(data, np.uint8), 1).mean() for _, data in taken.frames]
    assert means == pytest.approx([0, 80, 160], abs=6)
    assert len({frame.key for frame, _ in taken.frames}) == 3
    missing = VideoSource(name="v", line="cell", path=video.with_name("gone.avi"))
    missing.make_source(taken.hooks()).run(Stopping())
    assert "not a video" in taken.refusals[-1]


def run_in_thread(body: object, stopping: Stopping) -> threading.Thread:
    thread = threading.Thread(target=body.run, args=(stopping,), daemon=True)  # type: ignore[attr-defined]
    thread.start()
    return thread


def test_a_camera_that_ends_is_opened_again(video: Path) -> None:
    taken, stopping = Taken(), Stopping()
    settings = CameraSource(name="c", line="cell", address=str(video), interval_s=0.01)
    thread = run_in_thread(settings.make_source(taken.hooks()), stopping)
    assert taken.enough.wait(30)
    stopping.set()
    thread.join(60)
    assert not thread.is_alive()


def test_a_camera_goes_on_past_a_full_spool_and_counts_no_refusal_twice(video: Path) -> None:
    taken, stopping = Taken(room=0), Stopping()
    settings = CameraSource(name="c", line="cell", address=str(video), interval_s=0.01)
    thread = run_in_thread(settings.make_source(taken.hooks()), stopping)
    assert taken.full.wait(30)
    taken.room = 10**9
    assert taken.enough.wait(30)
    stopping.set()
    thread.join(60)
    assert not thread.is_alive()
    assert taken.refusals == []  # whoever takes frames has counted it


def test_a_camera_that_is_not_there_raises_one_alarm(tmp_path: Path) -> None:
    taken = Taken()
    settings = CameraSource(name="c", line="cell", address=str(tmp_path / "none"), open_timeout_s=0.1)
    rests: list[float] = []

    class Impatient(Stopping):
        def wait(self, seconds: float) -> bool:
            rests.append(seconds)
            if len(rests) == 3:
                self.set()
            return self.is_set()

    stopping = Impatient()
    source = settings.make_source(taken.hooks())
    source.run(stopping)
    assert rests == [1.0, 2.0, 4.0]
    assert taken.alarms == [("camera", "c gives no frames; the station opens it again and again")]
    assert source.state == "lost"


def test_a_camera_that_hangs_can_be_stopped(tmp_path: Path) -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        address = f"rtsp://127.0.0.1:{server.getsockname()[1]}/x"
        settings = CameraSource(name="c", line="cell", address=address, open_timeout_s=60.0)
        taken, stopping = Taken(), Stopping()
        thread = run_in_thread(
            settings.make_source(taken.hooks()),
            stopping,
        )
        server.settimeout(60)
        connection, _ = server.accept()  # the reader is in the driver now, and will hear nothing
        stopping.set()
        thread.join(40)  # less than the driver's own patience
        assert not thread.is_alive()
        connection.close()
    assert taken.frames == []


def test_a_driver_that_hangs_costs_one_reader_and_is_used_again_when_it_comes_back(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    tick = threading.Event()

    class Capture:
        """Gives one frame, then hangs until its driver is let go; from then on it gives frames."""

        opened, driver = 0, threading.Event()

        def __init__(self, *_: object) -> None:
            Capture.opened += 1
            self.given = False

        def read(self) -> tuple[bool, np.ndarray]:
            if self.given and not self.driver.is_set():
                self.driver.wait(60)
                return False, np.zeros((0, 0, 3), np.uint8)
            self.given = True
            tick.wait(0.001)
            return True, np.full((8, 8, 3), 99, np.uint8)

        def release(self) -> None:
            pass

    monkeypatch.setattr(cv2, "VideoCapture", Capture)
    monkeypatch.setattr(camera, "_FAREWELL", 0.01)
    taken = Taken()
    settings = CameraSource(name="c", line="cell", address="0", interval_s=0.01, read_timeout_s=0.02)
    source = settings.make_source(
        SourceHooks(taken.accept, taken.refused, taken.alarm, taken.remember, TriggerBoard(), taken.count)
    )
    stopping = Stopping()
    thread = run_in_thread(source, stopping)
    while source.state != "hangs":
        tick.wait(0.01)
    for _ in range(20):  # as many looks as would have opened it again and again
        tick.wait(0.01)
    assert (Capture.opened, len(taken.frames), source.state) == (1, 1, "hangs")
    assert [kind for kind, text in taken.alarms if "hangs in its driver" in text] == ["camera"]
    Capture.driver.set()
    assert taken.enough.wait(60)
    assert Capture.opened == 2
    stopping.set()
    thread.join(60)
    assert not thread.is_alive()


def test_a_video_at_its_own_pace_waits_for_each_frame(video: Path) -> None:
    taken, waits = Taken(), []

    class Paced(Stopping):
        def wait(self, seconds: float) -> bool:
            waits.append(seconds)
            return self.is_set()

    settings = VideoSource(name="v", line="cell", path=video, realtime=True)
    source = settings.make_source(taken.hooks())
    source.run(Paced())
    assert (len(taken.frames), len(waits), source.state) == (10, 10, "ended")
    assert all(0 <= wait <= number / 25 for number, wait in enumerate(waits))


def test_a_video_waits_for_room_and_gives_no_frame_twice(video: Path) -> None:
    taken = Taken(room=2)

    class Emptied(Stopping):
        """The spool has room for one frame more after each rest."""

        def wait(self, seconds: float) -> bool:
            taken.room += 1
            return self.is_set()

    VideoSource(name="v", line="cell", path=video).make_source(taken.hooks()).run(Emptied())
    assert len({frame.key for frame, _ in taken.frames}) == len(taken.frames) == 10
    assert taken.refusals == []  # whoever takes frames has counted it


def test_a_video_that_waits_for_room_ends_when_told(video: Path) -> None:
    taken = Taken(room=2)

    class Told(Stopping):
        def wait(self, seconds: float) -> bool:
            self.set()
            return True

    source = VideoSource(name="v", line="cell", path=video).make_source(taken.hooks())
    source.run(Told())
    assert (len(taken.frames), source.state) == (2, "playing")


class Picky(Taken):
    """Takes no first frame: it can never be kept."""

    def accept(self, frame: NewFrame, data: bytes) -> Receipt:
        if not self.refusals:
            raise SpoolError("it is no image", "check the camera")
        return super().accept(frame, data)


def test_a_frame_that_cannot_be_kept_is_named_and_the_next_is_taken(video: Path) -> None:
    taken = Picky()
    VideoSource(name="v", line="cell", path=video).make_source(taken.hooks()).run(Stopping())
    assert len(taken.frames) == 9
    assert taken.refusals == ["it is no image (check the camera)"]
    taken, stopping = Picky(), Stopping()
    settings = CameraSource(name="c", line="cell", address=str(video), interval_s=0.01)
    thread = run_in_thread(settings.make_source(taken.hooks()), stopping)
    assert taken.enough.wait(30)
    stopping.set()
    thread.join(60)
    assert len(taken.refusals) == 1
