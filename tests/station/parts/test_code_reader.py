"""A code in the picture gives the part's id, or it is said why it does not; it is never guessed."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from saec.errors import ExtraError
from saec.station.parts.code_reader import CodeReader, CodeReading, CodeSettings
from tests.station.parts.drawn_codes import draw_code, frame_with


def read(*codes: tuple[Any, int, int], **settings: Any) -> CodeReading:
    return CodeReader(CodeSettings(**{"formats": ("datamatrix", "qr", "code128"), **settings})).read(
        frame_with(*codes)
    )


@pytest.mark.parametrize("turns", [0, 1, 2, 3])
@pytest.mark.parametrize("kind", ["datamatrix", "qr", "code128"])
def test_each_kind_of_code_is_read_however_it_lies(kind: str, turns: int) -> None:
    code = draw_code("A-1042", kind, turns=turns, scale=2)
    assert read((code, 100, 10), formats=(kind,)) == CodeReading("A-1042")


def test_a_code_of_another_kind_is_none() -> None:
    assert read((draw_code("A1"), 100, 100), formats=("qr",)) == CodeReading(problem="no code was found")


def test_only_the_region_is_looked_at() -> None:
    codes = (draw_code("A1"), 20, 20), (draw_code("B2"), 300, 200)
    assert read(*codes, region=(280, 180, 500, 400)) == CodeReading("B2")
    assert read(*codes, region=(0, 0, 200, 200)) == CodeReading("A1")
    assert "of different parts: A1, B2" in read(*codes).problem
    outside = read(*codes, region=(700, 0, 800, 100)).problem
    assert outside == "the region lies outside the picture of 600 x 400 pixels"


def test_two_codes_of_one_part_are_one() -> None:
    assert read((draw_code("A1"), 20, 20), (draw_code("A1", "qr"), 300, 200)) == CodeReading("A1")


def test_the_pattern_finds_the_id_in_the_code_s_text() -> None:
    code = draw_code("LOT7;SN=4711;X"), 100, 100
    assert read(code, pattern="SN=(?P<part>[0-9]+)") == CodeReading("4711")
    assert "'LOT7;SN=4711;X'" in read(code, pattern="ID=(?P<part>[0-9]+)").problem


def test_a_text_that_can_be_no_id_is_said() -> None:
    assert "no part id was found" in read((draw_code("x" * 101, scale=2), 10, 10)).problem


@pytest.mark.parametrize(
    ("settings", "fault"),
    [
        (CodeSettings(region=(5, 5, 5, 9)), "holds no pixel"),
        (CodeSettings(region=(-1, 0, 5, 9)), "holds no pixel"),
        (CodeSettings(pattern="("), "not a regular expression"),
        (CodeSettings(region=(0, 0, 9, 9), pattern="(?P<part>.)"), None),
    ],
)
def test_settings_that_cannot_be_meant_are_faults(settings: CodeSettings, fault: str | None) -> None:
    found = [what for _, what, _ in settings.faults()]
    assert found == [] if fault is None else fault in found[0]


def test_without_the_extra_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "zxingcpp", None)
    with pytest.raises(ExtraError, match=r"saec\[codes\]"):
        CodeReader(CodeSettings(formats=("qr",)))
