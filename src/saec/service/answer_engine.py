"""What answers behind an entrance: a model in this process, or replicas of one elsewhere."""

from __future__ import annotations

from typing import Any, Protocol

from prometheus_client.registry import Collector

from saec.service.completions import Answer
from saec.web.program.liveness import Supervised


class AnswerEngine(Protocol):
    """What the entrance needs of it; its asynchronous methods may be called from one event loop."""

    @property
    def living(self) -> list[Supervised]:
        """What must make progress in this process."""
        ...

    @property
    def metrics(self) -> Collector:
        """What is counted of the model, for Prometheus."""
        ...

    @property
    def depth(self) -> int:
        """Requests that wait for the model."""
        ...

    @property
    def room(self) -> int:
        """Requests that may be waiting or computed at once."""
        ...

    @property
    def full(self) -> bool:
        """Whether a further request would be refused."""
        ...

    @property
    def wait(self) -> float:
        """Seconds in which the requests that wait now are likely to be computed."""
        ...

    def problems(self) -> list[str]:
        """Why no request should be sent now, threads of this process apart; nothing when all is well."""
        ...

    async def answer(self, data: bytes, who: str) -> Answer:
        """The answer to the body of a chat completion.

        Args:
            data: the body.
            who: name of the token that it came with.

        Raises:
            Refused: it cannot be answered.
        """
        ...

    async def tokens(self, data: bytes) -> dict[str, Any]:
        """The answer to the body of a /tokenize request.

        Raises:
            Refused: it is none, or names an unknown model.
        """
        ...

    async def text(self, data: bytes) -> dict[str, Any]:
        """The answer to the body of a /detokenize request.

        Raises:
            Refused: it is none, or names an unknown model or token.
        """
        ...

    async def models(self) -> list[dict[str, Any]]:
        """The models in the form of /v1/models, the base first."""
        ...

    def close(self) -> None:
        """Compute what waits, as far as it takes no longer than a moment, and end the threads."""
        ...
