"""Frames are searched, paged and counted over HTTP as they are in the database."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from saec import edge
from saec.frame import judges as loading
from saec.frame.judges import Standing
from saec.station.setup.station_section import StationSection
from saec.station.setup.station_settings import LineSettings, StationSettings
from saec.station.storage.records import SpoolLimits
from saec.web.admission.tokens import Tokens
from tests.run_fakes import FUSED, FakeDetector, make_line
from tests.station.station_fakes import DEFECT, GOOD, NO_GUARD, UNSURE, FakeLinkCloud, Running, png


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A station that has judged four frames, named part-0 to part-3, the last for its second line."""
    folder = tmp_path_factory.mktemp("searched")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(edge, "open_detector", lambda profile: FakeDetector())
        patch.setattr(loading, "standing", lambda *_: Standing("fused", "", FUSED))
        yield from _running(folder)


def _running(folder: Path) -> Iterator[Running]:
    make_line(folder / "profile")
    settings = StationSettings(
        station=StationSection(data=folder / "data", listen="127.0.0.1:0"),
        line=[
            LineSettings(name=name, profile=folder / "profile", deadline_s=20.0, guard=NO_GUARD)
            for name in ("cell", "unit")
        ],
        spool=SpoolLimits(free_gb=0),
    )
    with Running(settings, FakeLinkCloud(), Tokens(None)) as running:
        for n, red in enumerate((GOOD, DEFECT, UNSURE, DEFECT)):
            answer = running.post(
                png(red),
                line="unit" if n == 3 else "cell",
                Idempotency_Key=f"part-{n}",
                Part_Id=f"P {n // 2}",
            )
            assert answer.json()["verdict"] is not None
        yield running


def names(running: Running, asked: str) -> list[str]:
    answer = running.client.get(f"/v1/frames?{asked}")
    assert answer.status_code == 200, answer.text
    return [record["name"] for record in answer.json()]


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("", "3210"),
        ("limit=2", "32"),
        ("line=unit", "3"),
        ("label=1", "31"),
        ("label=1&decided_by=edge", "31"),
        ("decided_by=cloud&state=final", "2"),
        ("state=error", ""),
        ("name=PART-1", "1"),
        ("name=part%25", ""),
        ("version=1&line=cell", "210"),
        ("version=2", ""),
        ("since=0&until=1000", ""),
        ("since=1000&line=cell&label=0", "20"),
        ("score_from=0&score_to=1e9&name=2", "2"),
        ("kind=dent", ""),
        ("part=P%201", "32"),
        ("part=P%201&label=1", "3"),
        ("part=p%201", ""),
        ("part=", ""),
    ],
)
def test_frames_are_searched_by_each_field(running: Running, asked: str, found: str) -> None:
    assert names(running, asked) == [f"part-{n}" for n in found]


def test_the_link_leads_from_page_to_page(running: Running) -> None:
    seen, url = [], "/v1/frames?limit=2&line=cell&name=P%26R%26"
    assert running.client.get(url).json() == []
    url = "/v1/frames?limit=2&line=cell"
    while url:
        answer = running.client.get(url)
        seen += [record["name"] for record in answer.json()]
        url = answer.links.get("next", {}).get("url", "")
    assert seen == ["part-2", "part-1", "part-0"]


@pytest.mark.parametrize(
    ("asked", "header", "why"),
    [
        ("x" * 101, None, "101 characters"),
        ("a%07b", None, "cannot be printed"),
        ("", None, "is empty"),
        ("A", "B", "differ"),
    ],
)
def test_a_part_id_that_cannot_be_one_is_refused_and_nothing_is_judged(
    running: Running, asked: str, header: str | None, why: str
) -> None:
    headers = {"Content-Type": "image/png", **({"Part-Id": header} if header else {})}
    answer = running.client.post(f"/v1/lines/cell/frames?part={asked}", content=png(GOOD), headers=headers)
    assert answer.status_code == 400
    assert why in answer.json()["error"]["message"]
    assert len(names(running, "")) == 4


@pytest.mark.parametrize(
    "asked",
    [
        *("label=2", "label=good", "state=done", "decided_by=nobody", "before=-1"),
        *("before=9223372036854775808", "since=nan", "until=inf", "since=1e300", "score_from=inf"),
        *(f"name={'x' * 501}", "limit=0"),
    ],
)
def test_what_cannot_be_meant_is_refused(running: Running, asked: str) -> None:
    assert running.client.get(f"/v1/frames?{asked}").status_code == 422


def test_verdicts_are_counted_by_line_and_stretch(running: Running) -> None:
    rows = running.client.get("/v1/counts").json()
    totals = {
        line: {
            name: sum(row[name] for row in rows if row["line"] == line)
            for name in ("goods", "defects", "errors", "edge", "cloud", "fallback", "late", "answered")
        }
        for line in ("cell", "unit")
    }
    assert list(totals["cell"].values()) == [2, 1, 0, 2, 1, 0, 0, 3]
    assert list(totals["unit"].values()) == [0, 1, 0, 1, 0, 0, 0, 1]
    now = time.time()
    (row,) = running.client.get(f"/v1/counts?since={now - 600}&until={now + 600}&step=1200&line=unit").json()
    assert (row["line"], row["time"], row["defects"]) == ("unit", pytest.approx(now - 600), 1)
    assert running.client.get(f"/v1/counts?since=0&until={now}&step=1").status_code == 400
    assert running.client.get("/v1/counts?step=0").status_code == 422
    assert running.client.get("/v1/counts?since=9&until=3").json() == []
