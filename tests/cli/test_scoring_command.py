"""saec scoring, with the checkpoint that ships."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from saec.cli import main


def test_the_three_ways_side_by_side(gears: Path, gear_line: Path, tmp_path: Path, capsys) -> None:
    figures = tmp_path / "figures.json"
    argv = ["scoring", str(gears), "--cloud", "small", "--line", str(gear_line), "--limit", "1"]
    assert main([*argv, "--references", "1", "--json", str(figures)]) == 0
    told = capsys.readouterr().out
    assert all(way in told for way in ("threshold", "rank", "generate", "unparsed", "DEMONSTRATION"))
    saved = json.loads(figures.read_text())
    assert (saved["references"], saved["prompt"], saved["demonstration"]) == (1, "v1", True)
    for row in saved["scorings"].values():
        metrics = row["metrics"]
        assert metrics["n_good"] + metrics["n_defect"] + row["unparsed"] == 2


@pytest.mark.parametrize(
    ("options", "problem"),
    [([], "no cloud"), (["--cloud", "small", "--references", "2"], "without a line")],
)
def test_what_cannot_be_asked_is_refused(options: list[str], problem: str, gears: Path, capsys) -> None:
    assert main(["scoring", str(gears), *options]) == 2
    assert problem in capsys.readouterr().err


def test_it_takes_every_way_and_so_no_option_for_one(gears: Path, capsys) -> None:
    assert main(["scoring", str(gears), "--cloud", "small", "--scoring", "rank"]) == 2
    assert "--scoring" in capsys.readouterr().err
