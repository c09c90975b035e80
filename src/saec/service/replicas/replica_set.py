"""The replicas as one engine: asks one of them, and another where that one has died.

It knows nothing of Ray; ``saec.service.replicas.serve_calls`` reaches the replicas.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Protocol

import structlog
from prometheus_client.registry import Collector

from saec.service.completions import Answer
from saec.service.replica_settings import ReplicaConfig
from saec.service.replicas.messages import ReplicaGoneError, ReplicaReply, ReplicaReport, ReplicaRequest
from saec.service.replicas.prefix_key import prefix_key
from saec.service.replicas.replica_set_metrics import ReplicaSetMetrics
from saec.service.requests.refusals import RequestRefused
from saec.service.service_settings import ServiceConfig
from saec.tracing.tracers import traceparent
from saec.web.program.liveness import Heartbeat, StuckThread, Supervised

_LOOK = 1.0
"""Seconds between two looks at how the replicas do."""

_LIMIT = 60.0
"""Seconds that one look may take."""

_PAUSE = 0.1
"""Seconds until a request whose replica has died goes to another."""

_MOST_DEATHS = 3
"""Replicas that may die over one request; it may be what kills them."""

log = structlog.get_logger()


class Replicas(Protocol):
    """How replicas are reached."""

    async def ask(self, method: str, request: ReplicaRequest) -> ReplicaReply:
        """What one of them replies.

        Raises:
            ReplicaGoneError: it has died.
        """
        ...

    def reports(self) -> list[ReplicaReport]:
        """How all of them do; waits for them, for seconds at most, and leaves out who does not answer."""
        ...


class ReplicaSet:
    """A ``saec.service.answer_engine.AnswerEngine`` made of replicas.

    Args:
        replicas: how they are reached.
        config: the service's settings; ``queue`` and ``batch`` are those of one replica.
        settings: how many there are, and how long a request may take.
        end: called when it is closed.
    """

    name = "replicas"

    def __init__(
        self,
        replicas: Replicas,
        config: ServiceConfig,
        settings: ReplicaConfig,
        end: Callable[[], None] = lambda: None,
    ) -> None:
        self._end = end
        self._replicas, self._config, self._settings = replicas, config, settings
        self._reports: Sequence[ReplicaReport] = ()
        self._names: set[str] = set()
        self._under_way = self._failures = 0
        self._counts = ReplicaSetMetrics(lambda: self._reports)
        self._ended, self._looked = threading.Event(), threading.Event()
        self._pulse = Heartbeat(self.name, _LIMIT, work="the look at the replicas")
        self._thread = threading.Thread(target=self._run, name="saec-replicas", daemon=True)
        self._thread.start()

    @property
    def living(self) -> list[Supervised]:
        return [self]

    @property
    def metrics(self) -> Collector:
        return self._counts

    @property
    def depth(self) -> int:
        return sum(report.depth for report in self._reports)

    @property
    def room(self) -> int:
        return max(1, len(self._reports)) * (self._config.queue + self._config.batch)

    @property
    def full(self) -> bool:
        return self._under_way >= self.room

    @property
    def wait(self) -> float:
        return min((report.wait for report in self._reports), default=1.0)

    def problems(self) -> list[str]:
        if not self._reports:
            return ["no replica answers"]
        if any(not report.problems for report in self._reports):
            return []
        return [f"{one.replica}: {text}" for one in self._reports for text in one.problems]

    def stuck(self) -> StuckThread | None:
        """Whether the replicas have not been looked at for too long."""
        return self._pulse.stuck()

    def status(self) -> dict[str, Any]:
        """Plain values for the metrics."""
        return self._pulse.status(alive=self._thread.is_alive(), failures=self._failures)

    async def answer(self, data: bytes, who: str) -> Answer:
        reply = await self._ask("answer", ReplicaRequest(data, who, prefix_key(data), trace=traceparent()))
        if reply.answer is None:
            raise TypeError("a replica has replied without an answer")
        return reply.answer

    async def tokens(self, data: bytes) -> dict[str, Any]:
        told: dict[str, Any] = (await self._ask("tokens", ReplicaRequest(data))).told
        return told

    async def text(self, data: bytes) -> dict[str, Any]:
        told: dict[str, Any] = (await self._ask("text", ReplicaRequest(data))).told
        return told

    async def models(self) -> list[dict[str, Any]]:
        told: list[dict[str, Any]] = (await self._ask("models", ReplicaRequest(b""))).told
        return told

    def close(self) -> None:
        self._ended.set()
        self._thread.join(_LIMIT)
        self._end()

    async def _ask(self, method: str, request: ReplicaRequest) -> ReplicaReply:
        """The reply of a replica, within the time of a request.

        Raises:
            Refused: what the replica refuses; 503, none has replied in time, or several have died over it.
        """
        self._under_way += 1
        try:
            async with asyncio.timeout(self._settings.request_s):
                return (await self._reply(method, request)).checked()
        except TimeoutError:
            what = f"no replica answered within {self._settings.request_s:g} s"
            raise RequestRefused(503, "no_replica", what, "send the request again", after=1) from None
        finally:
            self._under_way -= 1

    async def _reply(self, method: str, request: ReplicaRequest) -> ReplicaReply:
        deaths = 0
        while True:
            try:
                reply = await self._replicas.ask(method, request)
            except ReplicaGoneError as e:
                deaths += 1
                self._counts.asked_again += 1
                log.warning("replica died", deaths=deaths, why=str(e))
                if deaths >= _MOST_DEATHS:
                    what = f"{deaths} replicas died while they computed this request"
                    raise RequestRefused(503, "replicas_died", what, "send the request again", after=1) from e
                await asyncio.sleep(_PAUSE)
                continue
            others = {report.replica for report in self._reports} - request.avoid - {reply.replica}
            if reply.refused is None or reply.refused["code"] != "model_not_found" or not others:
                return reply
            # While a model is being changed, some replicas have the old one and some the new one.
            request = replace(request, avoid=request.avoid | {reply.replica})

    def look(self) -> None:
        """Look how the replicas do, and log which have gone and come."""
        self._reports = self._replicas.reports()
        self._looked.set()
        before, self._names = self._names, {report.replica for report in self._reports}
        for name in sorted(before - self._names):
            log.warning("replica gone", replica=name, replicas=len(self._names))
        for name in sorted(self._names - before):
            log.info("replica there", replica=name, replicas=len(self._names))

    def wait_for_one(self, seconds: float) -> bool:
        """Wait until the replicas have been looked at; whether they have been."""
        return self._looked.wait(seconds)

    def _run(self) -> None:
        while True:
            self._pulse.turn()
            try:
                self.look()
                self._failures = 0
            except Exception as e:  # the next look may go better
                self._reports = ()
                self._failures += 1
                log.error("replicas not looked at", error=repr(e))
            if self._ended.wait(_LOOK):
                return
