"""The house's promises on imports: quick to start, and no torch at the line."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from saec.cli import groups

HEAVY = [
    "torch",
    "transformers",
    "openvino",
    "cv2",
    "numpy",
    "scipy",
    "sklearn",
    "PIL",
    "onnx",
    "jinja2",
    "rich",
]

BLOCK = """
import sys

ABSENT = {"torch", "torchvision", "transformers", "safetensors", "ultralytics", "sklearn"}

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ABSENT:
            raise ImportError(f"{name} is not installed at the line")

sys.meta_path.insert(0, Blocked())
"""


def python(code: str, *args: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code, *args], capture_output=True, text=True, timeout=100, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("argv", [[], ["--help"], ["--version"]])
def test_the_package_and_its_help_load_nothing_heavy(argv: list[str]) -> None:
    call = f"from saec.cli import main; status = main({argv!r})" if argv else "import saec; status = 0"
    code = f"import sys; {call}; print(sorted(set({HEAVY!r}) & set(sys.modules))); sys.exit(status)"
    assert python(code).splitlines()[-1] == "[]"


def test_help_of_each_command_needs_no_torch() -> None:
    code = BLOCK + "from saec.cli import main; sys.exit(max(main([c, '--help']) for c in sys.argv[1:]))"
    present = [name for group in groups().values() for name in group]
    told = python(code, *present)
    assert all(f"Usage: saec {name}" in told for name in present)
    assert {"fit", "inspect", "evaluate", "calibrate"} <= set(present)


def test_the_line_runs_without_torch(gear_line: Path, gears: Path, tmp_path: Path) -> None:
    """What an edge box does, `saec inspect` on a line, where torch cannot be imported."""
    code = BLOCK + "from saec.cli import main; sys.exit(main(sys.argv[1:]))"
    out = tmp_path / "run"
    python(code, "inspect", str(gears), "--line", str(gear_line), "--out", str(out))
    verdicts = [json.loads(line) for line in (out / "verdicts.jsonl").read_text().splitlines()]
    assert len(verdicts) == 8
    assert {v["state"] for v in verdicts} == {"final"}
    assert {v["decided_by"] for v in verdicts} == {"edge"}
    assert all(v["p_defect"] is not None for v in verdicts)


def test_the_block_blocks() -> None:
    code = BLOCK + "import importlib; importlib.import_module(sys.argv[1])"
    for name in ("torch", "transformers"):
        with pytest.raises(AssertionError, match="not installed at the line"):
            python(code, name)
