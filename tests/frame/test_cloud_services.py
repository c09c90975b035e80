"""What is for a service is refused without one, and what says how a model is loaded is refused with one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from saec.errors import ConfigError
from saec.frame.requested_cloud import requested_cloud
from saec.settings import CloudConfig, RemoteConfig

URL = "https://gpu:8443/v1"


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> None:
    """A service that has one model, "7b"."""
    monkeypatch.setattr("saec.cloud.remote.model_list.introduced", lambda remote, model: ("7b", remote))


@pytest.mark.usefixtures("service")
@pytest.mark.parametrize(("name", "value"), [("dtype", "fp8"), ("device", "cuda"), ("attention", "eager")])
def test_how_to_load_is_said_to_the_service(name: str, value: str) -> None:
    loading: dict[str, Any] = {name: value}
    with pytest.raises(ConfigError, match=f"{name} {value} cannot be used with the service {URL}") as e:
        requested_cloud(CloudConfig(model=URL, **loading))
    assert "saec cloud" in e.value.remedy
    opened = requested_cloud(CloudConfig(model=URL))
    assert opened is not None
    assert (opened.config.model, opened.config.remote.url) == ("7b", URL)


@pytest.mark.parametrize("name", ["service_model", "token_file", "ca_file"])
def test_options_of_a_service_are_for_a_service(name: str) -> None:
    asked: dict[str, dict[str, Any]] = {
        "service_model": {"service_model": "x"},
        "token_file": {"remote": RemoteConfig(token_file="x")},
        "ca_file": {"remote": RemoteConfig(ca_file="x")},
    }
    for model in ("small", "none"):
        with pytest.raises(ConfigError, match=name):
            requested_cloud(CloudConfig(model=model, **asked[name]))


def test_a_token_does_not_travel_in_the_clear(tmp_path: Path) -> None:
    remote = RemoteConfig(token_file=str(tmp_path / "token"))
    with pytest.raises(ConfigError, match="unencrypted"):
        requested_cloud(CloudConfig(model="http://192.0.2.1:8100/v1", remote=remote))
