"""All settings of a service of replicas, from options or from the tables of a settings file."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import msgspec

from saec.decoding import with_fields
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
    """All settings of a service of replicas."""

    service: ServiceConfig
    http: HttpSettings
    cloud: CloudConfig
    replicas: ReplicaConfig
    log: LogConfig
    trace: TraceConfig

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
        """Equal for settings with which the entrance is the same."""
        front = msgspec.structs.replace(self.service, model="", adapters={})
        told = [VERSION, front, self.http, self.replicas.request_s, self.log, self.trace]
        return hashlib.sha256(msgspec.json.encode(told, enc_hook=str)).hexdigest()


def _section(tables: Mapping[str, Any], name: str, struct: type[S]) -> S:
    return with_fields(struct(), tables.get(name, {}), f"setting of [{name}]")
