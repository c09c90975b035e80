"""Live: what stands there of each line, and what of it is pushed."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from saec.station.page.live.live_lines import STRIP, LiveLines, LiveTopics
from saec.station.page.page_templates import PageTemplates
from saec.station.page.words.languages import wording
from saec.station.people.roles import Role
from saec.station.storage.spool_reader import SpoolReader
from saec.types import ErrorRecord, Explanation, VerdictRecord
from tests.station.page.page_fakes import PageBench, as_role


@pytest.fixture
def lines(bench: PageBench) -> LiveLines:
    return LiveLines(SpoolReader.beside(bench.data), bench.feed, bench.settings)


def test_a_line_without_news_is_the_same_object(bench: PageBench, lines: LiveLines) -> None:
    bench.judge()
    before = lines.look()["bottle"]
    assert lines.look()["bottle"] is before
    bench.judge(label=1)
    assert lines.look()["bottle"] is not before


def test_the_strip_holds_the_last_verdicts_newest_first(bench: PageBench, lines: LiveLines) -> None:
    for n in range(30):
        bench.judge(label=1 if n == 3 else 0)
    assert len(lines.look()["bottle"].strip) == 30
    ids = [bench.judge(label=None if n % 10 == 0 else 0) for n in range(30)]
    now = lines.look()["bottle"]
    assert [found.id for found in now.strip[:30]] == ids[::-1]
    assert len(now.strip) == STRIP
    assert now.counts == {"good": 47, "error": 3}
    assert now.defect is None, "it has left the strip"


def test_a_frame_with_a_second_verdict_stands_in_the_strip_once(bench: PageBench, lines: LiveLines) -> None:
    id = bench.judge(label=0, state="provisional", decided_by="edge-fallback")
    other = bench.judge()
    lines.look()
    final = VerdictRecord(id=id, path="", sha256="", line="bottle", time=1.0, label=1, decided_by="cloud")
    bench.spool.decide(int(id.rpartition("-")[2]), "final", final)
    now = lines.look()["bottle"]
    assert [(found.id, found.label) for found in now.strip] == [(id, 1), (other, 0)]
    assert now.defect is not None


def test_on_a_fast_line_a_frame_without_a_drawn_map_waits_until_the_line_is_quiet(bench: PageBench) -> None:
    ahead = 0.0
    reader = SpoolReader.beside(bench.data)
    lines = LiveLines(reader, bench.feed, bench.settings, clock=lambda: time.time() + ahead)
    drawn = bench.judge()
    newest = bench.judge(drawn=False)
    card = lines.look()["bottle"].card
    assert card is not None
    assert (card.found.id, card.picture) == (drawn, f"/v1/frames/{drawn}/map")
    ahead = 3600.0
    card = lines.look()["bottle"].card
    assert card is not None
    assert card.found.id == newest
    ahead = 0.0
    defect = bench.judge(label=1, drawn=False)
    card = lines.look()["bottle"].card
    assert card is not None
    assert (card.found.id, card.picture, card.instead) == (defect, f"/v1/frames/{defect}/image", "")


def test_only_what_is_new_is_a_topic(bench: PageBench, tmp_path: Path) -> None:
    two = PageBench(tmp_path / "two", ("left", "right"))
    try:
        lines = LiveLines(SpoolReader.beside(two.data), two.feed, two.settings)
        topics = LiveTopics(lines, PageTemplates(station="x"))
        assert {"line-left", "state-right", "defect-left"} <= set(topics.changed())
        assert topics.changed() == []
        two.judge("left", 1)
        assert topics.changed() == ["line-left", "state-left", "defect-left"]
        two.told["status"]["lines"]["right"] = {"version": 4, "link": "down"}
        two.feed.update(two.told)
        assert topics.changed() == ["line-right", "state-right", "defect-right"]
        assert "not connected" in topics.text("state-right", wording("en"), Role.VIEWER)
        assert "nicht verbunden" in topics.text("state-right", wording("de"), Role.VIEWER)
    finally:
        two.close()


def test_the_page_says_of_a_frame_what_was_judged_by_whom_and_why(
    bench: PageBench, client: TestClient
) -> None:
    bench.add_people()
    words = Explanation("hole", "A dark hole at the ring.", (10, 20, 40, 60))
    fields: dict[str, Any] = {
        "kind": "scratch",
        "kind_confidence": 0.75,
        "reason": "disagreement",
    }
    bench.judge(
        label=1, name="tray/part 7.png", decided_by="cloud", words=words, note="an odd aspect", **fields
    )
    page = client.get("/page/live", headers=as_role(Role.VIEWER)).text
    for text in (
        ">Defect<",
        "scratch (75%)",
        "the cloud",
        "the edge was sure of one label and the cloud of the other",
        "hole: A dark hole at the ring.",
        "1.40, P(defect) 92.0%",
        "tray/part 7.png",
        'viewBox="0 0 256 256"',
        'x="10" y="20" width="30" height="40"',
        "an odd aspect",
    ):
        assert text in page, text


def test_a_frame_that_was_not_judged_says_why(bench: PageBench, client: TestClient) -> None:
    bench.add_people()
    bench.judge(label=None, error=ErrorRecord(kind="ImageError", message="part.png: it is cut off"))
    page = client.get("/page/live", headers=as_role(Role.VIEWER)).text
    assert "Not judged" in page
    assert "it is cut off" in page
    assert "No picture" in page


def test_an_empty_line_says_what_to_do(bench: PageBench, client: TestClient, tmp_path: Path) -> None:
    bench.add_people()
    page = client.get("/page/live", headers=as_role(Role.VIEWER)).text
    assert "Copy an image into the folder" in page
    assert str(tmp_path / "in") in page
    none = PageBench(tmp_path / "none", ())
    none.add_people()
    with TestClient(none.app) as asking:
        assert "This station has no line yet" in asking.get("/page/live", headers=as_role(Role.VIEWER)).text
    none.close()


def test_a_cloud_that_nobody_has_asked_is_not_called_connected(bench: PageBench) -> None:
    told = bench.told["status"]
    line = {"link": "up", "version": 3, "asked": 0}
    told["lines"] = {"bottle": line, "leather": line | {"asked": 1}, "bare": line | {"link": None}}
    told["addresses"] = {"https://cloud": {"state": "up", "asked": 1, "failed": 0}}
    links = {name: bench.feed.line(name)["link"] for name in told["lines"]}
    assert links == {"bottle": "new", "leather": "up", "bare": None}
    told["lines"]["bottle"] = line | {"link": "down"}
    assert bench.feed.line("bottle")["link"] == "down"


def test_a_link_that_is_tried_is_not_said_to_have_been_away(bench: PageBench, client: TestClient) -> None:
    """A cloud that was too slow for the deadline rests and is tried likewise, and was never away."""
    bench.add_people(None)
    bench.told["status"]["lines"]["bottle"] = {"link": "probing", "version": 3, "asked": 4}
    page = client.get("/page/live", headers=as_role(Role.VIEWER)).text
    assert "cloud is tried again with the next frame that needs it" in page
    assert "away" not in page[page.index('class="state-row"') :]
