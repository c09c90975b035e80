"""A cloud's service as its address names it: asked once for the model that it has."""

from __future__ import annotations

from importlib.util import find_spec
from urllib.parse import urlsplit

import msgspec

from saec.errors import ConfigError, ExtraError
from saec.settings import CloudConfig, RemoteConfig
from saec.web.addresses import is_loopback


def is_service(model: str) -> bool:
    """Whether the name of a model is a service's address."""
    return model.startswith(("http://", "https://"))


def with_service(config: CloudConfig) -> CloudConfig:
    """The settings with what the service says of its model; as they are for a model that is loaded here.

    Args:
        config: its ``model`` may be an address; ``remote`` then says how it is reached.

    Raises:
        ConfigError: a token that would travel in the clear, or a model that the service does not have.
        ExtraError: what asks a service is not installed.
        LinkError: the service cannot be reached.
    """
    if not is_service(config.model):
        return config
    for package in ("httpx", "tenacity"):
        if find_spec(package) is None:
            raise ExtraError(package, "remote")
    from saec.cloud.remote.model_list import introduced

    address = urlsplit(config.model)
    remote = msgspec.structs.replace(config.remote or RemoteConfig(url=""), url=config.model)
    if remote.token_file is not None and address.scheme == "http" and not is_loopback(address.hostname or ""):
        raise ConfigError("the token would travel unencrypted", "use https")
    name, told = introduced(remote, None)
    return msgspec.structs.replace(config, model=name, remote=told)
