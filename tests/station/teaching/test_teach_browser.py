"""Teach in a real browser: labels, a job, the comparison, a shadow, a promotion, a roll-back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from saec.station.audit.audit_log import AuditLog
from saec.station.page.page_app import make_page_events, make_page_tools, page_app
from saec.station.page.station_feed import StationFeed
from saec.station.people.people_store import PeopleStore
from saec.station.people.roles import Role
from saec.station.teaching.job_runner import JobRunner
from tests.browsers import chromium
from tests.station.page.page_fakes import PASSWORD, served
from tests.station.teaching.teaching_bench import TeachingBench

pytestmark = pytest.mark.acceptance


class PageOverLine:
    """What ``served`` needs of a page: here over a line that is really taught.

    Attributes:
        told: what the station says of itself.
    """

    def __init__(self, bench: TeachingBench) -> None:
        self.data, self.settings, self.spool, self.feed = (
            bench.data,
            bench.settings,
            bench.spool,
            StationFeed(),
        )
        line = {"version": 1, "shadow": None, "cloud": "", "link": "", "drift": "", "late": 0}
        self.told = {"status": {"station": "cell-3", "lines": {"gears": line}}, "problems": []}
        self.feed.update(self.told)
        tools = make_page_tools(bench.settings, self.feed)
        self.app = page_app(tools, make_page_events(tools))
        people = PeopleStore(bench.data, bench.settings.people)
        people.add("admin", Role.ADMIN, PASSWORD)
        people.add("engineer", Role.ENGINEER, PASSWORD)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        started = play.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
        yield started
        started.close()


@pytest.mark.timeout(400)
def test_labels_become_a_version_that_judges(browser: Any, bench: TeachingBench, tmp_path: Path) -> None:
    over, running = PageOverLine(bench), JobRunner(bench.settings, bench.jobs)
    with served(over) as where:  # type: ignore[arg-type]
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        page.set_default_timeout(20_000)
        problems: list[str] = []
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.goto(where)
        page.fill("#name", "engineer")
        page.fill("#password", PASSWORD)
        page.click("button.primary")
        page.wait_for_url("**/page/live")
        page.goto(f"{where}/page/teach")
        page.get_by_text("tooth: 4").wait_for()
        page.get_by_role("link", name="Look and teach").click()
        page.get_by_role("heading", name="Teach gears").wait_for()
        page.locator(".review-thumb img").first.wait_for()
        page.wait_for_function(
            "Array.from(document.querySelectorAll('.review-thumb img')).slice(0, 2)"
            ".every(one => one.complete && one.naturalWidth > 0)"
        )
        page.screenshot(path=tmp_path / "1-labels.png", full_page=True)
        page.get_by_label("Do not teach").first.check()
        page.get_by_label("Reason").fill("new lamp")
        page.get_by_role("button", name="Teach", exact=True).click()
        page.get_by_role("heading", name="waits").wait_for()
        page.screenshot(path=tmp_path / "2-waits.png", full_page=True)
        running.start()
        page.get_by_role("link", name="Look at the result").wait_for()
        page.screenshot(path=tmp_path / "3-done.png", full_page=True)
        page.get_by_role("link", name="Look at the result").click()
        page.get_by_role("heading", name="Version 2 beside version 1").wait_for()
        page.get_by_text("The edge alone").first.wait_for()
        page.screenshot(path=tmp_path / "4-compared.png", full_page=True)
        page.get_by_role("link", name="Judge as a shadow").click()
        page.get_by_role("button", name="Begin the shadow").click()
        page.wait_for_url("**/page/lines/gears")
        assert bench.versions.state().shadow == 2
        page.goto(f"{where}/page/lines/gears/change?what=line.promote&version=2")
        page.screenshot(path=tmp_path / "5-promote.png", full_page=True)
        page.get_by_label("Reason").fill("it finds broken teeth")
        page.get_by_role("button", name="Promote").click()
        page.wait_for_url("**/page/lines/gears")
        assert bench.versions.state().current == 2
        page.goto(f"{where}/page/lines/gears/change?what=line.rollback")
        page.get_by_role("button", name="Roll back").click()
        page.wait_for_url("**/page/lines/gears")
        assert bench.versions.state().current == 1
        page.set_viewport_size({"width": 390, "height": 844})
        page.goto(f"{where}/page/teach/jobs/{bench.jobs.all()[0].id}")
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
        page.screenshot(path=tmp_path / "6-phone.png", full_page=True)
        assert problems == []
    running.stop()
    (job,) = bench.jobs.all()
    assert (job.state, job.actor, job.reason, job.outcome.version) == ("done", "engineer", "new lamp", 2)
    row = AuditLog(bench.data).rows(what="line.promote")[0]
    assert (row.actor, row.reason) == ("engineer", "it finds broken teeth")
