"""What entrance and replicas tell each other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from prometheus_client.core import Metric

from saec.service.completions import Answer
from saec.service.requests.refusals import RequestRefused


@dataclass(frozen=True, slots=True)
class ReplicaRequest:
    """One request on its way to a replica.

    Attributes:
        data: the body.
        who: name of the token that it came with.
        prefix: equal for questions that share what comes before their last image; "" for others.
        avoid: names of replicas that have been asked already.
        trace: the traceparent of what it belongs to; "" where that is not traced.
    """

    data: bytes
    who: str = ""
    prefix: str = ""
    avoid: frozenset[str] = frozenset()
    trace: str = ""


@dataclass(frozen=True, slots=True)
class ReplicaReply:
    """What a replica has to say to a request: one of the three.

    Attributes:
        replica: its name.
        answer: the answer to a chat completion.
        told: the answer to what is told at once.
        refused: the fields of a refusal.
    """

    replica: str
    answer: Answer | None = None
    told: Any = None
    refused: dict[str, Any] | None = None

    def checked(self) -> ReplicaReply:
        """Itself.

        Raises:
            Refused: what the replica refuses.
        """
        if self.refused is not None:
            raise RequestRefused(**self.refused)
        return self


@dataclass(frozen=True, slots=True)
class ReplicaReport:
    """How a replica does.

    Attributes:
        replica: its name.
        models: what it serves, in the form of /v1/models.
        depth: requests that wait for its model.
        wait: seconds in which those are likely to be computed.
        problems: why it should not be asked now.
        metrics: what it counts.
    """

    replica: str
    models: list[dict[str, Any]]
    depth: int
    wait: float
    problems: list[str]
    metrics: list[Metric]


class ReplicaGoneError(Exception):
    """The replica that was asked has died, or cannot be reached."""
