"""Frames and Numbers in a real Chromium: searched while typing, walked by keys, followed without a press."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from saec.types import Explanation
from tests.browsers import chromium
from tests.station.page.page_fakes import PageBench, served
from tests.station.page.test_page_browser import FOCUSED, WIDTHS, Visitor

pytestmark = pytest.mark.acceptance


@pytest.fixture(scope="module")
def page_of() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        started = play.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture
def shift(tmp_path: Path) -> Iterator[PageBench]:
    """A shift of two lines, with every fifth frame a defect."""
    bench = PageBench(tmp_path, ("bottle", "leather"))
    bench.add_people()
    for n in range(60):
        words = Explanation("hole", "A dark hole.", (10, 20, 90, 90)) if n % 5 == 0 else None
        bench.judge(("bottle", "leather")[n % 2], int(n % 5 == 0), words=words, energy_j=0.5)
    yield bench
    bench.close()


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_neither_a_record_nor_its_replay_nor_open_parts_have_a_serious_finding(
    page_of: Any, shift: PageBench, width: int, scheme: str
) -> None:
    from axe_playwright_python.sync_playwright import Axe

    id = shift.judge("bottle", 1, name="x" * 200, kind="hole", words=Explanation("h", "d", (1, 2, 30, 40)))
    with served(shift) as where:
        visitor = Visitor(page_of, where, width, color_scheme=scheme, bypass_csp=True)
        page = visitor.log_in("engineer")
        for view in (f"frames/{id}", "frames?score_from=x", "frames?label=defect&since=2020-01-01T00:00"):
            page.goto(f"{where}/page/{view}")
            if view == f"frames/{id}":
                page.get_by_role("button", name="Judge it again").click()
                page.locator("#replay .banner").wait_for()
            assert_sound(page, Axe())
        for _ in range(2):
            shift.tools.links.note(shift.told["status"])
        page.goto(f"{where}/page/numbers?window=hour")
        page.locator("#plot-link").wait_for()
        page.get_by_text("The numbers of the plots").click()
        assert_sound(page, Axe())
        assert visitor.errors == []


def assert_sound(page: Any, axe: Any) -> None:
    found = [one for one in axe.run(page).response["violations"] if one["impact"] in ("serious", "critical")]
    assert found == [], [(one["id"], one["nodes"][0]["html"]) for one in found]
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), page.url
    small = page.evaluate(
        """() => Array.from(document.querySelectorAll('button, .button, select, input, summary, nav a'))
        .filter(e => e.checkVisibility() && !e.classList.contains('hidden'))
        .filter(e => e.getBoundingClientRect().height < 43.5).map(e => e.outerHTML)"""
    )
    assert small == []


def test_a_search_answers_while_it_is_typed_and_its_address_can_be_shared(
    page_of: Any, shift: PageBench
) -> None:
    shift.judge("bottle", 1, name="shift-3/part 0042.png")
    with served(shift) as where:
        visitor = Visitor(page_of, where)
        page = visitor.log_in(view="frames")
        page.get_by_label("Name contains").press_sequentially("PART 0042", delay=20)
        page.locator("#found tbody tr").nth(1).wait_for(state="detached")
        assert page.locator("#found .name").all_inner_texts() == ["shift-3/part 0042.png"]
        assert page.locator("#found-said").inner_text() == "1 frame on this page"
        assert page.evaluate("document.activeElement.name") == "name"
        assert page.url == f"{where}/page/frames?name=PART+0042"
        page.get_by_label("Label", exact=True).select_option("good")
        page.get_by_text("No frame is like this.").wait_for()
        address = page.url
        other = Visitor(page_of, where)
        other.log_in("viewer")
        other.page.goto(address)
        other.page.get_by_text("No frame is like this.").wait_for()
        assert other.page.get_by_label("Name contains").input_value() == "PART 0042"
        assert visitor.errors == []


def test_without_scripts_the_search_is_a_form(page_of: Any, shift: PageBench) -> None:
    with served(shift) as where:
        page = Visitor(page_of, where).page
        page.goto(where)
        page.get_by_label("Name").fill("viewer")
        page.get_by_label("Password").fill("correct horse battery")
        page.get_by_role("button", name="Log in").click()
        page.wait_for_url("**/page/live")
        plain = page.context.browser.new_context(
            java_script_enabled=False, storage_state=page.context.storage_state()
        ).new_page()
        plain.goto(f"{where}/page/frames")
        plain.get_by_label("Label", exact=True).select_option("defect")
        plain.get_by_role("button", name="Search").click()
        plain.wait_for_url("**label=defect**")
        assert plain.locator("#found tbody tr").count() == 12
        plain.locator("#found .name").first.click()
        plain.get_by_role("heading", name="Final verdict").wait_for()
        plain.locator("label[for=show-image]").click()
        assert plain.locator("img.alone").is_visible()
        plain.goto(f"{where}/page/numbers")
        plain.get_by_label("Time", exact=True).select_option("hour")
        plain.get_by_role("button", name="Show").click()
        plain.wait_for_url("**window=hour**")


@pytest.mark.parametrize("width", WIDTHS)
def test_a_person_finds_walks_and_replays_frames_by_keyboard_alone(
    page_of: Any, shift: PageBench, width: int
) -> None:
    with served(shift) as where:
        visitor = Visitor(page_of, where, width)
        page = visitor.log_in("engineer", view="frames")
        for _ in range(40):
            page.keyboard.press("Tab")
            at = page.evaluate(FOCUSED)
            assert at["outline"], at
            if page.evaluate("document.activeElement.id") == "f-label":
                break
        page.keyboard.press("ArrowDown")
        page.keyboard.press("ArrowDown")
        page.wait_for_url("**label=defect")
        page.locator("#found tbody tr").nth(12).wait_for(state="detached")
        listed = page.locator("#found .name").all_inner_texts()
        assert len(listed) == 12
        page.locator("#found .name").nth(1).focus()
        page.keyboard.press("Enter")
        heading = page.get_by_role("heading", level=1)
        heading.filter(has_text=listed[1]).wait_for()
        page.keyboard.press("ArrowRight")
        heading.filter(has_text=listed[2]).wait_for()
        page.keyboard.press("ArrowLeft")
        heading.filter(has_text=listed[1]).wait_for()
        page.locator("#show-map").focus()
        page.keyboard.press("ArrowRight")
        assert page.locator("img.alone").is_visible()
        assert heading.inner_text() == listed[1]
        page.get_by_role("button", name="Judge it again").focus()
        page.keyboard.press("Enter")
        page.locator("#replay .banner").wait_for()
        assert visitor.errors == []


def test_a_running_window_follows_the_line_and_keeps_what_is_open(page_of: Any, shift: PageBench) -> None:
    with served(shift) as where:
        visitor = Visitor(page_of, where)
        page = visitor.log_in(view="numbers")
        page.get_by_label("Time", exact=True).select_option("hour")
        page.wait_for_url("**window=hour**")
        page.get_by_text("The numbers of the plots").click()
        page.get_by_label("Line", exact=True).select_option("bottle")
        page.wait_for_url("**line=bottle**")
        tile = page.locator(".tile").first
        tile.filter(has_text=re.compile(r"Frames\s*30")).wait_for()
        page.get_by_text("The numbers of the plots").click()
        shift.judge("bottle", 1)
        tile.filter(has_text=re.compile(r"Frames\s*31")).wait_for()
        assert page.locator("#table").get_attribute("open") is not None
        assert page.get_by_label("Time", exact=True).input_value() == "hour"
        page.get_by_label("From", exact=True).fill("2026-01-01T00:00")
        assert page.get_by_label("Time", exact=True).input_value() == "chosen"
        assert visitor.errors == []
