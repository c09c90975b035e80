"""A station names parts by their codes and by HTTP, decides about each once, and finds them again."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from saec import edge
from saec.station.parts.code_reader import CodeSettings
from saec.station.setup.station_section import StationSection
from saec.station.setup.station_settings import LineSettings, StationSettings
from saec.station.sinks import FileSink
from saec.station.storage.parts.part_rules import PartRules
from saec.station.storage.records import SpoolLimits
from saec.web.admission.tokens import Tokens
from tests.processes import eventually
from tests.run_fakes import FakeDetector, make_line
from tests.station.parts.drawn_codes import as_png, draw_code, frame_with
from tests.station.station_fakes import DEFECT, GOOD, NO_GUARD, Running

ALONE = 1.0
"""Seconds that a part waits for its second view."""


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("parts")
    make_line(folder / "profile")
    code = CodeSettings(formats=("datamatrix",), region=(0, 100, 200, 300))
    line: dict[str, Any] = {"profile": folder / "profile", "guard": NO_GUARD, "cloud": False, "code": code}
    settings = StationSettings(
        station=StationSection(data=folder / "data", listen="127.0.0.1:0"),
        line=[
            LineSettings(name="cell", deadline_s=30.0, parts=PartRules(views=2, within_s=30.0), **line),
            LineSettings(name="alone", deadline_s=ALONE, parts=PartRules(views=2, within_s=ALONE), **line),
        ],
        sink=[FileSink(name="log", path=folder / "log")],
        spool=SpoolLimits(free_gb=0),
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(edge, "open_detector", lambda profile: FakeDetector())
        with Running(settings, None, Tokens(None)) as station:
            yield station


def view(part: str, red: int) -> bytes:
    """A picture whose upper left corner tells the fake detector what to say."""
    return as_png(frame_with((draw_code(part), 50, 150), red=red))


def post(running: Running, data: bytes, line: str = "cell", named: str = "") -> dict[str, Any]:
    answer = running.post(data, line=line, **({"Part_Id": named} if named else {}))  # type: ignore[arg-type]
    assert answer.status_code == 201, answer.text
    told: dict[str, Any] = answer.json()["verdict"]
    return told


def part(running: Running, name: str) -> dict[str, Any]:
    answer = running.client.get(f"/v1/parts/{name}")
    assert answer.status_code == 200, answer.text
    known: dict[str, Any] = answer.json()
    return known


def test_two_views_whose_code_is_read_make_one_verdict(running: Running) -> None:
    first, second = post(running, view("A/1", GOOD)), post(running, view("A/1", DEFECT))
    assert (first["part"], first["label"], second["label"]) == ("A/1", 0, 1)
    assert 0 < first["ms"]["code"] <= first["ms"]["judging"]
    known = part(running, "A/1")
    (visit,) = known["visits"]
    assert visit["verdict"]["verdict"]["label"] == 1
    assert visit["verdict"]["act"]
    assert list(visit["frames"]) == [first["id"], second["id"]]
    assert [one["id"] for one in known["frames"]] == [second["id"], first["id"]]
    assert {one["part"] for one in known["frames"]} == {"A/1"}


def test_who_sends_a_frame_knows_its_part_better_than_its_code(running: Running) -> None:
    told = [post(running, view("B1", GOOD), named=name) for name in ("B2", "B3")]
    assert [one["part"] for one in told] == ["B2", "B3"]  # one picture at once, of two parts
    assert not any("code" in one["ms"] for one in told)


def test_a_frame_whose_code_cannot_be_read_is_judged_and_counted(running: Running) -> None:
    before = running.client.get("/v1/status").json()["counters"].get("unread:cell", 0)
    told = post(running, as_png(frame_with(red=DEFECT)))
    assert (told["label"], told["part"]) == (1, "")
    for _ in range(2):
        post(running, as_png(frame_with((draw_code("C1"), 300, 150), red=GOOD)))
    kinds = {alarm["kind"]: alarm["count"] for alarm in running.client.get("/v1/alarms").json()}
    counters = running.client.get("/v1/status").json()["counters"]
    assert counters["unread:cell"] >= before + 2
    assert kinds["part-unknown"] == counters["partless:cell"]
    assert kinds["code-unread"] == 1
    text = running.client.get("/metrics").text
    assert "saec_codes_unread_total" in text
    assert 'saec_parts_total{label="defect",line="cell"} 1.0' in text


def test_a_part_without_its_second_view_is_an_error_by_its_deadline(running: Running) -> None:
    post(running, view("D1", GOOD), line="alone")
    eventually(lambda: part(running, "D1")["visits"][0]["verdict"] is not None)
    (visit,) = part(running, "D1")["visits"]
    assert visit["verdict"]["verdict"]["state"] == "error"
    assert visit["verdict"]["missing"] == [""]


def test_a_client_may_wait_for_the_part_s_verdict(running: Running) -> None:
    def asked(red: int, wait: float, **more: str) -> Any:
        address = f"/v1/lines/cell/frames?answer=part&wait={wait}"
        headers = {"Content-Type": "image/png", **more}
        answer = running.client.post(address, content=as_png(frame_with(red=red)), headers=headers)
        assert answer.status_code == 201, answer.text
        return answer.json()["verdict"]

    headers = {"Part-Id": "F1"}
    assert asked(GOOD, 0.01, **headers) is None
    told = asked(GOOD + 1, 20, **headers)
    assert (told["verdict"]["label"], told["rule"], told["act"]) == (0, "any-defect", True)
    assert asked(GOOD + 2, 20) is None  # without an id there is nothing to wait for


def test_an_unknown_part_is_none(running: Running) -> None:
    assert running.client.get("/v1/parts/zebra").status_code == 404


def test_a_sink_acts_on_the_part_alone(running: Running) -> None:
    (sink,) = running.station.settings.sink
    assert isinstance(sink, FileSink)

    def sent() -> list[dict[str, Any]]:
        return [
            json.loads(line)
            for path in sorted(sink.path.glob("*"))
            for line in path.read_text("utf-8").splitlines()
        ]

    post(running, view("E1", GOOD))
    post(running, view("E1", GOOD + 1))
    eventually(lambda: any(one["key"].startswith("cell/E1/") for one in sent()))
    of_part = [one for one in sent() if one["verdict"]["part"] == "E1"]
    assert [(one["state"], one["act"]) for one in of_part] == [
        ("final", False),
        ("final", False),
        ("part", True),
    ]
    (made,) = [one for one in of_part if one["state"] == "part"]
    assert (made["rule"], len(made["views"]), made["missing"]) == ("any-defect", 2, [])
