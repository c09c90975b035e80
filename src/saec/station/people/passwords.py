"""Passwords: what one must be, how it is kept (argon2id, RFC 9106), and the one place that compares them."""

from __future__ import annotations

import base64
import secrets
import threading
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from saec.errors import PeopleError
from saec.station.people.person import name_key

LEAST, MOST = 12, 256
"""Characters that a password has."""

_VARIED = 5
"""Different characters that it has."""

_NAMED = 4
"""Characters from which on a name may not stand in its password."""

_HASHER = PasswordHasher(time_cost=3, memory_cost=64 * 1024, parallelism=1)
"""RFC 9106's second choice (64 MiB, three passes), on one core: the others are the line's."""

_turn = threading.Lock()
_queue = threading.BoundedSemaphore(4)
"""Those who are hashing or wait for it; the line's machine has memory for one at a time."""


def check_password(name: str, password: str) -> None:
    """Refuse a password that is easily guessed.

    Raises:
        PeopleError: it is too short, too long, holds the name or is one character again and again.
    """
    plain = _normal(password)
    if not LEAST <= len(plain) <= MOST:
        raise PeopleError(
            f"a password has {LEAST} to {MOST} characters, and this one has {len(plain)}",
            "take several words that do not belong together",
        )
    key = name_key(name)
    if len(set(plain)) < _VARIED or (len(key) >= _NAMED and key in name_key(plain)):
        raise PeopleError(
            "the password holds the name, or is almost one character",
            "take several words that do not belong together",
        )


def hash_password(password: str) -> str:
    """A password as it is kept. Takes about a tenth of a second and 64 MiB, one at a time.

    Raises:
        PeopleError: too many wait for it.
    """
    with _one_at_a_time():
        return _HASHER.hash(_bytes(password))


def is_password(kept: str | None, password: str) -> bool:
    """Whether a password is the one that is kept. None costs the same work and is nobody's.

    Raises:
        PeopleError: too many wait for it.
    """
    with _one_at_a_time():
        try:
            same = _HASHER.verify(_nobodys() if kept is None else kept, _bytes(password[: MOST + 1]))
        except (VerificationError, InvalidHashError):
            return False
    return same and kept is not None


@contextmanager
def _one_at_a_time() -> Iterator[None]:
    if not _queue.acquire(blocking=False):
        raise PeopleError("too many people log in at this moment", "try again in a few seconds")
    try:
        with _turn:
            yield
    finally:
        _queue.release()


def _nobodys() -> str:
    """A hash that no password has; it need not be computed, and comparing with it takes as long."""
    salt, digest = (
        base64.b64encode(secrets.token_bytes(n)).decode().rstrip("=")
        for n in (_HASHER.salt_len, _HASHER.hash_len)
    )
    cost = f"m={_HASHER.memory_cost},t={_HASHER.time_cost},p={_HASHER.parallelism}"
    return f"$argon2id$v=19${cost}${salt}${digest}"


def _normal(password: str) -> str:
    """One form for all keyboards (NFKC, as NIST SP 800-63B asks for)."""
    return unicodedata.normalize("NFKC", password)


def _bytes(password: str) -> bytes:
    return _normal(password).encode(errors="surrogatepass")
