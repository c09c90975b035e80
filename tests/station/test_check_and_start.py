"""A mistake in the settings is said by the check and by the start, in the same words."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from saec.cli import root
from saec.errors import ConfigError
from tests.run_fakes import make_line

STATION = """
[station]
listen = "127.0.0.1:0"
{station}
[[line]]
name = "cell"
profile = "cell"
"""

HOOK = '[[sink]]\nkind = "webhook"\nname = "mes"\nurl = "https://mes.example/"\n'
PLC = '[[sink]]\nkind = "mqtt"\nname = "plc"\nhost = "plc.example"\ntls = true\n'
CLOUD = '[cloud]\nmodel = "https://gpu.example/v1"\nservice_model = "m"\n[cloud.remote]\n'


def heard(folder: Path, *command: str) -> str | None:
    """What a user is told by a command on the settings; None for nothing."""
    result = CliRunner().invoke(root, [*command, "--config", str(folder / "station.toml")])
    if result.exception is None:
        return None
    assert isinstance(result.exception, ConfigError), result.exception
    return str(result.exception)


@pytest.mark.parametrize(
    ("station", "rest", "content", "what"),
    [
        ("", 'device = "TPU"', None, "OpenVINO finds no device TPU on this machine; it finds CPU"),
        ("", HOOK + 'token_file = "file"', "gehäuse".encode(), "holds no token"),
        ("", HOOK + 'token_file = "file"', "gehäuse".encode("latin-1"), "not UTF-8"),
        ("", HOOK + 'token_file = "file"', b"\xef\xbb\xbf\r\n", "is empty"),
        ("", HOOK + 'token_file = "file"', None, "cannot be read"),
        ("", HOOK + 'ca_file = "file"', b"no certificate", "no certificates"),
        ("", PLC + 'certificate_file = "file"', b"no certificate", "no certificate with its key"),
        ("", PLC + 'user = "u"\npassword_file = "file"', b"", "is empty"),
        ("", CLOUD + 'token_file = "file"', "gehäuse".encode(), "holds no token"),
        ("", CLOUD + 'ca_file = "file"', None, "No such file"),
        ("", CLOUD.replace("gpu", "u:pa55@gpu"), None, "holds a password"),
        ('tokens_file = "file"', "", b"line-1 no hash", "line 1: not NAME SHA256"),
        ('tokens_file = "file"', "", "übel".encode("latin-1"), "not UTF-8"),
    ],
)
def test_check_and_start_say_the_same(
    tmp_path: Path, station: str, rest: str, content: bytes | None, what: str
) -> None:
    make_line(tmp_path / "cell")
    (tmp_path / "station.toml").write_text(STATION.format(station=station) + rest)
    if content is not None:
        (tmp_path / "file").write_bytes(content)
    checked = heard(tmp_path, "config", "check")
    assert checked is not None
    assert what in checked
    assert "pa55" not in checked
    assert heard(tmp_path, "station") == checked
    assert not (tmp_path / "station-data").exists()


def test_what_windows_saved_is_sound(tmp_path: Path) -> None:
    make_line(tmp_path / "cell")
    (tmp_path / "file").write_bytes(b"\xef\xbb\xbfsecret\r\n")
    text = STATION.format(station="") + HOOK + 'token_file = "file"\n' + PLC
    (tmp_path / "station.toml").write_text(text + 'user = "u"\npassword_file = "file"')
    assert heard(tmp_path, "config", "check") is None


MACHINE = """
[line.parts]
sources = ["top", "side"]

[[source]]
kind = "simulated"
name = "top"
line = "cell"
path = "pictures"

[[source]]
kind = "folder"
name = "side"
line = "cell"
path = "side"

[[plc]]
kind = "modbus"
name = "press"
line = "cell"
source = "top"
host = "192.0.2.1"

[[coupler]]
kind = "modbus"
name = "io"
host = "192.0.2.2"

[[output]]
name = "gate"
coupler = "io"
address = "c0"
on = ["defect", "error"]
line = "cell"
delay_s = 6.0

[[input]]
name = "belt"
coupler = "io"
address = "d0"
use = "running"

[[recipe]]
number = 7
name = "short"
line = "cell"
"""


def test_the_check_tells_all_that_the_settings_name(tmp_path: Path) -> None:
    make_line(tmp_path / "cell")
    (tmp_path / "pictures").mkdir()
    (tmp_path / "station.toml").write_text(STATION.format(station="") + MACHINE)
    result = CliRunner().invoke(root, ["config", "check", "--config", str(tmp_path / "station.toml")])
    assert result.exit_code == 0, result.exception
    told = result.output.splitlines()
    for line in (
        "parts of cell: any-defect of top and side, within 5 s",
        "recipe 7 of cell: short, the current version",
        "plc press: modbus, pictures of top for line cell",
        "coupler io: modbus",
        "output gate: c0 of io, on for defect, error of line cell",
        "input belt: d0 of io, running",
    ):
        assert told.count(line) == 1, result.output
