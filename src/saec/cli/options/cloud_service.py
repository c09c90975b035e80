"""The options by which a command reaches a cloud's service instead of loading a model itself."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import click

from saec.errors import ConfigError, ExtraError
from saec.settings import RemoteConfig

F = TypeVar("F", bound=Callable[..., Any])

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


def service_options(function: F) -> F:
    """Model, token and certificates of a service; ``reach`` takes them."""
    for option in (
        click.option("--ca-file", type=_FILE, help="Certificates to trust beside the system's, PEM."),
        click.option("--token-file", type=_FILE, help="File with the service's token."),
        click.option(
            "--cloud-model",
            metavar="NAME",
            help="Model or adapter to ask at the service. Default: the only one it has.",
        ),
    ):
        function = option(function)
    return function


def is_address(model: str) -> bool:
    """Whether what --cloud names is a service."""
    return model.startswith(("http://", "https://"))


def reach(
    model: str, cloud_model: str | None, token_file: Path | None, ca_file: Path | None
) -> tuple[str, RemoteConfig | None]:
    """Name of the model to ask, and its service; None for a model that this process loads.

    Raises:
        ConfigError: options of a service without one, a token that would travel in the clear, or a model that
            the service does not have.
        LinkError: the service cannot be reached.
    """
    given = {"--cloud-model": cloud_model, "--token-file": token_file, "--ca-file": ca_file}
    if not is_address(model):
        if wrong := [name for name, value in given.items() if value is not None]:
            raise ConfigError(
                f"{wrong[0]} with --cloud {model}", "it is for a service: --cloud https://HOST:PORT/v1"
            )
        return model, None
    from importlib.util import find_spec

    for package in ("httpx", "tenacity"):
        if find_spec(package) is None:
            raise ExtraError(package, "remote")
    from saec.cloud.remote.model_list import introduced
    from saec.web.addresses import is_loopback

    if (
        token_file is not None
        and model.startswith("http://")
        and not is_loopback(urlsplit(model).hostname or "")
    ):
        raise ConfigError("the token would travel unencrypted", "use https")
    remote = RemoteConfig(
        url=model,
        token_file=None if token_file is None else str(token_file),
        ca_file=None if ca_file is None else str(ca_file),
    )
    return introduced(remote, cloud_model)
