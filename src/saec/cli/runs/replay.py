"""saec replay: route the frames of a run again and compare."""

from __future__ import annotations

import click
import msgspec

from saec.cli.options.settings_command import settings_command
from saec.settings.setting_fields import Argument, Everyday, ExistingFolder


class ReplaySettings(msgspec.Struct, frozen=True, kw_only=True):
    """The section [replay]: which run is routed again.

    Attributes:
        run: The folder of the run.
        line: The folder of the line that judged the run. Default: the path that the run recorded.
    """

    run: Argument[ExistingFolder]
    line: Everyday[ExistingFolder | None] = None


@settings_command()
def command(replay: ReplaySettings) -> None:
    """Decide again which frames of RUN the cloud is asked about, and compare with its log.

    The policy begins again, with what verdicts.jsonl says about each frame. The exit code is 1 if a decision
    differs: then the code, the line or its calibration is no longer what judged the run. The first such frame
    is printed.

    \b
    saec replay runs/bottle --line lines/bottle
    """
    from saec.runs.recorded_scheduler import replay_run

    found = replay_run(replay.run, replay.line)
    if found.unrouted:
        click.echo(f"{found.unrouted} frames have no route: they could not be read or judged")
    if found.missing:
        click.echo(f"{found.missing} frames have no verdict: the run ended before the cloud answered")
    if found.difference is None:
        click.echo(f"{found.routes} routes repeated, all equal")
        return
    first = found.difference
    click.echo(f"{found.routes} routes repeated before the first that differs:")
    click.echo(f"frame {first.id} (seq {first.seq})")
    for name, route in (("logged", first.logged), ("replayed", first.replayed)):
        click.echo(f"  {name:9}{route.decision}, {route.reason}")
    if first.missing:
        click.echo(
            f"{first.missing} frames before it have no verdict. A policy with a memory may differ for that"
        )
    click.get_current_context().exit(1)
