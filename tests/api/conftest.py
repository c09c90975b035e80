"""For the tests of the library: one line, opened once, and one of its defects."""

from __future__ import annotations

from pathlib import Path

import pytest

import saec


@pytest.fixture(scope="session")
def line(gear_line: Path) -> saec.Line:
    return saec.Line.open(gear_line)


@pytest.fixture(scope="session")
def photo(gears: Path) -> Path:
    """A defect of the gears' hold-out."""
    return gears / "test" / "defect" / "000.png"
