"""What becomes of one request at the entrance: let in within its limits, answered once, and counted."""

from __future__ import annotations

import contextlib
import hashlib
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

from saec.service.answer_engine import AnswerEngine
from saec.service.completions import Answer
from saec.service.idempotency import IdempotentAnswers
from saec.service.requests.refusals import RequestRefused, no_such_model
from saec.service.service_metrics import ServiceMetrics
from saec.service.service_settings import ServiceConfig
from saec.web.admission.rate_limits import RateLimiter
from saec.web.admission.request_guard import ANYONE
from saec.web.program.liveness import StuckThread, Supervised, stuck_threads


class RequestHandler:
    """Everything behind the routes; its asynchronous methods belong to one event loop.

    Attributes:
        engine: computes the answers.
        draining: the service stops: what was accepted is finished, nothing more is accepted.
        living: what must make progress (``serving`` adds HTTP).
    """

    def __init__(self, engine: AnswerEngine, config: ServiceConfig) -> None:
        self.engine, self.config = engine, config
        self.metrics = ServiceMetrics()
        self.metrics.register(engine.metrics)
        self.draining = False
        self._places: Counter[str] = Counter()
        self._rates = RateLimiter(config.requests_per_s)
        self._once: IdempotentAnswers[Answer] = IdempotentAnswers(config.remembered_answers)
        self.living: list[Supervised] = list(engine.living)

    def close(self) -> None:
        """Compute what waits, as far as it takes no longer than a moment, and end the threads."""
        self.engine.close()

    def problems(self) -> list[str]:
        """Why no request should be sent here now; nothing when all is well."""
        found = ["the service is stopping"] if self.draining else []
        return [*found, *(one.what for one in self.stuck()), *self.engine.problems()]

    def stuck(self) -> list[StuckThread]:
        """Threads without progress, which only a new process can help."""
        return stuck_threads(self.living)

    def let_in(self, who: str) -> None:
        """Refuse a request by its head alone, before anything of its body is read.

        Raises:
            Refused: 503 when stopping, 429 when the station asks too often.
        """
        if self.draining:
            raise RequestRefused(
                503,
                "stopping",
                "the service is stopping",
                "send the request again later, or to another service",
                after=1,
            )
        wait = self._rates.wait(who, time.monotonic())
        if wait:
            raise RequestRefused(
                429,
                "rate_limit",
                f"{who} sends more than {self.config.requests_per_s:g} requests a second",
                after=wait,
            )

    @contextlib.contextmanager
    def place(self, who: str) -> Iterator[None]:
        """Let a request in and hold its place until it is answered; of all places a token has its share.

        Raises:
            Refused: what ``let_in`` raises, and 429 when there is no place.
        """
        room = self.engine.room
        if self.engine.full or self.active >= 2 * room:
            raise RequestRefused(
                429,
                "queue_full",
                "too many requests are waiting already",
                "try again later",
                after=self.engine.wait,
            )
        most = max(1, int(self.config.token_share * room))
        if who != ANYONE and self._places[who] >= most:
            what = f"{who} already has {self._places[who]} requests under way; one token may have {most}"
            raise RequestRefused(
                429,
                "share_taken",
                what,
                "wait until one of your requests is answered",
                after=self.engine.wait,
            )
        self.let_in(who)
        self._places[who] += 1
        try:
            yield
        finally:
            self._places[who] -= 1

    @property
    def active(self) -> int:
        """Requests that were let in and are not answered yet."""
        return self._places.total()

    async def answer(self, data: bytes, who: str, key: str | None) -> Answer:
        """The answer to the body of a chat completion.

        Args:
            data: the body.
            who: name of the token that it came with.
            key: the request's Idempotency-Key.

        Raises:
            Refused: it cannot be answered.
        """
        digest = hashlib.sha256(data).digest()
        once = None if key is None else (who, key)
        return await self._once.run(once, digest, lambda: self.engine.answer(data, who))

    async def model(self, name: str) -> dict[str, Any]:
        """One model in the form of /v1/models.

        Raises:
            Refused: 404, there is none.
        """
        known = {str(model["id"]): model for model in await self.engine.models()}
        if name not in known:
            raise no_such_model(name, known)
        return known[name]
