"""A real Prometheus with the rules of ``deploy/`` asks a real service and a real station."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from tests.deploy.conftest import Programs
from tests.deploy.deploy_files import ALERTS, PROMETHEUS, needs, queries
from tests.processes import eventually

pytestmark = [pytest.mark.acceptance, needs("prometheus", "prometheus")]


NOTHING_YET = {"Defects by kind", "Requests by address of the cloud", "Refused requests and connections"}
"""Panels of what has not happened to these programs."""


def settings_of(programs: Programs) -> dict[str, Any]:
    """The settings of ``deploy/`` with these programs in place of its names, asked each second."""
    settings = yaml.safe_load(PROMETHEUS.read_text("utf-8"))
    settings["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    settings["rule_files"] = [str(ALERTS)]
    station, cloud = settings["scrape_configs"]
    station["static_configs"] = [{"targets": [programs.station.http.where.removeprefix("https://")]}]
    station |= {"scheme": "https", "tls_config": {"ca_file": str(programs.certificate)}}
    cloud["static_configs"] = [{"targets": [programs.cloud.removeprefix("http://")]}]
    return dict(settings)


@contextmanager
def prometheus(folder: Path, settings: dict[str, Any]) -> Iterator[httpx.Client]:
    (folder / "prometheus.yml").write_text(yaml.safe_dump(settings))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        where = f"127.0.0.1:{free.getsockname()[1]}"
    log = (folder / "prometheus.log").open("wb")
    process = subprocess.Popen(
        [
            "prometheus",
            f"--config.file={folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={folder / 'tsdb'}",
            f"--web.listen-address={where}",
        ],
        stdout=log,
        stderr=log,
    )
    try:
        with httpx.Client(base_url=f"http://{where}", timeout=30, trust_env=False) as http:
            eventually(lambda: answers(http))
            yield http
    finally:
        process.terminate()
        process.wait(60)
        log.close()


def answers(http: httpx.Client) -> bool:
    try:
        return http.get("/-/ready").status_code == 200
    except httpx.TransportError:
        return False


def asked(http: httpx.Client, query: str) -> list[dict[str, Any]]:
    found = http.get("/api/v1/query", params={"query": query}).json()
    assert found["status"] == "success", (query, found)
    return list(found["data"]["result"])


def empty_panels(http: httpx.Client) -> set[str]:
    """Panels of the dashboard whose query finds nothing."""
    return {title for title, query in queries() if not asked(http, query)}


def test_prometheus_asks_fires_and_draws(programs: Programs, tmp_path: Path) -> None:
    with prometheus(tmp_path, settings_of(programs)) as http:
        eventually(lambda: len(asked(http, "up == 1")) == 2)
        fires = 'ALERTS{alertname="SaecCertificateExpires",alertstate="firing"}'
        eventually(lambda: asked(http, fires))
        (alert,) = asked(http, fires)
        assert alert["metric"]["job"] == "saec-station"
        told = http.get("/api/v1/alerts").json()["data"]["alerts"]
        (said,) = (one for one in told if one["labels"]["alertname"] == "SaecCertificateExpires")
        assert "expires in 4d" in said["annotations"]["summary"]
        found = http.get("/api/v1/rules").json()["data"]["groups"]
        assert {rule["health"] for group in found for rule in group["rules"]} == {"ok"}

        eventually(lambda: empty_panels(http) <= NOTHING_YET)  # a rate needs two looks at each program
        assert empty_panels(http) == NOTHING_YET

        programs.station.http.stop()  # nobody answers any more
        eventually(lambda: asked(http, 'ALERTS{alertname="SaecStationDown",alertstate="pending"}'))
