"""A certificate is exchanged while the program runs; one that does not fit keeps the old one, and is told."""

from __future__ import annotations

import os
import shutil
import socket
import ssl
from pathlib import Path

import msgspec
import pytest
from cryptography import x509

from saec.errors import ConfigError
from saec.settings.setting_ranges import check_ranges
from saec.web.admission.admission_control import check_admission
from saec.web.admission.server_certificate import ServerCertificate
from saec.web.http_settings import HttpSettings
from tests.pairs import make_pair
from tests.web.web_fakes import HOST, head_of, served, status, tokens_file, wait_until

DAY = 86_400.0


def name_served(port: int, *, version: ssl.TLSVersion | None = None) -> str:
    """Common name of the certificate that a new connection gets."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if version is not None:
        context.maximum_version = version
    with (
        socket.create_connection(("127.0.0.1", port), timeout=60) as raw,
        context.wrap_socket(raw) as tls,
    ):
        der = tls.getpeercert(binary_form=True)
        assert der is not None
        tls.sendall(f"GET /health HTTP/1.1\r\n{HOST}Connection: close\r\n\r\n".encode())
        assert status(tls.recv(4096)) == 200
    return str(x509.load_der_x509_certificate(der).subject.rdns[0].rfc4514_string().removeprefix("CN="))


@pytest.fixture
def live(tmp_path: Path) -> tuple[Path, Path]:
    """The files that are served from, a copy of the pair "one"."""
    for source, target in zip(make_pair(tmp_path), ("live.crt", "live.key"), strict=True):
        shutil.copy(source, tmp_path / target)
    return tmp_path / "live.crt", tmp_path / "live.key"


@pytest.mark.parametrize("kind", ["ec", "rsa"])
def test_a_pair_that_is_replaced_serves_new_connections_and_old_ones_live_on(
    tmp_path: Path, live: tuple[Path, Path], kind: str
) -> None:
    cert, key = live
    with served(tls_cert=cert, tls_key=key) as site:
        assert name_served(site.port) == "one"
        context = ssl.create_default_context(cafile=str(cert))
        with (
            socket.create_connection(("127.0.0.1", site.port), timeout=60) as raw,
            context.wrap_socket(raw, server_hostname="127.0.0.1") as old,
        ):
            before = [path.stat() for path in live]
            for source, target in zip(make_pair(tmp_path, "two", kind=kind), live, strict=True):
                target.write_bytes(source.read_bytes())
            for path, status_before in zip(live, before, strict=True):
                os.utime(path, ns=(status_before.st_atime_ns, status_before.st_mtime_ns))  # as cp -p has it
            for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
                assert name_served(site.port, version=version) == "two"
            old.sendall(f"GET / HTTP/1.1\r\n{HOST}\r\n".encode())
            assert status(head_of(old)) == 200


def test_a_pair_that_does_not_fit_keeps_the_old_one_and_is_told_while_it_lasts(
    tmp_path: Path, live: tuple[Path, Path]
) -> None:
    other, _ = make_pair(tmp_path, "two")
    with served(tls_cert=live[0], tls_key=live[1]) as site:
        good = live[0].read_bytes()
        live[0].write_bytes(other.read_bytes())
        assert name_served(site.port) == "one"
        (problem,) = site.admission.problems()
        assert "cannot be used" in problem
        assert "goes on with the certificate" in problem
        assert site.admission.look() == []  # the key may be on its way
        assert site.admission.look() == [("certificate", problem)]
        assert site.admission.look() == []  # once
        live[0].write_bytes(good)
        assert name_served(site.port) == "one"
        assert site.admission.problems() == []
        assert site.admission.look() == []


def test_an_end_that_comes_near_is_told_and_one_that_has_come_is_a_problem(tmp_path: Path) -> None:
    cert, key = make_pair(tmp_path, days=10)
    ends = ServerCertificate(cert, key).ends
    for left, days, warned, expired in ((10, 21, True, False), (10, 5, False, False), (-1, 5, True, True)):
        now = ends - left * DAY + 60
        found = ServerCertificate(cert, key, days=days, clock=lambda: now)  # noqa: B023  asked at once
        assert bool(found.warning) is warned
        assert found.expired is expired
    old = make_pair(tmp_path, "old", days=-1)
    with served(tls_cert=old[0], tls_key=old[1]) as site:  # a line is not stopped for it
        assert "expired on" in site.admission.problems()[0]
        site.admission.look()
        assert "expired on" in site.admission.look()[0][1]


def test_an_old_version_of_tls_is_refused(live: tuple[Path, Path]) -> None:
    with served(tls_cert=live[0], tls_key=live[1]) as site:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        context.set_ciphers("ALL:@SECLEVEL=0")
        with pytest.warns(DeprecationWarning, match="TLSv1_1"):
            context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
        with (
            socket.create_connection(("127.0.0.1", site.port), timeout=60) as raw,
            pytest.raises((ssl.SSLError, ConnectionError)),
        ):
            context.wrap_socket(raw)


def test_http_to_a_port_of_tls_is_closed(live: tuple[Path, Path]) -> None:
    with served(tls_cert=live[0], tls_key=live[1]) as site:
        assert site.get("/") == b""
        wait_until(lambda: site.connections == 0)


def test_tokens_that_change_are_heeded_at_the_next_request_whatever_time_they_bear(tmp_path: Path) -> None:
    path = tokens_file(tmp_path, "ab")
    with served(path) as site:
        before = path.stat()
        tokens_file(tmp_path, "cd")  # as long
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
        assert status(site.get("/", "Authorization: Bearer cd")) == 200
        assert status(site.get("/", "Authorization: Bearer ab")) == 401
        path.write_text("no such line\n")
        assert site.admission.look() == []
        ((kind, text),) = site.admission.look()
        assert (kind, "NAME SHA256" in text) == ("tokens", True)
        assert status(site.get("/", "Authorization: Bearer cd")) == 200


def test_what_cannot_be_meant_is_said_before_anything_is_opened(tmp_path: Path) -> None:
    cert, key = make_pair(tmp_path)
    other = make_pair(tmp_path, "two")
    for settings, listen, tokens, said in (
        ({}, "0.0.0.0:1", False, "no token is required"),
        ({}, "0.0.0.0:1", True, "without TLS"),
        ({}, "[::]:1", True, "without TLS"),
        ({"tls_cert": cert}, "127.0.0.1:1", False, "only one of"),
        ({"tls_cert": cert, "tls_key": other[1]}, "127.0.0.1:1", False, "cannot be used"),
        ({"tls_cert": cert, "tls_key": cert}, "127.0.0.1:1", False, "cannot be used"),
        ({"tls_cert": tmp_path / "none", "tls_key": key}, "127.0.0.1:1", False, "No such file"),
        ({"proxies": ("me",)}, "127.0.0.1:1", False, "not an address"),
        ({}, "nowhere", False, "not an address"),
    ):
        with pytest.raises(ConfigError, match=said):
            check_admission(HttpSettings(**settings), listen, tokens=tokens)
    check_admission(HttpSettings(plain_http=True), "0.0.0.0:1", tokens=True)
    check_admission(HttpSettings(tls_cert=cert, tls_key=key), "0.0.0.0:1", tokens=True)
    check_admission(HttpSettings(), "127.0.0.1:1", tokens=True)


def test_limits_are_in_their_range() -> None:
    check_ranges("http", HttpSettings(connections_per_address=7, bodies_share=0.25, hosts=("a",)))
    for wrong in (
        {"connections_per_address": 0},
        {"bodies_share": 2.0},
        {"head_s": 0.0},
        {"guesses_per_minute": "x"},
    ):
        with pytest.raises(ConfigError, match=f"http.{next(iter(wrong))}"):
            check_ranges("http", msgspec.structs.replace(HttpSettings(), **wrong))
