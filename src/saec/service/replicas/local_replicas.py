"""Replicas on this machine, in a Ray of their own, with this process as their entrance."""

from __future__ import annotations

import contextlib

import structlog

from saec.cloud.checkpoints.checkpoint_folder import check_adapter, check_checkpoint, find_checkpoint
from saec.service.replicas.deployed_settings import Deployed
from saec.service.replicas.ray_cluster import OwnRay
from saec.service.replicas.replica_set import ReplicaSet

_FIRST = 60.0
"""Seconds until replicas that run have been looked at."""

log = structlog.get_logger()


def open_replicas(deployed: Deployed) -> ReplicaSet:
    """Start Ray and the replicas.

    Raises:
        ConfigError: Ray runs in this process already.
        ModelError: a checkpoint or an adapter that is missing or damaged; a replica cannot load it.
    """
    check_checkpoint(find_checkpoint(deployed.cloud.model))  # before several processes look for it
    for adapter in deployed.service.adapters.values():
        check_adapter(str(adapter))
    own = OwnRay(deployed.replicas)  # Ray reads its environment when it is imported
    from ray import serve

    from saec.service.replicas.applications import engines_of
    from saec.service.replicas.deployment import QUIET, run_application
    from saec.service.replicas.serve_calls import ENGINES, ServeReplicas

    try:
        serve.start(proxy_location="Disabled", logging_config=QUIET)
        run_application(engines_of(deployed), ENGINES, None)
    except BaseException:
        own.end()
        raise

    def end() -> None:
        with contextlib.suppress(Exception):  # it may be dead already; what is left ends with this process
            serve.shutdown()
        own.leave()

    opened = ReplicaSet(ServeReplicas.running(), deployed.service, deployed.replicas, end)
    opened.wait_for_one(_FIRST)
    log.info("replicas run", replicas=deployed.replicas.count)
    return opened
