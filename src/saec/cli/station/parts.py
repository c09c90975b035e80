"""saec station part: a part's verdicts and frames."""

from __future__ import annotations

import time

import click
import msgspec

from saec.cli.options.settings_command import settings_command
from saec.cli.station.config import EXAMPLE, named_file, station_settings
from saec.settings.setting_fields import Argument

_MOST = 100
_WORDS = {0: "good", 1: "defect", None: "no label"}


class FindPartSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The section [find_part]: which part is looked for.

    Attributes:
        part: The id of the part, whole and as it is written.
    """

    part: Argument[str]


@settings_command(example=EXAMPLE)
def find_part(find_part: FindPartSettings) -> None:
    """Show a part's verdicts and frames.

    The newest come first. The station may be running; nothing is changed. The status is 1 where no frame of
    part PART has a verdict.

    \b
    saec station part A1042 --config station.toml
    """
    data = station_settings(named_file()).station.data
    from saec.station.storage.frame_search import FrameQuery
    from saec.station.storage.spool_reader import SpoolReader

    reader = SpoolReader.beside(data)
    try:
        visits = reader.part_visits(find_part.part, _MOST)
        frames = reader.search(FrameQuery(part=find_part.part), _MOST)
    finally:
        reader.close()
    for visit in visits:
        name = f"{visit.line}/{visit.part}/{visit.n}"
        if visit.verdict is None:
            click.echo(f"{name}  waits for its frames")
            continue
        made = visit.verdict
        acted = "in time" if made.act else "late"
        click.echo(f"{name}  {_WORDS[made.verdict.label]}  by {made.rule}, {acted}")
        if made.verdict.note:
            click.echo(f"    {made.verdict.note}")
    for frame in frames:
        taken = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(frame.time))
        click.echo(f"{frame.id}  {_WORDS[frame.label]}  {frame.state}  {frame.source}  {taken}")
    if not visits and not frames:
        click.echo(f"no frame of part {find_part.part!r} has a verdict")
        click.get_current_context().exit(1)
