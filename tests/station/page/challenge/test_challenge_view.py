"""The page's Challenge: who may see, run, pin and override; what a run shows."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from saec.station.audit.audit_log import AuditLog
from saec.station.challenge.challenge_wishes import LineWishes
from saec.station.people.roles import Role
from tests.station.page.challenge.challenge_view_bench import keep_run, picture, pin_two, tell_challenge
from tests.station.page.page_fakes import PageBench, as_role

WHERE = "/page/challenge/bottle"


@pytest.fixture(autouse=True)
def people(bench: PageBench) -> None:
    bench.add_people(None)


def test_a_viewer_looks_and_changes_nothing(bench: PageBench, client: TestClient) -> None:
    pin_two(bench)
    keep_run(bench, "passed")
    for path in ("/page/challenge", WHERE):
        page = client.get(path, headers=as_role(Role.VIEWER)).text
        assert "0 of 1 defects missed" in page
        assert "Run with pictures" not in page
        assert "Pin a frame" not in page
    page = client.get(WHERE, headers=as_role(Role.VIEWER)).text
    assert "from &lt;lot&gt; 7" in page
    answer = client.get(f"{WHERE}/pictures/ring-1", headers=as_role(Role.VIEWER))
    assert (answer.content, answer.headers["content-type"]) == (picture(90), "image/png")
    assert client.get(f"{WHERE}/pictures/none", headers=as_role(Role.VIEWER)).status_code == 409


def test_an_operator_asks_for_a_run_and_may_not_pin_or_override(bench: PageBench, client: TestClient) -> None:
    pin_two(bench)
    run = keep_run(bench, "failed", stop=True)
    operator = as_role(Role.OPERATOR)
    assert client.post(f"{WHERE}/run", data={"way": "camera"}, headers=operator).status_code == 303
    wish = LineWishes(bench.data, "bottle").wish()
    assert wish is not None
    assert (wish.way, wish.why) == ("camera", "asked")
    (row, *_) = AuditLog(bench.data).rows()
    assert (row.what, row.about, row.role) == ("challenge.run", "bottle", "operator")
    override = client.post(f"{WHERE}/runs/{run.n}/override", data={"reason": "x"}, headers=operator)
    assert override.status_code == 403
    assert client.post(f"{WHERE}/unpin", data={"name": "ring-1"}, headers=operator).status_code == 403


def test_an_engineer_overrides_a_failed_run_with_a_reason(bench: PageBench, client: TestClient) -> None:
    pin_two(bench)
    run = keep_run(bench, "failed", stop=True)
    tell_challenge(bench, standing="stopped", stopped="bottle is stopped")
    engineer = as_role(Role.ENGINEER)
    page = client.get(f"{WHERE}/runs/{run.n}", headers=engineer).text
    assert "The line is stopped by this run" in page
    assert "missed defect" in page
    assert "out of tolerance" in page
    assert "rate between" in page
    where = f"{WHERE}/runs/{run.n}/override"
    assert client.post(where, data={"reason": " "}, headers=engineer).status_code == 409
    assert client.post(where, data={"reason": "lamp changed"}, headers=engineer).status_code == 303
    told = LineWishes(bench.data, "bottle").overridden()
    assert told is not None
    assert (told.run, told.reason) == (run.n, "lamp changed")
    assert client.get(f"{WHERE}/runs/99", headers=engineer).status_code == 409


def test_an_engineer_removes_a_golden_part(bench: PageBench, client: TestClient) -> None:
    golden, engineer, fields = pin_two(bench), as_role(Role.ENGINEER), {"name": "ring-1"}
    assert client.post(f"{WHERE}/unpin", data=fields, headers=engineer).status_code == 303
    assert [part.name for part in golden.parts()] == ["ring-2"]
    assert client.post(f"{WHERE}/unpin", data=fields, headers=engineer).status_code == 409


def test_a_frame_that_is_not_there_cannot_be_pinned_and_the_form_keeps_it(
    bench: PageBench, client: TestClient
) -> None:
    fields = {"frame": "bottle-0000000999", "label": "good"}
    answer = client.post(f"{WHERE}/pin", data=fields, headers=as_role(Role.ENGINEER))
    assert answer.status_code == 409
    assert 'value="bottle-0000000999"' in answer.text


def test_a_run_under_way_names_the_part_that_is_awaited(bench: PageBench, client: TestClient) -> None:
    pin_two(bench)
    running = {"n": 1, "way": "camera", "judged": 1, "of": 2, "next": "ring-2"}
    tell_challenge(bench, standing="running", running=running)
    page = client.get("/page/challenge", headers=as_role(Role.VIEWER)).text
    assert "1 of 2 golden parts are judged" in page
    assert "Put this golden part before the camera: ring-2" in page


def test_the_hash_of_a_picture_names_its_file(bench: PageBench, tmp_path: Path) -> None:
    golden = pin_two(bench)
    part = golden.parts()[0]
    assert golden.path(part).name == f"{hashlib.sha256(picture(90)).hexdigest()}.png"
