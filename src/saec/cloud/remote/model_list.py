"""What a service says of its models: names, and from ours how each wants to be asked."""

from __future__ import annotations

import contextlib

import msgspec

from saec.cloud.remote.http_client import Poster
from saec.cloud.remote.listed_models import ListedModel, listed_models
from saec.connecting import addresses_of, shown
from saec.errors import ConfigError, LinkError
from saec.prompts import PROMPTS
from saec.settings import ModelCard, RemoteConfig

PATIENCE = 5.0
"""Seconds to wait for one of several addresses to say who it is."""


def introduced(remote: RemoteConfig, name: str | None) -> tuple[str, RemoteConfig]:
    """The model to ask at a service, and the settings with what the service says of it.

    Where it has several addresses, the first that can be reached says which model and which weights are
    asked; of the others their weights' hashes are told.

    Args:
        remote: the service.
        name: the model's name; None takes the only one that there is.

    Raises:
        ConfigError: there is no model of that name, or several and none is named, or one that needs a prompt
            that is not known here.
        LinkError: the service cannot be reached, or is none. Of several addresses each is named.
    """
    urls = addresses_of(remote.url)
    if len(urls) < 2:
        return _introduced_by(remote, name)
    patient = msgspec.structs.replace(remote, timeout_s=min(PATIENCE, remote.timeout_s), retries=0)
    asked: RemoteConfig | None = None
    hashes: dict[str, str] = {}
    failures: list[LinkError | ConfigError] = []
    for url in urls:
        try:
            name, told = _introduced_by(msgspec.structs.replace(patient, url=url), name)
        except (LinkError, ConfigError) as e:
            failures.append(e)
            continue
        asked = asked or told
        hashes[shown(url.rstrip("/"))] = told.weights_hash
    if asked is None or name is None:
        raise _all_failed(failures)
    return name, msgspec.structs.replace(
        remote, card=asked.card, weights_hash=asked.weights_hash, hashes=hashes
    )


def _all_failed(failures: list[LinkError | ConfigError]) -> LinkError | ConfigError:
    """The error that names each address with its fault; that of settings where one has it."""
    told = "; ".join(dict.fromkeys(failure.what for failure in failures))
    remedies = " or ".join(dict.fromkeys(failure.remedy for failure in failures if failure.remedy))
    wrong = any(isinstance(failure, ConfigError) for failure in failures)
    return (ConfigError if wrong else LinkError)(told, remedies)


def _introduced_by(remote: RemoteConfig, name: str | None) -> tuple[str, RemoteConfig]:
    """The same, by one address."""
    with contextlib.closing(Poster(remote)) as poster:
        try:
            models = listed_models(poster.get("models"))
        except msgspec.ValidationError as e:
            raise LinkError(f"{shown(remote.url)} does not list its models: {e}", "check the url") from e
    found = _chosen(models, name, shown(remote.url))
    if found.saec is None:
        return found.id, remote
    if found.saec.prompt is not None and found.saec.prompt not in PROMPTS:
        raise ConfigError(
            f"{found.id} needs the prompt {found.saec.prompt}, which this version of saec lacks",
            "update saec",
        )
    card = ModelCard(**{field: getattr(found.saec, field) for field in ModelCard.__struct_fields__})
    return found.id, msgspec.structs.replace(remote, card=card, weights_hash=found.saec.weights_hash)


def _chosen(models: list[ListedModel], name: str | None, service: str) -> ListedModel:
    """The model of a name among those that a service has.

    Raises:
        ConfigError: there is none of that name, or several and none is named.
    """
    known = ", ".join(model.id for model in models)
    if not models:
        raise ConfigError(f"{service} serves no model", "start the service with one")
    if name is None and len(models) != 1:
        raise ConfigError(
            f"{service} serves several models",
            f"choose one (--cloud-model, service_model): {known}",
        )
    found = next((model for model in models if name in (None, model.id)), None)
    if found is None:
        raise ConfigError(f"{service} has no model {name}", f"choose one of {known}")
    return found
