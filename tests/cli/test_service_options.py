"""What says how a model is loaded is refused where a service has loaded it, and never passed over."""

from __future__ import annotations

from typing import Any

import pytest

from saec.cli.options import cloud_model
from saec.errors import ConfigError
from saec.settings import RemoteConfig


@pytest.mark.parametrize(("option", "value"), [("dtype", "fp8"), ("device", "cuda"), ("attention", "eager")])
def test_how_to_load_is_said_to_the_service(option: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    url = "https://gpu:8443/v1"
    monkeypatch.setattr(cloud_model, "reach", lambda *asked: ("7b", RemoteConfig(url=url)))
    given: dict[str, Any] = {"dtype": "auto", "device": "auto", option: value}
    with pytest.raises(ConfigError, match=f"--{option} {value} with the service {url}") as e:
        cloud_model.open_cloud(url, None, 1, 8, None, None, None, None, **given)
    assert "saec cloud" in e.value.remedy
