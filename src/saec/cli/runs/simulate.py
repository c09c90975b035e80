"""saec simulate: the scheduler of a run, with a simulated line, link and cloud."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from saec.cli.options.inputs import command_line
from saec.cli.options.output_file import write_json_to
from saec.cli.options.settings_command import is_given, settings_command
from saec.errors import ConfigError
from saec.settings import CloudConfig, Policy, RunConfig
from saec.settings.setting_fields import Everyday, ExistingFolder, NewFile
from saec.simulation.simulation_settings import SimulationConfig

if TYPE_CHECKING:
    from saec.simulation.outcomes import Figures
    from saec.simulation.scenario import Cast, Scene
    from saec.types import VerdictRecord


class _Outage(click.ParamType):  # type: ignore[type-arg]
    """From when to when, as ``60-90``; in a settings file ``[60, 90]``."""

    name = "A-B"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        parts = value if isinstance(value, list | tuple) else str(value).split("-")
        try:
            begin, end = (float(part) for part in parts)
        except ValueError:
            self.fail(f"{value!r} is not two numbers of seconds. Write for example 60-90", param, ctx)
        if not begin < end:
            self.fail(f"{value!r} ends before it begins", param, ctx)
        return begin, end


class SimulateSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The section [simulate]: whose frames are used, and what is kept.

    Attributes:
        run: Folder of the run whose frames are used. Default: random frames.
        line: With --run: the folder of the line that judged it. Default: the path that the run recorded.
        out: Write the log of the verdicts to this new folder, as a real run does.
        json: Write the figures to this JSON file; "-" is standard output.
    """

    run: Everyday[ExistingFolder | None] = None
    line: ExistingFolder | None = None
    out: Everyday[Path | None] = None
    json: Everyday[NewFile | None] = None


@settings_command(
    types={"outage": _Outage()},
    only=("cloud.batch", "cloud.remote.timeout_s", "run.deadline_s", "run.waiting"),
)
def command(
    simulate: SimulateSettings,
    simulation: SimulationConfig,
    policy: Policy,
    cloud: CloudConfig,
    run: RunConfig,
) -> None:
    """Simulate a line and its cloud: how many frames are asked about, how many are wrong, how many late.

    The decisions and deadlines are those of a real run. Frames, edge, link and cloud are simulated.

    \b
    saec simulate --frames 100000 --frames-per-s 50 --deadline-s 1 --outage 60-90
    saec simulate --run runs/bottle --policy gate --cloud-ms 400 --latency-law lognormal --latency-ms 40
    """
    from saec.simulation import scenario

    scene = scenario.Scene(
        pace=simulation.pace,
        cloud=msgspec.structs.replace(simulation.cloud, timeout_s=cloud.remote.timeout_s),
        batch=cloud.batch,
        waiting=run.waiting,
        deadline_s=run.deadline_s,
        seed=simulation.seed,
    )
    model = _model(simulate, simulation)
    cast = _cast(simulate, simulation, policy, model)
    quiet = str(simulate.json) == "-"
    if not quiet:
        click.echo(cast.note)
    begun = time.perf_counter()
    with _writer(simulate.out, cast, scene, model) as write:
        figures = scenario.simulate(cast, scene, write)
    if not quiet:
        _show(figures, time.perf_counter() - begun)
    if simulate.json is not None:
        write_json_to(simulate.json, figures)


def _model(simulate: SimulateSettings, simulation: SimulationConfig) -> dict[str, Any]:
    """What the opinions are drawn from. Of a recorded run nothing is drawn but what the user gave."""
    opinions = msgspec.structs.asdict(simulation.opinions)
    model = {"seed": simulation.seed, "frames": simulation.frames, **opinions, "run": None}
    if simulate.run is None:
        return model
    drawn = {name: is_given(f"simulation.{name}") for name in ("frames", "opinions.cloud_error")}
    return {
        "seed": simulation.seed,
        "frames": simulation.frames if drawn["frames"] else None,
        "cloud_error": opinions["cloud_error"] if drawn["opinions.cloud_error"] else None,
        "correlation": opinions["correlation"],
        "run": str(simulate.run),
    }


def _cast(
    simulate: SimulateSettings, simulation: SimulationConfig, policy: Policy, model: dict[str, Any]
) -> Cast:
    """Frames and who judges them: random ones, or those of a recorded run."""
    import numpy as np

    from saec.runs.requested_options import run_options
    from saec.simulation.scenario import recorded, stated

    rng = np.random.default_rng(simulation.seed)
    options = run_options(policy)
    if simulate.run is not None:
        drawn = {name: model[name] for name in ("frames", "cloud_error", "correlation")}
        return recorded(simulate.run, simulate.line, options, rng, **drawn)
    if simulate.line is not None:
        raise ConfigError("--line needs --run", "give --run with a run of that line")
    return stated(simulation.opinions, options, simulation.frames, rng)


@contextmanager
def _writer(
    out: Path | None, cast: Cast, scene: Scene, model: dict[str, Any]
) -> Iterator[Callable[[VerdictRecord], None] | None]:
    """What takes verdicts: a log in a new folder, with its run.json, or nothing."""
    if out is None:
        yield None
        return
    from saec.runs.run_record import VERDICTS_FILE, write_run
    from saec.runs.verdict_log import VerdictLog
    from saec.simulation.run_description import describe_simulation, ended

    if (out / VERDICTS_FILE).exists():
        raise ConfigError(f"{out} already holds a run", "give another folder with --out")
    out.mkdir(parents=True, exist_ok=True)
    info = describe_simulation(cast, scene, model=model, command=command_line())
    write_run(out, info)
    with VerdictLog(out / VERDICTS_FILE) as log:
        yield log.append
    write_run(out, ended(info, out, scene))


def _show(figures: Figures, took: float) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, show_header=False, pad_edge=False)
    for row in (*_flow(figures), *_quality(figures)):
        table.add_row(*row)
    Console(width=100).print(table)
    speed = figures.frames / took if took > 0 else 0.0
    click.echo(
        f"{figures.frames:,} frames, {figures.seconds:,.0f} s, simulated in {took:.1f} s: {speed:,.0f} per s"
    )


def _flow(f: Figures) -> list[tuple[str, str]]:
    """Who answered, and when."""
    reasons = ", ".join(f"{reason} {count:,}" for reason, count in f.fallbacks.items())
    rows = [
        ("frames without a verdict", f"{f.frames - f.verdicts:,}"),
        ("answered by the edge", _share(f.edge, f.frames)),
        ("answered by the cloud", _share(f.cloud, f.frames)),
        (
            "answered by the edge, as the cloud did not",
            _share(f.fallback, f.frames) + (f": {reasons}" if reasons else ""),
        ),
        ("sent to the cloud", _share(f.escalated, f.frames)),
        ("answered by the cloud after the deadline", f"{f.finalised:,}"),
        ("provisional at the end", f"{f.provisional:,}"),
        ("slowest answer", f"{f.slowest:.3f} s"),
        ("most frames waiting", f"{f.peak:,}"),
        ("requests", f"{f.requests:,}, {f.lost:,} of them lost"),
        ("link when routing", ", ".join(f"{state} {_share(n, f.frames)}" for state, n in f.links.items())),
    ]
    if f.in_time is not None:
        rows.insert(1, ("deadlines kept", _share(f.in_time, f.frames)))
    return rows


def _quality(f: Figures) -> list[tuple[str, str]]:
    """How right the answers were: those that the line acted on, and those that stand at the end."""
    rows = []
    for name, counts in (("acted on", f.acted), ("at the end", f.standing)):
        good, defect = counts.tn + counts.fp, counts.tp + counts.fn
        if good + defect:
            rows.append((f"accuracy, {name}", _share(counts.tp + counts.tn, good + defect)))
            rows.append((f"missed defects (escapes), {name}", _share(counts.fn, defect)))
            rows.append((f"false rejects (overkills), {name}", _share(counts.fp, good)))
    return rows


def _share(count: int, of: int) -> str:
    """A count with its percentage, not rounded to all or nothing unless it is."""
    if of == 0:
        return f"{count:,}"
    percent = 100 * count / of
    digits = 2 if count in (0, of) or 0.005 <= percent < 99.995 else 4
    return f"{percent:.{digits}f} % ({count:,})"
