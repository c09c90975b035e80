"""The status page in a real Chromium: it shows what happens, and says so when the station is gone."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from saec import edge
from saec.frame import judges as loading
from saec.frame.judges import Standing
from saec.station.setup.station_section import StationSection
from saec.station.setup.station_settings import LineSettings, StationSettings
from saec.station.sinks import WebhookSink
from saec.web.admission.tokens import Tokens
from tests.browsers import chromium
from tests.run_fakes import FUSED, FakeDetector, make_line
from tests.station.sink_fakes import free_port
from tests.station.station_fakes import DEFECT, GOOD, NO_GUARD, FakeLinkCloud, Running, png

LONG_KIND = "<i>dent</i>" + "y" * 53


@pytest.fixture
def page() -> Iterator[Any]:
    program = chromium()
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield browser.new_page(viewport={"width": 390, "height": 800})
        browser.close()


def test_the_page_shows_frames_links_and_alarms(
    tmp_path: Path, page: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(edge, "open_detector", lambda profile: FakeDetector(kinds=(LONG_KIND,)))
    monkeypatch.setattr(loading, "standing", lambda *_: Standing("fused", "", FUSED))
    make_line(tmp_path / "profile")
    line = LineSettings(name="cell", profile=tmp_path / "profile", deadline_s=20.0, guard=NO_GUARD)
    settings = StationSettings(
        station=StationSection(name="<b>cell & 3</b>", data=tmp_path / "data", listen="127.0.0.1:0"),
        line=[line],
        sink=[WebhookSink(name="mes", url=f"http://u:pa55@127.0.0.1:{free_port()}/SECRET")],
    )
    errors: list[str] = []
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda m: errors.append(m.text) if m.type == "error" else None)
    with Running(settings, FakeLinkCloud(), Tokens(None)) as running:
        page.goto(str(running.client.base_url))
        page.get_by_text("No frame yet.").wait_for()
        running.post(png(GOOD))
        running.post(png(DEFECT), Idempotency_Key="shift-3.0042.png")
        running.post(b"no image")
        page.locator(".frame", has_text="defect").wait_for()
        page.locator(".frame", has_text="good").wait_for()
        page.locator("#alarms", has_text="unknown image format").wait_for()
        named = page.locator(".frame", has=page.get_by_text("shift-3.0042.png"))
        assert "defect" in named.inner_text()
        assert f"kind: {LONG_KIND} (75 %)" in named.inner_text()
        for taken in page.locator(".frame time").all():
            assert (
                abs(datetime.fromisoformat(taken.get_attribute("datetime")).timestamp() - time.time()) < 600
            )
        assert page.locator(".frame time").count() == page.locator(".frame").count()
        sink = page.locator("#spool dd", has_text="3 verdicts waiting, not reachable")
        sink.wait_for()
        assert "nothing listens there" in sink.inner_text()
        assert "pa55" not in page.content()
        assert "SECRET" not in page.content()
        assert page.locator("h1").inner_text() == "<b>cell & 3</b>"
        assert page.locator("#ready").inner_text() == "ready"
        assert page.locator("#lines").get_by_text("up").count() == 1
        assert page.locator("#threads-said").inner_text() == "all run"
        page.locator("summary").click()
        page.locator("#threads").get_by_text("edge-cell").wait_for()
        # Not wait_for_function: to look a second time it wants an eval, which the page's policy forbids.
        page.evaluate("Promise.all(Array.from(document.images, image => image.decode()))")
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
        assert errors == []
        assert {httpx.URL(url).netloc for url in asked} == {running.client.base_url.netloc}
    page.get_by_role("alert").wait_for()
    assert "does not answer" in page.get_by_role("alert").inner_text()
