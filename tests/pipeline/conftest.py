from __future__ import annotations

from pathlib import Path

import pytest
from pipeline_fakes import Frames


@pytest.fixture
def frames(tmp_path: Path) -> Frames:
    return Frames(tmp_path / "frames")
