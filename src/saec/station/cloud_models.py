"""The cloud models of a station: named in the settings, known by what their service says of them.

A line's trust is in one model with one set of weights, so the station asks the service who it is, and asks
again now and then. What it said last is kept on disk, so a station that starts while the link is down goes on
as before. A model that was never reached is advisory; one whose weights have changed is another model, and a
line that was calibrated with the old one does not trust it.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from pathlib import Path

import msgspec

from saec.cloud.remote.model_list import introduced
from saec.errors import ConfigError, DataError, SaecError
from saec.frame.cloud_services import at_service, service_of
from saec.frame.judges import Cloud
from saec.profile import write_json
from saec.settings import CloudConfig, ModelCard
from saec.texts import read_json

_PATIENCE = 5.0
"""Seconds to wait for a service to say who it is."""


class ModelIdentity(msgspec.Struct, frozen=True, kw_only=True):
    """What a service says of a model."""

    card: ModelCard | None = None
    weights_hash: str = ""


class CloudModels:
    """Opens the cloud for a model's name; safe to use from several threads.

    Args:
        settings: the service, with its address as the model; None for a station without a cloud.
        folder: where identities are kept.
    """

    def __init__(self, settings: CloudConfig | None, folder: Path) -> None:
        self._settings, self._folder = settings, folder
        self._clouds: dict[str, Cloud] = {}
        self._lock = threading.Lock()

    def __call__(self, model: str | None) -> Cloud | None:
        """The model's cloud, not connected yet; None without a service."""
        if self._settings is None:
            return None
        name = model or named_model(self._settings)
        with self._lock:
            if name not in self._clouds:
                self._clouds[name] = Cloud(self._config(self._settings, name))
            return self._clouds[name]

    def identify(self, turn: Callable[[], None] = lambda: None) -> list[str]:
        """Ask the service who its models are; the names of those that are not who they were.

        A service that cannot be reached changes nothing.

        Args:
            turn: called before each model is asked about.
        """
        if self._settings is None:
            return []
        changed = []
        for name in list(self._clouds):
            turn()
            try:
                service = service_of(self._settings)
                patient = min(_PATIENCE, service.timeout_s)
                remote = msgspec.structs.replace(service, timeout_s=patient, retries=0)
                _, told = introduced(remote, name)
            except SaecError:
                continue
            identity = ModelIdentity(card=told.card, weights_hash=told.weights_hash)
            if identity != self._kept(name):
                self._folder.mkdir(parents=True, exist_ok=True)
                write_json(self._path(name), identity)
                with self._lock:
                    del self._clouds[name]
                changed.append(name)
        return changed

    def _config(self, settings: CloudConfig, name: str) -> CloudConfig:
        """The settings of one model's engine."""
        kept = self._kept(name)
        service = msgspec.structs.replace(
            service_of(settings), card=kept.card, weights_hash=kept.weights_hash
        )
        return at_service(settings, name, service)

    def _path(self, name: str) -> Path:
        url = self._settings.model if self._settings is not None else ""
        key = hashlib.sha256(f"{url} {name}".encode()).hexdigest()[:16]
        return self._folder / f"{key}.json"

    def _kept(self, name: str) -> ModelIdentity:
        try:
            return read_json(self._path(name), ModelIdentity, error=DataError, remedy="")
        except DataError:
            return ModelIdentity()


def named_model(settings: CloudConfig) -> str:
    """The model that a station asks; its settings name it, for the service may be away when it starts.

    Raises:
        ConfigError: they do not.
    """
    if settings.service_model is None:
        raise ConfigError(
            "[cloud] has no service_model", "set it to the model or adapter to ask at the service"
        )
    return settings.service_model
