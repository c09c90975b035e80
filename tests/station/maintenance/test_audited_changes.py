"""Each change of versions, letters and quarantine has its row, written before the change is made."""

from __future__ import annotations

import os
import pwd
import threading
from itertools import pairwise
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from saec.cli import root
from saec.cli.station.shell_actor import shell_actor
from saec.errors import LineError, SpoolError
from saec.station.audit.audit_log import AuditLog
from saec.station.audit.audit_rows import AuditError
from saec.station.audit.audit_verify import verify_log
from saec.station.line.version_store import VersionStore
from saec.station.maintenance.audited_letters import change_letters, set_letter_aside
from saec.station.maintenance.audited_versions import add_version, change_version
from saec.station.storage.database.schema import alone_in
from saec.station.storage.outbox import outbox_beside
from saec.station.storage.records import NewFrame, SpoolLimits
from saec.station.storage.spool import Spool
from saec.types import VerdictRecord
from tests.run_fakes import make_line

WHO = ("anna", "engineer")


@pytest.fixture
def store(tmp_path: Path) -> VersionStore:
    return VersionStore(tmp_path / "data" / "lines" / "cell")


@pytest.fixture
def log(tmp_path: Path) -> AuditLog:
    return AuditLog(tmp_path / "data")


def kinds(log: AuditLog) -> list[str]:
    return [row.what for row in reversed(log.rows())]


def test_each_change_of_a_version_is_a_row_with_before_and_after(
    store: VersionStore, log: AuditLog, tmp_path: Path
) -> None:
    for i in range(2):
        profile = make_line(tmp_path / f"made-{i}").folder
        assert add_version(store, log, *WHO, profile, reason="first" if i == 0 else "") == i + 1
    assert add_version(store, log, *WHO, profile) == 2
    assert change_version(store, log, *WHO, "line.shadow", 2).shadow == 2
    assert change_version(store, log, *WHO, "line.promote", 2, "fewer false rejects").current == 2
    assert change_version(store, log, *WHO, "line.promote", 2).current == 2
    assert change_version(store, log, *WHO, "line.rollback").current == 1
    assert change_version(store, log, *WHO, "line.shadow", None).shadow is None
    assert kinds(log) == ["line.add", "line.add", "line.shadow", "line.promote", "line.rollback"]
    promoted = log.rows(what="line.promote")[0]
    known = {version.number: version.content for version in store.state().known}
    assert promoted.before == {"current": 1, "content": known[1], "previous": None, "shadow": 2}
    after = {"current": 2, "content": known[2], "previous": 1, "shadow": None}
    assert promoted.after == {**after, "concerns": ["not-compared"]}
    assert (promoted.actor, promoted.role, promoted.about, promoted.reason) == (
        *WHO,
        "cell",
        "fewer false rejects",
    )
    assert store.state().current == 1


def test_changes_at_the_same_time_come_one_after_the_other(
    store: VersionStore, log: AuditLog, tmp_path: Path
) -> None:
    """Each row's "before" is the "after" of the row before it."""
    for i in range(3):
        add_version(store, log, *WHO, make_line(tmp_path / f"made-{i}").folder)

    def change() -> None:
        for number in (2, 3, 1):
            change_version(store, log, *WHO, "line.promote", number, "by turns")

    threads = [threading.Thread(target=change) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    rows = log.rows(what="line.promote")
    assert rows
    for later, earlier in pairwise(rows):
        assert later.before == {key: value for key, value in earlier.after.items() if key != "concerns"}
    assert rows[0].after["current"] == store.state().current


def test_a_program_that_holds_the_versions_is_waited_for_and_named(tmp_path: Path) -> None:
    with alone_in(tmp_path), pytest.raises(SpoolError, match="another program"), alone_in(tmp_path, 0.0):
        pass
    with alone_in(tmp_path):
        pass


def test_what_cannot_be_is_no_row(store: VersionStore, log: AuditLog, tmp_path: Path) -> None:
    add_version(store, log, *WHO, make_line(tmp_path / "made").folder)
    for what, number in (("line.promote", 9), ("line.shadow", 9), ("line.rollback", None)):
        with pytest.raises(LineError):
            change_version(store, log, *WHO, what, number)  # type: ignore[arg-type]
    with pytest.raises(LineError):
        add_version(store, log, *WHO, tmp_path / "none")
    assert kinds(log) == ["line.add"]


def test_nothing_changes_where_no_row_can_be_written(
    store: VersionStore, log: AuditLog, tmp_path: Path
) -> None:
    for i in range(2):
        add_version(store, log, *WHO, make_line(tmp_path / f"made-{i}").folder)
    log.path.write_bytes(b"no database" * 1000)
    with pytest.raises(AuditError):
        change_version(store, log, *WHO, "line.promote", 2, "why not")
    with pytest.raises(AuditError):
        add_version(store, log, *WHO, make_line(tmp_path / "made-3").folder)
    assert store.state().current == 1
    assert len(store.state().known) == 2


def test_a_change_that_fails_has_a_second_row(
    store: VersionStore, log: AuditLog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for i in range(2):
        add_version(store, log, *WHO, make_line(tmp_path / f"made-{i}").folder)

    def full(self: VersionStore, state: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(VersionStore, "write", full)
    with pytest.raises(OSError, match="No space"):
        change_version(store, log, *WHO, "line.promote", 2, "why not")
    assert kinds(log)[-2:] == ["line.promote", "line.promote.failed"]
    assert "No space" in log.rows()[0].before["error"]


def test_letters_that_are_sent_again_dropped_or_set_aside_have_their_rows(
    tmp_path: Path, log: AuditLog
) -> None:
    spool = Spool(tmp_path / "data", ("mes",), SpoolLimits(free_gb=0))
    for i in range(3):
        new = NewFrame(line="cell", source="t", key=str(i), suffix=".png", captured=1.0)
        seq = spool.accept(new, b"x").seq
        verdict = VerdictRecord(id=f"cell-{seq:010d}", path="", sha256="", line="cell", time=1.0, label=0)
        spool.decide(seq, "final", verdict)
    spool.close()
    with outbox_beside(tmp_path / "data") as outbox:
        for _ in range(3):
            assert set_letter_aside(outbox, log, *WHO, "mes", "it blocks") is not None
        assert set_letter_aside(outbox, log, *WHO, "mes") is None
        change_letters(outbox, log, *WHO, "letters.drop", outbox.letters()[1:])
        change_letters(outbox, log, *WHO, "letters.resend", outbox.letters(), "it works again")
        change_letters(outbox, log, *WHO, "letters.resend", outbox.letters())
        assert len(outbox.waiting("mes")) == 1
    assert kinds(log) == ["letters.aside"] * 3 + ["letters.drop", "letters.resend"]
    dropped = log.rows(what="letters.drop")[0]
    assert dropped.about == "mes"
    assert [letter["frame"] for letter in dropped.before["letters"]] == ["cell-0000000002", "cell-0000000003"]


# the command line

TOML = '[station]\ndata = "data"\n[[line]]\nname = "cell"\nprofile = "made-0"\n'


def saec(folder: Path, *words: str) -> Result:
    result = CliRunner().invoke(
        root, ["station", words[0], "--config", str(folder / "station.toml"), *words[1:]]
    )
    assert result.exit_code == 0, result.output
    return result


def test_the_shell_names_its_user(tmp_path: Path, log: AuditLog) -> None:
    (tmp_path / "station.toml").write_text(TOML)
    profiles = [str(make_line(tmp_path / f"made-{i}").folder) for i in range(2)]
    for profile in profiles:
        saec(tmp_path, "add", "cell", profile)
    saec(tmp_path, "promote", "cell", "v2", "--reason", "new lamp")
    assert saec(tmp_path, "rollback", "cell").output == "v1\n"
    saec(tmp_path, "shadow", "cell", "2")
    saec(tmp_path, "shadow", "cell", "none")
    assert kinds(log) == [
        *("line.add", "line.add", "line.promote", "line.rollback", "line.shadow", "line.shadow"),
    ]
    name = pwd.getpwuid(os.geteuid()).pw_name
    assert {(row.actor, row.role) for row in log.rows()} == {(f"shell:{name}", "shell")}
    assert log.rows(what="line.promote")[0].reason == "new lamp"
    assert verify_log(log).fault is None


def test_a_user_without_a_name_has_a_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 4_000_000_000)
    assert shell_actor() == "shell:4000000000"
