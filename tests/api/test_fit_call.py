"""``saec.fit``: what it takes, what it refuses, and that its line is the command line's."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import saec
from saec.cli import main
from saec.settings.keyword_fields import FitFields

SMALL = FitFields(side_px=128, memory_patches=512, folds=4, threads=1)


def test_a_line_is_the_command_line_s(gears: Path, tmp_path: Path) -> None:
    told: list[str] = []
    line = saec.fit(
        gears, out=tmp_path / "a" / "gears", progress=lambda what, done, of: told.append(what), **SMALL
    )
    options = [word for name, value in SMALL.items() for word in (f"--{name.replace('_', '-')}", str(value))]
    assert main(["fit", str(gears), "--out", str(tmp_path / "b" / "gears"), *options]) == 0
    other = saec.Line.open(tmp_path / "b" / "gears")
    assert line.threshold == other.threshold
    assert line.profile.line.fit == other.profile.line.fit
    photo = gears / "test" / "good" / "000.png"
    assert line.inspect(photo).score == other.inspect(photo).score
    assert {"learning", "cross-fit"} <= set(told)
    assert other.notes == ()


def test_goods_alone_are_enough(gears: Path, tmp_path: Path) -> None:
    goods = gears / "train" / "good"
    line = saec.fit(goods=goods, out=tmp_path / "line", **SMALL)
    verdict = line.inspect(goods / "000.png")
    assert verdict.p_defect is None
    assert "P(defect)" not in repr(verdict) + verdict._repr_html_()
    assert "P(defect)" not in verdict.plot().get_suptitle()


def test_what_a_fit_refuses(gears: Path, tmp_path: Path) -> None:
    out = tmp_path / "line"
    with pytest.raises(saec.ConfigError, match="no images to fit on"):
        saec.fit(out=out)
    with pytest.raises(saec.ConfigError, match="did you mean side_px"):
        saec.fit(gears, out=out, side=128)  # type: ignore[call-arg]
    with pytest.raises(saec.ConfigError, match="side_px='large'"):
        saec.fit(gears, out=out, side_px="large")  # type: ignore[arg-type]
    with pytest.raises(saec.DataError, match="check the path"):
        saec.fit(tmp_path / "none", out=out)
    with pytest.raises(saec.LineError, match="no detector"):
        saec.fit(gears, out=out, detector="none")
    for name in ("one", "two"):
        shutil.copytree(gears, tmp_path / "sets" / name)
    with pytest.raises(saec.DataError, match="2 data sets"):
        saec.fit(tmp_path / "sets", out=out)
    assert not out.exists()
    (tmp_path / "taken").mkdir()
    with pytest.raises(saec.LineError, match="exists"):
        saec.fit(gears, out=tmp_path / "taken")
