"""A settings file is checked as a whole, and an error names its line and the remedy."""

from __future__ import annotations

from pathlib import Path

import pytest

from saec.errors import ConfigError
from saec.station.setup.settings_checks import is_on_site
from saec.station.setup.settings_file import read_settings
from saec.station.sinks import MqttSink
from saec.station.sources import FolderSource

GOOD = """
[station]
name = "cell-3"
listen = "127.0.0.1:0"

[[line]]
name = "bottle"
profile = "bottle"
deadline = 0.2

[[source]]
kind = "folder"
name = "in"
line = "bottle"
path = "in"

[[sink]]
kind = "mqtt"
name = "plc"
host = "10.0.0.7"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "bottle").mkdir()
    (tmp_path / "bottle" / "line.json").write_text("{}")
    return tmp_path


def write(folder: Path, text: str) -> Path:
    path = folder / "station.toml"
    path.write_text(text)
    return path


def test_a_whole_file(folder: Path) -> None:
    settings = read_settings(write(folder, GOOD))
    (source,), (sink,) = settings.source, settings.sink
    assert isinstance(source, FolderSource)
    assert source.path == folder / "in"
    assert isinstance(sink, MqttSink)
    assert settings.line[0].profile == folder / "bottle"
    assert settings.station.data == folder / "station-data"


@pytest.mark.parametrize(
    ("change", "line", "what"),
    [
        (("deadline = 0.2", "deadline = -1"), 9, "0"),
        (("deadline = 0.2", "deadlin = 1"), 9, "deadlin"),
        (("deadline = 0.2", 'deadline = "soon"'), 9, "float"),
        (('profile = "bottle"', 'profile = "nowhere"'), 8, "not a line profile"),
        (('kind = "folder"', 'kind = "magic"'), 12, "magic"),
        (('line = "bottle"\npath', 'line = "screw"\npath'), 14, "screw"),
        (('host = "10.0.0.7"', 'host = "10.0.0.7"\nport = 99999'), 21, "65535"),
        (('listen = "127.0.0.1:0"', 'listen = "0.0.0.0:80"'), 4, "token"),
        (('listen = "127.0.0.1:0"', 'listen = "here"'), 4, "address"),
        (('name = "cell-3"', 'name = "../x"'), 3, "Expected"),
        (('name = "in"', 'name = "in'), 13, "line 13"),
        (('name = "bottle"\nprofile', 'name = "bottle"\npolicy = "cloud"\nprofile'), 8, "cloud"),
        (("deadline = 0.2", "deadline = inf"), 9, "1000000"),
        (("deadline = 0.2", 'deadline = 0.2\npolicy = "magic"'), 10, "magic"),
        (
            ("deadline = 0.2", 'deadline = 0.2\npolicy = "edge"\nbudget = 0.1'),
            11,
            "policy edge takes no budget",
        ),
        (("deadline = 0.2", 'deadline = 0.2\npolicy = "random"'), 10, "policy random needs a budget"),
        (('path = "in"', "path = 7"), 15, "Expected a path"),
        (("deadline = 0.2", "[line.guard]\ndark = 250"), 6, "250"),
        (('path = "in"', 'path = "."'), 15, "its own images"),
        (('path = "in"', 'path = "a/../station-data/taken"'), 15, "station's data"),
        (('path = "in"', 'path = "bottle"'), 15, "profile of line bottle"),
        (('path = "in"', 'path = "bottle/references"'), 15, "profile of line bottle"),
        (
            ("[[sink]]", '[[sink]]\nkind = "files"\nname = "a"\npath = "station-data/images/x"\n[[sink]]'),
            20,
            "lies in images",
        ),
        (('listen = "127.0.0.1:0"', 'listen = "127.0.0.1:²"'), 4, "address"),
        (('path = "in"', 'path = "in"\n[spool]\nframes = 0'), 17, "1"),
        (('path = "in"', 'path = "in"\n[retention]\ndays = -1.0'), 17, "0"),
        (
            ('host = "10.0.0.7"', 'host = "10.0.0.7"\n[cloud]\nmodel = "m"\nurl = "http://[::1"'),
            23,
            "address",
        ),
        (
            (
                'path = "in"',
                'path = "in"\n[[source]]\nkind = "folder"\nname = "b"\nline = "bottle"\npath = "in/b"',
            ),
            20,
            "in watches this folder already",
        ),
        (
            (
                "[[sink]]",
                '[[sink]]\nkind = "files"\nname = "a"\npath = "x"\n[[sink]]\nkind = "files"\n'
                'name = "b"\npath = "y/../x"\n[[sink]]',
            ),
            24,
            "a writes to the same files",
        ),
    ],
)
def test_an_error_names_its_line(folder: Path, change: tuple[str, str], line: int, what: str) -> None:
    assert GOOD.count(change[0]) == 1
    with pytest.raises(ConfigError) as e:
        read_settings(write(folder, GOOD.replace(*change)))
    assert f"line {line}" in e.value.what
    assert what in e.value.what
    assert e.value.remedy


_HOOK = 'kind = "webhook"\nname = "mes"\n'
_PLC = 'kind = "mqtt"\nname = "mes"\n'


@pytest.mark.parametrize(
    ("sink", "line", "what"),
    [
        (_HOOK + 'url = "ftp://mes/x"', 25, "not an address"),
        (_HOOK + 'url = "http://u:pa55@[::1/x"', 25, "not an address"),
        (_HOOK + 'url = "http://mes.example/x"\ntoken_file = "t"', 25, "unencrypted"),
        (_HOOK + 'url = "http://u:pa55@mes.example/x"', 25, "unencrypted"),
        (_HOOK + 'url = "https://u:pa55@mes.example/x"\ntoken_file = "t"', 25, "both"),
        (_HOOK + 'url = "http://mes.example/x"\nca_file = "ca.pem"', 26, "ca_file without TLS"),
        (_HOOK + 'url = "https://mes.example/x"\nkey_file = "key.pem"', 26, "without its certificate"),
        (_HOOK + 'url = "https://mes.example/x"\nattempts = 0', 26, "1"),
        (_HOOK + 'url = "https://mes.example/x"\noverflow = "burn"', 26, "burn"),
        (_PLC + 'host = "10.0.0.7"\ntopic = "cell/#"', 26, "nothing to publish to"),
        (_PLC + 'host = "10.0.0.7"\ntopic = "cell/+/x"', 26, "nothing to publish to"),
        (_PLC + 'host = "10.0.0.7"\ntopic = ""', 26, "nothing to publish to"),
        (_PLC + 'host = "mqtt://10.0.0.7"', 25, "no host"),
        (_PLC + 'host = "10.0.0.7"\nuser = "u"\npassword_file = "p"', 26, "unencrypted"),
        (_PLC + 'host = "10.0.0.7"\ntls = true\npassword_file = "p"', 27, "without a user"),
        (_PLC + 'host = "10.0.0.7"\ncertificate_file = "c.pem"', 26, "certificate_file without TLS"),
        (_HOOK + 'url = "http://127.0.0.1:8080/x"\ntoken_file = "t"', None, None),
        (_HOOK + 'url = "https://mes.example/x"\ntoken_file = "t"\nca_file = "ca.pem"', None, None),
        (_PLC + 'host = "10.0.0.7"\ntls = true\nuser = "u"\npassword_file = "p"', None, None),
        (_PLC + 'host = "localhost"\nuser = "u"\npassword_file = "p"', None, None),
    ],
)
def test_a_sink_that_cannot_be_meant_is_named(
    folder: Path, sink: str, line: int | None, what: str | None
) -> None:
    path = write(folder, f"{GOOD}\n[[sink]]\n{sink}\n")
    if what is None:
        assert len(read_settings(path).sink) == 2
        return
    with pytest.raises(ConfigError, match=what) as e:
        read_settings(path)
    assert f"line {line}:" in e.value.what
    assert e.value.remedy
    assert "pa55" not in str(e.value)


@pytest.mark.parametrize(
    ("cloud", "privacy", "what"),
    [
        ('url = "https://example.com/v1"', "true", "privacy"),
        ('url = "https://10.1.2.3/v1"', "true", None),
        ('url = "https://example.com/v1"', "false", None),
        ('url = "gpu:8443"', "false", "address"),
        ('url = "http://10.1.2.3/v1"\ntoken_file = "t"', "false", "unencrypted"),
    ],
)
def test_no_image_leaves_the_site(folder: Path, cloud: str, privacy: str, what: str | None) -> None:
    text = GOOD.replace("[[line]]", f'privacy = {privacy}\n\n[cloud]\nmodel = "small"\n{cloud}\n\n[[line]]')
    if what is None:
        assert read_settings(write(folder, text)).cloud is not None
        return
    with pytest.raises(ConfigError, match=what):
        read_settings(write(folder, text))


def test_what_lies_on_site() -> None:
    on = ("localhost", "127.0.0.1", "::1", "192.168.1.5", "10.0.0.1", "fe80::1")
    assert all(is_on_site(host) for host in on)
    assert not any(is_on_site(host) for host in ("8.8.8.8", "gpu.factory.example", "", "2001:db9::1"))


def test_names_are_unique_and_lines_needed(folder: Path) -> None:
    twice = GOOD + '\n[[line]]\nname = "bottle"\nprofile = "bottle"\n'
    with pytest.raises(ConfigError, match="have the name"):
        read_settings(write(folder, twice))
    with pytest.raises(ConfigError, match="line"):
        read_settings(write(folder, "[station]\nname = 'x'\n"))
    with pytest.raises(ConfigError, match="cannot be read"):
        read_settings(folder / "gone.toml")


def test_a_file_that_windows_saved_is_read_as_it_was_written(folder: Path) -> None:
    path = folder / "station.toml"
    for data in (b"\xef\xbb\xbf" + GOOD.replace("\n", "\r\n").encode(), GOOD.encode("utf-16")):
        path.write_bytes(data)
        assert read_settings(path).station.name == "cell-3"
    path.write_bytes(GOOD.replace("plc", "früh").encode("latin-1"))
    with pytest.raises(ConfigError, match="not UTF-8: byte 0xFC in line 19"):
        read_settings(path)
