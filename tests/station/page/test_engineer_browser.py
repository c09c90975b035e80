"""Lines, Settings, People and Audit in a Chromium: by keyboard alone, at three widths, checked by axe."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from saec.station.audit.audit_log import AuditLog
from saec.station.audit.signing_keys import SigningKeys
from saec.station.line.version_store import VersionStore
from tests.station.page.page_fakes import PASSWORD, PageBench, served
from tests.station.page.page_lines import add_versions
from tests.station.page.test_page_browser import WIDTHS, Visitor

pytestmark = pytest.mark.acceptance

VIEWS = (
    "lines",
    "lines/bottle",
    "lines/bottle/change?what=line.promote&version=2",
    "settings",
    "settings?all=1",
    "people",
    "people/operator",
    "people/operator/remove",
    "audit",
    "audit?what=line.",
    "me",
)


@pytest.fixture
def versions(tmp_path: Path) -> Iterator[PageBench]:
    bench = PageBench(tmp_path, ("bottle", "leather"))
    bench.add_people()
    SigningKeys(bench.data, AuditLog(bench.data)).ensure("station", "station")
    add_versions(bench)
    tell(bench, 1)
    yield bench
    bench.close()


def tell(bench: PageBench, version: int, shadow: int | None = None) -> None:
    """What the station says of its line from now on."""
    lines = bench.told["status"]["lines"]
    bench.told["status"]["lines"] = {**lines, "bottle": {"version": version, "shadow": shadow}}
    counters = {f"shadow:bottle:v{shadow}:same": 99, f"shadow:bottle:v{shadow}:other": 1}
    bench.told["status"]["counters"] = counters if shadow else {}
    bench.feed.update(bench.told)


def press(page: Any, name: str, most: int = 120) -> None:
    """Press a button or link by keyboard alone: tab to it, and Enter."""
    for _ in range(most):
        page.keyboard.press("Tab")
        if name in page.evaluate("document.activeElement.innerText || ''").split("\n")[0]:
            assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none"
            page.keyboard.press("Enter")
            return
    raise AssertionError(f"nothing named {name} is reached by the keyboard")


@pytest.mark.parametrize("view", ["lines", "lines/bottle"])
@pytest.mark.parametrize("language", ["en-GB", "de-DE"])
def test_a_version_and_its_buttons_stand_in_one_row(
    browser: Any, versions: PageBench, view: str, language: str
) -> None:
    with served(versions) as where:
        visitor = Visitor(browser, where, 1024, locale=language)
        page = visitor.page
        page.goto(where)
        page.fill("#name", "admin")
        page.fill("#password", PASSWORD)
        page.click("button.primary")
        page.wait_for_url("**/page/live")
        page.set_viewport_size({"width": 1280, "height": 800})
        page.goto(f"{where}/page/{view}")
        page.locator(".beat:not(:empty)").wait_for()
        rows = page.evaluate(
            "Array.from(document.querySelectorAll('.versions li')).map(row => Array.from("
            "row.querySelectorAll('a')).map(e => Math.round((e.getBoundingClientRect().top "
            "+ e.getBoundingClientRect().bottom) / 2)))"
        )
        assert [len(row) for row in rows] == [3, 1]
        assert all(max(row) - min(row) <= 1 for row in rows)


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_view_has_a_serious_finding_small_targets_or_is_wider_than_the_screen(
    browser: Any, versions: PageBench, width: int, scheme: str
) -> None:
    from axe_playwright_python.sync_playwright import Axe

    tell(versions, 1, 2)
    VersionStore(versions.data / "lines" / "bottle").shadow(2)
    with served(versions) as where:
        visitor = Visitor(browser, where, width, color_scheme=scheme, bypass_csp=True, locale="de-DE")
        page = visitor.page
        page.goto(where)
        page.fill("#name", "admin")
        page.fill("#password", PASSWORD)
        page.click("button.primary")
        page.wait_for_url("**/page/live")
        for view in VIEWS:
            page.goto(f"{where}/page/{view}")
            page.locator(".beat:not(:empty)").wait_for()
            page.evaluate("document.querySelectorAll('main details').forEach(one => { one.open = true })")
            found = Axe().run(page).response["violations"]
            serious = [one for one in found if one["impact"] in ("serious", "critical")]
            assert serious == [], (view, [(one["id"], one["nodes"][0]["html"]) for one in serious])
            assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), view
            current = page.locator(".views [aria-current]")
            assert current.count() == 0 or current.evaluate(
                "e => e.getBoundingClientRect().left >= 0 && e.getBoundingClientRect().right <= innerWidth"
            ), view
            small = page.evaluate(
                "Array.from(document.querySelectorAll('main button, main .button, main select, main input'))"
                ".filter(e => e.checkVisibility() && e.type !== 'checkbox')"
                ".filter(e => e.getBoundingClientRect().height < 44).map(e => e.outerHTML)"
            )
            assert small == [], view
        assert visitor.errors == []


def test_a_version_is_watched_promoted_and_rolled_back_by_keyboard_alone(
    browser: Any, versions: PageBench
) -> None:
    store = VersionStore(versions.data / "lines" / "bottle")
    with served(versions) as where:
        visitor = Visitor(browser, where)
        page = visitor.log_in("engineer", "lines/bottle")
        press(page, "Judge as a shadow")
        page.get_by_role("heading", name="Let version 2 judge as a shadow?").wait_for()
        press(page, "Begin the shadow")
        page.get_by_text("will judge beside it as a shadow in a moment").wait_for()
        tell(versions, 1, 2)
        page.get_by_text("judges beside it as a shadow and changes no verdict").wait_for()
        page.get_by_text("99.00% of 100 frames").wait_for()
        press(page, "Promote")
        page.get_by_role("heading", name="Promote version 2?").wait_for()
        page.get_by_label("Reason").focus()
        page.keyboard.type("it agrees with the labels")
        press(page, "Promote")
        page.get_by_text("The station is switching.").wait_for()
        tell(versions, 2)
        page.get_by_text("Version 2 judges.").wait_for()
        press(page, "Roll back to version 1")
        page.get_by_role("heading", name="Roll back to version 1?").wait_for()
        press(page, "Roll back")
        page.get_by_text("Version 1 is chosen, and version 2 still judges").wait_for()
        assert store.state().current == 1
        assert visitor.errors == []
    rows = AuditLog(versions.data).rows(what="line.promote")
    assert [(row.actor, row.reason) for row in rows] == [("engineer", "it agrees with the labels")]


def test_a_person_is_added_and_changes_the_own_password(browser: Any, versions: PageBench) -> None:
    with served(versions) as where:
        page = Visitor(browser, where).log_in("admin", "people")
        page.get_by_label("Name").fill("Zoë")
        page.get_by_label("Role").select_option("operator")
        page.get_by_label("New password").fill("some words that do")
        page.get_by_label("The same password again").fill("some words that do")
        press(page, "Add the person")
        page.get_by_role("link", name="Zoë").wait_for()
        other = Visitor(browser, where).page
        other.goto(f"{where}/page/me")
        other.get_by_label("Name").fill("zoë")
        other.get_by_label("Password").fill("some words that do")
        other.get_by_role("button", name="Log in").click()
        other.get_by_label("Old password").fill("some words that do")
        other.get_by_label("New password").fill("other words that do")
        other.get_by_label("The same password again").fill("other words that do")
        press(other, "Change the password")
        other.get_by_text("Your password is changed.").wait_for()
        press(other, "Log out everywhere")
        other.get_by_role("button", name="Log in").wait_for()


def test_the_chain_is_checked_and_evidence_is_taken_away(browser: Any, versions: PageBench) -> None:
    versions.judge("bottle", 1)
    with served(versions) as where:
        page = Visitor(browser, where).log_in("admin", "audit")
        press(page, "Check the chain")
        page.get_by_text("The chain is sound.").wait_for()
        page.locator("#evidence summary").press("Enter")
        page.locator("#from").fill("2020-01-01T00:00")
        press(page, "Make the file")
        link = page.get_by_role("link", name="evidence-cell-3")
        link.wait_for(timeout=60_000)
        with page.expect_download() as taken:
            link.click()
        assert taken.value.suggested_filename.endswith(".zip")
        assert Path(taken.value.path()).read_bytes().startswith(b"PK")
