"""The view Teach: an engineer chooses labels, starts and ends jobs, and reads the comparison."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape
from urllib.parse import urlencode

import msgspec
import pytest
from starlette.testclient import TestClient

from saec.profile import write_json
from saec.station.audit.audit_log import AuditLog
from saec.station.page.page_app import make_page_events, make_page_tools, page_app
from saec.station.page.page_tools import PageTools
from saec.station.page.station_feed import StationFeed
from saec.station.page.views.teaching.job_views import JobTopics
from saec.station.page.words.languages import wording
from saec.station.people.roles import Role
from saec.station.review.review_records import ReviewAnswer
from saec.station.teaching.job_records import JobProgress, TeachJob
from saec.station.teaching.teaching_program import done_job
from saec.types import GOOD
from tests.station.page.page_fakes import as_role
from tests.station.teaching.teaching_bench import TeachingBench, draw

ENGINEER = as_role(Role.ENGINEER)


@pytest.fixture
def tools(bench: TeachingBench) -> PageTools:
    feed = StationFeed()
    feed.update({"status": {"station": "cell-3", "lines": {}}, "problems": []})
    return make_page_tools(bench.settings, feed)


@pytest.fixture
def client(tools: PageTools) -> Iterator[TestClient]:
    with TestClient(page_app(tools, make_page_events(tools)), follow_redirects=False) as asking:
        yield asking


def post(client: TestClient, place: str, **form: object) -> tuple[int, str]:
    headers = {**ENGINEER, "Content-Type": "application/x-www-form-urlencoded"}
    told = client.post(place, content=urlencode(form), headers=headers)
    return told.status_code, told.headers.get("location", unescape(told.text))


def seen(client: TestClient) -> str:
    found = re.search(r'name="seen" value="([^"]+)"', client.get("/page/teach/gears", headers=ENGINEER).text)
    assert found is not None
    return found[1]


def test_labels_are_shown_started_and_cancelled(bench: TeachingBench, client: TestClient) -> None:
    shown = client.get("/page/teach", headers=ENGINEER).text
    assert "tooth: 4" in shown
    assert client.get("/page/teach", headers=as_role(Role.OPERATOR)).status_code == 403
    line = client.get("/page/teach/gears", headers=ENGINEER).text
    offered = bench.choice().offered
    for one in offered:
        assert f"/page/review/picture/{one.frame.seq}" in line
    assert "Measure the cloud" not in line
    out = offered[0].frame.seq
    status, place = post(
        client, "/page/teach/gears/start", seen=seen(client), reason="new lamp", **{f"out-{out}": "yes"}
    )
    assert status == 303, place
    (job,) = bench.jobs.all()
    assert place == f"/page/teach/jobs/{job.id}"
    assert isinstance(job.work, TeachJob)
    assert {frame.seq for frame in job.work.frames} == {one.frame.seq for one in offered} - {out}
    row = AuditLog(bench.data).rows()[0]
    assert (row.what, row.about, row.reason, row.after) == (
        "job.teach",
        "gears",
        "new lamp",
        {"version": 1, "goods": 4, "defects": 3},
    )
    assert "A job of this line waits or runs" in client.get("/page/teach/gears", headers=ENGINEER).text
    status, said = post(client, "/page/teach/gears/start", seen=seen(client))
    assert (status, "waits or runs" in said) == (409, True)
    assert post(client, f"/page/teach/jobs/{job.id}/cancel") == (303, place)
    assert post(client, f"/page/teach/jobs/{job.id}/cancel") == (303, place)
    assert bench.jobs.is_to_end(job.id)
    assert [row.what for row in AuditLog(bench.data).rows()][:2] == ["job.cancel", "job.teach"]
    assert "It ends in a moment" in client.get(place, headers=ENGINEER).text


def test_labels_that_changed_meanwhile_are_looked_at_again(bench: TeachingBench, client: TestClient) -> None:
    before = seen(client)
    bench.review(draw(bench.root / "later", 1, 900, defects=False), "teach", GOOD)
    status, said = post(client, "/page/teach/gears/start", seen=before)
    assert (status, "have changed meanwhile" in said) == (409, True)
    bench.reviews.answer("bert", bench.choice().offered[0].frame.seq, ReviewAnswer(label=1 - GOOD))
    assert "People disagree" in client.get("/page/teach/gears", headers=ENGINEER).text
    assert bench.jobs.all() == []


def test_the_result_shows_both_versions_and_what_speaks_against_it(
    bench: TeachingBench, client: TestClient
) -> None:
    job = bench.ask(bench.choice().work())
    outcome = done_job(bench.settings, bench.jobs.path(job.id))
    bench.jobs.write(msgspec.structs.replace(job, state="done", ended=2.0, outcome=outcome))
    shown = unescape(client.get(f"/page/teach/jobs/{job.id}", headers=ENGINEER).text)
    for wanted in (
        "Missed defects",
        "False rejects",
        "The edge alone",
        "no golden parts",
        "p = ",
    ):
        assert wanted in shown
    assert "what=line.promote&version=2" in shown
    asked = client.get("/page/lines/gears/change?what=line.promote&version=2", headers=ENGINEER).text
    assert ("required" in asked) == ("Promote it only for a reason" in shown)
    status, place = post(client, "/page/teach/gears/compare", version=2)
    assert status == 303
    assert client.get(place, headers=ENGINEER).status_code == 200
    assert post(client, "/page/teach/gears/compare", version=7)[0] == 409


def test_what_changes_is_sent_to_engineers_alone(bench: TeachingBench, tools: PageTools) -> None:
    now = [0.0]
    topics = JobTopics(bench.jobs, tools.templates, lambda: now[0])
    assert topics.changed() == []
    job = bench.ask(bench.choice().work())
    now[0] += 2
    assert topics.changed() == ["teach-jobs", f"teach-job-{job.id}"]
    bench.jobs.write(msgspec.structs.replace(job, state="running", starts=1))
    write_json(bench.jobs.path(job.id) / "progress.json", JobProgress(step="teach", done=3, of=8, time=1.0))
    now[0] += 2
    assert f"teach-job-{job.id}" in topics.changed()
    english = wording("en")
    assert "learns 3/8" in topics.text(f"teach-job-{job.id}", english, Role.ENGINEER)
    assert topics.text("teach-jobs", english, Role.OPERATOR) == ""
    assert "Teaching: gears" in topics.text("teach-jobs", english, Role.ENGINEER)
    bench.jobs.write(msgspec.structs.replace(job, state="done", ended=2.0))
    assert "Look at the result" in topics.text(f"teach-job-{job.id}", english, Role.ENGINEER)
    (bench.jobs.path(job.id) / "job.json").write_text("{")
    now[0] += 2
    topics.changed()
    assert "Damaged job" in topics.text("teach-jobs", english, Role.ENGINEER)


@pytest.mark.parametrize("place", ["/page/teach/nuts", "/page/teach/jobs/20260101-000000-000000-aaaaaa"])
def test_what_is_not_there_is_said(client: TestClient, place: str) -> None:
    assert client.get(place, headers=ENGINEER).status_code == 409
