"""The page's Challenge in a real Chromium: run, look at the run, override with a reason."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from saec.station.challenge.challenge_wishes import LineWishes
from tests.station.page.challenge.challenge_view_bench import keep_run, pin_two, tell_challenge
from tests.station.page.page_fakes import PageBench, served
from tests.station.page.test_page_browser import Visitor

pytestmark = pytest.mark.acceptance


@pytest.fixture
def golden_bench(tmp_path: Path) -> Iterator[PageBench]:
    bench = PageBench(tmp_path, ("bottle",))
    bench.add_people()
    pin_two(bench)
    yield bench
    bench.close()


@pytest.mark.parametrize("width", [390, 1024])
def test_an_engineer_runs_looks_and_overrides(golden_bench: PageBench, browser: Any, width: int) -> None:
    bench = golden_bench
    run = keep_run(bench, "failed", stop=True)
    tell_challenge(bench, standing="stopped", stopped=f"bottle is stopped: it failed challenge {run.n}")
    with served(bench) as where:
        visitor = Visitor(browser, where, width)
        page = visitor.log_in("engineer", "challenge")
        page.get_by_text("The line is stopped: it failed a challenge.").wait_for()
        page.screenshot(path=str(bench.data / "challenge.png"), full_page=True)
        page.get_by_role("button", name="Run with pictures").click()
        page.wait_for_url("**/page/challenge/bottle")
        assert LineWishes(bench.data, "bottle").wish() is not None
        page.get_by_alt_text("Golden part ring-1").wait_for()
        page.screenshot(path=str(bench.data / "line.png"), full_page=True)
        keep_run(bench, "passed")
        page.get_by_role("link", name=f"Run {run.n + 1}").wait_for()  # it comes without a press
        page.get_by_role("link", name=f"Run {run.n}", exact=True).click()
        page.get_by_label("Why the line may judge all the same").fill("lamp changed")
        page.screenshot(path=str(bench.data / "run.png"), full_page=True)
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
        page.get_by_role("button", name="Override").click()
        page.wait_for_url("**/page/challenge/bottle")
        told = LineWishes(bench.data, "bottle").overridden()
        assert told is not None
        assert told.reason == "lamp changed"
        assert visitor.errors == []
