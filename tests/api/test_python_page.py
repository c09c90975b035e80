"""The Python blocks of the page and of the read-me run as they stand, one after the other."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import cv2
import pytest

import saec
from saec.data.procedural import draw_product
from tests.conftest import SIDE

ROOT = Path(__file__).parents[2]


def blocks(page: str) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```", (ROOT / page).read_text("utf-8"), re.DOTALL | re.MULTILINE)


def run(page: str, *, clouds: bool) -> dict[str, object]:
    """Run the blocks of a page; those that ask a cloud only on demand."""
    names: dict[str, object] = {}
    for block in blocks(page):
        if clouds or "Cloud(" not in block:
            exec(compile(block, page, "exec"), names)
    return names


@pytest.fixture
def at_work(gears: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the data set, the photos and the new defects that the pages name."""
    shutil.copytree(gears, tmp_path / "mvtec" / "bottle")
    shutil.copytree(gears / "test" / "defect", tmp_path / "photos")
    (tmp_path / "new_defects").mkdir()
    product = draw_product("gear", 3)
    for i in range(3):
        image = product.render(200 + i, kind=product.kinds[i], difficulty=0.0, size=SIDE).image
        assert cv2.imwrite(str(tmp_path / "new_defects" / f"{i:03d}.png"), image[..., ::-1])
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("page", ["docs/python.md", "README.md"])
def test_the_blocks_run(page: str, at_work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = run(page, clouds=False)["line"]
    assert isinstance(line, saec.Line)
    said = capsys.readouterr().out
    assert "Metrics of 4 good and 4 defect images" in said


def test_what_the_page_says_of_an_error_is_what_it_says(
    at_work: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run("docs/python.md", clouds=False)
    said = capsys.readouterr().out
    comments = re.findall(r"print\(error\.\w+\)\s+# (.*)", (ROOT / "docs/python.md").read_text("utf-8"))
    assert len(comments) == 2
    assert [comment for comment in comments if comment.split(";")[0] not in said] == []  # the range differs


@pytest.mark.acceptance
def test_the_blocks_with_a_cloud_run(at_work: Path) -> None:
    assert isinstance(run("docs/python.md", clouds=True)["cloud"], saec.Cloud)


def test_the_page_names_all_of_the_face() -> None:
    page = (ROOT / "docs" / "python.md").read_text("utf-8")
    errors = {name for name in saec.__all__ if name.endswith("Error")} - {"SaecError"}
    assert [n for n in saec.__all__ if n not in errors | {"__version__"} and f"`saec.{n}`" not in page] == []
