"""The keys that sign files of evidence: Ed25519 (RFC 8032), one of them active.

    DATA/keys/
        keys.json       every key that there ever was: its public half, its times, its state
        ID.pem          the private half of the active one (PKCS #8), for the station's user alone

A rotation makes the next key, has the old one vouch for it, and deletes the old private half. Who trusts the
old key thus trusts the new one. A revoked key vouches for nothing.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Literal

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from saec.decoding import decode
from saec.profile import write_json
from saec.station.audit.audit_log import AuditLog
from saec.station.audit.audit_rows import Action, AuditError, canonical_json
from saec.station.storage.database.schema import alone_in, sync_folder, write_synced
from saec.station.storage.private_files import give_to_owner, owner_of
from saec.texts import read_text

FOLDER = "keys"
_DIGITS = 16
_MOST_LIST = 2**20
"""Bytes of the list: thousands of keys."""

_PUBLIC = re.compile(r"\b[0-9a-f]{64}\b")
_LOST = "its private half is missing"


class PublicKey(msgspec.Struct, frozen=True, kw_only=True):
    """What anybody may know of a key.

    Attributes:
        id: the first 16 hexadecimal digits of the public half's sha256.
        public: the public half, 32 bytes as hexadecimal digits.
        made: when, seconds since the epoch.
        state: "active" signs; "retired" has signed and was replaced; "revoked" is trusted no more.
        ended: when it was retired or revoked.
        reason: why.
        previous: the id of the key that vouches for this one; "" for one that nobody vouches for.
        voucher: the signature by which it does.
    """

    id: str
    public: str
    made: float
    state: Literal["active", "retired", "revoked"] = "active"
    ended: float | None = None
    reason: str = ""
    previous: str = ""
    voucher: str = ""


class _Held(msgspec.Struct, frozen=True):
    """``keys.json``."""

    keys: list[PublicKey] = []


class SigningKeys:
    """The keys of a station; each change of them is recorded as well.

    Args:
        data: the data folder.
        log: the record of actions.
        clock: seconds since the epoch.
    """

    def __init__(self, data: Path, log: AuditLog, clock: Callable[[], float] = time.time) -> None:
        self.folder, self._log, self._clock = data / FOLDER, log, clock

    def known(self) -> list[PublicKey]:
        """Every key, oldest first.

        Raises:
            AuditError: the list is damaged.
        """
        path, remedy = self.folder / "keys.json", "put the folder back from a backup"
        if not path.exists():
            return []
        text = read_text(path, most=_MOST_LIST, remedy=remedy, error=AuditError)
        try:
            return decode(text, _Held).keys
        except (msgspec.DecodeError, UnicodeError, RecursionError) as e:
            raise AuditError(f"{path} is damaged: {e}", remedy) from e

    def active(self) -> PublicKey | None:
        """The key that signs; None where there is none."""
        return next((key for key in self.known() if key.state == "active"), None)

    def ensure(self, actor: str, role: str) -> PublicKey:
        """The active key, made where there is none, or where its private half is not there.

        Args:
            actor: who, as in ``Action``.
            role: the role in which it is done.

        Raises:
            AuditError: it cannot be made or recorded.
        """
        with self._alone():
            key = self.active()
            if key is not None and self._private_path(key).exists():
                return key
            private, new = self._fresh()
            keys = [self._ended(k, "retired", _LOST) if k == key else k for k in self.known()]
            told = None if key is None else {"key": key.id, "lost": True}
            with self._log.recorded(_action(actor, role, "keys.make", new, told)):
                self._keep([*keys, new], private, new)
            return new

    def rotate(self, actor: str, role: str, reason: str = "") -> PublicKey:
        """Make the next key; the active one vouches for it, and its private half is deleted.

        Args:
            actor: who, as in ``Action``.
            role: the role in which it is done.
            reason: why.

        Raises:
            AuditError: there is no active key, or the change cannot be recorded.
        """
        with self._alone():
            old = self._signing()
            private, fresh = self._fresh()
            statement = _statement(fresh.public, fresh.made, old.id)
            voucher = self._load(old).sign(statement).hex()
            new = msgspec.structs.replace(fresh, previous=old.id, voucher=voucher)
            keys = [self._ended(key, "retired", reason) if key == old else key for key in self.known()]
            with self._log.recorded(_action(actor, role, "keys.rotate", new, {"key": old.id}, reason)):
                self._keep([*keys, new], private, new)
                self._private_path(old).unlink(missing_ok=True)
            return new

    def revoke(self, actor: str, role: str, id: str, reason: str) -> PublicKey:
        """Trust a key no more; the private half of the active one is deleted, and ``ensure`` makes another.

        Args:
            actor: who, as in ``Action``.
            role: the role in which it is done.
            id: the key's id.
            reason: why.

        Raises:
            AuditError: no such key, it is revoked already, or the change cannot be recorded.
        """
        with self._alone():
            keys = self.known()
            key = next((key for key in keys if key.id == id), None)
            if key is None:
                names = ", ".join(key.id for key in keys)
                raise AuditError(f"there is no key {id[:80]}", f"choose one of {names or 'none'}")
            if key.state == "revoked":
                raise AuditError(f"the key {id} is revoked already", "see `saec audit keys`")
            revoked = self._ended(key, "revoked", reason)
            told = {"key": key.id, "state": key.state}
            with self._log.recorded(_action(actor, role, "keys.revoke", revoked, told, reason)):
                self._store([revoked if one == key else one for one in keys])
                self._private_path(key).unlink(missing_ok=True)
            return revoked

    def sign(self, data: bytes) -> tuple[PublicKey, str]:
        """The signature of the active key as hexadecimal digits, and the key.

        Raises:
            AuditError: there is no active key.
        """
        key = self._signing()
        return key, self._load(key).sign(data).hex()

    def _signing(self) -> PublicKey:
        key = self.active()
        if key is None:
            raise AuditError("there is no key that signs", "make one with `saec audit keys --make`")
        return key

    def _private_path(self, key: PublicKey) -> Path:
        return self.folder / f"{key.id}.pem"

    def _load(self, key: PublicKey) -> Ed25519PrivateKey:
        path = self._private_path(key)
        remedy = "put it back from a backup, or make another with `saec audit keys --make`"
        try:
            private = load_pem_private_key(path.read_bytes(), None)
        except (OSError, ValueError, TypeError) as e:
            raise AuditError(f"the private half of the key {key.id} cannot be read: {e}", remedy) from e
        if not isinstance(private, Ed25519PrivateKey) or _public(private) != key.public:
            raise AuditError(f"{path} is not the private half of the key {key.id}", remedy)
        return private

    def _fresh(self) -> tuple[Ed25519PrivateKey, PublicKey]:
        private = Ed25519PrivateKey.generate()
        public = _public(private)
        return private, PublicKey(id=key_id(public), public=public, made=self._clock())

    def _ended(self, key: PublicKey, state: Literal["retired", "revoked"], reason: str) -> PublicKey:
        return msgspec.structs.replace(key, state=state, ended=self._clock(), reason=reason)

    def _keep(self, keys: list[PublicKey], private: Ed25519PrivateKey, key: PublicKey) -> None:
        """The private half first: the list never names an active key that is not there."""
        path = self._private_path(key)
        write_synced(path, private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        path.chmod(0o600)
        self._store(keys)

    def _store(self, keys: list[PublicKey]) -> None:
        write_json(self.folder / "keys.json", _Held(keys))
        sync_folder(self.folder)
        give_to_owner(self.folder, owner_of(self.folder.parent))

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """One program at a time changes keys."""
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with alone_in(self.folder):
                yield
        except OSError as e:
            what = f"{self.folder} cannot be written: {e.strerror or e}"
            raise AuditError(what, "check its rights and the disk") from e


def key_id(public: str) -> str:
    """The id of a key by its public half."""
    return hashlib.sha256(bytes.fromhex(public)).hexdigest()[:_DIGITS]


def read_public_keys(given: Sequence[str]) -> tuple[list[str], list[str]]:
    """Public halves that are trusted, and those that are known to be revoked.

    Args:
        given: each 64 hexadecimal digits, or a file with such, one a line, as `saec audit keys` prints them.
            A line that begins with "revoked" names a key that is.

    Raises:
        AuditError: a file cannot be read, or holds no key.
    """
    trusted: list[str] = []
    revoked: list[str] = []
    for one in given:
        if _PUBLIC.fullmatch(one):
            trusted.append(one)
            continue
        text = read_text(Path(one), remedy="give 64 hexadecimal digits, or a file of them", error=AuditError)
        found = [
            (line.split()[0] == "revoked", key[0])
            for line in text.splitlines()
            if (key := _PUBLIC.search(line)) is not None
        ]
        if not found:
            raise AuditError(f"{one} holds no public key", "give what `saec audit keys` prints")
        trusted += [key for ended, key in found if not ended]
        revoked += [key for ended, key in found if ended]
    return trusted, revoked


def is_signed(data: bytes, signature: str, public: str) -> bool:
    """Whether the owner of a public half has signed these bytes."""
    try:
        key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(public))
        key.verify(bytes.fromhex(signature), data)
    except (InvalidSignature, ValueError):
        return False
    return True


def key_of(id: str, keys: Sequence[PublicKey]) -> PublicKey | None:
    """The key of an id in a list that somebody has sent; None unless exactly one has it by right.

    An id is believed only where it is that of the key's public half.
    """
    found = [key for key in keys if key.id == id]
    return found[0] if len(found) == 1 and _is_named(found[0]) else None


def distrust_of(
    signer: PublicKey, keys: Sequence[PublicKey], trusted: Sequence[str], revoked: Sequence[str]
) -> str:
    """Why a signer is not to be trusted, one sentence; "" where it is.

    A signer is trusted that is pinned, or for which keys vouch one after the other from a pinned one.

    Args:
        signer: the key whose signature was checked.
        keys: what the signed file says of the station's keys.
        trusted: public halves that are pinned.
        revoked: public halves that are known to be revoked.
    """
    key = signer
    for _ in range(len(keys) + 1):
        if key.public in revoked or key.state == "revoked":
            return f"the key {key.id} is revoked"
        if key.public in trusted:
            return ""
        before = key_of(key.previous, keys)
        statement = _statement(key.public, key.made, key.previous)
        if before is None or not is_signed(statement, key.voucher, before.public):
            break
        key = before
    return f"the key {signer.id} is none of those that you trust, and none of them vouches for it"


def _is_named(key: PublicKey) -> bool:
    try:
        return key_id(key.public) == key.id
    except ValueError:
        return False


def _statement(public: str, made: float, previous: str) -> bytes:
    """What a key signs to vouch for the next one."""
    told = {"purpose": "saec-key-rotation-1", "public": public, "made": made, "previous": previous}
    return canonical_json(told).encode()


def _public(private: Ed25519PrivateKey) -> str:
    return private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw).hex()


def _action(actor: str, role: str, what: str, key: PublicKey, before: object, reason: str = "") -> Action:
    return Action(
        actor=actor,
        role=role,
        what=what,
        about=key.id,
        before=before,
        after=msgspec.to_builtins(key),
        reason=reason,
    )
