import mmap
import threading

import pytest

from saec.errors import ConfigError
from saec.meter import Meter
from saec.meter.energy_meter import Phase
from saec.meter.gpu import Gpu
from saec.meter.rapl import CpuEnergy, NullCpu

NEVER = 1e6
"""Seconds between samples: only the ends of phases are sampled."""


class Clock:
    """A clock, a GPU of 100 W and a CPU of 20 W that go with it."""

    def __init__(self) -> None:
        self.now = 50.0

    def __call__(self) -> float:
        return self.now


class FakeGpu(Gpu):
    def __init__(self, clock: Clock) -> None:
        self.clock, self.closed = clock, False

    def energy_j(self) -> float:
        return 100.0 * self.clock.now

    def utilisation(self) -> float:
        return 25.0

    def close(self) -> None:
        self.closed = True


class FakeCpu(CpuEnergy):
    def __init__(self, clock: Clock) -> None:
        self.clock = clock

    def energy_j(self) -> float:
        return 20.0 * self.clock.now


def test_phases_have_their_own_exact_energies() -> None:
    clock = Clock()
    gpu = FakeGpu(clock)
    with Meter(gpu, NEVER, cpu=FakeCpu(clock), clock=clock) as meter:
        with meter.phase("loading"):
            clock.now += 30
        clock.now += 5
        for seconds in (12, 8):
            with meter.phase("run"):
                clock.now += seconds
        clock.now += 1
    assert meter.phases == ["", "loading", "run"]
    run, loading, outside = (meter.reading(p) for p in ("run", "loading", ""))
    assert (run.wall_s, run.gpu_energy_j, run.cpu_energy_j) == (20.0, 2000.0, 400.0)
    assert (run.gpu_power_avg_w, run.gpu_util_avg) == (100.0, 25.0)
    assert (loading.wall_s, loading.gpu_energy_j) == (30.0, 3000.0)
    assert (outside.wall_s, outside.cpu_energy_j) == (6.0, 120.0)
    assert gpu.closed


def test_the_time_that_gauges_take_is_outside_the_phase() -> None:
    class Slow(FakeGpu):
        def utilisation(self) -> float:
            self.clock.now += 3.0
            return 25.0

    clock = Clock()
    with Meter(Slow(clock), NEVER, cpu=FakeCpu(clock), clock=clock) as meter, meter.phase("run"):
        clock.now += 10
    reading = meter.reading("run")
    assert (reading.wall_s, reading.gpu_energy_j, reading.cpu_energy_j) == (10.0, 1000.0, 200.0)


def test_the_null_object_gives_none_everywhere() -> None:
    with Meter(None, NEVER, cpu=NullCpu("test")) as meter, meter.phase("run"):
        pass
    reading = meter.reading()
    assert (reading.gpu_util_avg, reading.gpu_power_avg_w, reading.gpu_energy_j) == (None, None, None)
    assert reading.cpu_energy_j is None
    assert reading.notes[:2] == ("GPU not measured: no GPU was chosen", "CPU energy not measured: test")


def test_memory_of_this_process_is_seen() -> None:
    with Meter(None, NEVER, cpu=NullCpu("test")) as meter:
        with meter.phase("warm-up"):
            pass
        with meter.phase("run"):
            # Pages of its own: what malloc gives may be memory that the process had already.
            block = mmap.mmap(-1, 80_000_000)
            for page in range(0, len(block), mmap.PAGESIZE):
                block[page] = 1
        block.close()
    before, run = meter.reading("warm-up"), meter.reading("run")
    assert before.cpu_memory_peak_gb is not None
    assert run.cpu_memory_peak_gb is not None
    assert run.cpu_memory_peak_gb > before.cpu_memory_peak_gb + 0.07


def test_a_failure_of_the_sampler_surfaces() -> None:
    sampled = threading.Event()

    class Lost(FakeGpu):
        def energy_j(self) -> float:
            if threading.current_thread().name == "saec-meter":
                sampled.set()
                raise OSError("GPU is lost")
            return 0.0

    clock = Clock()
    gpu = Lost(clock)
    with pytest.raises(OSError, match="GPU is lost"), Meter(gpu, 0.001, cpu=NullCpu("test"), clock=clock):
        assert sampled.wait(30)
    assert gpu.closed


def test_an_error_of_the_work_is_not_hidden_and_the_thread_ends() -> None:
    before = threading.active_count()
    meter = Meter(None, 0.001, cpu=NullCpu("test"))
    with pytest.raises(ValueError, match="work"), meter, meter.phase("run"):
        raise ValueError("work")
    assert threading.active_count() == before
    assert meter.reading("run").wall_s >= 0


def test_phases_do_not_nest_and_the_interval_is_checked() -> None:
    with (
        Meter(None, NEVER, cpu=NullCpu("test")) as meter,
        meter.phase("loading"),
        pytest.raises(RuntimeError, match="'run' began inside the phase 'loading'"),
        meter.phase("run"),
    ):
        pass
    with pytest.raises(ConfigError, match="not positive"):
        Meter(None, 0.0)


def test_the_course_of_the_counters_can_be_kept() -> None:
    clock, seen = Clock(), []
    with Meter(
        FakeGpu(clock), NEVER, cpu=FakeCpu(clock), clock=clock, trace=lambda *a: seen.append(a)
    ) as meter:
        clock.now += 1
        phases: tuple[tuple[Phase, int], ...] = (("idle", 4), ("run", 6))
        for phase, seconds in phases:
            with meter.phase(phase):
                clock.now += seconds
    assert [(phase, s.time, s.gpu_j, s.cpu_j) for phase, s in seen] == [
        ("idle", 51.0, 5100.0, 1020.0),
        ("idle", 55.0, 5500.0, 1100.0),
        ("run", 55.0, 5500.0, 1100.0),
        ("run", 61.0, 6100.0, 1220.0),
    ]
