"""A feature is set only as the camera allows; an error names it, its range and what to do."""

from __future__ import annotations

import pytest

from saec.errors import MachineError
from saec.station.cameras.camera_contract import FeatureValue
from saec.station.cameras.camera_settings import CameraSetup, Region, set_up_camera
from saec.station.cameras.feature_checks import set_features
from tests.station.cameras.camera_fakes import FEATURES, FakeCamera


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("ExposureTme", 5.0, ["no feature ExposureTme", "ExposureTime"]),
        ("ExposureTime", 2.0, ["ExposureTime", "cannot be 2.0", "5 to 1000000 us"]),
        ("ExposureTime", "long", ["ExposureTime", "number"]),
        ("Width", 100, ["Width", "16 to 640 in steps of 16"]),
        ("Width", 656, ["Width", "16 to 640"]),
        ("Width", 32.5, ["Width", "whole number"]),
        ("Width", True, ["Width", "'true'", "whole number"]),
        ("PixelFormat", "Mono9", ["PixelFormat", "Mono8, Mono12p"]),
        ("PixelFormat", 8, ["PixelFormat", "give a text", "Mono8"]),
        ("ReverseX", 1, ["ReverseX", "true or false"]),
        ("PayloadSize", 7, ["PayloadSize", "cannot be set now", "307200"]),
        ("TriggerSoftware", False, ["TriggerSoftware", "command"]),
        ("DeviceUserID", 3, ["DeviceUserID", "text"]),
    ],
)
def test_what_cannot_be_set_says_why(name: str, value: FeatureValue, words: list[str]) -> None:
    camera = FakeCamera()
    with pytest.raises(MachineError) as error:
        set_features(camera, [("Height", 240), (name, value)])
    assert [word for word in words if word not in str(error.value)] == []
    assert camera.done == [("Height", 240)]


def test_what_the_camera_itself_refuses_is_told_with_its_words() -> None:
    camera = FakeCamera()
    camera.refuses = "Height"
    with pytest.raises(MachineError, match="refuses Height = 240: it is locked"):
        set_features(camera, [("Height", 240)])


def test_values_take_the_features_type_and_what_stands_already_is_left() -> None:
    camera = FakeCamera()
    wanted: list[tuple[str, FeatureValue]] = [("ExposureTime", 50), ("Width", 640), ("TriggerSoftware", True)]
    set_features(camera, wanted)
    assert camera.done == [("ExposureTime", 50.0), ("TriggerSoftware", True)]
    assert isinstance(camera.done[0][1], float)


def test_a_setup_is_set_in_the_order_in_which_cameras_take_it() -> None:
    camera = FakeCamera()
    setup = CameraSetup(
        backend="aravis",
        trigger="hardware",
        exposure_us=100.0,
        gain=3.4,
        pixel_format="Mono12p",
        region=Region(16, 0, 320, 240),
        features={"ReverseX": True},
    )
    set_up_camera(camera, setup)
    assert camera.done == [
        ("PixelFormat", "Mono12p"),
        ("Width", 320),
        ("Height", 240),
        ("OffsetX", 16),
        ("ReverseX", True),
        ("ExposureAuto", "Off"),
        ("ExposureTime", 100.0),
        ("GainRaw", 3),
        ("TriggerMode", "On"),
        ("TriggerSource", "Line1"),
    ]


def test_a_camera_that_runs_by_itself_has_its_trigger_off() -> None:
    camera = FakeCamera()
    set_up_camera(camera, CameraSetup(backend="aravis"))
    assert camera.done == [("TriggerMode", "Off")]


def test_a_camera_without_a_trigger_says_so() -> None:
    plain = FakeCamera(features=[one for one in FEATURES if one.name != "TriggerMode"])
    set_up_camera(plain, CameraSetup(backend="aravis"))
    with pytest.raises(MachineError, match="takes no trigger"):
        set_up_camera(plain, CameraSetup(backend="aravis", trigger="software"))


def test_an_offset_that_the_camera_lacks_is_an_error_only_where_it_is_asked_for() -> None:
    set_up_camera(FakeCamera(), CameraSetup(backend="aravis", region=Region(0, 0, 320, 240)))
    with pytest.raises(MachineError, match="no feature OffsetY"):
        set_up_camera(FakeCamera(), CameraSetup(backend="aravis", region=Region(0, 8, 320, 240)))
