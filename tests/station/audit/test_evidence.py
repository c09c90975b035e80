"""A file of evidence can be checked anywhere, and whatever is changed in it is found."""

from __future__ import annotations

import dataclasses
import json
import shutil
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from saec.errors import SaecError
from saec.station.audit.audit_log import AuditLog
from saec.station.audit.audit_rows import Action, AuditError
from saec.station.audit.evidence import (
    FRAMES,
    VERSIONS,
    EvidenceManifest,
    EvidenceWriter,
    check_evidence,
)
from saec.station.audit.signing_keys import PublicKey, SigningKeys


@dataclasses.dataclass
class Made:
    """A file of evidence, and the station's keys and actions behind it."""

    path: Path
    keys: SigningKeys
    log: AuditLog

    @property
    def public(self) -> str:
        key = self.keys.active()
        assert key is not None
        return key.public


def write(target: Path, keys: SigningKeys, log: AuditLog, frames: int = 3) -> None:
    with EvidenceWriter(target) as out:
        with out.part(FRAMES) as lines:
            for i in range(frames):
                lines.line(json.dumps({"id": f"cell-{i}"}).encode())
        with out.part(VERSIONS) as lines:
            lines.line(b"{}")
        out.actions(log.walk())
        manifest = EvidenceManifest(
            saec="0", station="s", made=1.0, asked={}, parts={}, frames=frames, replays={},
            head=log.head(), key="", keys=[],
        )  # fmt: skip
        out.finish(manifest, keys)


@pytest.fixture
def made(tmp_path: Path) -> Made:
    data = tmp_path / "data"
    log = AuditLog(data)
    keys = SigningKeys(data, log)
    keys.ensure("station", "station")
    for i in range(3):
        after = {"x": [1e22, 2**70, "\ud800", i]}
        log.append(Action(actor="anna", role="engineer", what="line.promote", after=after))
    write(tmp_path / "e.zip", keys, log)
    return Made(tmp_path / "e.zip", keys, log)


def rewritten(made: Made, change: Callable[[dict[str, bytes]], object]) -> Path:
    """The file with its members changed, in a zip that is sound."""
    with zipfile.ZipFile(made.path) as packed:
        members = {name: packed.read(name) for name in packed.namelist()}
    change(members)
    target = made.path.with_name("changed.zip")
    with zipfile.ZipFile(target, "w") as out:
        for name, data in members.items():
            out.writestr(name, data)
    return target


def test_it_is_checked_with_the_public_key_alone(made: Made) -> None:
    shutil.rmtree(made.keys.folder.parent)
    found = check_evidence(made.path, [made_public(made.path)])
    assert found.fault == ""
    assert found.manifest is not None
    assert (found.manifest.frames, found.manifest.head.n) == (3, 4)


def made_public(path: Path) -> str:
    with zipfile.ZipFile(path) as packed:
        return str(json.loads(packed.read("manifest.json"))["keys"][-1]["public"])


def test_whose_key_is_not_trusted_is_refused(made: Made) -> None:
    assert "none of those that you trust" in check_evidence(made.path, []).fault
    assert "none of those that you trust" in check_evidence(made.path, ["ab" * 32]).fault
    assert "revoked" in check_evidence(made.path, [made.public], [made.public]).fault


def test_a_key_under_the_name_of_a_trusted_one_is_refused(made: Made, tmp_path: Path) -> None:
    """A forger lists his own key by the id of the station's, beside the station's own or without it."""
    theirs = made.keys.active()
    forger = SigningKeys(tmp_path / "forger", AuditLog(tmp_path / "forger"))
    forger.ensure("f", "f")
    genuine = forger.known

    class Forged(SigningKeys):
        listed: list[PublicKey]

        def known(self) -> list[PublicKey]:
            return self.listed

    assert theirs is not None
    (own,) = genuine()
    named = msgspec.structs.replace(own, id=theirs.id)
    (forger.folder / f"{own.id}.pem").rename(forger.folder / f"{theirs.id}.pem")
    for n, listed in enumerate(([named, theirs], [theirs, named], [named])):
        forged = Forged(tmp_path / "forger", made.log)
        forged.listed = (
            listed if listed[0] is named else [msgspec.structs.replace(theirs, state="retired"), named]
        )
        write(tmp_path / f"{n}.zip", forged, made.log)
        assert check_evidence(tmp_path / f"{n}.zip", [theirs.public]).fault != ""


def test_who_trusts_the_old_key_trusts_a_file_that_the_next_has_signed(made: Made, tmp_path: Path) -> None:
    old = made.public
    made.keys.rotate("anna", "admin")
    write(tmp_path / "next.zip", made.keys, made.log)
    assert check_evidence(tmp_path / "next.zip", [old]).fault == ""
    assert check_evidence(tmp_path / "next.zip", [made.public]).fault == ""
    assert check_evidence(made.path, [made.public]).fault != ""


def _edit(name: str, old: bytes, new: bytes) -> Callable[[dict[str, bytes]], None]:
    def change(members: dict[str, bytes]) -> None:
        assert old in members[name]
        members[name] = members[name].replace(old, new)

    return change


CHANGES: dict[str, tuple[Callable[[dict[str, bytes]], object], str]] = {
    "a frame": (_edit(FRAMES, b"cell-1", b"cell-7"), "frames.jsonl was changed"),
    "a frame less": (_edit(FRAMES, b'{"id": "cell-1"}\n', b""), "frames.jsonl was changed"),
    "a frame more": (_edit(FRAMES, b'{"id": "cell-1"}\n', b'{"id": "cell-1"}\n' * 2), "was changed"),
    "the versions": (_edit(VERSIONS, b"{}", b"[]"), "versions.json was changed"),
    "an action": (_edit("actions.jsonl", b"anna", b"bert"), "actions.jsonl was changed"),
    "the manifest": (_edit("manifest.json", b'"station":"s"', b'"station":"t"'), "the manifest was changed"),
    "the signature": (lambda m: m.update({"signature.txt": b"00" * 64}), "the manifest was changed"),
    "no signature at all": (lambda m: m.update({"signature.txt": b"\xff"}), "the manifest was changed"),
    "a member more": (lambda m: m.update({"more.txt": b"x"}), "more.txt is missing, was put in"),
    "a member less": (lambda m: m.pop(VERSIONS), "versions.json is missing"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_every_change_is_found(made: Made, name: str) -> None:
    change, words = CHANGES[name]
    path = rewritten(made, change)
    assert words in check_evidence(path, [made.public]).fault


def test_a_member_that_stands_twice_is_found(made: Made) -> None:
    with zipfile.ZipFile(made.path, "a") as packed, pytest.warns(UserWarning, match="Duplicate"):
        packed.writestr(FRAMES, b"")
    assert "stands twice" in check_evidence(made.path, [made.public]).fault


def test_every_flipped_byte_is_found_or_changes_nothing(made: Made) -> None:
    whole = made.path.read_bytes()
    with zipfile.ZipFile(made.path) as packed:
        members = {name: packed.read(name) for name in packed.namelist()}
    path = made.path.with_name("flipped.zip")
    for at in range(0, len(whole), 5):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ (0x41, 0x80, 0xFF)[at % 3]]) + whole[at + 1 :])
        try:
            fault = check_evidence(path, [made.public]).fault
        except SaecError:
            continue
        if not fault:  # a byte of the zip's own book-keeping, such as a time
            with zipfile.ZipFile(path) as packed:
                assert {name: packed.read(name) for name in packed.namelist()} == members


def test_a_chain_that_was_changed_before_it_was_exported_is_found(made: Made, tmp_path: Path) -> None:
    import sqlite3

    db = sqlite3.connect(made.log.path)
    db.execute("UPDATE actions SET actor = 'bert' WHERE n = 3")
    db.commit()
    db.close()
    write(tmp_path / "later.zip", made.keys, made.log)
    assert check_evidence(tmp_path / "later.zip", [made.public]).fault == (
        "the record of actions: row 3 was changed after it was written"
    )


def test_rows_beyond_the_stated_head_are_found(made: Made, tmp_path: Path) -> None:
    target = tmp_path / "short.zip"
    with EvidenceWriter(target) as out:
        for name in (FRAMES, VERSIONS):
            with out.part(name):
                pass
        head = made.log.head()
        made.log.append(Action(actor="a", role="r", what="w"))
        out.actions(made.log.walk())
        told = EvidenceManifest(
            saec="0", station="s", made=1.0, asked={}, parts={}, frames=0, replays={}, head=head, key="",
            keys=[],
        )  # fmt: skip
        out.finish(told, made.keys)
    assert "does not lead to the head" in check_evidence(target, [made.public]).fault


def test_what_is_no_evidence_is_said(made: Made, tmp_path: Path) -> None:
    plain = tmp_path / "plain.zip"
    with zipfile.ZipFile(plain, "w") as out:
        out.writestr("a", b"b")
    with pytest.raises(AuditError, match="no file of evidence"):
        check_evidence(plain, [])
    (tmp_path / "text").write_text("x")
    assert "damaged" in check_evidence(tmp_path / "text", []).fault
    with pytest.raises(AuditError, match="cannot be read"):
        check_evidence(tmp_path / "nowhere", [])
    with pytest.raises(AuditError, match="form 9"):
        check_evidence(rewritten(made, _edit("manifest.json", b'"form":1', b'"form":9')), [])


def test_nothing_is_overwritten_and_nothing_half_stays(made: Made, tmp_path: Path) -> None:
    with pytest.raises(AuditError, match="exists"):
        EvidenceWriter(made.path)
    with pytest.raises(AuditError, match="no key that signs"):
        write(tmp_path / "half.zip", SigningKeys(tmp_path / "other", made.log), made.log)
    assert not list(tmp_path.glob("half*"))


def test_lines_are_written_and_read_one_by_one(made: Made, tmp_path: Path) -> None:
    """Twice as many frames take no more memory, neither to write nor to check."""
    import tracemalloc

    def peak(work: Callable[[], object]) -> int:
        tracemalloc.start()
        work()
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    def of(frames: int) -> Iterator[int]:
        target = tmp_path / f"{frames}.zip"
        yield peak(lambda: write(target, made.keys, made.log, frames))
        yield peak(lambda: check_evidence(target, [made.public]))

    few, many = list(of(40_000)), list(of(80_000))
    assert all(more < 1.2 * less + 50_000 for less, more in zip(few, many, strict=True))


def test_the_manifest_is_read_by_its_type(made: Made) -> None:
    with zipfile.ZipFile(made.path) as packed:
        told = json.loads(packed.read("manifest.json"))
    assert set(told) == set(EvidenceManifest.__struct_fields__)
    assert told["parts"][FRAMES]["lines"] == 3
    assert msgspec.convert(told["keys"][0], type(made.keys.known()[0])) == made.keys.known()[0]
