"""What an edge detector and a cloud engine must be: all that a caller reads of them stands here."""

from __future__ import annotations

from typing import Protocol

from saec.settings import ModelCard
from saec.types import CloudOpinion, CloudQuery, EdgeOpinion, Explanation, Image


class EdgeDetector(Protocol):
    """The edge's contract."""

    def inspect(self, images: list[Image]) -> list[EdgeOpinion]:
        """The opinion on each image, in order. A batch gives what single calls give."""
        ...


class CloudEngine(Protocol):
    """The cloud's contract; in-process and remote engines are the same to a caller."""

    @property
    def name(self) -> str:
        """The model's name, with that of its adapter after a "+"."""
        ...

    @property
    def weights_hash(self) -> str:
        """sha256 over the weight files, adapter included; "" where a service does not tell."""
        ...

    @property
    def card(self) -> ModelCard:
        """What is known of the model beyond its weights."""
        ...

    @property
    def demonstration(self) -> bool:
        """Whether the model shows the mechanism and is not for real parts."""
        ...

    @property
    def prompt(self) -> str:
        """Version of the prompt that the questions are made of."""
        ...

    @property
    def side(self) -> int:
        """Square root of the number of pixels at which an image is shown."""
        ...

    @property
    def views(self) -> int:
        """Number of flips and turns of each image that are averaged."""
        ...

    def judge(self, queries: list[CloudQuery]) -> list[CloudOpinion]:
        """P(defect) of each query, in order. A batch gives what single calls give."""
        ...

    def explain(self, queries: list[CloudQuery]) -> list[Explanation]:
        """Kind, description and box of each query's defect; AnswerError if an answer does not parse."""
        ...
