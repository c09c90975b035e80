from __future__ import annotations

import pytest

from saec.cloud import open_engine
from saec.config import CloudConfig


@pytest.fixture(scope="session")
def engine():
    """The shipped checkpoint, in float32 on the CPU."""
    return open_engine(CloudConfig(batch=4, dtype="float32", device="cpu"))
