"""The fakes of the pipeline's tests."""

from __future__ import annotations

import pytest
from pipeline_fakes import FakeCloud, FakeDetector

from saec import cloud, edge


@pytest.fixture
def fakes(monkeypatch: pytest.MonkeyPatch) -> FakeCloud:
    """Every line is judged by a ``FakeDetector`` and every cloud is this fake."""
    engine = FakeCloud()
    monkeypatch.setattr(edge, "open_detector", lambda profile: FakeDetector(), raising=False)
    monkeypatch.setattr(cloud, "open_engine", lambda config: engine)
    return engine
