"""Evidence on the page: one file at a time, bounded in size, number and age, made by a program of its own."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from saec.errors import SaecError
from saec.station.audit.audit_log import AuditLog
from saec.station.audit.evidence import check_evidence
from saec.station.audit.signing_keys import SigningKeys
from saec.station.page.evidence import evidence_jobs
from saec.station.page.evidence.evidence_jobs import KEPT, KEPT_S, EvidenceJobs
from saec.station.page.facts.audit_topics import AuditTopics
from saec.station.page.facts.chain_checks import ChainChecks
from saec.station.page.page_templates import PageTemplates
from saec.station.page.words.languages import wording
from saec.station.people.roles import Role
from tests.station.page.page_fakes import PageBench, as_role

DONE = """
import sys
path = sys.stdin.readline().strip()
open(path, "wb").write(b"x" * 1000)
print('{"frames": 3, "differing": 1, "problem": "", "remedy": ""}', flush=True)
"""
REFUSED = """
import sys
sys.stdin.readline()
print('{"frames": 0, "differing": 0, "problem": "no key signs", "remedy": "make one"}', flush=True)
"""
ENDLESS = """
import sys
path = sys.stdin.readline().strip()
open(path + ".partial", "wb").write(b"x" * 1000)
sys.stdin.read()
"""
CRASHED = "import os; os._exit(7)"


def made(folder: Path, program: str, **more: Any) -> EvidenceJobs:
    return EvidenceJobs(folder, 0.0, command=(sys.executable, "-c", program), **more)


def wish(target: Path) -> bytes:
    return str(target).encode()


def test_a_file_is_made_and_kept_for_this_account_alone(tmp_path: Path) -> None:
    jobs = made(tmp_path / "evidence", DONE)
    job = jobs.start("a.zip", "anna", wish)
    jobs.wait()
    (done,) = jobs.all
    assert (done.id, done.state, done.frames, done.differing, done.size) == (job.id, "done", 3, 1, 1000)
    assert jobs.all is jobs.all
    assert (tmp_path / "evidence").stat().st_mode & 0o077 == 0


def test_what_the_program_refuses_or_dies_of_is_said_and_nothing_is_left(tmp_path: Path) -> None:
    for program, problem in ((REFUSED, "no key signs"), (CRASHED, "The program that makes it has ended")):
        jobs = made(tmp_path / "evidence", program)
        jobs.start("a.zip", "anna", wish)
        jobs.wait()
        assert [(job.state, job.problem) for job in jobs.all] == [("failed", problem)]
        assert list((tmp_path / "evidence").iterdir()) == []


def test_one_is_made_at_a_time_and_ends_where_it_grows_too_large(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = made(tmp_path / "evidence", ENDLESS)
    jobs.start("a.zip", "anna", wish)
    with pytest.raises(SaecError, match="Another file"):
        jobs.start("b.zip", "bert", wish)
    monkeypatch.setattr(evidence_jobs, "LARGEST", 10)
    jobs.wait()
    assert [job.problem for job in jobs.all] == ["The file grows too large"]
    assert list((tmp_path / "evidence").iterdir()) == []


def test_a_full_disk_ends_it(tmp_path: Path) -> None:
    command = (sys.executable, "-c", ENDLESS)
    jobs = EvidenceJobs(tmp_path / "evidence", 1e18, command=command)
    jobs.start("a.zip", "anna", wish)
    jobs.wait()
    assert [job.problem for job in jobs.all] == ["The disk has no room for it"]


def test_few_are_kept_and_none_for_long_nor_of_an_earlier_page(tmp_path: Path) -> None:
    now = [0.0]
    jobs = made(tmp_path / "evidence", DONE, clock=lambda: now[0])
    for at in range(KEPT + 2):
        now[0] = float(at)
        jobs.start(f"{at}.zip", "anna", wish)
        jobs.wait()
    assert [job.name for job in jobs.all] == [f"{at}.zip" for at in range(KEPT + 1, 1, -1)]
    assert len(list((tmp_path / "evidence").iterdir())) == KEPT
    now[0] = KEPT_S + 3.5
    assert [job.name for job in jobs.all] == [f"{at}.zip" for at in range(KEPT + 1, 3, -1)]
    made(tmp_path / "evidence", DONE)
    assert list((tmp_path / "evidence").iterdir()) == []


def test_an_admin_exports_a_span_and_takes_the_signed_file_away(
    bench: PageBench, client: TestClient, tmp_path: Path
) -> None:
    for role in Role:
        bench.people.add(role.value, role, None)
    frame = bench.judge("bottle", 1, name="lot-7/part.png")
    bench.judge("bottle", 0, name="other.png")
    keys = SigningKeys(bench.data, AuditLog(bench.data))
    key = keys.ensure("station", "station")
    fields = {"from": "2020-01-01T00:00", "lot": "lot-7", "reason": "customer A"}
    refused = client.post("/page/audit/evidence", data=fields, headers=as_role(Role.ENGINEER))
    assert refused.status_code == 403
    began = client.post("/page/audit/evidence", data=fields, headers=as_role(Role.ADMIN))
    assert began.status_code == 303
    bench.tools.evidence.wait()
    (job,) = bench.tools.evidence.all
    assert (job.state, job.frames, job.problem) == ("done", 1, "")
    place = f"/page/audit/evidence/{job.id}"
    assert place in client.get("/page/audit", headers=as_role(Role.ADMIN)).text
    assert place not in client.get("/page/audit", headers=as_role(Role.ENGINEER)).text
    assert client.get(place, headers=as_role(Role.ENGINEER)).status_code == 403
    answer = client.get(place, headers=as_role(Role.ADMIN))
    assert answer.headers["content-disposition"].startswith("attachment;")
    (tmp_path / "taken.zip").write_bytes(answer.content)
    found = check_evidence(tmp_path / "taken.zip", [key.public])
    assert found.fault == ""
    assert found.manifest is not None
    assert found.manifest.asked["lot"] == "lot-7"
    assert frame.encode() in answer.content or found.manifest.frames == 1
    rows = AuditLog(bench.data).rows(what="evidence.")
    assert [(row.what, row.actor, row.reason) for row in rows] == [
        ("evidence.download", "admin", ""),
        ("evidence.export", "admin", "customer A"),
    ]


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"from": "x"},
        {"from": "2026-01-02T00:00", "to": "2026-01-01T00:00"},
        {"from": "2026-01-02T00:00", "line": "nothing"},
    ],
)
def test_a_span_that_is_none_is_refused(bench: PageBench, client: TestClient, fields: dict[str, str]) -> None:
    bench.people.add("admin", Role.ADMIN, None)
    assert client.post("/page/audit/evidence", data=fields, headers=as_role(Role.ADMIN)).status_code == 409
    assert client.get("/page/audit/evidence/nothing", headers=as_role(Role.ADMIN)).status_code == 409
    assert bench.tools.evidence.all == ()


def test_files_are_told_to_admins_alone(bench: PageBench) -> None:
    jobs = made(bench.data / "jobs", DONE)
    topics = AuditTopics(ChainChecks(AuditLog(bench.data)), jobs, PageTemplates(station="s"))
    topics.changed()
    jobs.start("<b>.zip", "anna", wish)
    jobs.wait()
    assert topics.changed() == ["audit-evidence"]
    told = topics.text("audit-evidence", wording("en"), Role.ADMIN)
    assert "&lt;b&gt;.zip" in told
    assert "3 frames" in told
    assert topics.text("audit-evidence", wording("en"), Role.ENGINEER) == ""
