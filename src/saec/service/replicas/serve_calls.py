"""How replicas are reached through Ray Serve.

A question goes over gRPC, by a router in the event loop that asks: Ray's other way, an actor's call by way of
a router's own thread, takes four times as much processor time.
"""

from __future__ import annotations

import asyncio
from typing import Any

import grpc
import ray.exceptions as lost
from ray import serve
from ray.serve.exceptions import DeploymentUnavailableError, RequestCancelledError
from ray.serve.handle import DeploymentHandle

from saec.service.replicas.messages import ReplicaGoneError, ReplicaReply, ReplicaReport, ReplicaRequest

ENGINES, ENGINE = "saec-engines", "engine"
"""Serve's application of the replicas, and its one deployment."""

_REPORT = 15.0
"""Seconds within which a replica says how it does; on a busy CPU it may take some."""

_LARGE = 2 << 20
"""Bytes of a body from which on it goes through Ray's object store; Serve's gRPC takes messages of 4 MB."""

_GONE = (
    grpc.aio.AioRpcError,
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
        handle: a ``ray.serve.handle.DeploymentHandle`` whose router has a thread of its own: for the reports.
    """

    def __init__(self, handle: Any) -> None:
        self._handle = handle
        self._asked: _Handles | None = None

    @classmethod
    def running(cls) -> ServeReplicas:
        """Those of the application that runs, or will run, in this cluster."""
        return cls(serve.get_deployment_handle(ENGINE, ENGINES))

    async def ask(self, method: str, request: ReplicaRequest) -> ReplicaReply:
        """What one of them replies.

        Raises:
            ReplicaGoneError: it has died.
        """
        loop = asyncio.get_running_loop()
        if self._asked is None or self._asked.loop is not loop:
            self._asked = _Handles(loop)
        handle = self._asked.large if len(request.data) > _LARGE else self._asked.small
        response = handle.remote(request, method)
        try:  # to its end, or Serve would count it as under way for ever
            found: list[ReplicaReply] = [reply async for reply in response]
        except asyncio.CancelledError:
            response.cancel()
            raise
        except _GONE as e:
            raise ReplicaGoneError(f"{type(e).__name__}: {str(e)[:300]}") from e
        if not found:
            raise ReplicaGoneError("the replica has ended its reply before it began")
        return found[0]

    def reports(self) -> list[ReplicaReport]:
        """How all of them do; who does not answer in time is left out."""
        try:
            found = self._handle.broadcast("report").results(timeout_s=_REPORT, return_exceptions=True)
        except (DeploymentUnavailableError, TimeoutError):
            return []
        return [one for one in found if isinstance(one, ReplicaReport)]


class _Handles:
    """Two handles of one router, which belongs to an event loop.

    Attributes:
        loop: the event loop.
        small: over gRPC.
        large: through Ray's object store.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        handle: Any = DeploymentHandle(ENGINE, ENGINES)
        handle._init(_run_router_in_separate_loop=False)
        # A stream says at once that the replica has begun: then its death is told from a refused connection.
        options = {"method_name": "replies", "stream": True}
        self.small = handle.options(
            **options, _by_reference=False, request_serialization="pickle", response_serialization="pickle"
        )
        self.large = handle.options(**options)
