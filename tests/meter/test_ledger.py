import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saec.meter.ledger import Ledger, MeterSample, PhaseReading, energy_of, energy_per_correct_mwh


def test_energy_is_the_counter_and_power_its_rate() -> None:
    ledger = Ledger(MeterSample(10.0, gpu_j=1000.0, cpu_j=50.0))
    ledger.advance(MeterSample(15.0, gpu_j=1100.0, cpu_j=60.0), [(10.0, "run")])
    ledger.advance(MeterSample(30.0, gpu_j=9000.0, cpu_j=90.0))
    reading = ledger.reading("run")
    assert (reading.wall_s, reading.gpu_energy_j, reading.cpu_energy_j) == (20.0, 8000.0, 40.0)
    assert reading.gpu_power_avg_w == 400.0
    assert not reading.notes


def test_marks_split_an_interval() -> None:
    ledger = Ledger(MeterSample(0.0, gpu_j=0.0, memory=1e9))
    ledger.advance(MeterSample(10.0, gpu_j=100.0, memory=3e9), [(2.0, "loading"), (6.0, "run")])
    ledger.advance(MeterSample(20.0, gpu_j=300.0, memory=3e9), [(15.0, "")])
    assert ledger.phases == ["", "loading", "run"]
    assert [ledger.reading(p).wall_s for p in ("", "loading", "run")] == [7.0, 4.0, 9.0]
    assert [ledger.reading(p).gpu_energy_j for p in ("", "loading", "run")] == [120.0, 40.0, 140.0]
    assert ledger.phase == ""


def seconds(low: float, high: float) -> st.SearchStrategy[float]:
    """Times as a clock tells them: in whole nanoseconds."""
    return st.floats(low, high).map(lambda time: round(time, 9))


@given(
    st.lists(st.tuples(seconds(0, 5), st.floats(0, 50)), min_size=1, max_size=8),
    st.lists(st.tuples(seconds(-5, 50), st.sampled_from(["loading", "run", ""])), max_size=6),
)
def test_nothing_is_lost_or_counted_twice(
    steps: list[tuple[float, float]], marks: list[tuple[float, str]]
) -> None:
    marks = sorted(marks, key=lambda m: m[0])
    time, energy = 0.0, 7.0
    ledger = Ledger(MeterSample(time, gpu_j=energy))
    for seconds, joules in steps:
        due = [m for m in marks if m[0] <= time + seconds]
        marks = marks[len(due) :]
        time, energy = time + seconds, energy + joules
        ledger.advance(MeterSample(time, gpu_j=energy), due)
    readings = [ledger.reading(p) for p in ("", "loading", "run")]
    assert sum(r.wall_s for r in readings) == pytest.approx(time)
    assert all(r.wall_s >= 0 for r in readings)
    assert sum(r.gpu_energy_j or 0 for r in readings) == pytest.approx(energy - 7.0)


def test_an_energy_known_in_part_is_unknown() -> None:
    ledger = Ledger(MeterSample(0.0, gpu_j=1.0, cpu_j=1.0))
    ledger.advance(MeterSample(1.0, gpu_j=None, cpu_j=0.5))
    ledger.advance(MeterSample(2.0, gpu_j=3.0, cpu_j=2.0))
    reading = ledger.reading("")
    assert reading.gpu_energy_j is None, "one sample had none"
    assert reading.cpu_energy_j is None, "the counter went back"
    assert reading.gpu_power_avg_w is None


def test_gauges_are_averaged_over_the_time_in_which_they_are_known() -> None:
    ledger = Ledger(MeterSample(0.0, memory=2e9, gpu_util=0.0))
    ledger.advance(MeterSample(1.0, memory=4e9, gpu_util=100.0))
    ledger.advance(MeterSample(4.0, memory=4e9))
    ledger.advance(MeterSample(9.0))
    ledger.advance(MeterSample(99.0))
    reading = ledger.reading("")
    assert reading.cpu_memory_avg_gb == pytest.approx((3 + 3 * 4 + 5 * 4) / 9)
    assert reading.cpu_memory_peak_gb == 4.0
    assert reading.gpu_util_avg == pytest.approx((50 + 300) / 4)


def test_a_phase_that_never_came_has_no_figures() -> None:
    ledger = Ledger(MeterSample(0.0, gpu_j=1.0))
    ledger.advance(MeterSample(1.0, gpu_j=2.0))
    assert ledger.reading("run") == PhaseReading(phase="run", wall_s=0.0)


def test_a_short_window_says_that_it_is_inaccurate() -> None:
    ledger = Ledger(MeterSample(0.0, gpu_j=0.0))
    ledger.advance(MeterSample(3.0, gpu_j=2.0))
    assert any("inaccurate" in note for note in ledger.reading("").notes)


def test_a_window_shorter_than_the_counters_step_is_unknown_not_zero() -> None:
    ledger = Ledger(MeterSample(0.0, gpu_j=5.0, cpu_j=1.0))
    ledger.advance(MeterSample(0.03, gpu_j=5.0, cpu_j=1.0))
    reading = ledger.reading("")
    assert (reading.gpu_energy_j, reading.gpu_power_avg_w, reading.cpu_energy_j) == (None, None, None)
    assert any("did not change" in note for note in reading.notes)


@pytest.mark.parametrize(
    ("gpu", "cpu", "correct", "expected", "parts"),
    [
        (720.0, None, 100, 2.0, ("GPU",)),
        (720.0, 360.0, 100, 3.0, ("GPU", "CPU")),
        (None, 360.0, 100, 1.0, ("CPU",)),
        (None, None, 100, None, ()),
        (720.0, None, 0, None, ("GPU",)),
        (720.0, None, None, None, ("GPU",)),
        (0.0, None, 5, 0.0, ("GPU",)),
    ],
)
def test_energy_per_correct_decision(
    gpu: float | None, cpu: float | None, correct: int | None, expected: float | None, parts: tuple[str, ...]
) -> None:
    reading = PhaseReading(phase="run", wall_s=1.0, gpu_energy_j=gpu, cpu_energy_j=cpu)
    got = energy_per_correct_mwh(reading, correct)
    assert got == expected or (got is not None and expected is not None and math.isclose(got, expected))
    assert energy_of(reading) == parts
