"""The section [people] of a station's settings."""

from __future__ import annotations

from pathlib import Path

import pytest

from saec.errors import ConfigError
from saec.station.people.people_settings import PeopleSettings
from saec.station.people.roles import Role
from saec.station.setup.named_files import named_files
from saec.station.setup.settings_file import read_settings
from saec.station.setup.settings_warnings import warnings

LINE = '[[line]]\nname = "bottle"\nprofile = "bottle"\n'
OIDC = 'issuer = "https://login.example/plant"\nclient_id = "cell-3"\nroles = { "staff" = "operator" }\n'


@pytest.fixture
def config(tmp_path: Path) -> Path:
    (tmp_path / "bottle").mkdir()
    (tmp_path / "bottle" / "line.json").write_text("{}")
    return tmp_path / "station.toml"


def people(config: Path, text: str) -> PeopleSettings:
    config.write_text(f"{LINE}{text}")
    return read_settings(config).people


def test_a_station_has_the_defaults(config: Path) -> None:
    assert people(config, "") == PeopleSettings()


def test_a_provider_and_its_secret_are_read(config: Path) -> None:
    text = f'[people]\npseudonyms = true\n[people.oidc]\n{OIDC}client_secret_file = "secret"\n'
    read = people(config, text)
    assert read.pseudonyms
    assert read.oidc.roles == {"staff": Role.OPERATOR}
    assert read.oidc.client_secret_file == config.parent / "secret"
    named = {file.what: file.secret for file in named_files(config, read_settings(config))}
    assert named["people.oidc.client_secret_file"]
    (config.parent / "secret").write_text("s")
    (config.parent / "secret").chmod(0o644)
    assert [text for text in warnings(read_settings(config)) if "chmod 600" in text]


@pytest.mark.parametrize(
    ("text", "line", "what"),
    [
        ("[people]\nsession_hours = 0", 5, "people.session_hours"),
        ("[people]\nlogin_attempts = 0", 5, "1"),
        ("[people]\nlock_minute = 3", 5, "lock_minute"),
        (f"[people.oidc]\n{OIDC.replace('operator', 'boss')}", 7, "boss"),
        (f"[people.oidc]\n{OIDC.replace('https', 'http')}", 5, "unencrypted"),
        (f"[people.oidc]\n{OIDC.replace('https://', '')}", 5, "not an address"),
        (f"[people.oidc]\n{OIDC.replace('client_id', '#')}", 5, "client_id is missing"),
        (f"[people.oidc]\n{OIDC.replace('roles', '#')}", 5, "nobody could log in"),
    ],
)
def test_a_fault_names_its_line(config: Path, text: str, line: int, what: str) -> None:
    with pytest.raises(ConfigError) as caught:
        people(config, text)
    assert f"line {line}" in caught.value.what
    assert what in caught.value.what
    assert caught.value.remedy


def test_a_provider_on_this_machine_needs_no_tls(config: Path) -> None:
    text = f"[people.oidc]\n{OIDC.replace('https://login.example', 'http://127.0.0.1:8080')}"
    assert people(config, text).oidc.issuer == "http://127.0.0.1:8080/plant"
