"""saec simulate: a line and its cloud under the true scheduler, without either."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from saec.cli.options.inputs import FOLDER, command_line
from saec.cli.options.output_file import NewFile
from saec.cli.options.policy import policy_options, scheduling
from saec.errors import ConfigError

if TYPE_CHECKING:
    from saec.simulation.outcomes import Figures
    from saec.simulation.scenario import Cast, Scene

_STATED = 10_000
_CLOUD_ERROR = 0.05


class _Outage(click.ParamType):  # type: ignore[type-arg]
    """From when to when, as ``60-90``."""

    name = "A-B"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        try:
            begin, end = (float(part) for part in str(value).split("-"))
        except ValueError:
            self.fail(f"{value!r} is not two numbers of seconds such as 60-90", param, ctx)
        if not begin < end:
            self.fail(f"{value!r} ends before it begins", param, ctx)
        return begin, end


class _Latency(click.ParamType):  # type: ignore[type-arg]
    """A law of the round trip, as ``constant:20``, ``exponential:20`` or ``lognormal:20:0.5``."""

    name = "LAW:MS"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        law, _, numbers = str(value).partition(":")
        try:
            ms, *spread = (float(part) for part in numbers.split(":"))
        except ValueError:
            self.fail(f"{value!r} is not such as constant:20 or lognormal:20:0.5", param, ctx)
        if law not in ("constant", "exponential", "lognormal") or len(spread) != (law == "lognormal"):
            self.fail(f"{value!r} is not such as constant:20, exponential:20 or lognormal:20:0.5", param, ctx)
        if ms < 0.0:
            self.fail(f"{value!r}: no time is below 0", param, ctx)
        return (law, ms / 1e3, *spread)


@click.command()
@click.option(
    "--log", type=FOLDER, help="Run folder whose frames pass again. Default: frames of a stated law."
)
@click.option("--line", type=FOLDER, help="With --log: the line that judged it. Default: where it lay then.")
@click.option("--prevalence", type=float, default=0.1, show_default=True, help="Stated: share of defects.")
@click.option("--auroc", type=float, default=0.95, show_default=True, help="Stated: of the edge's scores.")
@click.option("--cloud-error", type=float,
              help=f"Share of frames on which the cloud is wrong. Default: {_CLOUD_ERROR:g}; with --log, the "
              "answers that it holds.")  # fmt: skip
@click.option("--correlation", type=float, default=0.0, show_default=True,
              help="Of the cloud's errors with the edge's.")  # fmt: skip
@policy_options
@click.option("--frames", type=click.IntRange(min=1),
              help=f"A log's are drawn with replacement. Default: {_STATED}, or the log's.")  # fmt: skip
@click.option("--rate", type=float, default=20.0, show_default=True, help="Frames per second.")
@click.option("--edge-ms", type=float, default=20.0, show_default=True, help="From a frame to its opinion.")
@click.option("--cloud-ms", type=click.FloatRange(min=0), default=100.0, show_default=True,
              help="Service per request.")  # fmt: skip
@click.option("--frame-ms", type=click.FloatRange(min=0), default=20.0, show_default=True,
              help="Service per frame of a request.")  # fmt: skip
@click.option("--batch", type=click.IntRange(min=1), default=8, show_default=True, help="Frames per request.")
@click.option("--latency", type=_Latency(), default="constant:20", show_default=True,
              help="Round trip: constant:MS, exponential:MS or lognormal:MEDIAN:SIGMA.")  # fmt: skip
@click.option("--outage", "outages", type=_Outage(), multiple=True,
              help="The cloud does not answer from second A to B; may be repeated.")  # fmt: skip
@click.option("--timeout", type=click.FloatRange(min=0, min_open=True), default=1.0, show_default=True,
              help="Seconds after which a request fails.")  # fmt: skip
@click.option("--waiting", type=click.IntRange(min=1), help="Frames that may wait. Default: any number.")
@click.option("--deadline", type=click.FloatRange(min=0, min_open=True),
              help="Seconds from a frame to its verdict. Default: wait for the cloud.")  # fmt: skip
@click.option("--seed", type=int, default=0, show_default=True, help="Of every draw.")
@click.option("--out", type=click.Path(path_type=Path), help="Write the verdict log of a live run here.")
@click.option("--json", "json_file", type=NewFile(), help="Write the figures as JSON.")
def command(log: Path | None, out: Path | None, json_file: Path | None, **given: Any) -> None:
    """Let frames pass a simulated line: the scheduler is the true one, link and cloud are models.

    \b
    saec simulate --frames 100000 --rate 50 --deadline 1 --outage 60-90
    saec simulate --log runs/bottle --policy gate --cloud-ms 400 --latency lognormal:40:0.8
    """
    from saec.profile import write_json
    from saec.simulation.scenario import simulate

    cast, scene = _cast(log, **given), _scene(**given)
    click.echo(cast.note)
    begun = time.perf_counter()
    with _writer(out, cast, scene, {"log": log, **given}) as write:
        figures = simulate(cast, scene, write)
    _show(figures, time.perf_counter() - begun)
    if json_file is not None:
        write_json(json_file, figures)


def _scene(**given: Any) -> Scene:
    from saec.simulation.events import CloudModel, Latency, Pace
    from saec.simulation.scenario import Scene

    return Scene(
        pace=Pace(rate=given["rate"], edge=given["edge_ms"] / 1e3),
        cloud=CloudModel(
            request=given["cloud_ms"] / 1e3,
            frame=given["frame_ms"] / 1e3,
            latency=Latency(*given["latency"]),
            outages=given["outages"],
            timeout=given["timeout"],
        ),
        batch=given["batch"],
        waiting=given["waiting"],
        deadline=given["deadline"],
        seed=given["seed"],
    )


def _cast(log: Path | None, **given: Any) -> Cast:
    """Frames and who judges them: of a stated law, or of a recorded run."""
    import numpy as np

    from saec.runs.run_folder import Options
    from saec.simulation.opinion_source import Law
    from saec.simulation.scenario import recorded, stated

    rng = np.random.default_rng(given["seed"])
    asked = {name: given[name] for name in ("policy", "preset", "changes", "budget", "costs")}
    options = Options(**scheduling(**asked))
    error, correlation = given["cloud_error"], given["correlation"]
    if log is not None:
        return recorded(
            log,
            given["line"],
            options,
            rng,
            frames=given["frames"],
            cloud_error=error,
            correlation=correlation,
        )
    if given["line"] is not None:
        raise ConfigError("--line without --log", "name a run of that line with --log")
    law = Law(
        prevalence=given["prevalence"],
        auroc=given["auroc"],
        cloud_error=_CLOUD_ERROR if error is None else error,
        correlation=correlation,
    )
    return stated(law, options, given["frames"] or _STATED, rng)


@contextmanager
def _writer(out: Path | None, cast: Cast, scene: Scene, given: dict[str, Any]) -> Iterator[Any]:
    """What takes verdicts: a log in a new folder, with its run.json, or nothing."""
    if out is None:
        yield None
        return
    from saec.runs.run_record import VERDICTS_FILE, write_run
    from saec.runs.verdict_log import VerdictLog
    from saec.simulation.run_description import describe_simulation, ended

    if (out / VERDICTS_FILE).exists():
        raise ConfigError(f"{out} already holds a run", "name another --out")
    out.mkdir(parents=True, exist_ok=True)
    info = describe_simulation(cast, scene, model=_model(given), command=command_line())
    write_run(out, info)
    with VerdictLog(out / VERDICTS_FILE) as log:
        yield log.append
    write_run(out, ended(info, out, scene))


def _model(given: dict[str, Any]) -> dict[str, Any]:
    """What the opinions were drawn from; a cloud_error of None is that the recorded cloud answers."""
    names = ["cloud_error", "correlation", "seed", "frames"]
    names += ["prevalence", "auroc"] if given["log"] is None else []
    model = {name: given[name] for name in names} | {"log": given["log"] and str(given["log"])}
    if given["log"] is None and given["cloud_error"] is None:
        model["cloud_error"] = _CLOUD_ERROR
    return model


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
            "answered by the edge for the cloud",
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
            rows.append((f"escapes, {name}", _share(counts.fn, defect)))
            rows.append((f"overkills, {name}", _share(counts.fp, good)))
    return rows


def _share(count: int, of: int) -> str:
    """A count with its percentage, not rounded to all or nothing unless it is."""
    if of == 0:
        return f"{count:,}"
    percent = 100 * count / of
    digits = 2 if count in (0, of) or 0.005 <= percent < 99.995 else 4
    return f"{percent:.{digits}f} % ({count:,})"
