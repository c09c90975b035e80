"""The quickstart's commands run as they stand, one after the other."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import pytest

from saec.cli import main
from saec.data.procedural import draw_product
from tests.pages import blocks, commands

STEPS = [words for block in blocks() if block.page == "docs/quickstart.md" for words in commands(block)]


def _draw(folder: Path, names: list[str], first: int, kind: str | None = None) -> None:
    folder.mkdir(parents=True)
    product = draw_product("gear", 3)
    for i, name in enumerate(names):
        image = product.render(first + i, kind=kind, difficulty=0.0, size=128).image
        assert cv2.imwrite(str(folder / name), image[..., ::-1])


def _others(folder: Path) -> None:
    """The folders of the user's own that the page names."""
    numbers = [f"{i:03d}.png" for i in range(6)]
    _draw(folder / "known", numbers, 300, "stain")
    _draw(folder / "fresh", numbers, 400)
    parts = [f"L{7 + part // 6}_{part:04d}_top.png" for part in range(12)]
    _draw(folder / "parts" / "train" / "good", parts, 500)
    _draw(folder / "parts" / "test" / "good", [f"L9_{part:04d}_top.png" for part in range(50, 53)], 600)
    _draw(folder / "parts" / "test" / "scratch", ["L9_0100_top.png"], 700, "scratch")


def test_what_needs_neither_fit_nor_cloud(
    gears: Path, gear_line: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(gears, tmp_path / "gear")
    shutil.copytree(gear_line, tmp_path / "lines" / "gear")
    _others(tmp_path)
    shutil.copytree(gears, tmp_path / "products" / "gear")
    monkeypatch.chdir(tmp_path)
    quick = [
        words[1:] for words in STEPS
        if words[:1] == ["saec"] and "--cloud" not in words and words[1] not in ("fit", "demo")
        and "procedural" not in words and "runs/gear-asked" not in words and "runs/*/" not in words
    ]  # fmt: skip
    assert len(quick) >= 8
    for words in quick:
        assert main(words) == 0, " ".join(words)
    assert main(["report", "runs/gear"]) == 0


def test_defects_of_the_test_set_can_be_set_apart(
    gears: Path, gear_line: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As step 7 says for MVTec AD, whose train split has no defects."""
    (moved,) = [words for words in STEPS if words[0] == "mv"]
    assert moved[1].startswith("mvtec/bottle/test/broken_small/")
    shutil.copytree(gear_line, tmp_path / "line")
    stated = tmp_path / "line" / "line.json"  # as if it had been fitted on the copy
    stated.write_text(stated.read_text("utf-8").replace(str(gears), str(tmp_path / "gears")), "utf-8")
    for split in ("train", "test"):
        shutil.copytree(gears / split / "good", tmp_path / "gears" / split / "good")
    shutil.copytree(gears / "test" / "defect", tmp_path / "gears" / "test" / "broken_small")
    shutil.copytree(gears / "train" / "defect", tmp_path / "gears" / "train" / "defect")
    found = tmp_path / "gears" / "test" / "broken_small"
    (found / "000.png").rename(tmp_path / "gears" / "train" / "defect" / "900.png")
    monkeypatch.chdir(tmp_path)
    assert main(["calibrate", "line", "gears"]) == 0
    assert main(["evaluate", "line", "gears", "--json", "out.json"]) == 0
    assert re.search(r'"n_defect": *3', (tmp_path / "out.json").read_text())


@pytest.mark.acceptance
def test_the_whole_page_runs_as_it_stands(tmp_path: Path) -> None:
    """Minutes: it fits at full size and asks the demonstration checkpoint."""
    _others(tmp_path)
    for words in STEPS:
        line = " ".join(words)
        if words[0] != "saec" or "mvtec/" in line or words[1] == "demo":
            continue
        if "products" in line and not (tmp_path / "products").exists():
            shutil.copytree(tmp_path / "gear", tmp_path / "products" / "gear")
        expanded = [p for w in words[1:] for p in (sorted(map(str, tmp_path.glob(w))) if "*" in w else [w])]
        called = [sys.executable, "-m", "saec", *expanded]
        done = subprocess.run(called, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"
    assert (tmp_path / "runs" / "gear-asked" / "report.html").is_file()
