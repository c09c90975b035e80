"""Without the researchers' distribution, whoever names one of its parts is told what to install."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from saec.cloud.checkpoints.checkpoint_folder import find_checkpoint
from saec.errors import ConfigError, ModelError
from saec.runs.requested_options import preset_policy

WITHOUT_RESEARCH = """
import importlib.metadata, sys

importlib.metadata.entry_points = lambda **group: ()
from saec.cli import main

sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.parametrize(
    "argv",
    [
        ["bench", "frontier"],
        ["baseline", "edge", "images"],
        ["inspect", "images", "--line", "line", "--policy", "seed"],
    ],
)
def test_without_the_researchers_distribution_its_names_say_what_to_install(
    argv: list[str], tmp_path: Path
) -> None:
    for name in ("images", "line"):
        (tmp_path / name).mkdir()
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_RESEARCH, *argv],
        cwd=tmp_path, capture_output=True, text=True, timeout=100, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert "pip install saec-research" in done.stderr
    assert "Traceback" not in done.stderr


def test_without_the_researchers_distribution_presets_and_checkpoint_say_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("saec.extensions.extensions", lambda group: ())
    monkeypatch.setattr("saec.schedule.policies.extensions", lambda group: ())
    monkeypatch.setattr("saec.cloud.checkpoints.checkpoint_folder.extensions", lambda group: ())
    with pytest.raises(ConfigError) as preset:
        preset_policy("saec")
    with pytest.raises(ModelError) as checkpoint:
        find_checkpoint("small")
    for raised in (preset, checkpoint):
        assert "pip install saec-research" in raised.value.remedy
