"""``saec station teach`` is the page's job in a terminal, its program and all."""

from __future__ import annotations

import msgspec
import pytest
from click.testing import CliRunner, Result

from saec.cli import root
from saec.station.audit.audit_log import AuditLog
from saec.station.teaching.job_records import CompareJob
from tests.station.teaching.teaching_bench import TeachingBench


def saec(bench: TeachingBench, *words: str) -> Result:
    config = bench.root / "station.toml"
    config.write_text(
        f'[station]\nname = "cell-3"\ndata = "{bench.data}"\n[spool]\nfree_gb = 0\n'
        f'[[line]]\nname = "gears"\nprofile = "{bench.settings.line[0].profile}"\n'
        "[line.guard]\ndark = 0\nbright = 255\nblur = 0\nempty = 0\n"
        f'[[source]]\nname = "in"\nkind = "folder"\nline = "gears"\npath = "{bench.root / "in"}"\n'
    )
    (bench.root / "in").mkdir(exist_ok=True)
    return CliRunner().invoke(root, ["station", words[0], "--config", str(config), *words[1:]])


def said(result: Result) -> str:
    """What a command that fails says."""
    assert result.exit_code != 0
    return f"{result.output} {result.exception}"


@pytest.mark.acceptance
def test_it_teaches_and_compares_in_the_foreground(bench: TeachingBench) -> None:
    done = saec(bench, "teach", "gears", "--reason", "new lamp")
    assert done.exit_code == 0, done.output
    assert "v2 is a candidate" in done.output
    assert "missed defects" in done.output
    (job,) = bench.jobs.all()
    assert (job.state, job.role, job.outcome.version) == ("done", "shell", 2)
    rows = [row.what for row in AuditLog(bench.data).rows()]
    assert rows[:2] == ["line.add", "job.teach"]
    assert bench.versions.state().current == 1
    compared = saec(bench, "compare", "gears", "v2")
    assert compared.exit_code == 0, compared.output
    assert "v2 beside v1 on 22 reviewed frames" in compared.output
    promoted = saec(bench, "promote", "gears", "v2")
    if "only for a reason" in compared.output:
        assert "only for a reason" in said(promoted)
        promoted = saec(bench, "promote", "gears", "v2", "--reason", "we know")
    assert promoted.exit_code == 0
    assert bench.versions.state().current == 2
    assert "there is no label to teach" in said(saec(bench, "teach", "gears"))


@pytest.mark.acceptance
def test_a_job_that_is_under_way_is_seen_through(bench: TeachingBench) -> None:
    job = bench.ask(bench.choice().work())
    bench.jobs.write(msgspec.structs.replace(job, state="running", starts=1))
    done = saec(bench, "teach", "gears")
    assert done.exit_code == 0, done.output
    assert [(one.id, one.state, one.starts) for one in bench.jobs.all()] == [(job.id, "done", 2)]


def test_what_cannot_be_is_said(bench: TeachingBench) -> None:
    assert "no product line" in said(saec(bench, "teach", "nuts"))
    assert "no version" in said(saec(bench, "compare", "gears", "latest"))
    assert "has no version 9" in said(saec(bench, "compare", "gears", "v9"))
    assert bench.jobs.all()[0].work == CompareJob(version=9, base=1)
