"""saec replay: route the frames of a run again and compare."""

from __future__ import annotations

from pathlib import Path

import click

from saec.cli.options.inputs import FOLDER


@click.command()
@click.argument("run", type=FOLDER)
@click.option("--line", type=FOLDER, help="The line that judged RUN. Default: where it lay then.")
def command(run: Path, line: Path | None) -> int:
    """Route every frame of RUN again, from what its verdict log says of it, with a fresh policy.

    Ends with status 1 at the first route that differs.

    \b
    saec replay runs/bottle --line lines/bottle
    """
    from saec.runs.recorded_scheduler import replay_run

    found = replay_run(run, line)
    if found.unrouted:
        click.echo(f"{found.unrouted} frames have no route: they could not be read or judged")
    if found.missing:
        click.echo(f"{found.missing} frames have no verdict: the run ended before the cloud answered")
    if found.difference is None:
        click.echo(f"{found.routes} routes came out again, every one the same")
        return 0
    first = found.difference
    click.echo(f"{found.routes} routes came out again before the first that differs:")
    click.echo(f"frame {first.id} (seq {first.seq})")
    for name, route in (("logged", first.logged), ("replayed", first.replayed)):
        click.echo(f"  {name:9}{route.decision}, {route.reason}")
    if first.missing:
        click.echo(f"{first.missing} frames before it have no verdict, and a policy may remember them")
    return 1
