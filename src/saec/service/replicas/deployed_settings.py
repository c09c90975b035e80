"""All settings of a service of replicas, from options or from the tables of a settings file."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import msgspec

from saec.cloud.checkpoints.checkpoint_folder import (
    check_adapter,
    check_checkpoint,
    find_checkpoint,
    is_on_hub,
)
from saec.decoding import decode, with_fields
from saec.errors import ConfigError
from saec.extensions import VERSION
from saec.service.replica_settings import ReplicaConfig
from saec.service.service_settings import ServiceConfig
from saec.settings import CloudConfig
from saec.settings.trace_settings import TraceConfig
from saec.web.http_settings import HttpSettings
from saec.web.log_settings import LogConfig

S = TypeVar("S", bound=msgspec.Struct)


@dataclass(frozen=True, slots=True)
class Deployed:
    """All settings of a service of replicas.

    Raises:
        ConfigError: there may be fewer replicas under load than without.
    """

    service: ServiceConfig
    http: HttpSettings
    cloud: CloudConfig
    replicas: ReplicaConfig
    log: LogConfig
    trace: TraceConfig

    def __post_init__(self) -> None:
        least, most = self.replicas.count, self.replicas.up_to
        if most is not None and most < least:
            raise ConfigError(
                f"--replicas-up-to {most} is less than --replicas {least}",
                f"give --replicas-up-to {least} or more, or leave it out",
            )

    @classmethod
    def read(cls, tables: Mapping[str, Any]) -> Deployed:
        """Of the tables of a settings file, such as a RayService's ``args``.

        Raises:
            ConfigError: a section or a key is not known, or a value has another type or is out of range.
        """
        known = ("service", "cloud", "http", "replicas", "log", "trace")
        if unknown := [name for name in tables if name not in known]:
            raise ConfigError(f"there is no section {unknown[0]}", f"there are {', '.join(known)}")
        service, cloud = _section(tables, "service", ServiceConfig), _section(tables, "cloud", CloudConfig)
        return cls(
            service,
            _section(tables, "http", HttpSettings),
            msgspec.structs.replace(cloud, model=service.model),
            _section(tables, "replicas", ReplicaConfig),
            _section(tables, "log", LogConfig),
            _section(tables, "trace", TraceConfig),
        )

    @property
    def stamp(self) -> str:
        """Equal for settings with which the entrance is the same: a hash of each, by its name, as JSON."""
        front: dict[str, Any] = {
            "service": msgspec.structs.replace(self.service, model="", adapters={}),
            "http": self.http,
            "replicas": {"request_s": self.replicas.request_s},
            "log": self.log,
            "trace": self.trace,
        }
        told = {"saec.version": VERSION}
        for section, settings in msgspec.to_builtins(front, enc_hook=str).items():
            told |= {f"{section}.{name}": _hash(value) for name, value in settings.items()}
        return msgspec.json.encode(told, order="sorted").decode()


def differing(one: str, other: str) -> list[str]:
    """The settings in which two stamps differ, such as "http.hosts"; all of them where one stamp is ""."""
    first, second = (decode(stamp or "{}", dict[str, str]) for stamp in (one, other))
    return sorted(name for name in first | second if first.get(name) != second.get(name))


def _hash(value: Any) -> str:
    return hashlib.sha256(msgspec.json.encode(value)).hexdigest()[:16]


def check_models(deployed: Deployed, *, fetch: bool) -> None:
    """Look for the model and its adapters on this machine, before replicas look for them.

    Args:
        deployed: the settings.
        fetch: whether a model of the hub is fetched; else the replicas alone fetch it.

    Raises:
        ModelError: a checkpoint or an adapter that is missing or damaged.
    """
    if fetch or not is_on_hub(deployed.cloud.model):
        check_checkpoint(find_checkpoint(deployed.cloud.model))
    for adapter in deployed.service.adapters.values():
        check_adapter(str(adapter))


def check_room(settings: ReplicaConfig, gpus: float, have: Mapping[str, float]) -> None:
    """Refuse replicas that the Ray of a `saec cloud` has no room for; it would wait for room for ever.

    Args:
        settings: how many replicas there are, and their CPUs.
        gpus: GPUs of one.
        have: what the Ray has, by "CPU" and "GPU".

    Raises:
        ConfigError: it has no GPU, too few, or too few CPUs.
    """
    all_gpus, all_cpus = have.get("GPU", 0.0), have.get("CPU", 0.0)
    if gpus and not all_gpus:
        raise ConfigError(
            "this machine has no GPU for Ray, and --replica-gpus asks for one",
            "give --replica-gpus 0 --device cpu",
        )
    if gpus and settings.count > (int(all_gpus) * int(1 / gpus) if gpus < 1 else int(all_gpus / gpus)):
        raise ConfigError(
            f"--replicas {settings.count} with {gpus:g} GPUs each do not fit on {all_gpus:g}",
            "give fewer --replicas, or a part of a GPU, such as --replica-gpus 0.5",
        )
    if settings.count * settings.cpus > all_cpus:
        raise ConfigError(
            f"--replicas {settings.count} with --replica-cpus {settings.cpus:g} do not fit: Ray has been "
            f"started for {all_cpus:g} CPUs",
            "stop `saec cloud` and start it with these settings, or give fewer",
        )


def _section(tables: Mapping[str, Any], name: str, struct: type[S]) -> S:
    return with_fields(struct(), tables.get(name, {}), f"setting of [{name}]")
