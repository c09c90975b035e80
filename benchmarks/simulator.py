"""Speed and memory of the simulator, and the outage bar: no frame without a verdict, every deadline kept.

Prints, for each number of frames, frames per second (of wall and of CPU time), by how much the process's peak
memory grew, and what the outages did. About a minute on one core: ``python benchmarks/simulator.py``.
"""

from __future__ import annotations

import argparse
import resource
import time

import numpy as np

from saec.runs.run_folder import Options
from saec.settings import BudgetConfig
from saec.simulation.scenario import Scene, simulate, stated
from saec.simulation.simulation_settings import CloudModel, Latency, OpinionModel, Pace


def scene(frames: int, rate: float, deadline: float) -> Scene:
    """A link that is down for a minute in each five, and for a short while in between."""
    seconds = frames / rate
    starts = np.arange(60.0, seconds, 300.0).tolist()
    outages = [(start, start + 60.0) for start in starts] + [(s + 150.0, s + 150.5) for s in starts]
    cloud = CloudModel(
        request_ms=80,
        frame_ms=10,
        latency=Latency(law="lognormal", ms=40, spread=0.5),
        outages=tuple(sorted(outages)),
        timeout_s=1.0,
    )
    return Scene(pace=Pace(frames_per_s=rate, edge_ms=10), cloud=cloud, deadline_s=deadline)


def peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, nargs="+", default=[1_000, 100_000, 1_000_000])
    parser.add_argument("--policies", nargs="+", default=["gate", "value"])
    parser.add_argument("--rate", type=float, default=50.0)
    parser.add_argument("--deadline", type=float, default=1.0)
    options = parser.parse_args()
    columns = (
        "policy", "frames", "per s (wall)", "per s (CPU)", "peak memory +MB", "without verdict",
        "deadlines kept", "asked", "for the cloud", "most waiting",
    )  # fmt: skip
    print(f"| {' | '.join(columns)} |\n|{'---|' * len(columns)}")
    for policy in options.policies:
        share = BudgetConfig(share=0.3 if policy != "gate" else None)
        for frames in options.frames:
            cast = stated(
                OpinionModel(), Options(policy=policy, budget=share), frames, np.random.default_rng(0)
            )
            memory, wall, cpu = peak_mb(), time.perf_counter(), time.process_time()
            figures = simulate(cast, scene(frames, options.rate, options.deadline))
            wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
            cells = (
                policy,
                f"{frames:,}",
                f"{frames / wall:,.0f}",
                f"{frames / cpu:,.0f}",
                f"{peak_mb() - memory:.1f}",
                f"{figures.frames - figures.verdicts}",
                f"{figures.in_time:,}",
                f"{figures.escalated / frames:.1%}",
                f"{figures.fallback / frames:.1%}",
                f"{figures.peak}",
            )
            print(f"| {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
