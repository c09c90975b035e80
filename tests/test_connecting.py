"""How an address is shown, and what is said of a connection that fails."""

from __future__ import annotations

import socket
import ssl
from pathlib import Path

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from saec.connecting import client_context, shown, why
from saec.errors import ConfigError


@pytest.mark.parametrize(
    ("url", "as_shown"),
    [
        ("https://gpu:8443/v1", "https://gpu:8443/v1"),
        ("http://user:pa55@10.0.0.1:80/hooks?token=t0p&a=b", "http://***@10.0.0.1:80/hooks?token=***&a=***"),
        ("https://u@[::1]:9/x#frag", "https://***@[::1]:9/x"),
        ("https://mes.example/?t0p", "https://mes.example/?t0p=***"),
        ("http://u:p/w@host/x", "***"),
        ("http://u:8/w@host/x", "***"),
        ("http://u:pw@host:port/x", "***"),
        ("u:pw@host", "***"),
        ("http://host:port/x?k=v", "http://host:port/x"),
        ("gpu:8443", "gpu:8443"),
    ],
)
def test_a_url_is_shown_without_what_is_secret_in_it(url: str, as_shown: str) -> None:
    assert shown(url) == as_shown
    assert shown("https://u:p@mes.example/hooks/SECRET?k=v", path=False) == "https://***@mes.example"


_WORD = st.text(st.characters(categories=["L", "N"], exclude_characters="@"), min_size=6, max_size=12)


@given(st.text(max_size=40), _WORD, st.text(max_size=20))
def test_no_password_comes_through_whatever_stands_around_it(before: str, secret: str, after: str) -> None:
    hidden = f"zq{secret}"
    for url in (f"http://u{before}:{hidden}@host/{after}", f"https://{hidden}@host:99999/x"):
        assert hidden.lower() not in shown(url).lower()


def test_a_name_that_nobody_knows_and_a_port_where_nothing_listens() -> None:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    with pytest.raises(httpx.ConnectError) as e:
        httpx.get(f"http://127.0.0.1:{port}/", trust_env=False)
    assert "refused" in why(e.value)[0]
    assert "cannot be resolved" in why(socket.gaierror(-2, "Name or service not known"))[0]


def test_reasons_that_carry_none_still_say_what_they_are() -> None:
    assert "no answer in time" in why(httpx.ReadTimeout(""))[0]
    assert "RemoteProtocolError" in why(httpx.RemoteProtocolError(""))[0]
    assert why(OSError(113, "No route to host"))[0] == "No route to host"
    assert "closed" in why(ConnectionResetError(104, "reset"))[0]


def test_a_file_without_certificates_is_named(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("no certificate")
    for files in ({"ca_file": tmp_path / "ca.pem"}, {"certificate": tmp_path / "ca.pem"}):
        with pytest.raises(ConfigError, match=r"ca\.pem"):
            client_context(**files)
    with pytest.raises(ConfigError, match=r"gone\.pem: .*No such file"):
        client_context(tmp_path / "gone.pem")
    assert client_context().verify_mode is ssl.CERT_REQUIRED
