from __future__ import annotations

import base64
import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from saec.errors import ConfigError
from saec.web.addresses import is_loopback, parse_address
from saec.web.admission.tokens import Tokens, token_hash
from saec.web.program.http_server import listen


def _basic(text: str) -> str:
    return "Basic " + base64.b64encode(text.encode()).decode()


def _rewrite(path: Path, text: str) -> None:
    path.write_text(text)
    status = path.stat()
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + 1_000_000_000))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "tokens"
    path.write_text(f"# stations\nline-1 {token_hash('one')}  # the first\n\nline-2 {token_hash('two')}\n")
    return path


def test_a_token_is_known_by_its_hash_alone(path: Path) -> None:
    tokens = Tokens(path)
    assert "one" not in path.read_text().replace("line-", "")
    assert tokens.name("Bearer one") == "line-1"
    assert tokens.name("bearer  two ") == "line-2"
    assert tokens.name(_basic("anyone:two")) == "line-2"
    for header in (
        None,
        "",
        "Bearer",
        "Bearer three",
        "one",
        f"Bearer {token_hash('one')}",
        "Basic !",
        _basic(""),
    ):
        assert tokens.name(header) is None


def test_a_byte_order_mark_before_the_tokens_is_no_token(path: Path) -> None:
    path.write_bytes(b"\xef\xbb\xbf" + f"line-1 {token_hash('one')}\r\n".encode())
    assert Tokens(path).name("Bearer one") == "line-1"
    path.write_bytes(f"# Gehäuse\nline-1 {token_hash('one')}".encode("latin-1"))
    with pytest.raises(ConfigError, match="not UTF-8: byte 0xE4 in line 1"):
        Tokens(path)


def test_tokens_are_rotated_without_a_restart_and_a_slip_locks_nobody_out(path: Path) -> None:
    tokens = Tokens(path)
    _rewrite(path, f"line-1 {token_hash('new')}\n")
    assert (tokens.name("Bearer new"), tokens.name("Bearer one")) == ("line-1", None)
    _rewrite(path, "line-1 new but no hash\n")
    assert tokens.name("Bearer new") == "line-1"
    assert "line 1" in tokens.problem
    path.unlink()
    assert tokens.name("Bearer new") == "line-1"


def test_an_empty_file_lets_nobody_in_and_says_so(path: Path) -> None:
    tokens = Tokens(path)
    _rewrite(path, "# all were taken back\n")
    assert tokens.name("Bearer one") is None
    assert "every request is refused" in tokens.problem
    assert "every request is refused" in Tokens(path).problem
    _rewrite(path, f"line-1 {token_hash('one')}\n")
    assert tokens.name("Bearer one") == "line-1"
    assert tokens.problem == ""


def test_a_wrong_file_is_named_with_its_line(path: Path) -> None:
    _rewrite(path, f"ok {token_hash('a')}\n-bad {token_hash('b')}\n")
    with pytest.raises(ConfigError, match="line 2"):
        Tokens(path)
    with pytest.raises(ConfigError, match="cannot be read"):
        Tokens(path.with_name("none"))


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
def test_what_is_no_file_holds_nobody_up_and_locks_nobody_out(path: Path, make: Callable[..., Any]) -> None:
    tokens = Tokens(path)
    path.unlink()
    make(path)
    assert tokens.name("Bearer one") == "line-1"
    assert "is a folder, a pipe or a device" in tokens.problem
    with pytest.raises(ConfigError, match="is a folder, a pipe or a device"):
        Tokens(path)


def test_no_file_lets_everybody_in() -> None:
    assert Tokens(None).open


def test_addresses() -> None:
    assert parse_address("127.0.0.1:0") == ("127.0.0.1", 0)
    assert parse_address("[::1]:8100") == ("::1", 8100)
    for wrong in ("", "8100", ":8100", "host", "host:", "host:http", "host:65536"):
        with pytest.raises(ConfigError, match="not an address"):
            parse_address(wrong)
    assert all(map(is_loopback, ("localhost", "127.0.0.1", "127.8.8.8", "::1")))
    assert not any(map(is_loopback, ("", "0.0.0.0", "10.0.0.1", "localhost.example", "::")))


def test_an_address_in_use_is_a_config_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError, match=f"cannot listen on 127.0.0.1:{port}"):
            listen(f"127.0.0.1:{port}")
