"""`saec audit`: what it prints, and its status."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from saec.cli import root
from saec.station.audit.audit_log import AuditLog
from saec.station.audit.audit_rows import Action
from saec.station.audit.signing_keys import read_public_keys
from saec.station.storage.records import SpoolLimits
from saec.station.storage.spool import Spool
from tests.run_fakes import make_line


@pytest.fixture
def site(tmp_path: Path) -> Path:
    make_line(tmp_path / "cell")
    (tmp_path / "station.toml").write_text(
        '[station]\nname = "cell-3"\ndata = "data"\n[[line]]\nname = "cell"\nprofile = "cell"\n'
    )
    Spool(tmp_path / "data", (), SpoolLimits(free_gb=0)).close()
    log = AuditLog(tmp_path / "data")
    for i in range(3):
        log.append(Action(actor="anna", role="engineer", what="line.promote", about=f"x{i}"))
    return tmp_path


def audit(site: Path, *words: str, config: bool = True) -> Result:
    named = ["--config", str(site / "station.toml")] if config else []
    return CliRunner().invoke(root, ["audit", words[0], *named, *words[1:]])


def change(site: Path, statement: str) -> None:
    db = sqlite3.connect(site / "data" / "audit.sqlite")
    db.execute(statement)
    db.commit()
    db.close()


def test_a_sound_chain_has_status_0_and_its_head_is_printed(site: Path) -> None:
    head = AuditLog(site / "data").head()
    for found in (audit(site, "verify"), audit(site, "verify", "--data", str(site / "data"), config=False)):
        assert found.exit_code == 0
        assert "3 rows are what was written" in found.output
        assert f"head: {head}" in found.output
    later = audit(site, "verify", "--against", str(head))
    assert later.exit_code == 0
    assert "up to row 3" in later.output


def test_a_changed_row_has_status_1_and_is_named(site: Path) -> None:
    change(site, "UPDATE actions SET actor = 'bert' WHERE n = 2")
    found = audit(site, "verify")
    assert found.exit_code == 1
    assert "row 2 was changed after it was written" in found.output


def test_a_cut_end_is_found_against_a_printed_head_and_a_file(site: Path) -> None:
    head = AuditLog(site / "data").head()
    (site / "heads.txt").write_text(f"Monday {head}\n")
    change(site, "DELETE FROM actions WHERE n = 3")
    assert audit(site, "verify").exit_code == 0
    for against in (str(head), str(site / "heads.txt")):
        found = audit(site, "verify", "--against", against)
        assert found.exit_code == 1
        assert "row 3 is missing" in found.output


def test_a_record_that_is_gone_is_not_sound(site: Path) -> None:
    head = AuditLog(site / "data").head()
    for path in (site / "data").glob("audit.sqlite*"):
        path.unlink()
    assert "does not exist" in str(audit(site, "verify").exception)
    found = audit(site, "verify", "--against", str(head))
    assert found.exit_code == 1
    assert "rows 1 to 3 are missing" in found.output


def test_without_a_station_it_asks_for_one(site: Path) -> None:
    found = audit(site, "verify", config=False)
    assert found.exit_code == 2
    assert "--data" in found.output


def test_keys_are_made_shown_rotated_and_revoked(site: Path) -> None:
    assert "no key yet" in audit(site, "keys").output
    first = audit(site, "keys", "--make").output.split()
    assert first[0] == "active"
    assert audit(site, "keys", "--make").output.split() == first
    rotated = audit(site, "rotate", "--reason", "yearly").output.split()
    assert rotated[0] == "active"
    assert rotated[1] != first[1]
    assert [line.split()[0] for line in audit(site, "keys").output.splitlines()] == ["retired", "active"]
    refused = audit(site, "revoke", first[1])
    assert refused.exception is not None
    assert audit(site, "revoke", first[1], "--reason", "disk stolen").output.startswith("revoked")
    kinds = [row.what for row in AuditLog(site / "data").rows(what="keys.")]
    assert kinds == ["keys.revoke", "keys.rotate", "keys.make"]


def test_evidence_is_made_here_and_checked_elsewhere(site: Path, tmp_path: Path) -> None:
    audit(site, "keys", "--make")
    (site / "keys.txt").write_text(audit(site, "keys").output)
    target = tmp_path / "e.zip"
    made = audit(site, "export", "--since", "2020-01-01", "--line", "cell", "--out", str(target))
    assert made.exit_code == 0, made.output
    assert "0 frames" in made.output
    assert target.stat().st_mode & 0o077 == 0
    for trust in (["--trusted-key", str(site / "keys.txt")], ["--data", str(site / "data")]):
        found = audit(site, "verify", str(target), *trust, config=False)
        assert found.exit_code == 0, found.output
        assert "evidence of station cell-3" in found.output
    untrusted = audit(site, "verify", str(target), "--trusted-key", "ab" * 32, config=False)
    assert untrusted.exit_code == 1
    assert "none of those that you trust" in untrusted.output
    nobody = audit(site, "verify", str(target), config=False)
    assert nobody.exit_code == 2
    assert "no key is trusted" in nobody.output
    against = audit(site, "verify", "--against", str(target))
    assert against.exit_code == 0, against.output


def test_a_key_that_was_revoked_later_is_not_trusted(site: Path, tmp_path: Path) -> None:
    key = audit(site, "keys", "--make").output.split()
    target = tmp_path / "e.zip"
    audit(site, "export", "--out", str(target))
    audit(site, "revoke", key[1], "--reason", "stolen")
    (site / "keys.txt").write_text(audit(site, "keys").output)
    for trust in (
        ["--trusted-key", str(site / "keys.txt")],
        ["--trusted-key", key[2], "--data", str(site / "data")],
    ):
        found = audit(site, "verify", str(target), *trust, config=False)
        assert found.exit_code == (1 if "--data" in trust else 2)


def test_the_words_of_a_reason_make_no_key_trusted(site: Path, tmp_path: Path) -> None:
    audit(site, "keys", "--make")
    other = "ab" * 32
    audit(site, "rotate", "--reason", f"because\nactive x {other}\x1b[31m {other}")
    shown = audit(site, "keys").output
    assert len(shown.splitlines()) == 2
    assert "\x1b" not in shown
    (site / "keys.txt").write_text(shown)
    trusted, revoked = read_public_keys([str(site / "keys.txt")])
    assert len(trusted) == 2
    assert other not in trusted
    assert revoked == []


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (("--since", "yesterday"), "is no time"),
        (("--line", "hall"), "no product line named hall"),
    ],
)
def test_what_cannot_be_asked_is_named(site: Path, words: tuple[str, ...], error: str) -> None:
    found = audit(site, "export", *words, "--out", str(site / "x.zip"))
    assert error in str(found.exception)
