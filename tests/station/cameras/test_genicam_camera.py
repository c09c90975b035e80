"""The simulated cameras of genicam's own producer, through harvesters."""

from __future__ import annotations

import signal
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from saec.errors import CameraLostError, MachineError
from saec.station.cameras.camera_backends import find_cameras, named_camera, open_camera
from saec.station.cameras.camera_contract import IndustrialCamera
from saec.station.cameras.camera_settings import CameraSetup, set_up_camera
from saec.station.cameras.genicam import genicam_process
from saec.station.cameras.genicam.genicam_process import RemoteGenicamCamera
from saec.station.cameras.genicam.gentl_producers import GentlProducer, gentl_producers
from saec.station.cameras.pixel_formats import decoded_pixels
from saec.station.cameras.snapshot import take_snapshot
from saec.station.sources import IndustrialSource
from saec.station.threads import Stopping
from tests.station.sources.test_sources import Taken

genicam = pytest.importorskip("genicam", reason="saec[genicam] is not installed")
CTI = Path(genicam.__file__).parent / "viky.cti"
FAST = {"AcquisitionFrameRate": 200.0, "Width": 300, "Height": 200}
WAIT = 30.0


def setup(camera: str = "0", **more: object) -> CameraSetup:
    plain: dict[str, object] = {"backend": "genicam", "producer": CTI, "camera": camera, "features": FAST}
    return CameraSetup(**{**plain, "pixel_format": "Mono8", **more})  # type: ignore[arg-type]


@contextmanager
def opened(wanted: CameraSetup) -> Iterator[IndustrialCamera]:
    camera = open_camera(named_camera(wanted))
    try:
        set_up_camera(camera, wanted)
        yield camera
    finally:
        camera.close()


def test_cameras_are_found_and_named_by_serial_or_id() -> None:
    found = find_cameras("genicam", CTI)
    assert [one.serial for one in found] == ["0", "1", "2"]
    assert named_camera(setup("VikyTL_DEV_green")).serial == "1"
    with pytest.raises(CameraLostError, match=r"the camera 9 does not answer.*VikyTL_DEV_red"):
        named_camera(setup("9"))
    with pytest.raises(MachineError, match="3 cameras are meant"):
        named_camera(setup(""))


@pytest.fixture(scope="module")
def camera() -> Iterator[IndustrialCamera]:
    with opened(setup()) as one:
        yield one


def test_pictures_come_in_the_settings_form_numbered_and_anew_after_a_restart(
    camera: IndustrialCamera,
) -> None:
    for _ in range(2):
        camera.start()
        numbers = []
        for _ in range(3):
            sent = camera.fetch(WAIT)
            assert sent is not None
            assert sent.pixels is not None
            assert decoded_pixels(sent.pixels).shape == (200, 300)
            numbers.append(sent.number)
        camera.stop()
        assert numbers == [1, 2, 3]


@pytest.mark.parametrize("form", ["Mono8", "RGBa8"])
def test_a_picture_keeps_its_pixels_when_its_buffer_is_filled_anew(form: str) -> None:
    """The simulated camera shows a dark or red ball that flies before a white ground."""
    with opened(setup("1", pixel_format=form)) as one:
        one.start()
        pixels = [sent.pixels for _ in range(20) if (sent := one.fetch(WAIT)) is not None]
        one.stop()
    shown = [decoded_pixels(each) for each in pixels if each is not None]
    assert len(shown) == 20
    assert all(each.mean() > 200 and each.min() == 0 for each in shown)
    assert len({each.tobytes() for each in shown}) > 1, "the ball flies"
    assert all(len(each.data) == each.format.size(200, 300) for each in pixels if each is not None)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"features": {"Widht": 300}}, "no feature Widht .use one such as Width"),
        ({"features": {"Width": 7}}, "Width cannot be 7: it allows 100 to 800"),
        ({"features": {"PayloadSize": 7}}, "PayloadSize cannot be set now"),
        ({"pixel_format": "Mono99"}, "PixelFormat cannot be Mono99 .use one of RGBa8, Mono8"),
        ({"trigger": "software"}, "takes no trigger"),
        ({"exposure_us": 100.0}, "no feature ExposureTime"),
    ],
)
def test_settings_that_the_camera_does_not_know_name_feature_and_range(
    camera: IndustrialCamera, more: dict[str, object], words: str
) -> None:
    with pytest.raises(MachineError, match=words):
        set_up_camera(camera, setup("0", **more))
    set_up_camera(camera, setup())


def test_features_of_every_kind_are_read(camera: IndustrialCamera) -> None:
    kinds = {name: camera.feature(name) for name in camera.feature_names()}
    width = camera.feature("Width")
    assert camera.feature("Widht") is None
    assert {one.kind for one in kinds.values() if one is not None} >= {
        *("integer", "float", "boolean", "enumeration", "text", "command")
    }
    assert width is not None
    assert (width.value, width.low, width.high, width.writable) == (300, 100, 800, True)


def test_two_cameras_of_a_producer_run_side_by_side_one_in_colour(camera: IndustrialCamera) -> None:
    with opened(setup("1", pixel_format="RGBa8")) as second:
        camera.start()
        second.start()
        assert camera.fetch(WAIT) is not None
        sent = second.fetch(WAIT)
        camera.stop()
    assert sent is not None
    assert sent.pixels is not None
    pixels = decoded_pixels(sent.pixels)
    assert pixels.shape == (200, 300, 3)
    assert pixels.dtype == np.uint8


def test_a_camera_that_is_held_already_is_not_opened_again() -> None:
    producer = GentlProducer(CTI)
    acquirer = producer.open("VikyTL_DEV_red")
    try:
        with pytest.raises(CameraLostError, match="cannot be opened"):
            producer.open("VikyTL_DEV_red")
        with pytest.raises(CameraLostError, match="no longer answers"):
            producer.open("VikyTL_DEV_white")
    finally:
        acquirer.destroy()


def test_a_producers_process_that_hangs_or_ends_is_a_lost_camera(monkeypatch: pytest.MonkeyPatch) -> None:
    for sent, words in ((signal.SIGSTOP, "hung for"), (signal.SIGKILL, "ended")):
        with opened(setup("1")) as lost:
            assert isinstance(lost, RemoteGenicamCamera)
            lost.start()
            with monkeypatch.context() as soon:
                soon.setattr(genicam_process, "_ANSWER", 0.1)
                lost._process._child.send_signal(sent)
                with pytest.raises(CameraLostError, match=words):
                    deque(iter(lambda: lost.fetch(0.01), lost), 0)
        assert lost._process._child.poll() is not None


def test_a_snapshot_takes_one_picture_and_lets_go() -> None:
    shot = take_snapshot(setup(), WAIT)
    assert (shot.pixels.shape, shot.format.name, shot.found.serial) == ((200, 300), "Mono8", "0")


def test_a_station_gets_its_frames() -> None:
    taken = Taken()
    source = IndustrialSource(
        name="cam",
        line="nut",
        backend="genicam",
        producer=CTI,
        camera="2",
        pixel_format="Mono8",
        least_s=0.001,
        features=FAST,  # type: ignore[arg-type]
    )
    body, stopping = source.make_source(taken.hooks()), Stopping()
    thread = threading.Thread(target=body.run, args=(stopping,), daemon=True)
    thread.start()
    assert taken.enough.wait(WAIT)
    assert body.state == "connected"
    stopping.set()
    thread.join(WAIT)
    assert not thread.is_alive()
    numbers = [frame.capture.number or 0 for frame, _ in taken.frames]
    assert numbers == sorted(set(numbers))
    assert {kind for kind, _ in taken.alarms} <= {"camera-pictures"}  # where the machine is busy


def test_producers_are_found_by_the_standards_variable(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("GENICAM_GENTL64_PATH", raising=False)
    with pytest.raises(MachineError, match="GENICAM_GENTL64_PATH"):
        gentl_producers(None)
    monkeypatch.setenv("GENICAM_GENTL64_PATH", f"{tmp_path}:{CTI.parent}")
    assert gentl_producers(None) == [CTI.resolve()]
    with pytest.raises(MachineError, match="there is no GenTL producer"):
        gentl_producers(tmp_path / "x.cti")


def test_a_file_that_is_no_producer_says_so(tmp_path: Path) -> None:
    (tmp_path / "x.cti").write_bytes(b"no library")
    with pytest.raises(MachineError, match="cannot be loaded"):
        find_cameras("genicam", tmp_path / "x.cti")
