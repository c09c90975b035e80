"""Replicas on this machine, in a Ray of their own, with this process as their entrance."""

from __future__ import annotations

import contextlib
import os

import structlog

from saec.errors import ConfigError
from saec.service.replicas.deployed_settings import Deployed, check_models, check_room
from saec.service.replicas.ray_cluster import OwnRay, hush_serve, note_entrance
from saec.service.replicas.replica_set import ReplicaSet

_FIRST = 60.0
"""Seconds until replicas that run have been looked at."""

log = structlog.get_logger()


def open_replicas(deployed: Deployed) -> ReplicaSet:
    """Start Ray and the replicas.

    Raises:
        ConfigError: Ray runs in this process already, or has no room for the replicas.
        ModelError: a checkpoint or an adapter that is missing or damaged; a replica cannot load it.
    """
    cores = os.cpu_count() or 1
    if deployed.replicas.cpus > cores:
        raise ConfigError(
            f"--replica-cpus {deployed.replicas.cpus:g}: this machine has {cores}",
            f"give {cores} or less",
        )
    check_models(deployed, fetch=True)
    own = OwnRay(deployed.replicas)  # Ray reads its environment when it is imported
    import ray
    from ray import serve

    from saec.service.replicas.applications import engines_of, gpus_each
    from saec.service.replicas.deployment import QUIET, run_application
    from saec.service.replicas.serve_calls import ENGINES, ServeReplicas

    try:
        check_room(deployed.replicas, gpus_each(deployed), ray.cluster_resources())
        note_entrance(deployed.stamp)
        serve.start(proxy_location="Disabled", logging_config=QUIET)
        run_application(engines_of(deployed), ENGINES, None)
    except BaseException:
        own.end()
        raise

    def end() -> None:
        hush_serve()
        with contextlib.suppress(Exception):  # it may be dead already; what is left ends with this process
            serve.shutdown()
        own.leave()

    opened = ReplicaSet(ServeReplicas.running(), deployed.service, deployed.replicas, end)
    opened.wait_for_one(_FIRST)
    log.info("replicas run", replicas=deployed.replicas.count)
    return opened
