"""An industrial camera as a source: frames, states, alarms, and a trigger that always learns its end."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import cv2
import msgspec
import numpy as np
import pytest

from saec.data.images.pixels import decode_image
from saec.errors import CameraLostError, MachineError, SaecError
from saec.station.cameras.camera_contract import CameraPicture, IndustrialCamera
from saec.station.cameras.camera_driver import CameraTimes, TakenPicture
from saec.station.cameras.camera_settings import CameraSetup, TriggerMode
from saec.station.recipes.camera_change import FeatureReceiver
from saec.station.sources import IndustrialSource, industrial_reader
from saec.station.sources.frame_source import HANGS
from saec.station.sources.industrial_reader import IndustrialReader, PictureTray
from saec.station.threads import Stopping
from saec.station.triggers.trigger_board import Announced, Trigger, TriggerBoard
from saec.types import Capture
from tests.station.cameras.camera_fakes import FOUND, FakeCamera, lost, picture
from tests.station.sources.test_sources import Taken

BOUND = 30.0


class Bench:
    """A reader of fake cameras, opened one after the other."""

    def __init__(self, *cameras: IndustrialCamera | SaecError, trigger: TriggerMode = "off") -> None:
        self.taken, self.board = Taken(), TriggerBoard()
        self.cameras = iter(cameras)
        self.told = threading.Condition()
        hooks = self.taken.hooks()._replace(alarm=self.alarm, triggers=self.board)
        setup = CameraSetup(backend="aravis", trigger=trigger)
        times = CameraTimes(silence=1e6, step=1e6)
        self.reader = IndustrialReader("cam", "nut", setup, times, hooks, self.open)
        self.stopping = Stopping()

    def alarm(self, kind: str, text: str) -> None:
        with self.told:
            self.taken.alarm(kind, text)
            self.told.notify_all()

    def open(self, _setup: CameraSetup) -> IndustrialCamera:
        found = next(self.cameras, lost())
        if isinstance(found, Exception):
            raise found
        return found

    def until(self, true: Callable[[], bool]) -> None:
        with self.told:
            while not true():
                assert self.told.wait_for(true, 0.02) or self.thread.is_alive()

    def announce(self, number: int, **more: object) -> Announced:
        plain: dict[str, object] = {"plc": "p", "source": "cam", "line": "bolt", "at": 0.0, "due": 1.0}
        return self.board.announce(Trigger(**{**plain, "number": number, **more}))  # type: ignore[arg-type]

    @contextmanager
    def running(self) -> Iterator[Bench]:
        self.thread = threading.Thread(target=self.reader.run, args=(self.stopping,), daemon=True)
        self.thread.start()
        try:
            yield self
        finally:
            self.stopping.set()
            self.thread.join(BOUND)
            assert not self.thread.is_alive()

    @property
    def kinds(self) -> list[str]:
        return [kind for kind, _ in self.taken.alarms]


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(industrial_reader, "_FIRST", 0.01)
    monkeypatch.setattr(industrial_reader, "_NOTED", 0.0)


def sending(*pictures: CameraPicture | Exception) -> FakeCamera:
    camera = FakeCamera()
    for one in pictures:
        camera.coming.put(one)
    return camera


def test_a_frame_has_the_cameras_number_and_time_and_every_bit() -> None:
    with Bench(sending(picture(3, format_name="Mono12p"))).running() as bench:
        bench.until(lambda: len(bench.taken.frames) == 1)
        assert bench.reader.state == "connected"
    ((frame, data),) = bench.taken.frames
    assert frame.capture == Capture(number=3, camera_time=3 / 8)
    assert (frame.line, frame.source, frame.part, frame.recipe) == ("nut", "cam", "", None)
    stored = np.asarray(cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED))
    assert stored.dtype == np.uint16
    assert stored.tolist() == [[3 | 3 << 8 & 0xF00, 3 << 4, 0x303, 0x30]] * 2


def test_a_triggers_frame_has_its_part_recipe_and_line() -> None:
    with Bench(FakeCamera(), trigger="software").running() as bench:
        bench.announce(9, part="A-17", recipe=4)
        bench.until(lambda: len(bench.taken.frames) == 1)
    ((frame, _),) = bench.taken.frames
    assert frame.capture == Capture(plc="p", trigger=9, number=1, camera_time=1 / 8)
    assert (frame.line, frame.part, frame.recipe) == ("bolt", "A-17", 4)


def test_a_lost_camera_is_told_once_a_spell_and_opened_again() -> None:
    first, second = sending(picture(1), lost()), sending(picture(2))
    with Bench(first, lost(), lost(), second).running() as bench:
        bench.until(lambda: len(bench.taken.frames) == 2)
        bench.until(lambda: bench.reader.state == "connected")
        assert bench.kinds == ["camera"]
    assert "no longer answers" in bench.taken.alarms[0][1]
    assert first.closed == second.closed == 1


def test_refused_settings_are_a_state_of_their_own() -> None:
    refusing = MachineError("the camera has no feature Gian", "use one such as Gain")
    with Bench(refusing).running() as bench:
        bench.until(lambda: bench.kinds[:1] == ["camera-settings"])
        assert "no feature Gian" in bench.taken.alarms[0][1]
        assert "Gain" in bench.taken.alarms[0][1]
        bench.until(lambda: bench.reader.state == "lost")  # it is opened again, and is gone then


def test_packets_that_are_lost_are_counted_and_told_and_the_state_says_so() -> None:
    camera = sending(picture(1), picture(fault="packets are missing"), picture(5))
    with Bench(camera).running() as bench:
        bench.until(lambda: bench.taken.counts["incomplete"] == 1 and bench.taken.counts["lost"] == 0)
        bench.until(lambda: len(bench.taken.frames) == 2)
        assert set(bench.kinds) == {"camera-pictures"}
        bench.until(lambda: bench.reader.state == "connected")
    assert "packets are missing" in bench.taken.alarms[0][1]


def test_another_address_of_the_same_camera_is_told() -> None:
    moved = msgspec.structs.replace(FOUND, address="10.0.0.99")
    again = FakeCamera(moved)
    again.coming.put(picture(2))
    with Bench(sending(picture(1), lost()), again).running() as bench:
        bench.until(lambda: "camera-address" in bench.kinds)
    ((_, text),) = [alarm for alarm in bench.taken.alarms if alarm[0] == "camera-address"]
    assert "10.0.0.99" in text
    assert "10.0.0.7" in text


def test_a_trigger_without_a_camera_fails_at_once() -> None:
    with Bench(trigger="hardware").running() as bench:
        bench.until(lambda: bench.kinds == ["camera"])
        announced = bench.announce(1)
        assert announced.wait(BOUND)
        assert announced.failure == "the camera of cam is lost"
        bench.until(lambda: bench.taken.counts["missed"] == 1)


def test_a_trigger_whose_frame_is_refused_learns_why() -> None:
    bench = Bench(FakeCamera(), trigger="software")
    bench.taken.room = 0
    with bench.running():
        announced = bench.announce(1)
        assert announced.wait(BOUND)
        assert announced.failure == "the station has no room"


def test_a_driver_that_hangs_is_told_and_not_opened_twice() -> None:
    free = threading.Event()

    class Hanging(FakeCamera):
        def fetch(self, seconds: float) -> CameraPicture | None:
            free.wait(BOUND)
            raise lost()

    bench = Bench(Hanging(), sending(picture(1)), trigger="sensor")
    bench.reader._times = CameraTimes(step=0.01)
    with bench.running():
        bench.until(lambda: bench.reader.state == HANGS)
        assert "hangs in its driver" in bench.taken.alarms[0][1]
        assert bench.taken.frames == []
        free.set()
        bench.until(lambda: len(bench.taken.frames) == 1)


@pytest.mark.parametrize(
    ("more", "key"),
    [
        ({"backend": "aravis", "producer": "/x.cti"}, "producer"),
        ({"roi": (0, 0, 0, 10)}, "roi"),
        ({"roi": (-1, 0, 10, 10)}, "roi"),
    ],
)
def test_settings_that_contradict_themselves(more: dict[str, object], key: str) -> None:
    plain: dict[str, object] = {"name": "cam", "line": "nut", "backend": "genicam"}
    source = IndustrialSource(**{**plain, **more})  # type: ignore[arg-type]
    assert [fault[0] for fault in source.faults()] == [key]
    assert list(IndustrialSource(**plain).faults()) == []  # type: ignore[arg-type]


def test_a_recipes_features_are_set_between_pictures_and_again_after_a_loss() -> None:
    first, second = sending(picture(1)), FakeCamera()
    with Bench(first, second).running() as bench:
        bench.until(lambda: len(bench.taken.frames) == 1)
        bench.reader.apply_features({"ExposureTime": 50})
        assert first.done[-1] == ("ExposureTime", 50.0)
        assert first.restarts == 1
        first.coming.put(lost())
        bench.until(lambda: ("ExposureTime", 50.0) in second.done)
        bench.until(lambda: bench.reader.state == "connected")
        with pytest.raises(MachineError, match="no feature Gian"):
            bench.reader.apply_features({"Gian": 1})
        assert isinstance(bench.reader, FeatureReceiver)


def test_no_picture_of_the_older_features_comes_after_they_were_set() -> None:
    bench = Bench(trigger="sensor")
    tray = PictureTray(0.0, bench.taken.hooks()._replace(triggers=bench.board))
    announced = bench.announce(1)
    trigger = bench.board.claim("cam")
    tray.put(TakenPicture(picture(1), 0.0, trigger))
    tray.set_anew()
    assert tray.take() is None
    assert announced.wait(0)
    assert "set anew" in announced.failure


def test_a_camera_that_is_away_cannot_be_set() -> None:
    with pytest.raises(CameraLostError, match="is lost"):
        Bench().reader.apply_features({"ExposureTime": 50})


@pytest.mark.parametrize(("name", "suffix"), [("Mono8", ".pgm"), ("Mono12p", ".pgm"), ("RGB8", ".ppm")])
def test_frames_that_are_stored_uncompressed_are_read_as_the_line_reads_them(name: str, suffix: str) -> None:
    frames = []
    for stored in ("png", "pnm"):
        bench = Bench(sending(picture(3, format_name=name)))
        bench.reader._stored = stored
        with bench.running():
            bench.until(lambda bench=bench: len(bench.taken.frames) == 1)  # type: ignore[misc]
        frames += bench.taken.frames
    (_, png), (frame, pnm) = frames
    assert frame.suffix == suffix
    assert np.array_equal(decode_image(png, bits=12), decode_image(pnm, bits=12))
    assert decode_image(png, bits=12).any()


@pytest.mark.parametrize("trigger", ["off", "sensor", "software", "hardware"])
def test_a_plc_may_name_only_a_camera_that_waits_for_its_trigger(trigger: TriggerMode) -> None:
    source = IndustrialSource(name="cam", line="nut", backend="aravis", trigger=trigger)
    assert (source.by_itself() == "") == (trigger in ("software", "hardware"))
