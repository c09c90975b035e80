"""Aravis' fake GigE Vision camera, over the loopback network: triggers, unplugging, lost packets.

It needs Debian's packages libaravis-0.8-0 and aravis-tools-cli.
"""

from __future__ import annotations

import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import cv2
import numpy as np
import pytest

from saec.errors import CameraLostError, MachineError
from saec.station.cameras.camera_backends import find_cameras, named_camera, open_camera
from saec.station.cameras.camera_settings import CameraSetup, Region, set_up_camera
from saec.station.cameras.snapshot import take_snapshot
from saec.station.sources import IndustrialSource
from saec.station.sources.industrial_reader import IndustrialReader
from saec.station.threads import Stopping
from saec.station.triggers.trigger_board import Announced, Trigger, TriggerBoard
from tests.station.sources.test_sources import Taken

FAKE = shutil.which("arv-fake-gv-camera-0.8")
BOUND = 60.0

pytestmark = [
    pytest.mark.acceptance,
    pytest.mark.skipif(FAKE is None, reason="apt install libaravis-0.8-0 aravis-tools-cli"),
]


class FakeGigE:
    """The fake camera's process."""

    def __init__(self, serial: str, *options: str) -> None:
        self.serial, self._options = serial, options
        self.plug()

    def plug(self) -> None:
        command = [str(FAKE), "-i", "127.0.0.1", "-s", self.serial, *self._options]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until(lambda: self.answers)

    @property
    def answers(self) -> bool:
        return any(one.serial == self.serial for one in find_cameras("aravis"))

    def unplug(self) -> None:
        self.process.kill()
        self.process.wait()


def until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + BOUND
    while not true():
        assert time.monotonic() < end
        time.sleep(0.01)


@contextmanager
def plugged(*options: str) -> Iterator[FakeGigE]:
    fake = FakeGigE("SAEC1", *options)
    try:
        yield fake
    finally:
        fake.process.send_signal(signal.SIGCONT)
        fake.unplug()


@pytest.fixture
def fake() -> Iterator[FakeGigE]:
    with plugged() as one:
        yield one


class Running:
    """A source of the fake camera that runs."""

    def __init__(self, **more: object) -> None:
        self.taken, self.board = Taken(), TriggerBoard()
        plain: dict[str, object] = {"name": "cam", "line": "nut", "backend": "aravis", "camera": "SAEC1"}
        source = IndustrialSource(**{**plain, **more})  # type: ignore[arg-type]
        hooks = self.taken.hooks()._replace(triggers=self.board)
        self.reader: IndustrialReader = source.make_source(hooks)
        self.stopping = Stopping()
        self.thread = threading.Thread(target=self.reader.run, args=(self.stopping,), daemon=True)

    def __enter__(self) -> Running:
        self.thread.start()
        until(lambda: self.reader.state in ("connected", "incomplete"))
        return self

    def __exit__(self, *_: object) -> None:
        self.stopping.set()
        self.thread.join(BOUND)
        assert not self.thread.is_alive()

    def announce(self, number: int) -> Announced:
        now = time.perf_counter()
        return self.board.announce(
            Trigger(plc="p", number=number, source="cam", line="nut", at=now, due=now + 5)
        )

    @property
    def kinds(self) -> list[str]:
        return [kind for kind, _ in self.taken.alarms]

    def captures(self) -> list[tuple[int, int, float]]:
        """Trigger, number and camera's time of each frame."""
        found = [frame.capture for frame, _ in self.taken.frames]
        return [(one.trigger or 0, one.number or 0, one.camera_time or 0.0) for one in found]

    def served(self) -> list[int]:
        return [trigger for trigger, _, _ in self.captures()]


def test_it_is_found_by_serial_id_and_address_and_its_features_are_read(fake: FakeGigE) -> None:
    for name in ("SAEC1", "Aravis-Fake-SAEC1", "127.0.0.1", ""):
        assert named_camera(CameraSetup(backend="aravis", camera=name)).serial == "SAEC1"
    with pytest.raises(CameraLostError, match=r"those that answer: Aravis-Fake-SAEC1 \(127.0.0.1\)"):
        named_camera(CameraSetup(backend="aravis", camera="other"))
    camera = open_camera(named_camera(CameraSetup(backend="aravis")))
    try:
        names = camera.feature_names()
        assert {"Width", "ExposureTimeAbs", "TriggerSoftware", "PixelFormat"} <= set(names)
        width, payload = camera.feature("Width"), camera.feature("PayloadSize")
        assert width is not None
        assert payload is not None
        assert (width.kind, width.low, width.high, width.writable) == ("integer", 1, 2048, True)
        assert not payload.writable
        for setup, words in (
            (CameraSetup(backend="aravis", features={"Widht": 3}), "no feature Widht .use one such as Width"),
            (
                CameraSetup(backend="aravis", features={"Width": 4096}),
                "Width cannot be 4096: it allows 1 to",
            ),
            (CameraSetup(backend="aravis", pixel_format="Mono12"), "PixelFormat cannot be Mono12"),
            (CameraSetup(backend="aravis", packet_size=221), "GevSCPSPacketSize cannot be 221"),
            (CameraSetup(backend="aravis", features={"PayloadSize": 7}), "PayloadSize cannot be set now"),
        ):
            with pytest.raises(MachineError, match=words):
                set_up_camera(camera, setup)
        with pytest.raises(CameraLostError, match="another program holds the camera"):
            open_camera(camera.found)
    finally:
        camera.close()


def test_region_depth_and_exposure_are_those_of_the_settings(fake: FakeGigE) -> None:
    setup = CameraSetup(
        backend="aravis",
        exposure_us=2000.0,
        pixel_format="Mono16",
        region=Region(0, 0, 200, 100),
        packet_size=1500,
    )
    shot = take_snapshot(setup, BOUND)
    assert shot.pixels.shape == (100, 200)
    assert shot.pixels.dtype == np.uint16
    colour = take_snapshot(CameraSetup(backend="aravis", pixel_format="BayerRG8", trigger="software"), BOUND)
    assert colour.pixels.ndim == 3


def test_each_software_trigger_gets_one_picture_that_was_exposed_after_it(fake: FakeGigE) -> None:
    announced: dict[int, float] = {}
    with Running(trigger="software", pixel_format="Mono8") as running:
        for number in range(1, 31):
            announced[number] = time.time()
            waiting = running.announce(number)
            until(lambda: len(running.taken.frames) >= len(announced))
            assert waiting.failure == ""
    assert running.served() == list(range(1, 31))
    for _, data in running.taken.frames:
        assert cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED) is not None
    assert [t for t, _, exposed in running.captures() if exposed < announced[t]] == []
    numbers = [number for _, number, _ in running.captures()]
    assert numbers == list(range(numbers[0], numbers[0] + 30))
    assert set(running.taken.counts) <= {"stray"}  # this camera may send more pictures than were asked for
    assert running.taken.alarms == []


def test_a_withdrawn_triggers_picture_never_serves_the_next(fake: FakeGigE) -> None:
    announced: dict[int, float] = {}
    withdrawn, rng = set[int](), np.random.default_rng(0)
    with Running(trigger="software", pixel_format="Mono8") as running:
        for number in range(1, 41):
            before = len(running.taken.frames)
            announced[number] = time.time()
            waiting = running.announce(number)
            if rng.random() < 0.5:
                time.sleep(rng.uniform(0, 0.06))  # the fake camera exposes about 40 ms later
                if running.board.withdraw(waiting):
                    withdrawn.add(number)
                    continue
            until(lambda before=before: len(running.taken.frames) > before)  # type: ignore[misc]
    assert len(withdrawn) > 5
    assert set(running.served()) == set(range(1, 41)) - withdrawn
    assert [t for t, _, exposed in running.captures() if exposed < announced[t]] == []
    assert running.taken.counts["missed"] == len(withdrawn)


@pytest.mark.parametrize("how", ["unplugged", "silent"])
def test_a_camera_that_is_gone_is_told_its_triggers_fail_and_it_comes_back(fake: FakeGigE, how: str) -> None:
    with Running(trigger="software", pixel_format="Mono8", picture_s=0.5) as running:
        running.announce(1)
        until(lambda: running.served() == [1])
        if how == "unplugged":
            fake.unplug()
        else:
            fake.process.send_signal(signal.SIGSTOP)
        waiting = running.announce(2)
        assert waiting.wait(BOUND)
        assert waiting.failure != ""
        until(lambda: running.reader.state == "lost")
        assert running.announce(3).wait(BOUND)
        if how == "unplugged":
            fake.plug()
        else:
            fake.process.send_signal(signal.SIGCONT)
        until(lambda: running.reader.state == "connected")
        running.announce(4)
        until(lambda: running.served() == [1, 4])
    assert "camera" in running.kinds
    assert running.taken.counts["missed"] >= 2


def test_lost_packets_are_counted_and_no_incomplete_picture_is_handed_over() -> None:
    with plugged("-r", "20"), Running(pixel_format="Mono8", least_s=0.001) as running:
        until(lambda: running.taken.counts["incomplete"] + running.taken.counts["lost"] >= 3)
        until(lambda: len(running.taken.frames) >= 3)
    assert "camera-pictures" in running.kinds
    for _, data in running.taken.frames:
        stored = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
        assert stored is not None
        assert stored.shape == (512, 512)


def test_a_line_that_the_camera_lacks_is_refused_with_its_entries(fake: FakeGigE) -> None:
    setup = CameraSetup(backend="aravis", trigger="hardware", trigger_line="Line7")
    with pytest.raises(MachineError, match=r"cannot be Line7 .use one of Line0, Software"):
        take_snapshot(setup, 1.0)
    wired = CameraSetup(backend="aravis", trigger="hardware", trigger_line="Line0")
    with pytest.raises(MachineError, match="no trigger came by Line0"):
        take_snapshot(wired, 1.0)
