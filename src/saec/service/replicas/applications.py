"""The two applications of Ray Serve: the replicas, and the entrance before them.

They are two, so that new weights leave the entrance alone: its rates and remembered answers stay. Their
functions are import paths of a RayService too (docs/fleet.md).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import ray
from ray import serve
from ray.serve.config import AutoscalingConfig, RequestRouterConfig

from saec.service.replicas.deployed_settings import Deployed
from saec.service.replicas.engine_replica import EngineReplica
from saec.service.replicas.entrance import Entrance
from saec.service.replicas.serve_calls import ENGINE

ENTRANCE = "saec"
"""Serve's application of the entrance."""

_MOST_REQUESTS = 10_000
"""Requests that Serve may have under way at the entrance; it has its own limits."""

_HEALTH, _HEALTH_LIMIT = 5.0, 30.0
"""Seconds between two looks of Ray at a replica, and seconds that one may take."""

_STARTS = 3
"""How often a replica that cannot load its model is started before the deployment fails."""


def engines(tables: Mapping[str, Any]) -> Any:
    """The application of the replicas, by the tables of a settings file."""
    return engines_of(Deployed.read(tables))


def entrance(tables: Mapping[str, Any]) -> Any:
    """The application of the entrance, by the tables of a settings file."""
    return entrance_of(Deployed.read(tables))


def engines_of(deployed: Deployed) -> Any:
    """The replicas; a ``ray.serve.Application``. Needs a Ray that runs."""
    service, replicas = deployed.service, deployed.replicas
    many: dict[str, Any] = {"num_replicas": replicas.count}
    if (replicas.up_to or 0) > replicas.count:
        scaling = AutoscalingConfig(
            min_replicas=replicas.count,
            max_replicas=replicas.up_to,
            target_ongoing_requests=replicas.waiting or service.batch,
        )
        many = {"autoscaling_config": scaling}
    deployment = serve.deployment(
        EngineReplica,
        name=ENGINE,
        **many,
        ray_actor_options={"num_gpus": gpus_each(deployed), "num_cpus": replicas.cpus},
        max_ongoing_requests=service.queue + service.batch,
        request_router_config=RequestRouterConfig(
            request_router_class="saec.service.replicas.prefix_router.PrefixRouter",
            request_router_kwargs={"spill": replicas.spill or 2 * service.batch},
        ),
        graceful_shutdown_timeout_s=service.drain_s,
        graceful_shutdown_wait_loop_s=0.2,
        health_check_period_s=_HEALTH,
        health_check_timeout_s=_HEALTH_LIMIT,
        max_constructor_retry_count=_STARTS,
    )
    return deployment.bind(
        service, deployed.cloud, max(1, round(replicas.cpus)), deployed.log, deployed.trace
    )


def entrance_of(deployed: Deployed) -> Any:
    """The entrance; a ``ray.serve.Application``."""
    deployment = serve.deployment(
        serve.ingress()(Entrance),
        name="entrance",
        num_replicas=1,
        ray_actor_options={"num_cpus": 0},
        max_ongoing_requests=_MOST_REQUESTS,
        graceful_shutdown_timeout_s=deployed.service.drain_s,
        graceful_shutdown_wait_loop_s=0.2,
        health_check_period_s=_HEALTH,
        health_check_timeout_s=_HEALTH_LIMIT,
        max_constructor_retry_count=_STARTS,
    )
    return deployment.bind(
        deployed.service, deployed.http, deployed.replicas, deployed.log, deployed.trace, deployed.stamp
    )


def gpus_each(deployed: Deployed) -> float:
    """GPUs of one replica: as the settings say, else one where the cluster has any and the device may be."""
    given = deployed.replicas.gpus
    if given is not None:
        return given
    if deployed.cloud.device == "cpu":
        return 0.0
    return 1.0 if ray.cluster_resources().get("GPU", 0) > 0 else 0.0
