"""saec station cameras and snap, with the simulated cameras of genicam's wheel."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NoReturn

import cv2
import pytest

from saec.cli import main
from saec.errors import CameraLostError
from saec.station.cameras import aravis_library, snapshot
from saec.station.storage.database.schema import lock_folder

genicam = pytest.importorskip("genicam", reason="saec[genicam] is not installed")
CTI = Path(genicam.__file__).parent / "viky.cti"


@pytest.fixture
def settings(tmp_path: Path) -> Path:
    (tmp_path / "profile").mkdir()
    (tmp_path / "profile" / "line.json").touch()
    (tmp_path / "station-data").mkdir()
    path = tmp_path / "station.toml"
    path.write_text(
        f"""
[[line]]
name = "nut"
profile = "profile"

[[source]]
kind = "industrial"
name = "eye"
line = "nut"
backend = "genicam"
producer = "{CTI}"
camera = "0"
pixel_format = "Mono8"
features = {{ Width = 320, Height = 200 }}

[[source]]
kind = "folder"
name = "files"
line = "nut"
path = "in"
""",
        "utf-8",
    )
    return path


def test_cameras_lists_what_each_back_end_finds_or_why_not(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(aravis_library, "_NAMES", ("libnowhere.so",))
    aravis_library.aravis_library.cache_clear()
    try:
        assert main(["station", "cameras", "--producer", str(CTI)]) == 0
    finally:
        aravis_library.aravis_library.cache_clear()
    out = capsys.readouterr().out
    assert "genicam: 3 found" in out
    assert 'camera = "0", id VikyTL_DEV_red' in out
    assert "aravis: not asked: Aravis is not installed (apt install libaravis-0.8-0)" in out
    assert "usb: " in out


def test_snap_writes_a_picture_and_says_what_it_sees(
    settings: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "shot.png"
    assert main(["station", "snap", "--config", str(settings), "eye", "--out", str(out)]) == 0
    picture = cv2.imread(str(out), cv2.IMREAD_UNCHANGED)
    assert picture is not None
    assert picture.shape == (200, 320)
    told = capsys.readouterr().out
    for word in ("320 x 200, Mono8", "Sharpness: ", "Saturation: ", "Exposure: "):
        assert word in told


def test_snap_takes_an_industrial_source_alone(settings: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["station", "snap", "--config", str(settings), "files"]) == 2
    assert "those that are: eye" in capsys.readouterr().err


def test_snap_says_that_a_running_station_may_hold_the_camera(
    settings: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def held(*_: object) -> NoReturn:
        raise CameraLostError("another program holds the camera Eye", "close that program")

    monkeypatch.setattr(snapshot, "take_snapshot", held)
    assert main(["station", "snap", "--config", str(settings), "eye"]) != 0
    assert "close that program" in capsys.readouterr().err
    lock = lock_folder(tmp_path / "station-data" / "spool.lock")
    try:
        assert main(["station", "snap", "--config", str(settings), "eye"]) != 0
        assert "the station of this settings file is running" in capsys.readouterr().err
    finally:
        os.close(lock)
