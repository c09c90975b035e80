"""So many connections for each address; who asks for nothing gives way; health is always answered."""

from __future__ import annotations

import contextlib
import socket
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saec.errors import ConfigError
from saec.web.addresses import LOOPBACK, client_network, in_networks, parse_networks
from saec.web.admission.connection_slots import ConnectionSlot, ConnectionSlots
from saec.web.http_settings import HttpSettings
from tests.pairs import make_pair
from tests.web.web_fakes import HOST, Served, head_of, served, status, tokens_file, until_closed, wait_until


class Guest:
    def __init__(self, *, idle: bool) -> None:
        self.idle, self.left = idle, False

    def leave(self) -> None:
        self.left = True


def slots(**settings: object) -> ConnectionSlots:
    ticks = iter(range(10**6))
    return ConnectionSlots(HttpSettings(**settings), clock=lambda: next(ticks))  # type: ignore[arg-type]


def enter(slots: ConnectionSlots, host: str, *, idle: bool) -> ConnectionSlot | None:
    slot = slots.enter(host)
    if slot is not None:
        slot.protocol = Guest(idle=idle)
    return slot


@pytest.mark.parametrize(
    ("host", "counts_for"),
    [
        ("10.0.0.5", "10.0.0.5"),
        ("127.0.0.1", LOOPBACK),
        ("127.8.8.8", LOOPBACK),
        ("::1", LOOPBACK),
        ("::ffff:10.0.0.5", "10.0.0.5"),
        ("::ffff:127.0.0.1", LOOPBACK),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::1", "2001:db8:1:2::/64"),
        ("fe80::1", "fe80::1"),
        ("fe80::1%eth0", "fe80::1%eth0"),
        ("", ""),
        ("testclient", "testclient"),
    ],
)
def test_for_whom_an_address_counts(host: str, counts_for: str) -> None:
    assert client_network(host) == counts_for


def test_networks_are_addresses_or_named_as_none() -> None:
    known = parse_networks(["10.0.0.0/24", "::1", "192.168.1.7"])
    assert [in_networks(h, known) for h in ("10.0.0.9", "::ffff:10.0.0.9", "192.168.1.7", "::1")] == [
        True
    ] * 4
    assert [in_networks(h, known) for h in ("10.0.1.9", "x", "")] == [False] * 3
    with pytest.raises(ConfigError, match="'proxy' is not an address"):
        parse_networks(["proxy"])


def test_an_address_over_its_share_gives_up_its_own_oldest_idle_connection() -> None:
    people = slots(connections_per_address=2, connections=10)
    first, busy = enter(people, "10.0.0.1", idle=True), enter(people, "10.0.0.1", idle=False)
    other = enter(people, "10.0.0.2", idle=True)
    third = enter(people, "10.0.0.1", idle=False)
    assert third is not None
    assert not third.reserve
    assert first.protocol.left
    assert not other.protocol.left
    assert not busy.protocol.left
    fourth = enter(people, "10.0.0.1", idle=False)
    assert fourth is not None
    assert fourth.reserve


def test_who_never_asked_gives_way_before_who_was_answered() -> None:
    people = slots(connections_per_address=2)
    robot, silent = enter(people, "10.0.0.1", idle=True), enter(people, "10.0.0.1", idle=True)
    robot.served = True
    enter(people, "10.0.0.1", idle=True)
    assert silent.protocol.left
    assert not robot.protocol.left


def test_when_all_seats_are_taken_the_address_with_most_gives_one_up() -> None:
    people = slots(connections_per_address=10, connections=4)
    many = [enter(people, "10.0.0.1", idle=True) for _ in range(3)]
    few = enter(people, "10.0.0.2", idle=True)
    assert not enter(people, "10.0.0.3", idle=True).reserve
    assert [slot.protocol.left for slot in many] == [True, False, False]
    assert not few.protocol.left


def test_a_proxy_has_any_number() -> None:
    people = slots(connections_per_address=1, connections=50, proxies=("10.0.0.0/24",))
    assert not any(enter(people, "10.0.0.9", idle=False).reserve for _ in range(50))


HOSTS = st.sampled_from(["10.0.0.1", "10.0.0.2", "127.0.0.1", "2001:db8::1"])


@given(st.lists(st.tuples(HOSTS, st.booleans(), st.booleans())))
def test_the_bounds_hold_whoever_comes_and_goes(events: list[tuple[str, bool, bool]]) -> None:
    people = slots(
        connections_per_address=2, connections_per_loopback=3, connections=5, reserved_connections=2
    )
    inside: list[ConnectionSlot] = []
    for host, idle, leaves in events:
        if leaves and inside:
            people.leave(inside.pop(0))
        slot = enter(people, host, idle=idle)
        if slot is not None:
            inside.append(slot)
        each = Counter(slot.who for slot in people.taken if not slot.reserve)
        assert all(count <= (3 if who == LOOPBACK else 2) for who, count in each.items())
        assert sum(each.values()) <= 5
        assert sum(slot.reserve for slot in people.taken) <= 2
        assert people._each == each
    for slot in inside:
        people.leave(slot)
        people.leave(slot)
    assert not people.taken
    assert not people._each
    assert people._reserved == 0


def test_connections_that_say_nothing_shut_nobody_out() -> None:
    with served(connections_per_loopback=10, connections=20) as site, contextlib.ExitStack() as held:
        silent = [held.enter_context(site.connect()) for _ in range(60)]
        assert status(site.get("/")) == 200
        assert site.connections <= 10 + 32
        assert any(raw.recv(1) == b"" for raw in silent[:1])  # the oldest gave way


def test_health_is_answered_where_all_seats_are_busy(tmp_path: Path) -> None:
    with served(connections_per_loopback=4, reserved_connections=3) as site, contextlib.ExitStack() as held:
        for _ in range(4):
            raw = held.enter_context(site.connect())
            raw.sendall(f"GET /wait HTTP/1.1\r\n{HOST}\r\n".encode())
            assert site.app.entered.acquire(timeout=60)
        for path, answer in (("/health", 200), ("/ready", 200), ("/metrics", 200), ("/", 503)):
            said = site.get(path)
            assert status(said) == answer
        assert b"etry-" in said
        assert b"busy" in said
        for _ in range(9):  # silent ones in the reserve give way to those who ask
            held.enter_context(site.connect())
        assert status(site.get("/health")) == 200
        site.app.release.set()
        wait_until(lambda: status(site.get("/")) == 200)


def test_a_connection_that_has_ended_has_no_seat() -> None:
    with served() as site:
        for _ in range(3):
            assert status(site.get("/")) == 200
            site.say(b"nonsense\r\n\r\n")
        with site.connect() as raw:
            raw.sendall(f"GET / HTTP/1.1\r\n{HOST}\r\n".encode())
            head_of(raw)
            assert site.connections >= 1
        wait_until(lambda: site.connections == 0)
        assert not site.admission.slots.by_file


def test_a_handshake_that_does_not_end_is_closed(tmp_path: Path) -> None:
    cert, key = make_pair(tmp_path)
    with served(tls_cert=cert, tls_key=key, head_s=0.1) as site, site.connect() as raw:
        assert until_closed(raw) == b""
        wait_until(lambda: site.connections == 0)


def test_requests_of_one_token_at_once_are_bounded_and_others_are_answered(tmp_path: Path) -> None:
    tokens = tokens_file(tmp_path, "a", "b")
    with served(tokens, requests_per_token=2) as site, contextlib.ExitStack() as held:
        for _ in range(2):
            raw = held.enter_context(site.connect())
            raw.sendall(f"GET /wait HTTP/1.1\r\n{HOST}Authorization: Bearer a\r\n\r\n".encode())
            assert site.app.entered.acquire(timeout=60)
        refused = site.get("/", "Authorization: Bearer a")
        assert status(refused) == 429
        assert b"retry-after: 1" in refused.lower()
        assert status(site.get("/", "Authorization: Bearer b")) == 200
        site.app.release.set()
        wait_until(lambda: status(site.get("/", "Authorization: Bearer a")) == 200)


def test_a_body_that_lingers_holds_no_place(tmp_path: Path) -> None:
    with served(tokens_file(tmp_path, "a"), requests_per_token=1, linger_s=60) as site, site.connect() as raw:
        long = f"Content-Length: 1000\r\nAuthorization: Bearer a\r\n{HOST}\r\n"
        raw.sendall(f"POST /deaf HTTP/1.1\r\n{long}".encode())
        assert status(head_of(raw)) == 200
        assert status(site.get("/", "Authorization: Bearer a")) == 200


def test_slow_bodies_of_one_token_take_its_share_and_not_the_others(tmp_path: Path) -> None:
    with (
        served(tokens_file(tmp_path, "a", "b"), bodies_mb=10, bodies_share=0.5, linger_s=0.1) as site,
        contextlib.ExitStack() as held,
    ):
        length = f"Content-Length: {1 << 20}\r\n{HOST}"
        slow = f"POST / HTTP/1.1\r\nAuthorization: Bearer a\r\n{length}\r\n".encode()
        raws = [held.enter_context(site.connect()) for _ in range(5)]
        for raw in raws:
            raw.sendall(slow)
        wait_until(lambda: site.admission.bodies.held == 5 << 20)
        assert status(site.say(slow.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))) == 429
        good = f"POST / HTTP/1.1\r\nAuthorization: Bearer b\r\nConnection: close\r\n{length}\r\n"
        assert status(site.say(good.encode() + bytes(1 << 20))) == 200
        for raw in raws:
            raw.close()
        wait_until(lambda: site.admission.bodies.held == 0)


def test_of_many_who_come_at_once_few_are_held_at_any_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    """What gave way is closed when the loop goes round; until then it takes a handle."""
    held: list[int] = []
    enter = ConnectionSlots.enter

    def counted(self: ConnectionSlots, host: str) -> ConnectionSlot | None:
        held.append(len(self.by_file))
        return enter(self, host)

    monkeypatch.setattr(ConnectionSlots, "enter", counted)
    site = Served(HttpSettings(connections_per_loopback=5), None)
    with contextlib.ExitStack() as crowd_outside:
        for _ in range(500):
            crowd_outside.enter_context(site.connect())
        site.http.start()
        assert status(site.get("/")) == 200
        assert len(held) > 500
        assert max(held) < 150
        site.http.stop()


def test_no_handle_left_ends_no_server(monkeypatch: pytest.MonkeyPatch) -> None:
    import errno

    with served() as site:
        real, left = socket.socket.accept, [1]

        def accept(self: socket.socket) -> object:
            if left[0]:
                left[0] -= 1
                raise OSError(errno.EMFILE, "too many open files")
            return real(self)

        monkeypatch.setattr(socket.socket, "accept", accept)
        assert status(site.get("/")) == 200
        assert left == [0]
