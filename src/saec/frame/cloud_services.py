"""A cloud's service as its address names it: asked once for the model that it has."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from urllib.parse import urlsplit

import msgspec

from saec.connecting import addresses_of, shown, shown_list
from saec.errors import ConfigError, ExtraError
from saec.settings import CloudConfig, RemoteConfig
from saec.web.addresses import is_loopback

_SERVICE_LOADS = "remove it, and give it to `saec cloud`, which loads the model"
_LOADING = {
    "dtype": _SERVICE_LOADS,
    "device": _SERVICE_LOADS,
    "attention": _SERVICE_LOADS,
    "adapter": "remove it, and ask for the adapter by its name (--cloud-model, service_model)",
}
"""Settings of loading a model, and what to do where a service has loaded it."""


def is_service(model: str) -> bool:
    """Whether the name of a model is a service's address."""
    return model.startswith(("http://", "https://"))


def with_service(config: CloudConfig) -> CloudConfig:
    """The settings with what the service says of its model; as they are for a model that is loaded here.

    Args:
        config: its ``model`` may be an address; ``remote`` then says how it is reached.

    Raises:
        ConfigError: settings of a service without one, settings of loading with one, a token that would
            travel unencrypted, or a model that the service does not have.
        ExtraError: what asks a service is not installed.
        LinkError: the service cannot be reached.
    """
    if not is_service(config.model):
        _check_no_list(config.model)
        _check_local(config)
        return config
    _check_remote(config)
    if other := next((part for part in addresses_of(config.model) if not is_service(part)), None):
        raise _no_address(other)
    for package in ("httpx", "tenacity"):
        if find_spec(package) is None:
            raise ExtraError(package, "remote")
    from saec.cloud.remote.model_list import introduced

    remote = service_of(config)
    for url in addresses_of(config.model):
        address = urlsplit(url)
        clear = address.scheme == "http" and not is_loopback(address.hostname or "")
        if remote.token_file is not None and clear:
            raise ConfigError(
                f"the token file would send the token unencrypted to {url}", "use https:// in the address"
            )
    name, told = introduced(remote, config.service_model)
    return at_service(config, name, told)


def service_of(config: CloudConfig) -> RemoteConfig:
    """How the service is reached whose address is the model."""
    return msgspec.structs.replace(config.remote, url=config.model)


def at_service(config: CloudConfig, model: str, service: RemoteConfig) -> CloudConfig:
    """The settings of one model's engine at a service.

    Args:
        config: settings whose model is the service's address.
        model: the model's name there.
        service: how it is reached, with what it says of the model.
    """
    return msgspec.structs.replace(config, model=model, service_model=None, remote=service)


def settings_of_loading(config: CloudConfig) -> Iterator[tuple[str, str, str]]:
    """What the settings say of loading a model, which a service has done: field, value and remedy."""
    given, default = msgspec.structs.asdict(config), msgspec.structs.asdict(CloudConfig())
    for name, remedy in _LOADING.items():
        if given[name] != default[name]:
            yield name, str(given[name]), remedy


def _check_no_list(model: str) -> None:
    """Refuse a list that begins with something else than a service's address."""
    parts = addresses_of(model)
    if any(is_service(part) for part in parts):
        raise _no_address(next(part for part in parts if not is_service(part)))


def _no_address(part: str) -> ConfigError:
    return ConfigError(
        f"{shown(part)} is not an address, and a list of clouds takes addresses only",
        "give one model, or a list of addresses: https://HOST:PORT/v1,https://HOST:PORT/v1",
    )


def _check_local(config: CloudConfig) -> None:
    remote = config.remote
    if remote.url:  # who loads the settings of a service has asked it already
        return
    given = {"service_model": config.service_model, "token_file": remote.token_file}
    given["ca_file"] = remote.ca_file
    for option, value in given.items():
        if value is not None:
            raise ConfigError(
                f"{option} cannot be used with the cloud {config.model}",
                "leave it out, or name a service as the cloud: https://HOST:PORT/v1",
            )


def _check_remote(config: CloudConfig) -> None:
    for name, value, remedy in settings_of_loading(config):
        raise ConfigError(
            f"{name} {value} cannot be used with the service {shown_list(config.model)}", remedy
        )
