from __future__ import annotations

from pathlib import Path

import pytest
from pipeline_fakes import FakeCloud, FakeDetector, Frames

from saec import cloud, edge


@pytest.fixture
def frames(tmp_path: Path) -> Frames:
    return Frames(tmp_path / "frames")


@pytest.fixture
def fakes(monkeypatch: pytest.MonkeyPatch) -> FakeCloud:
    """Every line is judged by a ``FakeDetector`` and every cloud is this fake."""
    engine = FakeCloud()
    monkeypatch.setattr(edge, "open_detector", lambda profile: FakeDetector(), raising=False)
    monkeypatch.setattr(cloud, "open_engine", lambda config: engine)
    return engine
