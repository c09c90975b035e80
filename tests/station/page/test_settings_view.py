"""Settings: every key with its value and default, and nothing of what is secret."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from starlette.testclient import TestClient

from saec.settings import CloudConfig
from saec.settings.setting_tree import flat_settings
from saec.station.people.people_settings import OidcSettings, PeopleSettings
from saec.station.people.roles import Role
from saec.station.setup.shown_settings import shown_settings, without_secrets
from saec.station.setup.station_section import StationSection
from saec.station.setup.station_settings import LineSettings, StationSettings
from saec.station.sinks.mqtt import MqttSink
from saec.station.sinks.webhook import WebhookSink
from saec.station.sources.camera_reader import CameraSource
from saec.station.sources.watched_folder import FolderSource
from tests.station.page.page_fakes import PageBench, as_role

SECRETS = ("hunter2", "T0KEN", "bob")


def with_secrets(folder: Path) -> StationSettings:
    """Settings with a secret wherever one may stand."""
    secret = folder / "webhook-token"
    secret.write_text("T0KEN-in-a-file")
    return StationSettings(
        station=StationSection(name="cell-3", data=folder / "data"),
        line=[LineSettings(name="bottle", profile=folder / "profile", deadline_s=0.5)],
        source=[
            FolderSource(name="in", line="bottle", path=folder / "in"),
            CameraSource(name="cam", line="bottle", address="rtsp://bob:hunter2@10.0.0.2/T0KEN?key=T0KEN"),
        ],
        sink=[
            WebhookSink(
                name="mes", url="https://bob:hunter2@mes.example/hook/T0KEN?a=T0KEN", token_file=secret
            ),
            MqttSink(name="plc", host="10.0.0.7", user="bob", tls=True, password_file=secret),
        ],
        cloud=CloudConfig(model="https://bob:hunter2@one.example/v1,https://two.example/T0KEN"),
        people=PeopleSettings(
            oidc=OidcSettings(
                issuer="https://login.example/T0KEN", client_id="cell-3", roles={"staff": Role.OPERATOR}
            )
        ),
    )


def test_no_secret_is_shown(tmp_path: Path) -> None:
    told = repr(shown_settings(with_secrets(tmp_path)))
    assert [secret for secret in SECRETS if secret in told] == []
    assert "rtsp://***@10.0.0.2" in told
    assert "https://***@one.example, https://two.example" in told
    assert "webhook-token" in told


def test_every_key_stands_there_with_its_default(tmp_path: Path) -> None:
    settings = with_secrets(tmp_path)
    sections = {(one.header, one.name): one for one in shown_settings(settings)}
    assert [key for key in sections if key[0] == "[[sink]]"] == [("[[sink]]", "mes"), ("[[sink]]", "plc")]
    line = {row.key: row for row in sections["[[line]]", "bottle"].settings}
    assert set(line) == {".".join(one.keys) for one in flat_settings("line", LineSettings)}
    assert (line["deadline_s"].value, line["deadline_s"].default, line["deadline_s"].own) == (
        "0.5",
        "1.0",
        True,
    )
    assert (line["cloud"].value, line["cloud"].own) == ("true", False)
    assert line["guard.dark"].default == "12.0"
    assert line["name"].default is None
    assert line["policy"].value == ""
    people = {row.key: row for row in sections["[people]", ""].settings}
    assert people["oidc.roles"].value == "staff = operator"
    assert people["oidc.scopes"].value == "openid, profile"


def test_files_that_are_read_again_are_told_apart(tmp_path: Path) -> None:
    settings = msgspec.structs.replace(
        with_secrets(tmp_path), station=StationSection(tokens_file=tmp_path / "tokens")
    )
    rows = {row.key: row for one in shown_settings(settings) for row in one.settings}
    assert rows["tokens_file"].read_again
    assert not rows["tls_cert"].read_again
    assert not rows["listen"].read_again


@pytest.mark.parametrize(
    ("plain", "cleaned"),
    [
        ({"user": "bob", "port": 1}, {"user": "***", "port": 1}),
        ({"url": ["x://h/p", None]}, {"url": ["x://h", None]}),
        ({"model": "small"}, {"model": "small"}),
        ({"address": "0"}, {"address": "0"}),
        ({"address": "bob:hunter2@camera/x"}, {"address": "***"}),
        ({"anything": "https://h:1/p?q=1"}, {"anything": "https://h:1"}),
        ({"path": "/a@b/c"}, {"path": "/a@b/c"}),
    ],
)
def test_only_where_an_address_leads_is_kept(plain: object, cleaned: object) -> None:
    assert without_secrets(plain) == cleaned


def test_the_view_is_for_engineers_and_shows_what_runs(bench: PageBench, client: TestClient) -> None:
    bench.add_people(None)
    bench.told["status"] |= {
        "started": 1.0,
        "uptime_s": 7200.0,
        "sources": {"in": "watching"},
        "sinks": {"mes": {"state": "away", "waiting": 2}},
        "storage": {"budget": 2e9, "used": 5e8},
    }
    bench.feed.update(bench.told)
    assert client.get("/page/settings", headers=as_role(Role.OPERATOR)).status_code == 403
    page = client.get("/page/settings", headers=as_role(Role.ENGINEER)).text
    for text in ("2 h 0 min ago", "in: watched", "2 verdicts wait", "2.0 GB", "openvino", str(bench.data)):
        assert text in page
    assert "free_gb" not in page
    assert "free_gb" in client.get("/page/settings?all=1", headers=as_role(Role.ENGINEER)).text
