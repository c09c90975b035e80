"""USB cameras are listed from what Linux tells of its video devices."""

from __future__ import annotations

from pathlib import Path

from saec.station.cameras.usb_cameras import UsbCamera, find_usb_cameras


def test_each_camera_is_listed_once_by_its_first_device(tmp_path: Path) -> None:
    for number, index, name in ((0, 0, "Eye"), (1, 1, "Eye"), (10, 0, "Other"), (2, 0, "Third")):
        device = tmp_path / f"video{number}"
        device.mkdir()
        (device / "index").write_text(f"{index}\n", "ascii")
        (device / "name").write_text(f"{name}\n", "ascii")
    (tmp_path / "video3").mkdir()
    assert find_usb_cameras(tmp_path) == [
        UsbCamera("0", "Eye"),
        UsbCamera("2", "Third"),
        UsbCamera("10", "Other"),
    ]
    assert find_usb_cameras(tmp_path / "nowhere") == []
