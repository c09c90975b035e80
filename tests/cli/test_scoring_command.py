"""saec scoring, with the checkpoint that ships."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from saec.cli import main


def test_the_three_ways_side_by_side(
    gears: Path, gear_line: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    figures = tmp_path / "figures.json"
    argv = ["scoring", str(gears), "--cloud", "small", "--line", str(gear_line), "--limit-per-label", "1"]
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
    [
        ([], "--cloud"),
        (["--cloud", "none"], "asks a cloud"),
        (["--cloud", "http://127.0.0.1:1/v1"], "one way only"),
        (["--cloud", "small", "--references", "2"], "--line"),
    ],
)
def test_what_cannot_be_asked_is_refused(
    options: list[str], problem: str, gears: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["scoring", str(gears), *options]) == 2
    assert problem in capsys.readouterr().err


def test_it_takes_every_way_and_so_no_option_for_one(gears: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["scoring", str(gears), "--cloud", "small", "--scoring", "rank"]) == 2
    assert "--scoring" in capsys.readouterr().err


def test_it_reads_instruction_data_and_judges_its_val(
    gears: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sft = tmp_path / "sft"
    assert main(["data", "sft", "--src", str(gears), "--out", str(sft), "--train-defect-share", "0.5"]) == 0
    figures = tmp_path / "figures.json"
    argv = ["scoring", str(sft), "--cloud", "small", "--references", "0", "--cloud-side-px", "112"]
    assert main([*argv, "--limit-per-label", "1", "--json", str(figures)]) == 0
    for row in json.loads(figures.read_text())["scorings"].values():
        assert row["metrics"]["n_good"] + row["metrics"]["n_defect"] + row["unparsed"] == 2
    from saec.data.input_images import list_inputs

    sources = list_inputs(sft).sources
    assert [sum(s.truth == label for s in sources) for label in (0, 1)] == [4, 2]


def test_what_chose_an_adapter_does_not_measure_it(
    gears: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sft, adapter = tmp_path / "sft", tmp_path / "adapter"
    assert main(["data", "sft", "--src", str(gears), "--out", str(sft)]) == 0
    adapter.mkdir()
    (adapter / "manifest.json").write_bytes((sft / "manifest.json").read_bytes())
    call = ["scoring", str(sft), "--cloud", "small", "--adapter", str(adapter)]
    assert main(call) == 2
    assert "used in sft-val" in capsys.readouterr().err
