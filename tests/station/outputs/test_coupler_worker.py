"""A coupler acts once for each part, at its point, and what goes wrong ends in the stated state."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from saec.station.outputs.output_settings import InputSettings, OfStation, OutputSettings
from tests.station.outputs.output_bench import GPIO, OutputBench, gate

ENCODER = InputSettings(name="belt", coupler="io", address="i0:uint16", use="encoder", most_counts=50)
Make = Callable[..., OutputBench]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    made: list[OutputBench] = []

    def bench(*outputs: OutputSettings, **given: Any) -> OutputBench:
        if made:
            made[-1].close()
        made.append(OutputBench(tmp_path, outputs, **given))
        return made[-1]

    yield bench
    made[-1].close()


def test_a_defect_is_rejected_after_its_delay_and_a_good_part_is_not(make: Make) -> None:
    bench = make(gate(delay_s=2.0, pulse_s=0.3))
    assert bench.turn() == {"gate": False}
    bench.part(1)
    bench.turn(0.5)
    bench.part(2)
    bench.verdict(1, "defect")
    bench.verdict(2, "good")
    assert bench.turn(1.4) == {"gate": False}
    assert bench.turn(0.11) == {"gate": True}
    assert bench.turn(0.29) == {"gate": True}
    assert bench.turn(0.02) == {"gate": False}
    assert bench.turn(5.0) == {"gate": False}
    assert bench.counts() == {"pulsed": 1, "passed": 1}
    assert bench.told() == []


def test_the_belt_s_counts_say_when_whatever_its_speed_and_over_the_counter_s_wrap(make: Make) -> None:
    bench = make(gate(encoder="belt", delay_counts=100, tolerance_counts=5), inputs=[ENCODER])
    bench.turn(belt=65500)
    bench.part(1)
    bench.turn(0.01, belt=65510)
    bench.verdict(1, "defect")
    for value in (14, 40, 60):
        assert bench.turn(30.0, belt=value) == {"gate": False}
    bench.turn(60.0, belt=62)
    assert bench.turn(0.01, belt=64) == {"gate": True}
    assert bench.counts() == {"pulsed": 1}


def test_a_counter_that_jumps_loses_the_parts_and_keeps_the_gate_on_until_they_are_past(make: Make) -> None:
    bench = make(gate(encoder="belt", delay_counts=40, pulse_s=0.1), inputs=[ENCODER])
    bench.turn(belt=1000)
    bench.part(1)
    bench.turn(0.01, belt=1010)
    bench.verdict(1, "good")
    assert bench.turn(0.01, belt=3) == {"gate": True}, "nobody knows where the part is"
    assert bench.turn(1.0, belt=30) == {"gate": True}
    bench.turn(1.0, belt=34)
    assert bench.turn(0.2, belt=34) == {"gate": False}
    assert bench.counts() == {"lost": 1}
    assert bench.told() == ["encoder", "output-lost"]
    assert bench.worker.status()["inputs"]["belt"]["counts"] == {"jumps": 1}


@pytest.mark.parametrize(("late", "on"), [("actuate", True), ("skip", False), (None, True)])
def test_a_part_without_a_verdict_at_the_gate_has_the_stated_action_and_never_its_late_verdict_s(
    make: Make, late: Any, on: bool
) -> None:
    bench = make(gate(delay_s=1.0, late=late))
    bench.turn()
    bench.part(1)
    bench.turn(0.5)
    assert bench.turn(0.51) == {"gate": on}
    assert bench.told() == ["output-late"]
    bench.verdict(1, "defect")
    assert bench.turn(0.2) == {"gate": False}
    assert bench.counts() == {"late": 1}


def test_a_gate_for_good_parts_stays_shut_for_a_late_one(make: Make) -> None:
    bench = make(gate(on=["good"], delay_s=1.0))
    bench.part(1)
    bench.turn()
    assert bench.turn(1.01) == {"gate": False}
    assert bench.counts() == {"late": 1}


def test_only_parts_of_the_output_s_line_and_source_are_its(make: Make) -> None:
    bench = make(gate(source="front", delay_s=1.0))
    bench.part(1, source="back")
    bench.part(2, source="front")
    bench.verdict(1, "defect")
    bench.verdict(2, "error")
    bench.turn()
    bench.turn(1.01)
    assert bench.counts() == {"pulsed": 1}


def test_a_lost_coupler_gives_no_pulse_later_and_its_outputs_begin_in_the_safe_state(make: Make) -> None:
    bench = make(gate(delay_s=1.0, safe="on"))
    assert bench.coupler.outputs == {}
    bench.turn()
    assert bench.coupler.written[0][1] == {"gate": True}, "the fail-safe state comes first"
    assert bench.coupler.outputs == {"gate": False}
    for key in (1, 2):
        bench.part(key)
        bench.verdict(key, "defect")
        bench.turn(0.4)
    bench.coupler.away = True
    bench.turn(0.21)
    assert bench.worker.state == "away"
    assert bench.told() == ["coupler", "output-missed"]
    bench.coupler.away = False
    bench.coupler.written.clear()
    assert bench.turn(0.3) == {"gate": False}
    assert [levels["gate"] for _, levels in bench.coupler.written] == [True, False]
    assert bench.turn(0.1) == {"gate": True}, "the part that is still on its way"
    assert bench.counts() == {"missed": 1, "pulsed": 1}


def test_a_pulse_that_could_not_be_written_is_missed_and_is_not_given_later(make: Make) -> None:
    bench = make(gate(delay_s=1.0, pulse_s=5.0))
    bench.turn()
    bench.part(1)
    bench.verdict(1, "defect")
    bench.turn()
    bench.coupler.away = True
    bench.turn(1.0)
    bench.coupler.away = False
    assert bench.turn(1.0) == {"gate": False}
    assert bench.counts() == {"missed": 1}


def test_a_stuck_station_stands_in_the_safe_state_and_feeds_no_watchdog(make: Make) -> None:
    bench = make(
        gate(delay_s=1.0, safe="on"),
        OutputSettings(name="beat", coupler="io", address="c1", on=["heartbeat"]),
    )
    bench.turn()
    bench.part(1)
    bench.verdict(1, "defect")
    bench.hangs = True
    bench.all.look()
    fed = bench.coupler.fed
    assert bench.turn(1.0) == {"gate": True, "beat": False}
    assert bench.turn(1.0) == {"gate": True, "beat": False}
    assert bench.coupler.fed == fed
    assert bench.counts() == {"missed": 1}
    bench.hangs = False
    bench.all.look()
    assert bench.turn(1.0)["gate"] is False
    assert bench.coupler.fed == fed + 1


def test_states_are_shown(make: Make) -> None:
    states: tuple[OfStation, ...] = ("ready", "fault", "heartbeat")
    shown = [OutputSettings(name=on, coupler="io", address=f"c{i}", on=[on]) for i, on in enumerate(states)]
    bench = make(*shown, gate(address="c7", inverted=True))
    assert bench.turn() == {"ready": True, "fault": False, "heartbeat": False, "gate": True}
    bench.ready = False
    bench.all.look()
    assert bench.turn(0.5) == {"ready": False, "fault": True, "heartbeat": True, "gate": True}
    assert bench.worker.status()["outputs"]["gate"]["on"] is False


def test_a_standing_line_holds_the_delay(make: Make) -> None:
    runs = InputSettings(name="runs", coupler="io", address="d0", use="running", debounce_s=0.0)
    bench = make(gate(delay_s=1.0, running="runs"), inputs=[runs])
    bench.turn(runs=1)
    bench.part(1)
    bench.verdict(1, "defect")
    bench.turn(0.5, runs=0)
    bench.turn(60.0, runs=0)
    assert bench.turn(0.1, runs=1) == {"gate": False}
    assert bench.turn(0.51, runs=1) == {"gate": True}
    assert bench.counts() == {"pulsed": 1}


def test_a_light_barrier_has_its_source_take_a_picture_and_a_part_without_one_is_late(make: Make) -> None:
    barrier = InputSettings(
        name="eye", coupler="io", address="d0", use="trigger", line="cell", source="camera", picture_s=0.5
    )
    bench = make(gate(delay_s=1.0), inputs=[barrier])
    bench.turn(eye=1)
    bench.turn(0.01, eye=0)
    bench.turn(0.1, eye=0)
    assert bench.board.wait_for("camera", 0) is None, "what stood at the start is no part"
    for _ in range(2):
        bench.turn(0.1, eye=1)
        bench.turn(0.006, eye=1)
        bench.turn(0.1, eye=0)
        bench.turn(0.006, eye=0)
    first = bench.board.claim("camera")
    assert first is not None
    assert (first.plc, first.line, first.number) == ("input:eye", "cell", 1)
    bench.board.taken(first.capture, 7)
    bench.verdict(("input:eye", 1), "defect")
    bench.turn(0.002, eye=1)
    bench.turn(0.002, eye=0)
    bench.turn(0.4, eye=0)
    assert bench.worker.status()["inputs"]["eye"]["counts"] == {"triggers": 2, "pictures": 1, "missed": 1}
    assert bench.board.claim("camera") is None, "the trigger without a picture is given up"
    assert bench.turn(0.28, eye=0) == {"gate": True}
    assert bench.turn(0.12, eye=0) == {"gate": False}
    assert bench.turn(0.09, eye=0) == {"gate": True}
    assert bench.counts() == {"pulsed": 1, "late": 1}
    assert bench.told() == ["picture", "output-late"]


def test_numbers_of_triggers_are_never_used_again(make: Make) -> None:
    barrier = InputSettings(
        name="eye", coupler="io", address="d0", use="trigger", line="cell", source="camera", debounce_s=0.0
    )
    numbers: list[int] = []
    for _ in range(3):
        bench = make(inputs=[barrier])
        bench.turn(eye=0)
        bench.turn(0.1, eye=1)
        claimed = bench.board.claim("camera")
        assert claimed is not None
        numbers.append(claimed.number)
    assert numbers == sorted(set(numbers))


def test_an_encoder_of_pins_has_lost_its_place_once_nobody_counted(make: Make) -> None:
    bench = make(gate(encoder="belt", address="1", delay_counts=30), inputs=[ENCODER], coupler=GPIO)
    bench.turn(belt=0)
    bench.part(1)
    bench.turn(0.01, belt=1)
    bench.coupler.away = True
    bench.turn(0.01)
    bench.coupler.away = False
    assert bench.turn(1.0, belt=2) == {"gate": True}
    assert bench.counts() == {"lost": 1}


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("part"), st.sampled_from(["", "good", "defect", "error"])),
            st.tuples(st.just("pass"), st.sampled_from([0.1, 0.3, 1.1])),
            st.tuples(st.just("kill"), st.just("")),
            st.tuples(st.just("away"), st.booleans()),
        ),
        max_size=40,
    )
)
def test_over_kills_each_part_ends_once_or_is_told_as_lost(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, Any]]
) -> None:
    folder = tmp_path_factory.mktemp("outputs")
    bench = OutputBench(folder, [gate(delay_s=1.0)])
    parts, seen, lost = 0, 0, 0
    for what, told in [*steps, ("kill", ""), ("pass", 9.0)]:
        if what == "part":
            parts += 1
            bench.part(parts)
            bench.verdict(parts, told) if told else None
            bench.turn()
        elif what == "pass":
            bench.turn(told)
        elif what == "away":
            bench.coupler.away = told
        else:
            seen += sum(bench.counts().values()) - lost
            pending = bench.worker.status()["outputs"]["gate"]["pending"]
            bench.close()
            bench = OutputBench(folder, [gate(delay_s=1.0)])
            lost = bench.counts().get("lost", 0)
            assert lost == pending
            assert ("output-lost" in bench.told()) is (lost > 0)
            seen += lost
            assert bench.turn() == {"gate": False}, "nothing that was due is actuated"
    assert seen == parts
    assert bench.counts() == ({"lost": lost} if lost else {})
    bench.close()
