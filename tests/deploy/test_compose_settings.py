"""The compose file's programs with its own options and settings, as processes of this machine.

No container: names of services become 127.0.0.1, and the secrets' folder one of the test. What is tried is
that tokens, certificate, addresses and jobs fit each other.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from saec.web.admission.tokens import token_hash
from tests.deploy.deploy_files import DEPLOY, needs
from tests.deploy.test_prometheus import asked, prometheus
from tests.pairs import make_pair
from tests.processes import eventually, serving

pytestmark = [pytest.mark.acceptance, needs("prometheus", "prometheus")]


def write_secrets(folder: Path) -> None:
    """What docs/deployment.md has you put there."""
    folder.mkdir()
    cert, key = make_pair(folder)
    cert.rename(folder / "tls.crt")
    key.rename(folder / "tls.key")
    (folder / "cloud-token").write_text("of-the-station\n")
    (folder / "prometheus-token").write_text("of-prometheus\n")
    watcher = f"prometheus {token_hash('of-prometheus')}\n"
    (folder / "cloud-tokens").write_text(f"cell-3 {token_hash('of-the-station')}\n{watcher}")
    (folder / "station-tokens").write_text(f"operator {token_hash('of-a-person')}\n{watcher}")
    for path in folder.iterdir():
        path.chmod(0o600)


def test_tokens_certificate_and_addresses_fit_each_other(
    gear_line: Path, gears: Path, tmp_path: Path
) -> None:
    write_secrets(tmp_path / "secrets")
    here: Callable[[str], str] = lambda text: text.replace("/run/secrets", str(tmp_path / "secrets"))  # noqa: E731
    services: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text("utf-8"))["services"]
    words = [here(word).replace("0.0.0.0:8100", "127.0.0.1:0") for word in services["cloud"]["command"]]
    with serving(*words, cwd=tmp_path) as cloud:
        text = here((DEPLOY / "compose" / "station.toml").read_text("utf-8"))
        text = text.replace("https://cloud:8100/v1", cloud.url).replace("0.0.0.0:8090", "127.0.0.1:0")
        text = text.replace("/lines/leather", str(gear_line)).replace("/var/lib/saec", str(tmp_path))
        text = text.replace("deadline_s = 1.0", 'deadline_s = 60.0\npolicy = "cloud"')
        (tmp_path / "station.toml").write_text(text)
        with serving("station", "--config", "station.toml", cwd=tmp_path) as station:
            image = sorted((gears / "test" / "good").iterdir())[0].read_bytes()
            with httpx.Client(
                base_url=station.url, verify=False, timeout=120, auth=("x", "of-a-person")
            ) as http:
                assert httpx.get(f"{station.url}/v1/status", verify=False).status_code == 401
                eventually(lambda: http.get("/v1/status").json()["lines"]["leather"]["cloud"])
                kind = {"Content-Type": "image/png"}
                said = http.post("/v1/lines/leather/frames?wait=60", content=image, headers=kind).json()
                assert said["verdict"]["decided_by"] == "cloud"
            watch = yaml.safe_load(here((DEPLOY / "compose" / "prometheus.yml").read_text("utf-8")))
            watch["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
            watch["rule_files"] = [str(DEPLOY / "prometheus" / "alerts.yml")]
            for job, url in zip(watch["scrape_configs"], (station.url, cloud.url), strict=True):
                address = url.removeprefix("https://").removesuffix("/v1")
                job["static_configs"] = [{"targets": [address]}]
            with prometheus(tmp_path, watch) as http:
                eventually(lambda: len(asked(http, "up == 1")) == 2)
                assert asked(http, 'saec_cloud_requests_total{station="cell-3",status="200"}')
