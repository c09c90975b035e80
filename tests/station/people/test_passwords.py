"""Passwords: which are taken, how they are kept, and that nobody is told more than yes or no."""

from __future__ import annotations

import threading

import pytest
from argon2 import PasswordHasher, extract_parameters

from saec.errors import PeopleError
from saec.station.people import passwords
from saec.station.people.passwords import check_password, hash_password, is_password
from tests.station.people.clocks import OTHER, SECRET


@pytest.mark.parametrize(
    "password",
    ["", "short", "x" * 11, "x" * 300, "a" * 20, "abab" * 5, "anna anna anna anna", "my name is ANNA!"],
)
def test_what_is_easily_guessed_is_refused(password: str) -> None:
    with pytest.raises(PeopleError):
        check_password("Anna", password)


@pytest.mark.parametrize(
    "password", [SECRET, "x1y2z3a4b5c6", "correct horse" + "é" * 5, "密码不是这个的名字真的很长"]
)
def test_a_long_one_is_taken(password: str) -> None:
    check_password("Anna", password)


def test_a_hash_is_argon2id_and_says_nothing_of_the_password() -> None:
    kept = hash_password(SECRET)
    assert kept.startswith("$argon2id$")
    assert kept != hash_password(SECRET)
    assert is_password(kept, SECRET)
    assert not is_password(kept, OTHER)
    assert not is_password(kept, SECRET + " ")


def test_one_password_typed_on_two_keyboards_is_one() -> None:
    assert is_password(hash_password("Müller und Söhne"), "Mu\u0308ller und So\u0308hne")


def test_nobodys_password_costs_what_anybody_s_does() -> None:
    assert extract_parameters(passwords._nobodys()) == extract_parameters(hash_password(SECRET))
    assert not is_password(None, SECRET)
    assert not is_password(None, "")
    assert not is_password("no hash", SECRET)


def test_the_cost_is_that_of_the_rfc_on_one_core(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    assert isinstance(passwords._HASHER, PasswordHasher)
    said = extract_parameters(passwords._nobodys())
    assert (said.memory_cost, said.time_cost, said.parallelism) == (65_536, 3, 1)


class Counting:
    """Compares nothing, and counts who does so at once."""

    def __init__(self) -> None:
        self.inside = self.most = self.done = 0
        self.begun, self.go_on = threading.Event(), threading.Event()

    def hash(self, password: bytes) -> str:
        self.inside += 1
        self.most = max(self.most, self.inside)
        self.begun.set()
        assert self.go_on.wait(30)
        self.inside -= 1
        self.done += 1
        return ""


def test_one_is_hashed_at_a_time_and_few_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    counting = Counting()
    monkeypatch.setattr(passwords, "_HASHER", counting)
    queue = threading.Semaphore(0)
    monkeypatch.setattr(passwords, "_queue", Told(passwords._queue, queue))
    threads = [threading.Thread(target=hash_password, args=(SECRET,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for _ in threads:
        assert queue.acquire(timeout=30)
    with pytest.raises(PeopleError, match="too many"):
        hash_password(SECRET)
    counting.go_on.set()
    for thread in threads:
        thread.join(30)
    assert (counting.most, counting.done) == (1, 4)


class Told:
    """A queue that says when somebody is in it."""

    def __init__(self, queue: threading.BoundedSemaphore, told: threading.Semaphore) -> None:
        self._queue, self._told = queue, told

    def acquire(self, *, blocking: bool) -> bool:
        got = self._queue.acquire(blocking=blocking)
        if got:
            self._told.release()
        return got

    def release(self) -> None:
        self._queue.release()
