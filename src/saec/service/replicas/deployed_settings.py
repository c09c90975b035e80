"""All settings of a service of replicas, from options or from the tables of a settings file."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import msgspec

from saec.extensions import VERSION
from saec.service.replica_settings import ReplicaConfig
from saec.service.service_settings import ServiceConfig
from saec.settings import CloudConfig
from saec.settings.section_reading import built
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
            ConfigError: a key is not known, or a value has another type.
        """
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
        return hashlib.sha256(
            msgspec.json.encode(
                [VERSION, front, self.http, self.replicas, self.log, self.trace], enc_hook=str
            )
        ).hexdigest()


def _section(tables: Mapping[str, Any], name: str, struct: type[S]) -> S:
    return built(struct, dict(tables.get(name, {})))
