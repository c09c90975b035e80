"""The examples run: five scripts and two notebooks, on drawn images and without a network."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"
SCRIPTS = sorted(path.name for path in EXAMPLES.glob("*.py") if path.name != "drawn_keypads.py")
NOTEBOOKS = sorted(path.name for path in EXAMPLES.glob("*.ipynb"))
SHOWN = {
    "own_data.ipynb": ("Metrics of 16 good and 16 defect images", "data:image/jpeg;base64,", "image/png"),
    "does_a_cloud_pay.ipynb": (
        "gain in points",
        "small decides together with the edge",
        "decided by the cloud",
    ),
}


def environment() -> dict[str, str]:
    paths = [str(EXAMPLES), *(path for path in sys.path if path)]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}


def test_there_are_five_scripts_and_two_notebooks() -> None:
    assert len(SCRIPTS) == 5
    assert list(SHOWN) == NOTEBOOKS[::-1]
    for name in SCRIPTS:
        text = (EXAMPLES / name).read_text("utf-8")
        assert text.startswith('"""')
        assert len(text.splitlines()) <= 40, f"{name} is not short"
    for name in NOTEBOOKS:
        assert '"output_type"' not in (EXAMPLES / name).read_text("utf-8"), f"clear the outputs of {name}"


@pytest.mark.acceptance
@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_runs(name: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / name)],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout


@pytest.mark.acceptance
@pytest.mark.parametrize("name", NOTEBOOKS)
def test_a_notebook_runs(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nbformat, nbclient = pytest.importorskip("nbformat"), pytest.importorskip("nbclient")
    for variable, value in environment().items():
        monkeypatch.setenv(variable, value)
    notebook = nbformat.read(EXAMPLES / name, as_version=4)
    client = nbclient.NotebookClient(notebook, timeout=600, resources={"metadata": {"path": str(tmp_path)}})
    client.execute()
    shown = nbformat.writes(notebook)
    assert [words for words in SHOWN[name] if words not in shown] == []
