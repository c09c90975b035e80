"""What is logged of an error is where it was, not what was in the variables there."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
import structlog

from saec.web.program.logs import configure_logs


@pytest.fixture
def log() -> Iterator[None]:
    before = structlog.get_config()
    yield
    structlog.configure(**before)


def test_a_traceback_holds_no_values(log: None, capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs()
    token = "s" + "3cret"
    try:
        dict[int, str]()[len(token)]
    except KeyError as e:
        structlog.get_logger().error("thread failed", exc_info=e)
    (line,) = capsys.readouterr().err.splitlines()
    assert json.loads(line)["exception"][0]["exc_type"] == "KeyError"
    assert token not in line
