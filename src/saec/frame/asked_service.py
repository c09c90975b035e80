"""The service whose address is a cloud's model: how it is reached, and which settings it takes."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from saec.settings import CloudConfig, RemoteConfig

_SERVICE_LOADS = "remove it, and set it for `saec cloud`, which loads the model"
_ELSEWHERE = {
    "dtype": _SERVICE_LOADS,
    "device": _SERVICE_LOADS,
    "attention": _SERVICE_LOADS,
    "adapter": "remove it, and ask for the adapter by its name (--cloud-model, service_model)",
}
"""Settings of loading a model, and what to do where a service has loaded it."""


def settings_of_loading(config: CloudConfig) -> Iterator[tuple[str, str, str]]:
    """What the settings say of loading a model, which a service has done: field, value and remedy."""
    given, default = msgspec.structs.asdict(config), msgspec.structs.asdict(CloudConfig())
    for name, remedy in _ELSEWHERE.items():
        if given[name] != default[name]:
            yield name, str(given[name]), remedy


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
