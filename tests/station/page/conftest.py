"""A page with people of every role, over a spool."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from tests.browsers import chromium
from tests.station.page.page_fakes import PageBench


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[PageBench]:
    made = PageBench(tmp_path)
    yield made
    made.close()


@pytest.fixture
def client(bench: PageBench) -> Iterator[TestClient]:
    """Asks the page as the station would; follows no redirect."""
    with TestClient(bench.app, follow_redirects=False) as asking:
        yield asking


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    program = chromium()
    with sync_playwright() as play:
        started = play.chromium.launch(
            executable_path=program,
            args=["--no-sandbox", "--autoplay-policy=document-user-activation-required"],
        )
        yield started
        started.close()
