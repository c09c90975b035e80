"""The diagrams of the handshake are what its state machines do, and a page shows each of them."""

from __future__ import annotations

import re

from saec.station.simulated.plc_program import PlcPhase
from scripts.timing_diagrams import FOLDER, SCENES, out_of_date, played
from tests.pages import ROOT


def test_no_diagram_is_out_of_date() -> None:
    assert out_of_date() == [], "run `python scripts/timing_diagrams.py --write`"
    assert sorted(path.stem for path in FOLDER.iterdir()) == sorted(SCENES)


def test_each_scene_shows_its_answer() -> None:
    for name, scene in SCENES.items():
        samples = played(scene)
        answered = [one for one in samples if one.phase == "answered"]
        assert answered, name
        assert len(samples) < 20, name


def test_the_structured_text_has_the_states_of_the_program_that_is_tested() -> None:
    text = (ROOT / "docs" / "plc" / "saec_handshake.st").read_text("utf-8")
    states = {int(number): name for number, name in re.findall(r"^ +(\d+): +\(\* ([A-Z]+)", text, re.M)}
    assert states == {phase.value: phase.name for phase in PlcPhase}
    page = (ROOT / "docs" / "simulate.md").read_text("utf-8")
    assert all(f"| {name} | {number} |" in page for number, name in states.items())
    assert all(f"images/plc/{name}.svg" in page for name in SCENES)
