"""What the system refuses - a file where a folder is needed, a full disk - is told, not thrown."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import click
import pytest

import saec.cli
from saec.cli import main

DRAW = ["data", "procedural", "--family", "gear", "--n-train", "1", "--n-good", "0", "--n-defect", "0"]


@pytest.mark.parametrize("out", ["file/in", "file/deep/er"])
def test_a_file_where_a_folder_is_needed_is_named_with_a_remedy(
    tmp_path: Path, out: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("mine")
    assert main([*DRAW, "--out", str(tmp_path / out)]) == 2
    told = capsys.readouterr().err
    assert str(tmp_path / "file") in told
    assert "remedy: a file stands" in told
    assert (tmp_path / "file").read_text() == "mine"


def test_a_report_of_something_inside_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("")
    assert main(["report", str(tmp_path / "file")]) == 2
    assert "remedy:" in capsys.readouterr().err


@pytest.mark.parametrize("number", [errno.EACCES, errno.EROFS, errno.ENOSPC, errno.EIO])
def test_each_refusal_has_a_remedy(
    number: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(saec.cli, "root", _raises(OSError(number, os.strerror(number), "some/file")))
    assert main([]) == 2
    told = capsys.readouterr().err
    assert f"error: some/file: {os.strerror(number)}" in told
    assert "remedy: " in told


def test_an_error_about_no_file_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(saec.cli, "root", _raises(OSError("a bug")))
    with pytest.raises(OSError, match="a bug"):
        main([])


def test_a_reader_that_has_gone_gets_no_traceback() -> None:
    read, write = os.pipe()
    os.close(read)
    call = [sys.executable, "-c", "import sys, saec.cli; sys.exit(saec.cli.main(['--help']))"]
    ended = subprocess.run(call, stdout=write, stderr=subprocess.PIPE, text=True, check=False)
    os.close(write)
    assert (ended.returncode, ended.stderr) == (1, "")


@pytest.mark.parametrize(
    "command",
    [
        ["meter", "--json", "FILE", "--", "touch", "ran"],
        ["evaluate", ".", ".", "--json", "FILE"],
        ["inspect", ".", "--line", ".", "--csv", "FILE"],
        ["report", ".", "--out", "FILE"],
    ],
)
@pytest.mark.parametrize("file", [".", "no-folder/file"])
def test_a_result_that_could_not_be_written_is_refused_before_the_work(
    command: list[str],
    file: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main([file if word == "FILE" else word for word in command]) == 2
    assert ("is a directory" if file == "." else "no-folder does not exist") in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def _raises(error: OSError) -> click.Command:
    def fail() -> None:
        raise error

    return click.Command("saec", callback=fail)
