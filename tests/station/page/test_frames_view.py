"""Frames: what is searched is found, a record shows all that was recorded, and a replay is bounded."""

from __future__ import annotations

import re
import sys
import threading
import time
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import msgspec
import pytest
from starlette.testclient import TestClient

from saec import edge
from saec.errors import SaecError
from saec.frame import judges as loading
from saec.frame.judges import Standing
from saec.station.page.search.record_rows import COMPARED, replay_rows, verdict_parts
from saec.station.page.search.replay_program import replayed
from saec.station.page.search.replay_runs import ReplayRow, ReplayRuns
from saec.station.page.search.search_form import FIELDS, moment_text, read_search
from saec.station.page.words.languages import wording
from saec.station.people.roles import Role
from saec.station.setup.station_section import StationSection
from saec.station.setup.station_settings import LineSettings, StationSettings
from saec.station.storage.parts.part_rules import PartRules
from saec.station.storage.records import NewFrame, OpenDelivery
from saec.station.storage.spool_reader import SpoolReader
from saec.types import (
    Capture,
    CloudRecord,
    CloudState,
    EdgeRecord,
    ErrorRecord,
    Explanation,
    KindOpinion,
    Route,
    Spent,
    VerdictRecord,
)
from tests.run_fakes import FUSED, FakeDetector
from tests.station.page.page_fakes import PageBench, as_role
from tests.station.station_fakes import GOOD, NO_GUARD, Bench, FakeLinkCloud, png

SPENT = Spent(("whole 224", "crop 112"), 61, 122, 33, 40211)
FULL: dict[str, Any] = {
    "reason": "unsure",
    "route": Route("cloud", "unsure"),
    "cloud_state": CloudState("slow", 7, 64, 0.31, 0.87),
    "complexity": 0.421,
    "edge": EdgeRecord(1.2345, 1, 0.9011, KindOpinion("dent", 0.6512)),
    "cloud": CloudRecord(0.9731, "small-model", "prompt-4", "fused", SPENT, "ab12"),
    "explanation": Explanation("pit", "A dark pit.", (3, 5, 71, 92)),
    "kind": "scratch",
    "kind_confidence": 0.7519,
    "ms": {"decode": 3.1, "edge": 22.2, "cloud": 80.3, "answer": 119.4, "new-stage": 5.5},
    "energy_j": 1.375,
    "challenge": "31 left-door",
    "error": ErrorRecord("PictureError", "no room for the picture"),
    "note": "the aspect is another one",
    "truth": 1,
    "true_kind": "hole-kind",
    "replaces": True,
    "trace": "0af7651916cd43dd8448eb211c80319c",
    "part": "A-1734",
    "recipe": 12,
    "capture": Capture(plc="press", trigger=1207, number=83411, camera_time=912.125),
}


WAITING = [sys.executable, "-m", "tests.station.page.waiting_replay"]


def ids(text: str) -> list[str]:
    """The frames that a page of the search lists, in its order."""
    return re.findall(r'class="name" href="/page/frames/([^"?]+)', text)


def ask(client: TestClient, address: str, role: Role = Role.VIEWER) -> str:
    answer = client.get(address, headers=as_role(role))
    assert answer.status_code == 200, answer.text
    return answer.text


@pytest.fixture
def people(bench: PageBench) -> None:
    bench.add_people()


@pytest.mark.usefixtures("people")
def test_each_field_finds_what_it_says_and_the_newest_stands_first(
    bench: PageBench, client: TestClient
) -> None:
    good = bench.judge(label=0, name="A-1.png")
    hole = bench.judge(label=1, kind="hole", name="A-2.png", decided_by="cloud")
    bench.judge(label=None, name="b 3%.png")
    error = bench.spool.search(read_search({}).query)[0].id
    assert ids(ask(client, "/page/frames")) == [error, hole, good]
    soon = moment_text(time.time() + 120)
    for fields, wanted in (
        ({"label": "defect"}, [hole]),
        ({"label": "good"}, [good]),
        ({"state": "error"}, [error]),
        ({"by": "cloud"}, [hole]),
        ({"name": "a-"}, [hole, good]),
        ({"name": "%"}, [error]),
        ({"kind": "hole"}, [hole]),
        ({"score_from": "1,0"}, [hole]),
        ({"score_to": "1.0"}, [good]),
        ({"version": "3"}, [error, hole, good]),
        ({"version": "4"}, []),
        ({"line": "bottle"}, [error, hole, good]),
        ({"line": "other"}, []),
        ({"since": soon}, []),
        ({"until": soon, "label": "defect", "by": "", "name": " "}, [hole]),
    ):
        assert ids(ask(client, f"/page/frames?{urlencode(fields)}")) == wanted, fields


@pytest.mark.usefixtures("people")
def test_the_address_holds_the_search_and_leads_from_page_to_page(
    bench: PageBench, client: TestClient
) -> None:
    all_of_them = [bench.judge(label=n % 2, drawn=False) for n in range(120)]
    wanted = [id for n, id in enumerate(all_of_them) if n % 2][::-1]
    address, seen = "/page/frames?label=defect&since=&name=", []
    while True:
        answer = client.get(address, headers=as_role(Role.VIEWER))
        kept = answer.headers["HX-Replace-Url"]
        fields = dict(parse_qsl(urlsplit(kept).query))
        assert fields.pop("before", None) == dict(parse_qsl(urlsplit(address).query)).get("before")
        assert fields == {"label": "defect"}
        seen += ids(answer.text)
        older = re.search(r'rel="next" href="([^"]+)"', answer.text)
        if older is None:
            break
        address = unescape(older[1])
    assert seen == wanted
    assert f'href="/page/frames/{wanted[0]}?label=defect"' in ask(client, "/page/frames?label=defect")


@pytest.mark.usefixtures("people")
@pytest.mark.parametrize(
    "wrong",
    ["since=yesterday", "until=0", "score_from=x", "score_to=nan", "label=2", "before=-1"],
)
def test_what_cannot_be_read_is_said_and_finds_nothing(
    bench: PageBench, client: TestClient, wrong: str
) -> None:
    bench.judge()
    text = ask(client, f"/page/frames?{wrong}")
    assert 'role="alert"' in text
    assert ids(text) == []


def test_a_search_goes_through_its_address_unchanged() -> None:
    form = dict.fromkeys(FIELDS, "1") | {"since": "2026-03-01T10:00", "until": "2026-03-02T10:00"}
    form |= {"label": "good", "name": 'a&b=ü"<%', "before": "17"}
    asked = read_search(form)
    assert asked.wrong == ()
    again = read_search(dict(parse_qsl(asked.tail_before(17)[1:])))
    assert again == asked
    assert read_search(dict(parse_qsl(asked.tail[1:]))).query == msgspec.structs.replace(
        asked.query, before=None
    )


def values(value: Any) -> list[Any]:
    """The plain values in a record, however deep."""
    if isinstance(value, msgspec.Struct):
        return [one for name in value.__struct_fields__ for one in values(getattr(value, name))]
    if isinstance(value, dict):
        return [one for pair in value.items() for one in pair]
    return [one for part in value for one in values(part)] if isinstance(value, tuple) else [value]


def test_a_record_shows_every_field_of_a_verdict() -> None:
    plain: dict[str, Any] = {
        "id": "bottle-1",
        "path": "in/1.png",
        "sha256": "ff00",
        "line": "bottle",
        "time": 1e9,
        "seq": 41,
    }
    record = VerdictRecord(
        **plain, **FULL, label=1, score=1.2345, p_defect=0.9371, decided_by="cloud", map="1.jpg"
    )
    unset = [name for name in record.__struct_fields__ if name not in {*plain, *FULL, "label", "score"}]
    assert set(unset) == {"state", "p_defect", "decided_by", "map"}
    words = wording("en")
    shown = " ".join(row.value for part in verdict_parts(words, record) for row in part.rows)
    named = " ".join(row.name for part in verdict_parts(words, record) for row in part.rows)
    for value in values(record):
        if isinstance(value, bool) or value in (0, 1, "edge", "cloud", "fused", "unsure", "slow"):
            continue  # said in words
        if isinstance(value, float):
            forms = {words.number(value, d) for d in range(1, 5)}
            forms |= {words.percent(value, 1), words.probability(value)}
            assert any(form in shown for form in forms) or words.moment(value) in shown, value
        elif value not in record.ms:
            forms = {str(value)} | ({words.number(value)} if isinstance(value, int) else set())
            assert any(form in shown for form in forms), value
    for word in ("yes", "Defect", "final", "the cloud is asked", "decided with the edge", "slow", "share of"):
        assert word in shown + named, word
    assert "new-stage" in named


@pytest.mark.usefixtures("people")
def test_a_record_has_both_verdicts_deliveries_alarms_and_its_neighbours(
    bench: PageBench, client: TestClient
) -> None:
    first = bench.judge(label=1)
    id = bench.judge(label=1, state="provisional", decided_by="edge-fallback", **{**FULL, "cloud": None})
    bench.judge(label=0)
    last = bench.judge(label=1)
    seq = int(id.rpartition("-")[2])
    told = bench.spool.verdicts(seq)["provisional"]
    before = ask(client, f"/page/frames/{id}?label=defect")
    assert "Provisional verdict" in before
    assert f'data-key="ArrowLeft" href="/page/frames/{last}?label=defect"' in before
    assert f'data-key="ArrowRight" href="/page/frames/{first}?label=defect"' in before
    bench.spool.decide(seq, "final", msgspec.structs.replace(told, decided_by="cloud", note="the second"))
    bench.spool.alarm("disagreement", "<b>they differ</b>", frame=id)
    text = ask(client, f"/page/frames/{id}?label=defect")
    assert text.index("Provisional verdict") < text.index("Final verdict") < text.rindex("the second")
    assert "&lt;b&gt;they differ" in text
    assert f"/v1/frames/{id}/map" in text
    assert f"/v1/frames/{id}/image" in text
    assert "No receiver has still to take" in text


@pytest.mark.usefixtures("people")
def test_deliveries_that_wait_or_were_refused_stand_in_the_record(
    bench: PageBench, client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    id = bench.judge()
    open_ones = [OpenDelivery("mes", "final", 3, "<b>422", 1e9), OpenDelivery("plc", "final", 1, "", None)]
    monkeypatch.setattr(SpoolReader, "deliveries", lambda self, seq: open_ones)
    text = ask(client, f"/page/frames/{id}")
    assert "&lt;b&gt;422" in text
    assert "refused, 9 Sept 2001" in text
    assert ">waits<" in text


@pytest.mark.usefixtures("people")
def test_a_frame_that_waits_or_is_not_there_is_said(bench: PageBench, client: TestClient) -> None:
    frame = NewFrame(line="bottle", source="in", key="in/later.png", suffix=".png", captured=1.0)
    waits = bench.spool.accept(frame, b"no verdict yet").id
    text = ask(client, f"/page/frames/{waits}")
    assert "The frame has no verdict yet." in text
    id = bench.judge()
    for other in ("bottle-0000000099", "bottle", f"other{id}", "bottle-x"):
        assert client.get(f"/page/frames/{other}", headers=as_role(Role.VIEWER)).status_code == 409


@pytest.mark.usefixtures("people")
def test_an_engineer_may_replay_and_sees_why_it_failed(bench: PageBench, client: TestClient) -> None:
    id = bench.judge()
    assert "An engineer can do this" in ask(client, f"/page/frames/{id}")
    place = f"/page/frames/{id}/replay"
    assert client.post(place, headers=as_role(Role.OPERATOR)).status_code == 403
    answer = client.post(place, headers=as_role(Role.ENGINEER))  # there is no version of this line
    assert answer.status_code == 200
    assert 'class="banner banner-warn"' in answer.text.partition('id="replay"')[2]


def test_numbers_of_a_replay_are_said_as_the_record_says_them() -> None:
    rows = [
        ReplayRow("final: P(defect)", "0.92312", "0.92312", True),
        ReplayRow("P(defect)", "1", "1", True),
        ReplayRow("final: confidence in the kind", "0.5", "none", False),
        ReplayRow("final: P(defect)", "0.92312", "0.92318", False),
        ReplayRow("final: score", "1.25", "1.5", False),
    ]
    said = [(row.recorded, row.again) for _, row in replay_rows(wording("de"), rows)]
    assert said[0] == ("92,3\xa0%", "92,3\xa0%")
    assert said[1] == ("> 99,9\xa0%", "> 99,9\xa0%")
    assert said[2] == ("50,0\xa0%", "keine")
    assert said[3] == ("92,312000\xa0%", "92,318000\xa0%")
    assert said[4] == ("1,2500", "1,5000")


def test_a_replay_says_what_was_recorded_and_what_is_now(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(edge, "open_detector", lambda profile: FakeDetector())
    monkeypatch.setattr(loading, "standing", lambda *_: Standing("fused", "", FUSED))
    station = Bench(tmp_path, FakeLinkCloud())
    station.start()
    station.accept(png(GOOD))
    station.wait(lambda: len(station.spool.frames("done")) == 1)
    station.stop()
    line = LineSettings(name="cell", profile=station.profile, guard=NO_GUARD, cloud=False)
    settings = StationSettings(station=StationSection(data=tmp_path / "data"), line=[line])
    answer = replayed(settings, "cell-0000000001")
    assert answer.problem == ""
    assert {row.what.rpartition(": ")[2] for row in answer.rows} <= set(COMPARED)
    assert all(row.same is not False for row in answer.rows if row.what != "final: route")
    assert replayed(settings, "cell-0000000002").problem == "there is no frame cell-0000000002"


def test_one_replay_at_a_time_and_none_without_end(bench: PageBench) -> None:
    runs = ReplayRuns(bench.settings, limit=30.0, command=WAITING)
    told: list[str] = []
    first = threading.Thread(target=lambda: told.extend(row.what for row in runs.run("wait")))
    first.start()
    flag = bench.data / "waits"
    until = time.monotonic() + 60
    while not flag.exists() and time.monotonic() < until:
        first.join(0.05)
    with pytest.raises(SaecError, match="under way"):
        runs.run("wait")
    flag.unlink()
    first.join(60)
    assert told == ["image"]
    with pytest.raises(SaecError, match="failed"):
        runs.run("fail")
    short = ReplayRuns(bench.settings, limit=0.2, command=WAITING)
    with pytest.raises(SaecError, match="too long"):
        short.run("wait")


@pytest.mark.usefixtures("people")
def test_what_differs_stands_out(
    bench: PageBench, client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    id = bench.judge()
    rows = [ReplayRow("image", "ab", "ab", True), ReplayRow("final: score", "1", "<i>2", False)]
    rows.append(ReplayRow("final: edge's label", "1", "0", False))
    rows.append(ReplayRow("final: route", "edge: sure", "depends on the frames before", None))
    monkeypatch.setattr(ReplayRuns, "run", lambda self, id: rows)
    text = client.post(f"/page/frames/{id}/replay", headers=as_role(Role.ENGINEER)).text
    assert "2 things differ" in text
    assert ">Defect</td>" in text
    assert ">Good</td>" in text
    assert "final: Score" in text
    assert "&lt;i&gt;2" in text
    assert "cannot be computed" in text
    monkeypatch.setattr(ReplayRuns, "run", lambda self, id: rows[:1])
    text = client.post(f"/page/frames/{id}/replay", headers=as_role(Role.ENGINEER)).text
    assert "Everything that can be computed is the same." in text


def test_a_part_is_found_with_its_verdict_and_a_record_shows_both(tmp_path: Path) -> None:
    rules = {"bottle": PartRules(sources=("camera", "top"))}
    bench = PageBench(tmp_path, parts=rules)
    client = TestClient(bench.app, headers=as_role(Role.VIEWER))
    first = bench.judge(label=0, part="A <1>")
    text = client.get("/page/frames", params={"part": "A <1>"}).text
    assert "The part waits for its views." in text
    assert "A &lt;1&gt;" in text
    (visit,) = bench.spool.part_visits("A <1>")
    bench.spool.parts._steady = lambda: time.monotonic() + 4.95
    for n in bench.spool.parts.overdue():
        bench.spool.parts.expire(n)
    late = bench.judge(label=1, part="A <1>")
    text = unescape(client.get(f"/page/frames/{first}").text)
    assert "Verdict on the part" in text
    assert "1 of 2 frames did not come (top)" in text
    assert f'href="/page/frames/{late}"' in text
    assert "came after the verdict" in text
    assert 'href="/page/frames?part=A%20%3C1%3E"' in text
    assert visit.verdict is None
    assert "Verdict on the part" not in client.get("/page/frames").text
    bench.close()
