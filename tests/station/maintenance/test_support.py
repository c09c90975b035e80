"""What is packed for who helps says how the station does, and holds no secret and no image."""

from __future__ import annotations

import json
import subprocess
import zipfile
from pathlib import Path

import httpx
import msgspec
import pytest

from saec.errors import ConfigError
from saec.station.audit.audit_log import AuditLog
from saec.station.audit.audit_rows import Action
from saec.station.audit.signing_keys import SigningKeys
from saec.station.maintenance.local_request import ask_itself, trust_only
from saec.station.maintenance.support_bundle import pack_support
from saec.station.people.setup_code import setup_address
from saec.station.setup.settings_file import read_settings
from saec.station.storage.records import NewFrame, SpoolLimits
from saec.station.storage.spool import Spool
from tests.pairs import make_pair, make_signed
from tests.processes import saec, serving
from tests.station.test_alive import free_port

SETTINGS = """
[station]
name = "cell-3"
listen = "127.0.0.1:{port}"
tokens_file = "tokens"

[[line]]
name = "gears"
profile = "{profile}"

[[source]]
kind = "camera"
name = "left"
line = "gears"
address = "rtsp://admin:cam%20pass@127.0.0.1:1/user=root_password=hunter22_channel=1"

[[sink]]
kind = "webhook"
name = "mes"
url = "https://robot:pa55word@127.0.0.1:1/hooks/T0KENinTHEpath99?key=t0ps3cret"

[[sink]]
kind = "mqtt"
name = "plc"
host = "127.0.0.1"
user = "station-user"
password_file = "plc-password"
tls = true

[cloud]
model = "http://127.0.0.1:1/v1"
service_model = "small"
remote.token_file = "mes-token"

[spool]
free_gb = 0
"""
SECRETS = (
    *("admin:", "cam%20pass", "cam pass", "hunter22", "robot:", "pa55word", "T0KENinTHEpath99", "t0ps3cret"),
    *("mes-s3cret-token", "plc-s3cret-password", "station-user"),
)
CODE = "0123456789abcdef" * 2


@pytest.fixture
def config(tmp_path: Path, gear_line: Path) -> Path:
    path = tmp_path / "station.toml"
    (tmp_path / "tokens").write_text(f"robot {'ab12' * 16}\n")
    (tmp_path / "mes-token").write_text("mes-s3cret-token\n", "utf-8-sig")  # as editors save it
    (tmp_path / "plc-password").write_text("plc-s3cret-password\n", "utf-16")
    path.write_text(SETTINGS.format(port=1, profile=gear_line))
    return path


def packed(target: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(target) as held:
        return {name: held.read(name) for name in held.namelist()}


def test_no_secret_and_no_image_is_packed(config: Path, gears: Path, tmp_path: Path) -> None:
    picture = next(gears.glob("test/good/*.png")).read_bytes()
    spool = Spool(tmp_path / "station-data", ("mes",), SpoolLimits(free_gb=0))
    spool.accept(NewFrame(line="gears", source="s", key="a", suffix=".png", captured=1.0), picture)
    spool.alarm(
        "sink", "mes: https://robot:pa55word@127.0.0.1/hooks/T0KENinTHEpath99?key=t0ps3cret: mes-s3cret-token"
    )
    log = tmp_path / "station.log"
    setup = setup_address("http://127.0.0.1:8090", CODE)
    log.write_text("begin\n" + "\n".join(SECRETS[1:]) + f"\nplc-s3cret-password\n{setup}\nend\n")
    folder = tmp_path / "station-data"
    audit = AuditLog(folder)
    key = SigningKeys(folder, audit).ensure("station", "station")
    audit.append(Action(actor="anna-the-operator", role="admin", what="person.add", about="bert"))
    private = (folder / "keys" / f"{key.id}.pem").read_bytes().splitlines()[1]
    (folder / "people.sqlite").write_bytes(b"anna-the-operator")
    target = tmp_path / "support.zip"
    pack_support(config, read_settings(config), target, log=log)
    spool.close()
    parts = packed(target)
    assert not [name for name, packing in parts.items() if private in packing]
    assert not [name for name, packing in parts.items() if b"anna-the-operator" in packing]
    for name, data in parts.items():
        assert not [secret for secret in (*SECRETS, "ab12" * 16, CODE) if secret.encode() in data], name
        assert b"PNG" not in data
        assert picture[40:60] not in data
    assert parts["log.txt"].startswith(b"begin")
    assert parts["log.txt"].endswith(b"end\n")
    (alarm,) = json.loads(parts["alarms.json"])
    assert (alarm["kind"], alarm["count"]) == ("sink", 1)
    versions = json.loads(parts["versions.json"])
    assert {"saec", "python", "system", "sqlite"} <= versions.keys()
    assert "numpy" in versions["packages"]
    assert json.loads(parts["spool.json"])["waiting"] == {"gears": 1}
    settings = json.loads(parts["settings.json"])
    assert settings["sink"][0]["url"] == "https://***@127.0.0.1:1"
    assert b"ready.json" in parts["missing.txt"]  # it does not run


@pytest.fixture
def served(config: Path, tmp_path: Path) -> Path:
    """Settings of a station that can be started, with a token for whom asks in ``mine``."""
    shown, line = (
        text.split(": ", 1)[1] for text in saec("station", "token", "help").stdout.strip().splitlines()
    )
    (tmp_path / "tokens").write_text(line + "\n")
    (tmp_path / "mine").write_text(shown)
    text = config.read_text()
    text = text[: text.index("[[source]]")] + "[spool]\nfree_gb = 0\n"
    config.write_text(text.replace("127.0.0.1:1", f"127.0.0.1:{free_port()}"))
    return config


def support(config: Path, target: Path) -> dict[str, bytes]:
    """What is packed while the station runs."""
    folder = config.parent
    with serving("station", "--config", config, cwd=folder):
        asked = saec(
            *("station", "support", "--config", config, "--station-token-file", folder / "mine"),
            *("--log", folder / "station.log", target),
        )
    assert asked.returncode == 0, asked.stderr
    return packed(target)


def test_a_station_that_runs_is_asked(served: Path, tmp_path: Path) -> None:
    shown = (tmp_path / "mine").read_text()
    parts = support(served, tmp_path / "s.zip")
    assert parts["missing.txt"] == b""
    assert json.loads(parts["status.json"])["station"] == "cell-3"
    assert b"saec_uptime_seconds" in parts["metrics.txt"]
    assert json.loads(parts["ready.json"])["ready"] is True
    assert not [name for name, data in parts.items() if shown.encode() in data]
    again = saec("station", "support", "--config", served, tmp_path / "s.zip")
    assert again.returncode == 2
    assert "exists" in again.stderr


def test_a_station_that_serves_tls_is_asked_by_its_own_certificate_and_no_other_is(
    served: Path, tmp_path: Path
) -> None:
    leaf, _, _ = make_signed(tmp_path)  # for a name, signed by a CA that nobody here knows
    listed = served.read_text().replace(
        "[spool]", f'[http]\ntls_cert = "{leaf}"\ntls_key = "leaf.key"\n[spool]'
    )
    served.write_text(listed)
    parts = support(served, tmp_path / "s.zip")
    assert parts["missing.txt"] == b""
    assert json.loads(parts["ready.json"])["ready"] is True
    stranger, _ = make_pair(tmp_path, "stranger")
    settings = read_settings(served)
    with serving("station", "--config", served, cwd=tmp_path):
        assert "ready" in ask_itself(settings, "/ready")
        other = msgspec.structs.replace(
            settings, http=msgspec.structs.replace(settings.http, tls_cert=stranger)
        )
        with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
            ask_itself(other, "/ready")


@pytest.mark.parametrize("text", ["", "none", "-----BEGIN CERTIFICATE-----\nAA\n-----END CERTIFICATE-----"])
def test_a_file_without_a_certificate_is_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "own.pem"
    path.write_text(text)
    with pytest.raises(ConfigError, match="holds no certificate"):
        trust_only(path)


def test_what_cannot_be_had_is_named_with_what_to_do(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Spool(tmp_path / "station-data", ("mes",), SpoolLimits(free_gb=0)).close()
    monkeypatch.setattr("shutil.which", lambda name: None)
    missing = pack_support(config, read_settings(config), tmp_path / "support.zip")
    assert "log.txt: there is no journal; name the log file with --log" in missing
    assert packed(tmp_path / "support.zip")["missing.txt"].decode().splitlines() == missing


def test_the_journal_is_packed_where_no_log_is_named(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def journal(command: list[str], **_: object) -> subprocess.CompletedProcess[bytes]:
        assert command[0] == "journalctl"
        return subprocess.CompletedProcess(command, 0, b"begin plc-s3cret-password end", b"")

    monkeypatch.setattr("shutil.which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(subprocess, "run", journal)
    pack_support(config, read_settings(config), tmp_path / "support.zip")
    log = packed(tmp_path / "support.zip")["log.txt"].decode()
    assert log.startswith("begin ")
    assert "plc-s3cret-password" not in log
