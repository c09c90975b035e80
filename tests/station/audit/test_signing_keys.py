"""Keys are made once, rotated with the old one's voucher, and revoked; each change is a row."""

from __future__ import annotations

import stat
from pathlib import Path

import msgspec
import pytest

from saec.station.audit.audit_log import AuditLog
from saec.station.audit.audit_rows import AuditError
from saec.station.audit.audit_verify import verify_log
from saec.station.audit.signing_keys import (
    SigningKeys,
    distrust_of,
    is_signed,
    key_id,
    key_of,
    read_public_keys,
)

WHO = ("shell:anna", "shell")


@pytest.fixture
def log(tmp_path: Path) -> AuditLog:
    return AuditLog(tmp_path)


@pytest.fixture
def keys(tmp_path: Path, log: AuditLog) -> SigningKeys:
    return SigningKeys(tmp_path, log)


def test_a_key_is_made_once_and_is_its_owners_alone(keys: SigningKeys, log: AuditLog) -> None:
    assert keys.known() == []
    key = keys.ensure(*WHO)
    assert keys.ensure(*WHO) == key
    assert key.id == key_id(key.public)
    assert stat.S_IMODE(keys.folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((keys.folder / f"{key.id}.pem").stat().st_mode) == 0o600
    (row,) = log.rows()
    assert (row.what, row.about, row.after["public"]) == ("keys.make", key.id, key.public)
    assert b"PRIVATE" not in log.path.read_bytes()


def test_what_a_key_has_signed_is_known_by_its_public_half(keys: SigningKeys) -> None:
    key = keys.ensure(*WHO)
    signer, signature = keys.sign(b"data")
    assert signer == key
    assert is_signed(b"data", signature, key.public)
    for data, given, public in (
        (b"date", signature, key.public),
        (b"data", signature[:-2] + "00", key.public),
        (b"data", "no hex", key.public),
        (b"data", signature, "00" * 32),
        (b"data", signature, "zz"),
    ):
        assert not is_signed(data, given, public) or given == signature == given[:-2] + "00"


def test_a_rotation_is_vouched_for_by_the_old_key_whose_private_half_goes(
    keys: SigningKeys, log: AuditLog
) -> None:
    old = keys.ensure(*WHO)
    new = keys.rotate(*WHO, "each year")
    third = keys.rotate(*WHO)
    assert [key.state for key in keys.known()] == ["retired", "retired", "active"]
    assert [path.name for path in keys.folder.glob("*.pem")] == [f"{third.id}.pem"]
    for trusted in (old.public, new.public, third.public):
        assert distrust_of(third, keys.known(), [trusted], []) == ""
    assert "none of those" in distrust_of(old, keys.known(), [third.public], [])
    assert "revoked" in distrust_of(third, keys.known(), [old.public], [new.public])
    row = log.rows(what="keys.rotate")[-1]
    assert (row.before, row.reason, row.after["voucher"]) == ({"key": old.id}, "each year", new.voucher)
    assert verify_log(log).fault is None


def test_a_voucher_that_nobody_gave_is_worth_nothing(keys: SigningKeys) -> None:
    old = keys.ensure(*WHO)
    keys.rotate(*WHO)
    before, new = keys.known()
    forged = msgspec.structs.replace(new, public="ab" * 32, id=key_id("ab" * 32))
    assert distrust_of(forged, [before, forged], [old.public], []) != ""
    renamed = msgspec.structs.replace(new, public="ab" * 32)
    assert distrust_of(renamed, [before, renamed], [old.public], []) != ""
    later = msgspec.structs.replace(new, made=new.made + 1)
    assert distrust_of(later, [before, later], [old.public], []) != ""
    for keys_sent in ([renamed], [new, new], [new, msgspec.structs.replace(new, public="zz")]):
        assert key_of(new.id, keys_sent) is None
    circle = [msgspec.structs.replace(before, previous=new.id), new]
    assert distrust_of(new, circle, ["cd" * 32], []) != ""


def test_a_revoked_key_signs_no_more_and_another_is_made_without_its_voucher(
    keys: SigningKeys, log: AuditLog
) -> None:
    old = keys.ensure(*WHO)
    revoked = keys.revoke(*WHO, old.id, "the disk was stolen")
    assert not list(keys.folder.glob("*.pem"))
    with pytest.raises(AuditError, match="no key that signs"):
        keys.sign(b"x")
    with pytest.raises(AuditError, match="no key that signs"):
        keys.rotate(*WHO)
    with pytest.raises(AuditError, match="revoked already"):
        keys.revoke(*WHO, old.id, "again")
    with pytest.raises(AuditError, match="no key nine"):
        keys.revoke(*WHO, "nine", "x")
    new = keys.ensure(*WHO)
    assert new.previous == ""
    assert distrust_of(new, keys.known(), [old.public], []) != ""
    assert distrust_of(revoked, keys.known(), [old.public], []) == f"the key {old.id} is revoked"
    assert log.rows(what="keys.revoke")[0].reason == "the disk was stolen"


def test_a_key_whose_private_half_is_lost_is_replaced_and_said(keys: SigningKeys, log: AuditLog) -> None:
    old = keys.ensure(*WHO)
    (keys.folder / f"{old.id}.pem").unlink()
    with pytest.raises(AuditError, match="cannot be read"):
        keys.sign(b"x")
    new = keys.ensure(*WHO)
    assert [key.state for key in keys.known()] == ["retired", "active"]
    assert keys.active() == new
    assert log.rows()[0].before == {"key": old.id, "lost": True}


def test_another_keys_private_half_does_not_sign(keys: SigningKeys) -> None:
    old = keys.ensure(*WHO)
    path = keys.folder / f"{old.id}.pem"
    kept = path.read_bytes()
    new = keys.rotate(*WHO)
    (keys.folder / f"{new.id}.pem").write_bytes(kept)
    with pytest.raises(AuditError, match="is not the private half"):
        keys.sign(b"x")


def test_keys_do_not_change_where_no_row_can_be_written(keys: SigningKeys, log: AuditLog) -> None:
    old = keys.ensure(*WHO)
    log.path.write_bytes(b"no database" * 1000)
    with pytest.raises(AuditError):
        keys.rotate(*WHO)
    with pytest.raises(AuditError):
        keys.revoke(*WHO, old.id, "x")
    assert keys.known() == [old]
    assert keys.sign(b"x")[0] == old


def test_public_keys_are_given_as_digits_or_in_a_file(tmp_path: Path) -> None:
    one, two = "ab" * 32, "cd" * 32
    path = tmp_path / "keys.txt"
    path.write_text(f"active id {one} since 2026\nrevoked id {two} since 2026\n\n")
    assert read_public_keys([one, str(path)]) == ([one, one], [two])
    path.write_text("nothing\n")
    with pytest.raises(AuditError, match="holds no public key"):
        read_public_keys([str(path)])
    with pytest.raises(AuditError, match="cannot be read"):
        read_public_keys(["ab12"])
