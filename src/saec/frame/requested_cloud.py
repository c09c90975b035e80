"""The cloud that the settings name: a model of this process, or one that a service has."""

from __future__ import annotations

from importlib.util import find_spec
from urllib.parse import urlsplit

import msgspec

from saec.errors import ConfigError, ExtraError
from saec.frame.judges import Cloud
from saec.settings import CloudConfig, RemoteConfig

_LOADING = ("dtype", "device", "attention")


def is_address(model: str) -> bool:
    """Whether the model is that of a service, named by its address."""
    return model.startswith(("http://", "https://"))


def requested_cloud(config: CloudConfig) -> Cloud | None:
    """The cloud, not loaded yet; None for "none". A service is asked which models it has.

    Raises:
        ConfigError: settings of a service without one, settings of loading with one, a token that would
            travel unencrypted, or a model that the service does not have.
        LinkError: the service cannot be reached.
        ExtraError: the packages of ``saec[remote]`` are not installed.
    """
    if not is_address(config.model):
        remote = config.remote
        asked = {
            "cloud_model": config.service_model,
            "token_file": remote.token_file,
            "ca_file": remote.ca_file,
        }
        if wrong := [name for name, value in asked.items() if value is not None]:
            raise ConfigError(
                f"{_option(wrong[0])} with the cloud {config.model}",
                "it is for a service: --cloud https://HOST:PORT/v1",
            )
        return None if config.model == "none" else Cloud(config)
    default = CloudConfig()
    for name in _LOADING:
        if getattr(config, name) != getattr(default, name):
            raise ConfigError(
                f"{_option(name)} {getattr(config, name)} with the service {config.model}",
                "say it to `saec cloud`, which loads the model",
            )
    return Cloud(_introduced(config))


def _introduced(config: CloudConfig) -> CloudConfig:
    """The settings with the model's name at the service, and what the service says of it."""
    for package in ("httpx", "tenacity"):
        if find_spec(package) is None:
            raise ExtraError(package, "remote")
    from saec.cloud.remote.model_list import introduced
    from saec.web.addresses import is_loopback

    remote: RemoteConfig = msgspec.structs.replace(config.remote, url=config.model)
    if (
        remote.token_file is not None
        and remote.url.startswith("http://")
        and not is_loopback(urlsplit(remote.url).hostname or "")
    ):
        raise ConfigError("the token would travel unencrypted", "use https")
    name, told = introduced(remote, config.service_model)
    return msgspec.structs.replace(config, model=name, service_model=None, remote=told)


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')}"
