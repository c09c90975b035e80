"""A small real line that is taught."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.station.teaching.teaching_bench import TeachingBench, fit_gears


@pytest.fixture(scope="session")
def gear_line(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A line of eight good gears."""
    return fit_gears(tmp_path_factory.mktemp("gears"))


@pytest.fixture
def bench(tmp_path: Path, gear_line: Path) -> Iterator[TeachingBench]:
    made = TeachingBench(tmp_path, gear_line)
    made.fill()
    yield made
    made.close()
