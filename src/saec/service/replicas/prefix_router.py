"""Serve's router of the replicas: by prefix, on its public extension point ``ray.serve.request_router``."""

from __future__ import annotations

from typing import Any

from ray.serve.request_router import PendingRequest, RequestRouter, RunningReplica

from saec.service.replicas.messages import ReplicaRequest
from saec.service.replicas.routing_order import routing_ranks


class PrefixRouter(RequestRouter):
    """Sends questions with one prefix to one replica, as long as that one is not busy."""

    def initialize_state(self, spill: int, **_: Any) -> None:
        """Serve gives what ``RequestRouterConfig`` holds.

        Args:
            spill: requests under way at a replica from which on another one is asked.
        """
        self._spill = spill

    async def choose_replicas(
        self, candidate_replicas: list[RunningReplica], pending_request: PendingRequest | None = None
    ) -> list[list[RunningReplica]]:
        """Replicas in ranks; Serve takes the one of the first rank that has room and the shortest queue."""
        request = ReplicaRequest(b"")
        if pending_request is not None:
            pending_request.routing_context.should_backoff = True
            if pending_request.args and isinstance(pending_request.args[0], ReplicaRequest):
                request = pending_request.args[0]
        named = {one.replica_id.unique_id: one for one in candidate_replicas}
        ranks = routing_ranks(
            request.prefix, named, lambda name: self._load(named[name]), self._spill, request.avoid
        )
        return [[named[name] for name in rank] for rank in ranks if rank]

    def _load(self, replica: RunningReplica) -> int | None:
        found: int | None = self.replica_queue_len_cache.get(replica.replica_id)
        return found
