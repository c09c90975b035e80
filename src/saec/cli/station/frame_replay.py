"""saec station replay: a recorded verdict, judged again."""

from __future__ import annotations

import click
import msgspec

from saec.cli.options.settings_command import settings_command
from saec.cli.station.config import EXAMPLE, named_file, station_settings
from saec.settings.setting_fields import Argument


class FrameReplaySettings(msgspec.Struct, frozen=True, kw_only=True):
    """The section [frame_replay]: which frame is judged again.

    Attributes:
        id: The id of the frame.
    """

    id: Argument[str]


@settings_command(example=EXAMPLE)
def station_replay(frame_replay: FrameReplaySettings) -> None:
    """Judge a recorded frame again and compare.

    The version that judged frame ID judges it again. The station may be running; nothing is changed. The
    status is 1 where anything differs.

    \b
    saec station replay bottle-0000000042 --config station.toml
    """
    from rich.console import Console
    from rich.table import Table

    settings = station_settings(named_file())
    from saec.station.maintenance.frame_replay import replay_frame

    checks = replay_frame(settings, frame_replay.id)
    table = Table("", "recorded", "again", "", box=None)
    for check in checks:
        mark = {True: "same", False: "DIFFERS", None: "-"}[check.same]
        table.add_row(check.what, check.recorded, check.again, mark)
    Console().print(table)
    click.get_current_context().exit(int(any(check.same is False for check in checks)))
