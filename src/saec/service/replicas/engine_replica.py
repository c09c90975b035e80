"""One replica: the model of one process behind Ray Serve. Ray makes it; it knows nothing else of Ray."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Awaitable
from typing import Any

import msgspec
import structlog

from saec.errors import EndedError
from saec.service.model_engine import ModelEngine
from saec.service.replicas.messages import ReplicaReply, ReplicaReport, ReplicaRequest
from saec.service.requests.refusals import RequestRefused
from saec.service.served_model import ServedModel
from saec.service.service_settings import ServiceConfig
from saec.settings import CloudConfig
from saec.settings.trace_settings import TraceConfig
from saec.tracing.tracers import tracer
from saec.web.log_settings import LogConfig
from saec.web.program.liveness import stuck_threads
from saec.web.program.logs import configure_logs, trace_warning
from saec.web.program.trace_export import exported_traces

log = structlog.get_logger()


class EngineReplica:
    """Answers what the entrance sends it; Ray calls its methods in one event loop.

    Args:
        config: the service's settings.
        model: how the model is loaded.
        cores: threads that torch may use on a CPU.
        logging: how it logs.
        trace: where its spans are sent.
        name: the replica's name; "" takes the one that Ray gave it.
    """

    def __init__(
        self,
        config: ServiceConfig,
        model: CloudConfig,
        cores: int,
        logging: LogConfig,
        trace: TraceConfig,
        name: str = "",
    ) -> None:
        configure_logs(logging.level)
        self._name, self._open = name or _own_name(), contextlib.ExitStack()
        self._open.enter_context(exported_traces(trace, "saec-cloud", self._name, trace_warning))
        served = ServedModel.load(model, config.adapters)
        _use_cores(cores)
        # Ray lets in as many as may wait and be computed, so that none of them finds the queue full.
        room = msgspec.structs.replace(config, queue=config.queue + config.batch)
        self._engine = ModelEngine(served, room)
        log.info("models loaded", replica=self._name, models=list(served.entries))

    async def replies(self, request: ReplicaRequest, method: str) -> AsyncIterator[ReplicaReply]:
        """The reply of one of the next four methods, as a stream of one: so Ray says when it has begun."""
        methods = {"answer": self.answer, "tokens": self.tokens, "text": self.text, "models": self.models}
        yield await methods[method](request)

    async def answer(self, request: ReplicaRequest) -> ReplicaReply:
        """The answer to a chat completion."""
        return await self._replied(self._answer(request))

    async def tokens(self, request: ReplicaRequest) -> ReplicaReply:
        """The answer to /tokenize."""
        return await self._replied(self._told(self._engine.tokens(request.data)))

    async def text(self, request: ReplicaRequest) -> ReplicaReply:
        """The answer to /detokenize."""
        return await self._replied(self._told(self._engine.text(request.data)))

    async def models(self, request: ReplicaRequest) -> ReplicaReply:
        """The answer to /v1/models."""
        return await self._replied(self._told(self._engine.models()))

    async def report(self) -> ReplicaReport:
        """How it does."""
        engine = self._engine
        return ReplicaReport(
            replica=self._name,
            models=await engine.models(),
            depth=engine.depth,
            wait=engine.wait,
            problems=engine.problems(),
            metrics=list(engine.metrics.collect()),
        )

    def check_health(self) -> None:
        """Ray replaces the replica when this fails.

        Raises:
            EndedError: one of its threads is stuck, or its batches fail.
        """
        found = [one.what for one in stuck_threads(self._engine.living)] + self._engine.problems()
        if found:
            raise EndedError("; ".join(found), "Ray starts another replica in its place")

    def __del__(self) -> None:
        self._engine.close()
        self._open.close()

    async def _answer(self, request: ReplicaRequest) -> ReplicaReply:
        with tracer().span("replica", request.trace, kind="server", attributes={"saec.replica": self._name}):
            return ReplicaReply(self._name, answer=await self._engine.answer(request.data, request.who))

    async def _told(self, telling: Awaitable[Any]) -> ReplicaReply:
        return ReplicaReply(self._name, told=await telling)

    async def _replied(self, reply: Awaitable[ReplicaReply]) -> ReplicaReply:
        """The reply, or the refusal in its place: an error of ours does not survive the way through Ray."""
        try:
            return await reply
        except RequestRefused as e:
            return ReplicaReply(self._name, refused=e.fields)
        except Exception as e:
            log.exception("the model failed")
            fields = RequestRefused(500, "model_failed", f"the model failed: {type(e).__name__}").fields
            return ReplicaReply(self._name, refused=fields)


def _own_name() -> str:
    """The name by which Ray knows the replica that this process is."""
    from ray import serve

    return str(serve.get_replica_context().replica_id.unique_id)


def _use_cores(cores: int) -> None:
    """Give torch the cores that are reserved for this replica: several of them share a machine."""
    import torch

    torch.set_num_threads(cores)
