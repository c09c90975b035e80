"""saec station cameras and snap: which cameras answer, and one picture of one."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import click
import msgspec

from saec.cli.options.settings_command import settings_command
from saec.cli.station.config import EXAMPLE, named_file, need_packages, station_settings
from saec.errors import CameraLostError, ConfigError, SaecError, SpoolError
from saec.settings.setting_fields import Argument, ExistingFile, NewFile, Option

if TYPE_CHECKING:
    from saec.station.cameras.camera_contract import FoundCamera
    from saec.station.cameras.snapshot import Snapshot
    from saec.station.setup.station_settings import StationSettings
    from saec.station.sources.industrial_source import IndustrialSource


class CamerasSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The section [cameras]: by whom cameras are looked for.

    Attributes:
        producer: The .cti file of a maker's GenTL producer. Default: those in the folders of
            `GENICAM_GENTL64_PATH`.
    """

    producer: Annotated[ExistingFile | None, Option(everyday=True, kind="file", metavar="FILE")] = None


class SnapSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The section [snap]: whose picture is taken.

    Attributes:
        source: The name of a [[source]] of kind "industrial".
        out: The PNG file. Default: SOURCE.png.
        wait_s: Seconds to wait for the picture.
        untriggered: Take the picture without the trigger that the settings name.
    """

    source: Argument[str]
    out: Annotated[NewFile | None, Option(everyday=True, metavar="FILE", kind="new file")] = None
    wait_s: Annotated[float, msgspec.Meta(gt=0)] = 5.0
    untriggered: Annotated[bool, Option(everyday=True)] = False


@settings_command()
def cameras(cameras: CamerasSettings) -> None:
    """List the cameras that answer.

    It asks the makers' GenTL producers, Aravis and Linux. A camera that a station uses is listed, too.

    \b
    saec station cameras
    saec station cameras --producer /opt/maker/lib/producer.cti
    """
    need_packages()
    from saec.station.cameras.camera_backends import BACKENDS, find_cameras
    from saec.station.cameras.usb_cameras import find_usb_cameras

    for backend in BACKENDS:
        try:
            found = find_cameras(backend, cameras.producer)
        except SaecError as e:
            click.echo(f"{backend}: not asked: {e}")
            continue
        click.echo(f"{backend}: {len(found)} found")
        for camera in found:
            click.echo(f"  {_camera_line(camera)}")
    usb = find_usb_cameras()
    click.echo(f"usb: {len(usb)} found")
    for one in usb:
        click.echo(f'  {one.name}: kind = "camera", address = "{one.address}"')


@settings_command(example=EXAMPLE)
def snap(snap: SnapSettings) -> None:
    """Take one picture with an industrial camera, with advice.

    The camera is set as the settings say. The advice is about sharpness, saturation and exposure.

    \b
    saec station snap --config station.toml camera-1
    """
    settings = station_settings(named_file())
    source = _industrial(settings, snap.source)
    from saec.station.cameras.snapshot import take_snapshot
    from saec.station.sources.frame_source import png_bytes

    trigger = "off" if snap.untriggered else source.trigger
    setup = msgspec.structs.replace(source.setup, trigger=trigger)
    try:
        shot = take_snapshot(setup, snap.wait_s)
    except CameraLostError as e:
        if not _runs(settings.station.data):
            raise
        raise CameraLostError(
            f"{e.what}; the station of this settings file is running, and may hold the camera",
            "look at its newest frame on the station's page, or stop the station for a snap",
        ) from e
    out = snap.out or Path(f"{snap.source}.png")
    out.write_bytes(png_bytes(shot.pixels))
    _tell(shot, out)


def _camera_line(camera: FoundCamera) -> str:
    where = ", ".join(filter(None, (camera.transport, camera.address)))
    named = f', user name "{camera.user_name}"' if camera.user_name else ""
    return f'{camera.shown} ({where}): camera = "{camera.serial or camera.id}", id {camera.id}{named}'


def _industrial(settings: StationSettings, name: str) -> IndustrialSource:
    from saec.station.sources.industrial_source import IndustrialSource

    industrial = {one.name: one for one in settings.source if isinstance(one, IndustrialSource)}
    if name not in industrial:
        listed = ", ".join(industrial) or "none"
        raise ConfigError(
            f'there is no [[source]] {name} of kind "industrial"; those that are: {listed}',
            'name one of them, or add a [[source]] with kind = "industrial"',
        )
    return industrial[name]


def _runs(data: Path) -> bool:
    """Whether a station uses the data folder now."""
    from saec.station.storage.database.schema import lock_folder

    lock = data / "spool.lock"
    try:
        if lock.is_file():
            os.close(lock_folder(lock))
    except SpoolError:
        return True
    return False


def _tell(shot: Snapshot, out: Path) -> None:
    from saec.station.cameras.frame_advice import frame_advice, frame_light

    height, width = shot.pixels.shape[:2]
    click.echo(f"{out}: {width} x {height}, {shot.format.name}, from {shot.found.shown}")
    if shot.incomplete:
        click.echo(f"Network: {shot.incomplete} pictures before it were incomplete. Check packet_size.")
    for sentence in frame_advice(frame_light(shot.pixels, shot.format.bits)):
        click.echo(sentence)
    if shot.format.bits > 8:
        click.echo(f"Depth: fit the line with --bits {shot.format.bits}.")
