"""The in-process cloud engine: Qwen2.5-VL by transformers' own classes.

By default P(defect) is the softmax over the next-token logits of the two labels, at the position after
the prefilled "Label: "; ``saec.cloud.questions.label_scores`` has the other ways. The model itself is a
``saec.cloud.engines.qwen_forward.QwenModel``, the same as the service's.
"""

from __future__ import annotations

import copy
import dataclasses
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import islice
from pathlib import Path
from typing import Any, Protocol, TypeVar

import torch

from saec.cloud.checkpoints.checkpoint_folder import check_adapter, read_card, weights_hash
from saec.cloud.checkpoints.weights import (
    check_four_bits,
    four_bits,
    pick_attention,
    pick_device,
    pick_dtype,
    share_cpu,
)
from saec.cloud.engines.prefetch import Resized
from saec.cloud.engines.qwen_forward import QwenModel
from saec.cloud.fast.model import PendingLogits
from saec.cloud.fast.self_check import check_agreement
from saec.cloud.questions.answers import naming_frame, parse_explanation, parse_label
from saec.cloud.questions.chat_template import IMAGE_PAD, explain_text, scoring_text
from saec.cloud.questions.conversation import Prepared
from saec.cloud.questions.ensemble import VIEWS, Ask, asks_of, explaining_ask, p_of, spent
from saec.cloud.questions.image_patches import fit_size
from saec.cloud.questions.label_scores import ranked_answers
from saec.cloud.questions.plan import check_range, choose_prompt, plan_of
from saec.cloud.questions.token_layout import answer_ids, encode
from saec.prompts import Prompt
from saec.reading_ahead import ahead
from saec.settings import CloudConfig, Scoring
from saec.types import CloudOpinion, CloudQuery, Explanation, Image, Spent

T = TypeVar("T")


class TextOf(Protocol):
    """The text of a conversation with so many references, each product shown once or whole and near."""

    def __call__(self, prompt: Prompt, references: int, *, beside: bool = False) -> str: ...


EXPLANATION_TOKENS = 128
"""Most tokens that an explanation may take; one that is cut off there does not parse."""

LABEL_TOKENS = 1
"""Tokens that a written label takes; ``answer_ids`` sees to it that each is one."""

_CUTTERS = 16
"""Most threads that resize images."""

_UNDER_WAY = 2
"""Batches that the device has on its queue while the next one is cut."""

_CHECK_TOKENS, _CHECKS = 16, 24
"""Tokens per side of an image, and questions, of the self-check on a GPU, which compiles the layers on the
way; on a CPU it is smaller."""

_ADAPTER = "adapter"
"""What peft knows the one adapter as."""


@dataclass(frozen=True, slots=True)
class _Asked:
    """What is kept of the asks about one frame until they are answered; its pixels are not."""

    near: list[bool]
    spent: Spent


class QwenEngine:
    """A ``saec.contracts.CloudEngine`` in this process; safe to call from several threads.

    Attributes:
        name: how the settings named the model, with the adapter after a "+".
        card: what the checkpoint says of itself.
        prompt: version of the prompt.
        side: square root of the number of pixels at which an image is seen.
        views: number of flips and turns of each image that are averaged.
        demonstration: the checkpoint shows the mechanism and is not for real parts.
    """

    def __init__(self, config: CloudConfig, folder: Path, adapter: Path | None) -> None:
        self.card = card = read_card(folder)
        self.name = config.model if config.adapter is None else f"{config.model}+{config.adapter}"
        self.demonstration = card.demonstration
        self._prompt = choose_prompt(config, card)
        self.prompt = self._prompt.version
        self._folders = [folder] if adapter is None else [folder, adapter]
        self._square = card.square
        self._batch = config.batch
        self._scoring = config.scoring
        self._plan = plan_of(config, card, self._prompt)
        self.side, self.views = self._plan.side, self._plan.views
        self._text_tokens: dict[tuple[int, bool], int] = {}
        self._sizes = Resized()
        self._threads = ThreadPoolExecutor(min(_CUTTERS, os.cpu_count() or 1), "saec-cut")
        self._adapter = None if adapter is None else _ADAPTER
        self.core = load_qwen(config, folder, {} if adapter is None else {_ADAPTER: adapter})
        tokenizer = self.core.tokenizer
        self._answers = answer_ids(tokenizer, scoring_text(self._prompt, 0), self._prompt.labels)
        self._answer_length = 1 + len(encode(tokenizer, self._prompt.prefill))

    @classmethod
    def open(cls, config: CloudConfig, folder: Path) -> QwenEngine:
        """Load the checked checkpoint in ``folder`` as the settings say.

        Raises:
            ConfigError: a setting is out of range.
            ModelError: the adapter is missing, or the checkpoint is damaged.
        """
        _check(config)
        adapter = None if config.adapter is None else check_adapter(config.adapter)
        return cls(config, folder, adapter)

    @property
    def model(self) -> Any:
        """The loaded transformers model, in peft's wrapper where there is an adapter."""
        return self.core.model

    @cached_property
    def weights_hash(self) -> str:
        """sha256 over the weight files that were loaded, adapter included."""
        return weights_hash(self._folders)

    def scored_by(self, scoring: Scoring) -> QwenEngine:
        """The same loaded model with another way of scoring."""
        twin = copy.copy(self)
        twin._scoring = scoring
        twin._plan = dataclasses.replace(self._plan, crops=scoring == "rank")
        return twin

    def asked_with(self, *, batch: int, side: int, references: int) -> QwenEngine:
        """The same loaded model, asked with other settings."""
        twin = copy.copy(self)
        twin._batch, twin.side = batch, side
        twin._plan = dataclasses.replace(self._plan, side=side, references=references)
        return twin

    def judge(self, queries: list[CloudQuery]) -> list[CloudOpinion]:
        """P(defect) of each query, in order; the mean over its asks where there are several.

        Raises:
            AnswerError: what the model wrote is not a label (strict generation); it names the frame.
        """
        if self._scoring == "threshold":
            return list(self.judge_each(queries))
        groups = [asks_of(query, self._plan) for query in queries]
        asked = [self._asked(group) for group in groups]
        asks = [ask for group in groups for ask in group]
        if self._scoring == "generate":
            texts = iter(self._in_batches(asks, partial(self._write, text=scoring_text, tokens=LABEL_TOKENS)))
            ps = [
                self._votes(query, [next(texts) for _ in g]) for query, g in zip(queries, groups, strict=True)
            ]
        else:
            logits = iter(self._in_batches(asks, self._rank))
            ps = [p_of(one.near, [next(logits) for _ in one.near]) for one in asked]
        return [self._opinion(p, one) for p, one in zip(ps, asked, strict=True)]

    def judge_each(self, queries: Iterable[CloudQuery]) -> Iterator[CloudOpinion]:
        """The opinions on a stream of queries, in order, by the labels' logits.

        Queries are taken from their source a few batches ahead of the device, so a source may decode files
        meanwhile, and need not end.
        """
        asked: deque[_Asked] = deque()

        def asks() -> Iterator[Ask]:
            for query in queries:
                group = asks_of(query, self._plan)
                asked.append(self._asked(group))
                yield from group

        logits = self._labels(asks())
        for first in logits:
            one = asked.popleft()
            yield self._opinion(p_of(one.near, [first, *islice(logits, len(one.near) - 1)]), one)

    def _asked(self, asks: Sequence[Ask]) -> _Asked:
        text = sum(self._words(len(ask.references), ask.beside is not None) for ask in asks)
        return _Asked([ask.near for ask in asks], spent(asks, self._tokens, text, sent=0))

    def _opinion(self, p: float, asked: _Asked) -> CloudOpinion:
        return CloudOpinion(p, self.name, self.prompt, asked.spent)

    def _words(self, references: int, beside: bool) -> int:
        """Tokens of a scoring question's text, its images aside."""
        key = references, beside
        if key not in self._text_tokens:
            text = scoring_text(self._prompt, references, beside=beside)
            self._text_tokens[key] = len(self.core.tokens_of(text)) - text.count(IMAGE_PAD)
        return self._text_tokens[key]

    def _votes(self, query: CloudQuery, texts: Sequence[str]) -> float:
        """The share of the asks about a query whose answer is the label of a defect."""
        votes = [naming_frame(query, parse_label, text, self._prompt.labels) for text in texts]
        return sum(votes) / len(votes)

    def explain(self, queries: list[CloudQuery]) -> list[Explanation]:
        """Kind and description of each query's defect in the model's words, its box from ``focus``.

        Raises:
            AnswerError: an answer does not parse; it names the frame.
        """
        asks = [explaining_ask(query, self._plan) for query in queries]
        texts = self._in_batches(asks, partial(self._write, text=explain_text, tokens=EXPLANATION_TOKENS))
        return [
            naming_frame(query, parse_explanation, text, query.focus)
            for query, text in zip(queries, texts, strict=True)
        ]

    def _in_batches(self, asks: Sequence[Ask], answer: Callable[[Sequence[Ask]], list[T]]) -> list[T]:
        answers: list[T] = []
        for start in range(0, len(asks), self._batch):
            answers += answer(asks[start : start + self._batch])
        return answers

    def _labels(self, asks: Iterable[Ask]) -> Iterator[tuple[float, float]]:
        """The labels' logits (good, defect) of each ask.

        Images are resized by threads, and while the device computes one batch the next one is cut.
        """
        pending: deque[PendingLogits] = deque()
        # No further ahead than a batch: the first one waits for as many frames from their source.
        talks = ahead(self._threads, self._prepared_scoring, asks, max(self._batch, _CUTTERS))
        for batch in _batches(talks, self._batch):
            pending.append(self.core.submit(batch, self._answers, adapter=self._adapter))
            if len(pending) > _UNDER_WAY:
                yield from _pairs(pending.popleft())
        for last in pending:
            yield from _pairs(last)

    def _rank(self, asks: Sequence[Ask]) -> list[tuple[float, float]]:
        """The log-probabilities of the two answers of each ask."""
        logits, ids = self.core.logits(
            self._prepared(asks, scoring_text), keep=self._answer_length, adapter=self._adapter
        )
        return ranked_answers(logits, ids, self._answers)

    def _write(self, asks: Sequence[Ask], *, text: TextOf, tokens: int) -> list[str]:
        """What the model writes after each ask's text, greedily."""
        talks = self._prepared(asks, text)
        return [said.text for said in self.core.write(talks, tokens=tokens, adapter=self._adapter)]

    def _prepared(self, asks: Sequence[Ask], text: TextOf) -> list[Prepared]:
        return [self._prepare(ask, text) for ask in asks]

    def _prepared_scoring(self, ask: Ask) -> Prepared:
        return self._prepare(ask, scoring_text)

    def _prepare(self, ask: Ask, text: TextOf) -> Prepared:
        shown = [self._sizes.get(image, self._size(image, side)) for image, side in ask.pictures()]
        words = text(self._prompt, len(ask.references), beside=ask.beside is not None)
        return self.core.prepare(words, shown)

    def _size(self, image: Image, side: int) -> tuple[int, int]:
        height, width = image.shape[:2]
        return fit_size(height, width, side, self.core.unit, square=self._square, most=self._plan.most)

    def _tokens(self, image: Image, side: int) -> int:
        height, width = self._size(image, side)
        return height * width // self.core.unit**2


def _batches(items: Iterable[T], size: int) -> Iterator[list[T]]:
    source = iter(items)
    while batch := list(islice(source, size)):
        yield batch


def _pairs(pending: PendingLogits) -> list[tuple[float, float]]:
    return [(good, defect) for good, defect in pending.result().double().tolist()]


def load_qwen(config: CloudConfig, folder: Path, adapters: Mapping[str, Path]) -> QwenModel:
    """The model of a checked checkpoint, on the device and in the arithmetic of the settings.

    Raises:
        ModelError: no such device, a damaged checkpoint, an adapter that does not fit it, or a fast pass that
            does not agree with transformers' (``saec.cloud.fast.self_check``).
        ConfigError: an attention that cannot be computed there.
        ExtraError: four bits are asked for, and bitsandbytes is not installed.
    """
    device = pick_device(config)
    if device.type == "cpu":
        share_cpu()
    dtype = pick_dtype(config, device)
    quantization = four_bits(dtype) if config.dtype == "4bit" else None
    model = QwenModel(
        folder,
        adapters,
        device,
        dtype,
        quantization=quantization,
        fp8=config.dtype == "fp8",
        attention=pick_attention(config, device, dtype),
        prefixes=config.prefixes,
    )
    if quantization is not None:
        check_four_bits(model.model)
    if model.fast is not None:
        tokens, count = (_CHECK_TOKENS, _CHECKS) if device.type == "cuda" else (6, 2)
        model.agreement = check_agreement(
            model,
            exact=dtype == torch.float32 and quantization is None,
            rounded=config.dtype == "fp8",
            side=tokens * model.unit,
            count=count,
        )
    return model


def _check(config: CloudConfig) -> None:
    """Raise ConfigError for a setting that is out of range."""
    check_range("batch", config.batch, 1)
    check_range("references", config.references, 0)
    check_range("side_px", config.side_px, 28)
    check_range("views", config.views, 1, VIEWS)
