"""A service of replicas on a Ray that runs: deployed, changed, shown and removed."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import ray
from ray import serve

from saec.errors import ConfigError, ModelError
from saec.service.replica_settings import ReplicaConfig
from saec.service.replicas.applications import ENTRANCE, engines_of, entrance_of, gpus_each
from saec.service.replicas.deployed_settings import Deployed, check_room, differing
from saec.service.replicas.messages import ReplicaReport
from saec.service.replicas.ray_cluster import noted_entrance
from saec.service.replicas.serve_calls import ENGINES, ServeReplicas
from saec.web.addresses import parse_address

_STEP = 0.1

_CONTROLLER = {"RAY_SERVE_PROXY_HEALTH_CHECK_PERIOD_S": "2"}
"""Serve looks at its proxies each 10 s and replaces one after three looks: a dead one is missed for long."""

QUIET = {"enable_access_log": False, "log_level": "WARNING"}
"""Of Serve's own logs: a line for each request would cost more than it says."""


_OF_PROXIES = ("service.listen", "http.idle_s", "http.tls_cert", "http.tls_key")
"""Settings that Serve's proxies are started with."""


@dataclass(frozen=True, slots=True)
class DeployedApplications:
    """What a deployment has done.

    Attributes:
        names: the applications that were run.
        differs: settings that the entrance had otherwise, such as "http.hosts".
        stale: whether it has them still, as it is a ``saec cloud`` that runs.
    """

    names: list[str]
    differs: list[str] = field(default_factory=list)
    stale: bool = False


def deploy_service(deployed: Deployed) -> DeployedApplications:
    """Put a service on the Ray that was joined, or change the one that is there, a replica after the other.

    Where a ``saec cloud`` is the entrance, its replicas alone are changed.

    Raises:
        ConfigError: one replica is asked of a ``saec cloud`` that runs with several, or more than it has room
            for; or Serve's proxies run with another address or certificate.
        ModelError: a replica cannot load the model; the old ones that are left go on.
    """
    there = _applications()
    own = ENGINES in there and ENTRANCE not in there
    runs = noted_entrance() if own else _entrance_stamp() if ENTRANCE in there else ""
    differs = differing(runs, deployed.stamp) if runs else []
    if own:
        check_own(deployed.replicas)
        check_room(deployed.replicas, gpus_each(deployed), ray.cluster_resources())
    else:
        check_proxies(differs)
        _start_proxies(deployed)
    run_application(engines_of(deployed), ENGINES, None)
    if own or (runs and not differs):
        return DeployedApplications([ENGINES], differs, stale=bool(differs))
    run_application(entrance_of(deployed), ENTRANCE, "/")
    return DeployedApplications([ENGINES, ENTRANCE], differs)


def _start_proxies(deployed: Deployed) -> None:
    """Start Serve with its proxies; those that run stay as they are."""
    host, port = parse_address(deployed.service.listen)
    serve.start(
        proxy_location="EveryNode",
        http_options={
            "host": host,
            "port": port,
            "keep_alive_timeout_s": max(1, round(deployed.http.idle_s)),
            "ssl_certfile": _text(deployed.http.tls_cert),
            "ssl_keyfile": _text(deployed.http.tls_key),
        },
        logging_config=QUIET,
        controller_options={"runtime_env": {"env_vars": _CONTROLLER}},
    )


def check_proxies(differs: Sequence[str]) -> None:
    """Refuse to change what Serve's proxies have from their start; Serve would leave it as it is.

    Args:
        differs: the settings that the entrance which runs has otherwise.

    Raises:
        ConfigError: one of them is the proxies'.
    """
    fixed = [name for name in differs if name in _OF_PROXIES]
    if fixed:
        raise ConfigError(
            f"the service that is deployed has another {', '.join(fixed)}, and its proxies keep it",
            "run `saec cloud remove` and deploy again, or give the same as before",
        )


def check_own(settings: ReplicaConfig) -> None:
    """Refuse to make one replica of several whose entrance is a ``saec cloud``.

    Raises:
        ConfigError: these settings have one replica.
    """
    if max(settings.count, settings.up_to or 1) == 1:
        raise ConfigError(
            "a `saec cloud` runs with replicas, and these settings have one: they would leave a gap",
            "give --replicas 2 or more; for one process stop it, and start it without [replicas]",
        )


@dataclass(frozen=True, slots=True)
class ServiceState:
    """How a deployed service does.

    Attributes:
        applications: Serve's word for each application, by its name.
        replicas: what the replicas report.
    """

    applications: dict[str, str]
    replicas: list[ReplicaReport]


def service_state() -> ServiceState:
    """How the service does that runs in the Ray that was joined.

    Raises:
        ConfigError: there is none.
    """
    there = _deployed()
    return ServiceState(there, ServeReplicas.running().reports())


def remove_service(seconds: float) -> None:
    """Refuse what is new, wait for what was accepted, and take the service from the Ray that was joined.

    Args:
        seconds: that accepted requests are given.

    Raises:
        ConfigError: there is none, or its entrance is a ``saec cloud``.
    """
    there = _deployed()
    if ENTRANCE not in there:
        raise ConfigError("the entrance of this service is a `saec cloud`", "stop that program")
    with contextlib.suppress(Exception):  # an entrance that has died has nothing to finish
        entrance: Any = serve.get_app_handle(ENTRANCE)
        until = time.monotonic() + seconds
        while entrance.drain.remote(on=True).result(timeout_s=seconds) and time.monotonic() < until:
            time.sleep(_STEP)
    for name in (ENTRANCE, ENGINES):
        if name in there:
            serve.delete(name)
    if not serve.status().applications:
        serve.shutdown()  # its proxies keep their address and certificate as long as they run


def _applications() -> dict[str, str]:
    return {
        name: str(found.status.value)
        for name, found in serve.status().applications.items()
        if name in (ENGINES, ENTRANCE)
    }


def _deployed() -> dict[str, str]:
    found = _applications()
    if not found:
        raise ConfigError("no service is deployed in this Ray cluster", "run `saec cloud deploy`")
    return found


def _entrance_stamp() -> str:
    """The stamp of the entrance that runs; "" where it does not answer."""
    handle: Any = serve.get_app_handle(ENTRANCE)
    try:
        return str(handle.stamp.remote().result(timeout_s=10))
    except Exception:
        return ""


def run_application(application: Any, name: str, route: str | None) -> None:
    """Run an application and wait until it is there.

    Raises:
        ModelError: it cannot be started.
    """
    try:
        serve.run(application, name=name, route_prefix=route, logging_config=QUIET)
    except RuntimeError as e:
        why = " ".join((replica_fault(name) or str(e)).split())
        raise ModelError(
            f"{name} cannot be started: {why[-1000:]}", "see docs/fleet.md for Ray's logs"
        ) from e


def replica_fault(name: str) -> str:
    """What a replica of an application says why it could not start; "" where it says nothing.

    Serve tells the traceback; its last line is the error.
    """
    found = serve.status().applications.get(name)
    told = [] if found is None else [one.message.strip() for one in found.deployments.values()]
    return next((text.splitlines()[-1] for text in told if "Traceback" in text), "")


def _text(path: Any) -> str | None:
    return None if path is None else str(path)
