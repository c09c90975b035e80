"""How replicas are reached through Ray Serve."""

from __future__ import annotations

import asyncio
from typing import Any

import ray.exceptions as lost
from ray import serve
from ray.serve.exceptions import DeploymentUnavailableError, RequestCancelledError

from saec.service.replicas.messages import ReplicaGoneError, ReplicaReply, ReplicaReport, ReplicaRequest

ENGINES, ENGINE = "saec-engines", "engine"
"""Serve's application of the replicas, and its one deployment."""

_REPORT = 15.0
"""Seconds within which a replica says how it does; on a busy CPU it may take some."""

_GONE = (
    lost.RayActorError,
    lost.WorkerCrashedError,
    lost.NodeDiedError,
    lost.ObjectLostError,
    lost.TaskCancelledError,
    lost.LocalRayletDiedError,
    RequestCancelledError,
    DeploymentUnavailableError,
)


class ServeReplicas:
    """The replicas behind a handle of Ray Serve.

    Args:
        handle: a ``ray.serve.handle.DeploymentHandle``.
    """

    def __init__(self, handle: Any) -> None:
        self._handle = handle

    @classmethod
    def running(cls) -> ServeReplicas:
        """Those of the application that runs, or will run, in this cluster."""
        return cls(serve.get_deployment_handle(ENGINE, ENGINES))

    async def ask(self, method: str, request: ReplicaRequest) -> ReplicaReply:
        """What one of them replies.

        Raises:
            ReplicaGoneError: it has died.
        """
        response = getattr(self._handle, method).remote(request)
        try:
            reply: ReplicaReply = await response
        except asyncio.CancelledError:
            # It waits for the assignment, which must not stop this event loop.
            asyncio.get_running_loop().run_in_executor(None, response.cancel)
            raise
        except _GONE as e:
            raise ReplicaGoneError(f"{type(e).__name__}: {str(e)[:300]}") from e
        return reply

    def reports(self) -> list[ReplicaReport]:
        """How all of them do; who does not answer in time is left out."""
        try:
            found = self._handle.broadcast("report").results(timeout_s=_REPORT, return_exceptions=True)
        except (DeploymentUnavailableError, TimeoutError):
            return []
        return [one for one in found if isinstance(one, ReplicaReport)]
