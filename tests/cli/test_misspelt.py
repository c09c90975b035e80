"""A misspelt command or option is answered with what was probably meant."""

from __future__ import annotations

import pytest

from saec.cli import main, root


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        (["evalute"], "evaluate"),
        (["calibrat"], "calibrate"),
        (["Fit"], "fit"),
        (["data", "chek"], "check"),
        (["station", "letter"], "letters"),
        (["fit", ".", "--overkil-rate", "0.1"], "--overkill-rate"),
        (["baseline", "edge", ".", "--limt", "3"], "--limit"),
    ],
)
def test_what_was_meant_is_named(given: list[str], meant: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(given) == 2
    told = capsys.readouterr().err
    assert "Did you mean" in told
    assert f"'{meant}'" in told


def test_what_is_like_nothing_gets_no_suggestion(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["xyzzy"]) == 2
    told = capsys.readouterr().err
    assert "No such command 'xyzzy'" in told
    assert "mean" not in told


def test_a_command_of_another_distribution_is_named_with_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("saec.cli.extensions", lambda group: ())
    monkeypatch.setattr("saec.cli.root", click_root := type(root)(name="saec"))
    assert main(["bench", "paper"]) == 2
    assert "pip install saec-research" in capsys.readouterr().err
    assert "bench" not in click_root.known


@pytest.mark.parametrize(
    ("given", "lacking"),
    [
        (["models", "verify"], "FOLDER"),
        (["models", "pull", "some/model"], "--out"),
        (["worth", ".", "."], "--cloud"),
    ],
)
def test_what_a_command_needs_is_asked_for(
    given: list[str], lacking: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(given) == 2
    told = capsys.readouterr().err
    assert "Missing" in told
    assert lacking in told
