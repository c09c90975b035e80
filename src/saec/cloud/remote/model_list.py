"""What a service says of its models: names, and from ours how each wants to be asked."""

from __future__ import annotations

import contextlib

import msgspec

from saec.cloud.remote.http_client import Poster
from saec.connecting import shown
from saec.decoding import convert
from saec.errors import ConfigError, LinkError
from saec.prompts import PROMPTS
from saec.settings import ModelCard, RemoteConfig


class _Saec(ModelCard, frozen=True, kw_only=True):
    weights_hash: str = ""


class _Model(msgspec.Struct, frozen=True):
    id: str
    saec: _Saec | None = None


class _Models(msgspec.Struct, frozen=True):
    data: list[_Model]


def introduced(remote: RemoteConfig, name: str | None) -> tuple[str, RemoteConfig]:
    """The model to ask at a service, and the settings with what the service says of it.

    Args:
        remote: the service.
        name: the model's name; None takes the only one that there is.

    Raises:
        ConfigError: there is no model of that name, or several and none is named, or one that needs a prompt
            that is not known here.
        LinkError: the service cannot be reached, or is none.
    """
    with contextlib.closing(Poster(remote)) as poster:
        try:
            models = convert(poster.get("models"), _Models).data
        except msgspec.ValidationError as e:
            raise LinkError(f"{shown(remote.url)} does not list its models: {e}", "check the url") from e
    known = ", ".join(model.id for model in models)
    if not models:
        raise ConfigError(f"{shown(remote.url)} serves no model", "start the service with one")
    if name is None and len(models) != 1:
        raise ConfigError(
            f"{shown(remote.url)} serves several models",
            f"choose one (--cloud-model, service_model): {known}",
        )
    found = next((model for model in models if name in (None, model.id)), None)
    if found is None:
        raise ConfigError(f"{shown(remote.url)} has no model {name}", f"choose one of {known}")
    if found.saec is None:
        return found.id, remote
    if found.saec.prompt is not None and found.saec.prompt not in PROMPTS:
        raise ConfigError(
            f"{found.id} needs the prompt {found.saec.prompt}, which this version of saec lacks",
            "update saec",
        )
    card = ModelCard(**{field: getattr(found.saec, field) for field in ModelCard.__struct_fields__})
    return found.id, msgspec.structs.replace(remote, card=card, weights_hash=found.saec.weights_hash)
