"""The page in a real Chromium: flows by mouse and by keyboard, at three widths, checked by axe."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from saec.station.people.roles import Role
from saec.types import Explanation
from tests.station.page.page_fakes import PASSWORD, PageBench, served

pytestmark = pytest.mark.acceptance

WIDTHS = {390: 844, 1024: 768, 1920: 1080}
FOCUSED = """() => {
    const e = document.activeElement, b = e.getBoundingClientRect(), s = getComputedStyle(e)
    return {name: (e.innerText || e.getAttribute('aria-label') || e.name || '').trim(), tag: e.tagName,
            outline: s.outlineStyle !== 'none' && parseFloat(s.outlineWidth) > 0, height: b.height}
}"""

COUNT_PLAYS = """() => {
    window.played = 0
    HTMLMediaElement.prototype.play = () => { window.played += 1; return Promise.resolve() }
}"""


@pytest.fixture
def lines(tmp_path: Path) -> Iterator[PageBench]:
    bench = PageBench(tmp_path, ("bottle", "leather"))
    bench.add_people()
    bench.judge("bottle", 0)
    bench.judge("bottle", 1, kind="hole", words=Explanation("hole", "A dark hole.", (10, 20, 90, 90)))
    yield bench
    bench.close()


class Visitor:
    """A browser's page of one person, which notes what goes wrong in it."""

    def __init__(self, browser: Any, where: str, width: int = 1024, **context: Any) -> None:
        size = {"width": width, "height": WIDTHS[width]}
        self.page = browser.new_context(viewport=size, **{"locale": "en-GB", **context}).new_page()
        self.where, self.errors, self.asked = where, [], []  # type: ignore[var-annotated]
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("console", lambda m: self.errors.append(m.text) if m.type == "error" else None)
        self.page.on("request", lambda request: self.asked.append(request.url))

    def log_in(self, name: str = "operator", view: str = "live") -> Any:
        self.page.goto(f"{self.where}/page/{view}")
        self.page.get_by_label("Name").fill(name)
        self.page.get_by_label("Password").fill(PASSWORD)
        self.page.get_by_role("button", name="Log in").click()
        self.page.wait_for_url(f"**/page/{view}")
        self.page.locator(".beat:not(:empty)").wait_for()
        return self.page


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_view_has_a_serious_finding_or_is_wider_than_the_screen(
    browser: Any, lines: PageBench, width: int, scheme: str
) -> None:
    from axe_playwright_python.sync_playwright import Axe

    lines.judge("leather", None)
    lines.spool.alarm("drift", "bottle: the scores have moved", about="bottle")
    lines.spool.alarm("sink", "mes: " + "x" * 300, about="mes")
    with served(lines) as where:
        visitor = Visitor(browser, where, width, color_scheme=scheme, bypass_csp=True)
        visitor.page.goto(where)
        views = [
            visitor.page.url,
            *(f"{where}/page/{view}" for view in ("live", "frames", "numbers", "alarms", "help")),
        ]
        for view in views:
            if view == views[0]:
                visitor.page.get_by_role("button", name="Log in").wait_for()
            elif visitor.page.locator(".beat").count() == 0:
                visitor.log_in()
            visitor.page.goto(view)
            if view != views[0]:
                visitor.page.locator(".banner-alarm").wait_for()
            found = Axe().run(visitor.page).response["violations"]
            serious = [one for one in found if one["impact"] in ("serious", "critical")]
            assert serious == [], (view, [(one["id"], one["nodes"][0]["html"]) for one in serious])
            assert visitor.page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), view
        assert visitor.errors == []


def test_a_frame_appears_without_a_press_and_asks_nobody_else(browser: Any, lines: PageBench) -> None:
    with served(lines) as where:
        visitor = Visitor(browser, where)
        page = visitor.log_in()
        leather = page.locator(".line", has_text="leather")
        leather.get_by_text("No frame yet.").wait_for()
        lines.judge("leather", 1, name="part <b>7</b>.png", kind="scratch")
        leather.locator(".line-frame .verdict", has_text="Defect").wait_for()
        assert "part <b>7</b>.png" in leather.inner_text()
        assert "1 defect" in leather.inner_text()
        page.evaluate(
            "Promise.all(Array.from(document.images).filter(i => i.checkVisibility()).map(i => i.decode()))"
        )
        lines.judge("leather", 0)
        leather.locator(".line-frame .verdict", has_text="Good").wait_for()
        assert visitor.errors == []
        assert {re.sub(r"(://[^/]+).*", r"\1", url) for url in visitor.asked} == {where}


def test_a_defect_is_held_until_released_and_what_came_meanwhile_is_not_lost(
    browser: Any, lines: PageBench
) -> None:
    with served(lines) as where:
        page = Visitor(browser, where).log_in()
        page.get_by_label("On a defect").select_option("on")
        bottle = page.locator(".line", has=page.get_by_role("heading", name="bottle"))
        held = lines.judge("bottle", 1, name="held.png")
        lines.judge("bottle", 0, name="newer.png")
        bottle.get_by_role("link", name="held.png").wait_for()
        bottle.locator(".held").wait_for()
        lines.judge("bottle", 0, name="newest.png")
        bottle.locator(".strip-words", has_text="Last 5").wait_for()
        assert held in bottle.locator(".line-frame a").get_attribute("href")
        page.keyboard.press("Escape")
        bottle.get_by_role("link", name="newest.png").wait_for()
        assert not bottle.locator(".held").is_visible()
        page.reload()
        assert page.get_by_label("On a defect").input_value() == "on"
        lines.judge("bottle", 1, name="again.png")
        bottle.get_by_role("button", name="Show the newest").click()
        lines.judge("bottle", 0, name="last.png")
        bottle.get_by_role("link", name="last.png").wait_for()


def test_an_alarm_is_seen_on_each_view_heard_after_a_press_and_acknowledged(
    browser: Any, lines: PageBench
) -> None:
    with served(lines) as where:
        page = Visitor(browser, where).log_in()
        page.evaluate(COUNT_PLAYS)
        sound = page.locator("#sound")
        assert sound.get_attribute("aria-pressed") == "false"
        sound.click()
        assert sound.get_attribute("aria-pressed") == "true"
        assert page.evaluate("window.played") == 1
        lines.spool.alarm("drift", "bottle: the scores have moved", about="bottle")
        banner = page.locator(".banner-alarm")
        banner.wait_for()
        assert "1 open alarm: Scores have drifted (bottle)" in " ".join(banner.inner_text().split())
        page.wait_for_function("window.played === 2")
        banner.get_by_role("link", name="Look at the alarms").click()
        page.wait_for_url("**/page/alarms")
        page.get_by_role("button", name=re.compile("Acknowledge *: Scores have drifted bottle")).click()
        page.get_by_text("Acknowledged by operator").wait_for()
        banner.wait_for(state="detached")


def test_a_lost_connection_is_said_with_the_time_and_comes_back(browser: Any, lines: PageBench) -> None:
    with served(lines) as where:
        visitor = Visitor(browser, where)
        page = visitor.log_in()
        page.context.set_offline(True)
        page.evaluate("dispatchEvent(new Event('offline'))")
    lost = page.get_by_role("alert")
    lost.wait_for()
    assert re.search(r"Last message: \d\d:\d\d:\d\d", lost.inner_text())


def test_a_person_whose_session_ends_is_sent_to_the_form(browser: Any, lines: PageBench) -> None:
    with served(lines) as where:
        page = Visitor(browser, where).log_in("engineer", "alarms")
        lines.people.set_role("engineer", Role.VIEWER)
        page.wait_for_url("**/page/login?next=/page/alarms")


@pytest.mark.parametrize("width", WIDTHS)
def test_everything_is_reached_and_used_by_keyboard_alone(browser: Any, lines: PageBench, width: int) -> None:
    lines.spool.alarm("drift", "bottle: the scores have moved", about="bottle")
    with served(lines) as where:
        page = Visitor(browser, where, width).page
        page.goto(where)
        page.keyboard.type("operator")
        page.keyboard.press("Tab")
        page.keyboard.type(PASSWORD)
        page.keyboard.press("Enter")
        page.wait_for_url("**/page/live")
        page.locator(".banner-alarm").wait_for()
        page.keyboard.press("Tab")
        assert page.evaluate(FOCUSED)["name"] == "Skip to the content"
        page.keyboard.press("Enter")
        page.keyboard.press("Tab")
        assert page.evaluate(FOCUSED)["name"] == "Look at the alarms"
        page.reload()
        page.locator(".banner-alarm").wait_for()
        seen = []
        for _ in range(40):
            page.keyboard.press("Tab")
            at = page.evaluate(FOCUSED)
            if at["tag"] == "BODY":
                break
            seen.append(at["name"])
            assert at["outline"], at
        for name in ("Live", "Alarms", "Help", "Look at the alarms", "How this works"):
            assert name in seen, seen
        page.locator(".banner-alarm a").focus()
        page.keyboard.press("Enter")
        page.wait_for_url("**/page/alarms")
        page.get_by_role("button", name="Acknowledge").focus()
        page.keyboard.press("Enter")
        page.get_by_text("Acknowledged by operator").wait_for()
        page.locator("summary").focus()
        page.keyboard.press("Enter")
        page.get_by_role("button", name="Log out").focus()
        page.keyboard.press("Enter")
        page.wait_for_url("**/page/login")


@pytest.mark.parametrize("width", WIDTHS)
def test_what_is_pressed_is_large_enough_for_a_glove(browser: Any, lines: PageBench, width: int) -> None:
    lines.spool.alarm("drift", "bottle: the scores have moved", about="bottle")
    with served(lines) as where:
        page = Visitor(browser, where, width).log_in()
        page.locator(".banner-alarm").wait_for()
        small = page.evaluate(
            """() => Array.from(document.querySelectorAll('button, .button, select, input, summary, nav a'))
            .filter(e => e.checkVisibility()).map(e => [e.outerHTML, e.getBoundingClientRect()])
            .filter(([_, b]) => b.height < 43.5 || b.width < 43.5).map(([html]) => html)"""
        )
        assert small == []


@pytest.mark.parametrize("language", ["en-GB", "de-DE", "zh-CN"])
def test_the_banner_of_alarms_leaves_a_phone_its_view(browser: Any, lines: PageBench, language: str) -> None:
    lines.spool.alarm("no-such-sink", "mes: it is not in the settings", about="mes")
    with served(lines) as where:
        visitor = Visitor(browser, where, 390, locale=language)
        page = visitor.page
        page.goto(f"{where}/page/login")
        page.fill("#name", "operator")
        page.fill("#password", PASSWORD)
        page.click("button.primary")
        banner = page.locator(".banner-alarm")
        banner.wait_for()
        assert banner.evaluate("e => e.getBoundingClientRect().height") <= 76
        assert page.locator("#see-alarms").evaluate("e => e.getBoundingClientRect().height") >= 44


def test_the_first_admin_is_made_and_the_language_and_theme_are_chosen(browser: Any, tmp_path: Path) -> None:
    bench = PageBench(tmp_path)
    code = bench.people.setup.current()
    with served(bench) as where:
        visitor = Visitor(browser, where)
        page = visitor.page
        page.goto(f"{where}/page/setup?code={code}")
        page.get_by_label("Your name").fill("Anna Ødegård")
        page.get_by_label("Password", exact=True).fill(PASSWORD)
        page.get_by_label("The same password again").fill(PASSWORD)
        page.get_by_role("button", name="Make the administrator").click()
        page.wait_for_url("**/page/live")
        page.locator("summary").click()
        page.get_by_label("Language", exact=True).select_option("de")
        page.get_by_role("button", name="Use this language").click()
        page.get_by_role("link", name="Alarme").click()
        page.get_by_text("Es gab noch keinen Alarm.").wait_for()
        paper = "getComputedStyle(document.body).backgroundColor"
        before = page.evaluate(paper)
        page.locator("#theme").click()
        assert page.evaluate(paper) != before
        after = page.evaluate(paper)
        page.reload()
        assert page.evaluate(paper) == after
        assert visitor.errors == []
    bench.close()


def test_an_alarm_that_comes_again_and_again_does_not_take_the_button_away(
    browser: Any, lines: PageBench
) -> None:
    lines.spool.alarm("sink", "mes: away", about="mes")
    with served(lines) as where:
        page = Visitor(browser, where).log_in(view="alarms")
        button = page.get_by_role("button", name=re.compile("Acknowledge"))
        button.focus()
        lines.spool.alarm("sink", "mes: away", about="mes")
        page.get_by_text("2 times").wait_for()
        assert page.evaluate(FOCUSED)["tag"] == "BUTTON", "it has the focus still"
        box = button.bounding_box()
        page.mouse.move(box["x"] + 20, box["y"] + 20)
        page.mouse.down()
        lines.spool.alarm("sink", "mes: away", about="mes")
        page.locator("[data-newest='3']").wait_for()
        page.mouse.up()
        page.get_by_text("Came again after operator had acknowledged it").wait_for()
