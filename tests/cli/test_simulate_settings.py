"""The options and the file of `saec simulate`: what it shares with runs, what of a file is not its own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from saec.cli import main

FILE = """
[simulation]
frames = 40

[simulation.cloud]
outages = [[0, 1], [1.2, 1.4]]

[simulation.cloud.latency]
law = "exponential"

[policy]
policy = "cloud"
complexity = 3.0

[cloud]
model = "small"
batch = 2

[cloud.remote]
timeout_s = 0.5

[run]
deadline_s = 0.4
maps = false
"""


def figures(capsys: pytest.CaptureFixture[str], *options: str) -> dict[str, float]:
    capsys.readouterr()
    assert main(["simulate", *options, "--json", "-"]) == 0
    read: dict[str, float] = json.loads(capsys.readouterr().out)
    return read


def test_a_file_says_all_and_an_option_beats_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "saec.toml"
    file.write_text(FILE)
    given = ["--frames", "40", "--outage", "0-1", "--outage", "1.2-1.4", "--latency-law", "exponential"]
    given += ["--policy", "cloud", "--complexity", "3", "--batch", "2", "--timeout-s", "0.5"]
    said = figures(capsys, "--config", str(file))
    assert said == figures(capsys, *given, "--deadline-s", "0.4")
    assert (said["frames"], said["lost"] > 0) == (40, True)
    assert figures(capsys, "--config", str(file), "--frames", "30")["frames"] == 30


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ("[cloud]\nmodle = 'small'", "[cloud] has no key modle"),
        ("[cloud]\nreferences = 'many'", "cloud.references"),
        ("[simulation.cloud]\noutages = [[9, 3]]", "ends before it begins"),
        ("[simulation.opinions]\nauroc = 0.4", "simulation.opinions.auroc"),
        ("[simulated]\nframes = 3", "no section [simulated]"),
    ],
)
def test_a_fault_of_the_file_is_named(
    wrong: str, told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "saec.toml"
    file.write_text(wrong)
    assert main(["simulate", "--config", str(file)]) == 2
    assert told in capsys.readouterr().err
