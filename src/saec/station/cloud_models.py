"""The cloud models of a station: named in the settings, known by what their service says of them.

A line's trust is in one model with one set of weights, so the station asks each address of the service who it
is, and asks again now and then. What it said last is kept on disk, so a station that starts while the link is
down goes on as before. Addresses with equal weights are one cloud; those with other weights are another cloud
under the same name, and each line asks the ones that it trusts. A model that was never reached is advisory;
one whose weights have changed is another model, and a line that was calibrated with the old one does not
trust it.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from pathlib import Path

import msgspec

from saec.cloud.remote.engine import RemoteEngine
from saec.cloud.remote.model_list import PATIENCE, introduced
from saec.connecting import addresses_of, shown
from saec.errors import ConfigError, DataError, SaecError
from saec.frame.cloud_services import at_service, service_of
from saec.frame.judges import Cloud
from saec.profile import write_json
from saec.settings import CloudConfig, ModelCard
from saec.texts import read_json


class ModelIdentity(msgspec.Struct, frozen=True, kw_only=True):
    """What a service says of a model."""

    card: ModelCard | None = None
    weights_hash: str = ""


class CloudModels:
    """Opens the clouds for a model's name; safe to use from several threads.

    Args:
        settings: the service, with its addresses as the model; None for a station without a cloud.
        folder: where identities are kept.
    """

    def __init__(self, settings: CloudConfig | None, folder: Path) -> None:
        self._settings, self._folder = settings, folder
        self._urls = [] if settings is None else addresses_of(settings.model)
        self._clouds: dict[str, dict[ModelIdentity, Cloud]] = {}  # by the model's name
        self._lock = threading.Lock()

    def __call__(self, model: str | None) -> list[Cloud]:
        """The model's clouds, not connected yet: one for each hash of weights, in the order of the addresses;
        without a service none."""
        if self._settings is None:
            return []
        name = model or named_model(self._settings)
        known = self._known(name)
        with self._lock:
            old = self._clouds.get(name, {})
            self._clouds[name] = {
                one: old.get(one) or Cloud(self._config(self._settings, name, one, known))
                for one in _distinct(known) or [ModelIdentity()]
            }
            return list(self._clouds[name].values())

    def identify(self, turn: Callable[[], None] = lambda: None) -> list[str]:
        """Ask each address who its models are; the names of those that are not who they were.

        An address that cannot be reached changes nothing.

        Args:
            turn: called before each address is asked.
        """
        if self._settings is None:
            return []
        changed = []
        for name in list(self._clouds):
            before = _distinct(self._known(name))
            for url in self._urls:
                turn()
                self._ask(self._settings, name, url)
            known = self._known(name)
            with self._lock:
                clouds = list(self._clouds[name].values())
            for cloud in clouds:
                if isinstance(cloud.engine, RemoteEngine):
                    cloud.engine.learn(_hashes(known))
            if _distinct(known) != before:
                changed.append(name)
        return changed

    def _ask(self, settings: CloudConfig, name: str, url: str) -> None:
        """Ask one address who the model is, and keep what it says."""
        service = service_of(settings)
        patient = min(PATIENCE, service.timeout_s)
        try:
            _, told = introduced(
                msgspec.structs.replace(service, url=url, timeout_s=patient, retries=0), name
            )
        except SaecError:
            return
        identity = ModelIdentity(card=told.card, weights_hash=told.weights_hash)
        if identity != self._kept(url, name):
            self._folder.mkdir(parents=True, exist_ok=True)
            write_json(self._path(url, name), identity)

    def _known(self, name: str) -> dict[str, ModelIdentity]:
        """Who the model is at each address that has said it."""
        kept = {url: self._kept(url, name) for url in self._urls}
        return {url: identity for url, identity in kept.items() if identity is not None}

    def _config(
        self, settings: CloudConfig, name: str, asked: ModelIdentity, known: dict[str, ModelIdentity]
    ) -> CloudConfig:
        """The settings of one model's engine: of all addresses it asks those with these weights."""
        service = msgspec.structs.replace(
            service_of(settings), card=asked.card, weights_hash=asked.weights_hash, hashes=_hashes(known)
        )
        return at_service(settings, name, service)

    def _path(self, url: str, name: str) -> Path:
        key = hashlib.sha256(f"{url} {name}".encode()).hexdigest()[:16]
        return self._folder / f"{key}.json"

    def _kept(self, url: str, name: str) -> ModelIdentity | None:
        try:
            return read_json(self._path(url, name), ModelIdentity, error=DataError, remedy="")
        except DataError:
            return None


def _distinct(known: dict[str, ModelIdentity]) -> list[ModelIdentity]:
    """One identity for each hash of weights, in order of preference."""
    found: dict[str, ModelIdentity] = {}
    for one in known.values():
        found.setdefault(one.weights_hash, one)
    return list(found.values())


def _hashes(known: dict[str, ModelIdentity]) -> dict[str, str]:
    """The weights' hash by address as it is shown."""
    return {shown(url.rstrip("/")): one.weights_hash for url, one in known.items()}


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
