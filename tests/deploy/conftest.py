"""A service and a station that have something to tell, on free ports."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from saec import edge
from saec.frame import judges as loading
from saec.frame.judges import Standing
from saec.station.plc import ModbusPlc
from saec.station.setup.station_section import StationSection
from saec.station.setup.station_settings import LineSettings, StationSettings
from saec.station.sinks import FileSink, WebhookSink
from saec.station.sources import FolderSource
from saec.station.storage.records import SpoolLimits
from saec.web.admission.tokens import Tokens
from saec.web.http_settings import HttpSettings
from tests.pairs import make_pair
from tests.run_fakes import FUSED, FakeDetector, make_line
from tests.service.conftest import adapters, engine, served
from tests.service.service_helpers import GREY, client, running, scoring_body
from tests.station.station_fakes import GOOD, NO_GUARD, UNSURE, FakeLinkCloud, Running, png

__all__ = ["adapters", "engine", "served"]


@dataclass
class Programs:
    """Where both are, the station's certificate, and both expositions."""

    station: Running
    cloud: str
    certificate: Path

    def exposed(self) -> str:
        context = ssl.create_default_context(cafile=str(self.certificate))
        station = httpx.get(f"{self.station.http.where}/metrics", verify=context, timeout=30)
        service = httpx.get(f"{self.cloud}/metrics", timeout=30)
        return station.raise_for_status().text + service.raise_for_status().text


@pytest.fixture
def programs(served: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Programs]:
    """A station that has judged and refused frames, and a service that has answered and refused requests."""
    monkeypatch.setattr(edge, "open_detector", lambda profile: FakeDetector())
    monkeypatch.setattr(loading, "standing", lambda *_: Standing("fused", "", FUSED))
    make_line(tmp_path / "profile")
    (tmp_path / "in").mkdir()
    cert, key = make_pair(tmp_path, days=5)
    settings = StationSettings(
        station=StationSection(data=tmp_path / "data", listen="127.0.0.1:0"),
        http=HttpSettings(tls_cert=cert, tls_key=key),
        line=[LineSettings(name="cell", profile=tmp_path / "profile", deadline_s=20.0, guard=NO_GUARD)],
        source=[FolderSource(name="folder", line="cell", path=tmp_path / "in")],
        plc=[ModbusPlc(name="press", line="cell", source="http:cam", host="127.0.0.1", port=9)],
        sink=[
            FileSink(name="log", path=tmp_path / "out"),
            WebhookSink(name="mes", url="http://127.0.0.1:9/", token_file=None),
        ],
        spool=SpoolLimits(free_gb=0),
    )
    with (
        running(served) as (cloud, _),  # type: ignore[arg-type]
        client(cloud) as http,
        Running(settings, FakeLinkCloud(), Tokens(None)) as station,
    ):
        station.client = httpx.Client(
            base_url=station.http.where, timeout=30, verify=ssl.create_default_context(cafile=str(cert))
        )
        assert http.post("/v1/chat/completions", json=scoring_body(GREY)).status_code == 200
        assert http.post("/v1/chat/completions", json=scoring_body(GREY, model="other")).status_code == 404
        for data in (png(GOOD), png(UNSURE, 255), b"no image"):
            assert station.post(data).status_code == 201
        yield Programs(station, cloud, cert)
