"""Our GPU energy beside that of zeus, over the same windows: at rest, full load, half of the time, copies.

    pip install zeus && python benchmarks/energy_check.py --gpu 0

Needs an NVIDIA GPU with an energy counter, torch, and zeus of PyPI. About 50 s. Two figures of zeus stand
beside ours: its ``ZeusMonitor``, which reads the same counter by its own code, and the time integral of the
power that its ``PowerMonitor`` polls in another process, a sensor reading of its own. Which of the two meters
encloses the other alternates. Ends with status 1 where ours and ZeusMonitor's differ by more than
``--tolerance``.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

from saec.meter import Meter
from saec.meter.gpu import open_gpu

Step = Callable[[], None]
SIDE = 8192
"""Rows and columns of the bfloat16 matrices that are multiplied and copied."""


def loads() -> dict[str, Step]:
    """What the windows do, a short step at a time; each step ends with an idle GPU."""
    import torch

    a, b = (torch.randn(SIDE, SIDE, device="cuda", dtype=torch.bfloat16) for _ in range(2))
    out = torch.empty_like(a)

    def multiply() -> None:
        for _ in range(20):
            torch.matmul(a, b, out=out)
        torch.cuda.synchronize()

    def half() -> None:
        begin = time.perf_counter()
        multiply()
        time.sleep(time.perf_counter() - begin)

    def copy() -> None:
        for _ in range(100):
            out.copy_(a)
        torch.cuda.synchronize()

    for step in (multiply, copy):
        step()  # kernels are loaded and chosen at the first call
    return {"rest": lambda: time.sleep(0.1), "full load": multiply, "half of the time": half, "copies": copy}


def window(meter: Meter, zeus: Any, name: str, step: Step, seconds: float, ours_outside: bool) -> Any:
    """Run steps for some seconds inside both meters.

    Returns:
        Zeus's measurement; ours is in the phase "run" of ``meter``.
    """
    with ExitStack() as inside:
        if ours_outside:
            inside.enter_context(meter.phase("run"))
        zeus.begin_window(name)
        if not ours_outside:
            inside.enter_context(meter.phase("run"))
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            step()
        if not ours_outside:
            inside.close()
        return zeus.end_window(name)


def integral(timeline: list[tuple[float, float]], begin: float, end: float) -> float | None:
    """Joules between two times of a power that holds until its next sample; None before the first.

    Args:
        timeline: (seconds, watts) in order; a sample is kept only where the power changed.
    """
    if not timeline or timeline[0][0] > begin:
        return None
    ends = [t for t, _ in timeline[1:]] + [max(end, timeline[-1][0])]
    held = zip(timeline, ends, strict=True)
    return sum(watts * max(min(until, end) - max(t, begin), 0.0) for (t, watts), until in held)


def compare(gpu: int, seconds: float, rounds: int) -> float:
    """Print a row for each window; returns the largest difference to ZeusMonitor, as a share of its."""
    from zeus.monitor import PowerMonitor, ZeusMonitor

    steps = loads()
    power = PowerMonitor(gpu_indices=[gpu], update_period=0.05, power_domains=["device_instant"])
    zeus = ZeusMonitor(gpu_indices=[gpu], cpu_indices=[])
    worst = 0.0
    time.sleep(1.0)  # the power has settled and has been polled before the first window
    columns = (
        "window",
        "s",
        "W",
        "ours, J",
        "its s",
        "ZeusMonitor, J",
        "ours / it",
        "its power, J",
        "ours / it",
    )
    print(f"| {' | '.join(columns)} |\n|{'---|' * len(columns)}", flush=True)
    for number in range(rounds * len(steps)):
        name, step = list(steps.items())[number % len(steps)]
        with Meter(gpu=gpu) as meter:
            begin = time.time()
            theirs = window(meter, zeus, f"{number}", step, seconds, ours_outside=number % 2 == 0)
            end = time.time()
        ours = meter.reading("run")
        if ours.gpu_energy_j is None:
            raise SystemExit("; ".join(ours.notes))
        polled = integral(power.get_power_timeline("device_instant")[gpu], begin, end)
        counter = theirs.gpu_energy[gpu]
        worst = max(worst, abs(ours.gpu_energy_j / counter - 1))
        cells = [name, f"{ours.wall_s:.2f}", f"{ours.gpu_power_avg_w:.0f}", f"{ours.gpu_energy_j:.1f}"]
        cells += [f"{theirs.time:.2f}", f"{counter:.1f}", f"{ours.gpu_energy_j / counter:.4f}"]
        cells += ["-", "-"] if not polled else [f"{polled:.1f}", f"{ours.gpu_energy_j / polled:.3f}"]
        print(f"| {' | '.join(cells)} |", flush=True)
    power.stop()
    return worst


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gpu", type=int, default=0, help="NVML's number; leave CUDA_VISIBLE_DEVICES unset")
    parser.add_argument("--seconds", type=float, default=10.0, help="of one window")
    parser.add_argument("--rounds", type=int, default=1, help="of the four windows")
    parser.add_argument("--tolerance", type=float, default=0.02)
    args = parser.parse_args()
    gpu = open_gpu(args.gpu)
    if gpu.energy_j() is None:
        raise SystemExit("; ".join(gpu.notes))
    print(f"{gpu.name}\n")
    gpu.close()
    worst = compare(args.gpu, args.seconds, args.rounds)
    print(f"\nLargest difference between ours and ZeusMonitor: {worst:.2%} (bar {args.tolerance:.0%})")
    return int(worst > args.tolerance)


if __name__ == "__main__":
    raise SystemExit(main())
