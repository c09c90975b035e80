"""saec plan: how many GPUs the stations of a plant need, and what they draw."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click
import msgspec

from saec.cli.options.output_file import write_json_to
from saec.cli.options.settings_command import is_given, settings_command
from saec.errors import ConfigError
from saec.settings import CloudConfig, MeterConfig, RunConfig
from saec.simulation.plan_settings import PlanConfig
from saec.simulation.simulation_settings import SimulationConfig

if TYPE_CHECKING:
    from saec.simulation.capacity_plan import CapacityPlan, Joules
    from saec.simulation.measured_service import MeasuredService

ASSUMED_WATTS = (8.0, 12.0)
"""Watts that a working core of a station adds, and its CPU at rest, where --cpu-watts does not say."""

_KWH = 3.6e6  # joules


@settings_command(
    everyday=("--deadline-s",),
    only=(
        "run.deadline_s",
        "cloud.batch",
        "meter.cpu_watts",
        "meter.link_j_per_byte",
        "simulation.seed",
        "simulation.pace.edge_ms",
        "simulation.cloud.latency.law",
        "simulation.cloud.latency.ms",
        "simulation.cloud.latency.spread",
    ),
)
def command(
    plan: PlanConfig,
    run: RunConfig,
    cloud: CloudConfig,
    meter: MeterConfig,
    simulation: SimulationConfig,
) -> None:
    """Plan a cloud for many stations: GPUs, bandwidth, energy, waiting, and how many GPUs may fail.

    The stations and GPUs are simulated; nothing is asked. Times are those of a 7B model on an H200 unless a
    run (--run) or options say otherwise.

    \b
    saec plan --stations 100 --fps 10 --escalation 0.1 --deadline-s 1
    saec plan --stations 40 --run runs/bottle --deadline-s 0.5 --burst 20 --json plan.json
    """
    from saec.simulation.capacity_plan import Traffic, Watts, make_plan
    from saec.simulation.measured_service import measured_service
    from saec.simulation.plan_settings import Load

    if run.deadline_s is None:
        raise ConfigError(
            "a plan needs a deadline: without one, any number of GPUs is enough",
            "give --deadline-s, such as 1",
        )
    measured = None if plan.run is None else measured_service(plan.run)
    plan, edge_ms = _with_measured(plan, simulation.pace.edge_ms, measured)
    load = Load(
        stations=plan.stations,
        fps=plan.fps,
        escalation=plan.escalation,
        burst=plan.burst,
        together=cloud.batch,
        edge_ms=edge_ms,
        deadline_s=run.deadline_s,
        seed=simulation.seed,
    )
    made = make_plan(
        load,
        plan.replica,
        simulation.cloud.latency,
        Traffic(frame_bytes=plan.frame_bytes, answer_bytes=plan.answer_bytes, link_gbit=plan.link_gbit),
        Watts(
            gpu=plan.replica.watts,
            edge=meter.cpu_watts or ASSUMED_WATTS,
            link_j_per_byte=meter.link_j_per_byte,
        ),
        late_share=plan.late_share,
        spare=plan.spare,
        replicas=plan.replicas,
    )
    if str(plan.json) != "-":
        _show(made, measured)
    if plan.json is not None:
        write_json_to(plan.json, made)


def _with_measured(
    plan: PlanConfig, edge_ms: float, measured: MeasuredService | None
) -> tuple[PlanConfig, float]:
    """The plan with what a run measured, but for what the user gave."""
    if measured is None:
        return plan, edge_ms
    found: dict[str, float | None] = msgspec.structs.asdict(measured)
    replica = {
        name: found[name]
        for name in ("request_ms", "frame_ms", "batch_frames")
        if not is_given(f"plan.replica.{name}")
    }
    own = {
        name: found[name]
        for name in ("escalation", "frame_bytes")
        if found[name] is not None and not is_given(f"plan.{name}")
    }
    changed: dict[str, Any] = {**own, "replica": msgspec.structs.replace(plan.replica, **replica)}
    if measured.edge_ms is not None and not is_given("simulation.pace.edge_ms"):
        edge_ms = measured.edge_ms
    return msgspec.structs.replace(plan, **changed), edge_ms


def _show(plan: CapacityPlan, measured: MeasuredService | None) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    click.echo(_source(plan, measured))
    table = Table(box=box.SIMPLE_HEAD, show_header=False, pad_edge=False)
    for row in (*_gpus(plan), *_answers(plan), *_link(plan), *_energy(plan)):
        table.add_row(*row)
    Console(width=100).print(table)
    click.echo(
        f"Simulated: {plan.simulated_s:,.0f} s with {plan.simulated:,} answers for each number of GPUs"
    )
    for problem in plan.problems:
        click.echo(f"Does not hold: {problem}")


def _source(plan: CapacityPlan, measured: MeasuredService | None) -> str:
    replica = plan.replica
    took = f"{replica.request_ms:.3g} + {replica.frame_ms:.3g} n ms"
    what = f"a batch of n frames takes {took}, n up to {replica.batch_frames}"
    if measured is None:
        return f"Assumed of a GPU: {what} (docs/plan.md)"
    told = f"Measured on {measured.questions:,} answers of the run: {what}"
    if not measured.explained:
        return told
    without = f"{measured.explained:,} answers with an explanation do not count (--no-explain)"
    return f"{told}. {without}"


def _gpus(plan: CapacityPlan) -> list[tuple[str, str]]:
    rows = [
        ("questions to the cloud", f"{_number(plan.questions_per_s)} per s"),
        ("GPUs needed for the deadline", f"{plan.needed:,}"),
        ("GPUs planned", f"{plan.replicas:,}"),
    ]
    if plan.may_fail is not None and plan.needed:
        rows.append(("GPUs that may fail at once", f"{plan.may_fail:,}"))
    for one in plan.failures:
        late = "the GPUs left are too few" if one.late is None else f"{one.late:.3%} are late"
        rows.append((f"with {one.failed:,} failed", late))
    return rows


def _answers(plan: CapacityPlan) -> list[tuple[str, str]]:
    if plan.answer_p50_s is None or plan.answer_p99_s is None:
        return []
    return [
        ("answer of the cloud, p50", f"{plan.answer_p50_s:.3f} s"),
        ("answer of the cloud, p99", f"{plan.answer_p99_s:.3f} s"),
        ("late answers", f"{plan.late or 0.0:.3%} (allowed {plan.late_share:.3%})"),
        ("answered by the edge to keep the deadline", f"{plan.turned_back or 0.0:.3%}"),
        ("time that a GPU computes", f"{plan.busy:.1%}, in batches of {plan.batch:.1f}"),
    ]


def _link(plan: CapacityPlan) -> list[tuple[str, str]]:
    peak = _number(plan.up_peak_mbit)
    rows = [
        ("to the cloud", f"{_number(plan.up_mbit)} Mbit/s; in one second of 100 {peak}"),
        ("from the cloud", f"{_number(plan.down_mbit)} Mbit/s"),
    ]
    if plan.link_full_at is not None:
        rows.append(
            ("share of the link in use", f"{plan.link_share:.1%}; full at {plan.link_full_at:,} stations")
        )
    return rows


def _energy(plan: CapacityPlan) -> list[tuple[str, str]]:
    frame, day = plan.per_frame, plan.per_day
    return [
        ("energy of a frame", f"{_number(_sum(frame))} J: " + _parts(frame, 1.0)),
        ("energy of a day", f"{_number(_sum(day) / _KWH)} kWh: " + _parts(day, _KWH)),
    ]


def _number(value: float) -> str:
    """Three digits, and never an exponent."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}" if value >= 0.001 or value == 0 else "< 0.001"


def _sum(joules: Joules) -> float:
    return joules.edge + joules.gpu_busy + joules.gpu_idle + joules.link


def _parts(joules: Joules, unit: float) -> str:
    named = {
        "edge": joules.edge,
        "GPUs computing": joules.gpu_busy,
        "GPUs at rest": joules.gpu_idle,
        "link": joules.link,
    }
    return ", ".join(f"{name} {_number(value / unit)}" for name, value in named.items())
