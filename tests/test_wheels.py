"""The wheels: what the line's has and has not, and that both have every module."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.sources import modules

pytestmark = pytest.mark.acceptance

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Each distribution's wheel, of a copy: a build leaves its own files beside the sources."""
    folder = tmp_path_factory.mktemp("wheels")
    source = folder / "source"
    source.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    for name in ("src", "research"):
        shutil.copytree(
            ROOT / name, source / name, ignore=shutil.ignore_patterns("*.egg-info", "__pycache__", "build")
        )
    for project in (source, source / "research"):
        command = ("pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir", str(folder))
        subprocess.run([sys.executable, "-m", *command, str(project)], check=True, timeout=300)
    return {wheel.name.split("-")[0]: wheel for wheel in folder.glob("*.whl")}


def test_the_line_s_wheel_is_small_and_has_no_model_and_nothing_of_the_researchers(
    wheels: dict[str, Path],
) -> None:
    assert wheels["saec"].stat().st_size < 2_000_000
    names = zipfile.ZipFile(wheels["saec"]).namelist()
    assert all(name.startswith(("saec/", "saec-")) for name in names)
    assert not [name for name in names if name.endswith((".safetensors", ".pt", ".onnx"))]
    assert {"saec/py.typed", "saec/station/example.toml"} <= set(names)
    page = ROOT / "src/saec/station/page"
    shown = [path for path in page.rglob("*") if path.suffix in (".html", ".css", ".js", ".svg", ".po")]
    assert {path.relative_to(ROOT / "src").as_posix() for path in shown} <= set(names)


def test_both_wheels_have_every_module_and_the_researchers_has_the_checkpoint(
    wheels: dict[str, Path],
) -> None:
    held = {name for wheel in wheels.values() for name in zipfile.ZipFile(wheel).namelist()}
    here = {path if path.startswith("saec_research/") else f"saec/{path}" for path, _ in modules()}
    assert here <= held
    data = {
        path.relative_to(ROOT / folder).as_posix()
        for folder in ("src", "research/src")
        for path in (ROOT / folder).rglob("*")
        if path.suffix in {".html", ".css", ".toml", ".json", ".safetensors"} and "egg-info" not in str(path)
    }
    assert data <= held


def test_the_metadata_name_the_pythons_and_the_entry_points(wheels: dict[str, Path]) -> None:
    for name, wheel in wheels.items():
        archive = zipfile.ZipFile(wheel)
        folder = next(n.split("/")[0] for n in archive.namelist() if n.endswith(".dist-info/METADATA"))
        metadata = archive.read(f"{folder}/METADATA").decode()
        assert f"Version: {folder.split('-')[1].removesuffix('.dist')}" in metadata
        assert "Requires-Python: >=3.11" in metadata
        for python in ("3.11", "3.12", "3.13"):
            assert f"Programming Language :: Python :: {python}" in metadata
        points = archive.read(f"{folder}/entry_points.txt").decode()
        researchers = {
            group: f"[{group}]" in points for group in ("saec.commands", "saec.policies", "saec.checkpoints")
        }
        assert set(researchers.values()) == {name == "saec_research"}
