"""The in-process cloud engine: Qwen2.5-VL by transformers' own classes.

By default P(defect) is the softmax over the next-token logits of the two labels, at the position after
the prefilled "Label: "; ``saec.cloud.scoring`` has the other ways. Batches are padded on the left, so a
batch gives what single calls give.
"""

from __future__ import annotations

import copy
import dataclasses
import threading
from collections.abc import Callable, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import GenerationConfig, Qwen2_5_VLForConditionalGeneration

from saec.cloud.answers import named, parse_explanation, parse_label
from saec.cloud.asking import VIEWS, Ask, Plan, asks_of, explaining_ask, mean_p
from saec.cloud.chat import END, IMAGE_PAD, explain_text, scoring_text
from saec.cloud.checkpoint import check_adapter, read_card, weights_hash
from saec.cloud.loading import load_model, load_tokenizer, pick_device, pick_dtype, share_cpu
from saec.cloud.pixels import Grid, Preprocessing, fit_size, patches
from saec.cloud.scoring import label_logits, ranked_answers
from saec.cloud.tokens import answer_ids, encode, expand_images, pad_left
from saec.config import CloudConfig, Scoring
from saec.errors import ConfigError, ModelError
from saec.prompts import DEFAULT, PROMPTS, Prompt
from saec.verdict import CloudOpinion, CloudQuery, Explanation, Image

T = TypeVar("T")
TextOf = Callable[[Prompt, int], str]

EXPLANATION_TOKENS = 128
"""Most tokens that an explanation may take; one that is cut off there does not parse."""

LABEL_TOKENS = 1
"""Tokens that a written label takes; ``answer_ids`` sees to it that each is one."""


class QwenEngine:
    """A ``saec.verdict.CloudEngine`` in this process; safe to call from several threads.

    Attributes:
        name: how the settings named the model, with the adapter after a "+".
        prompt: version of the prompt.
        side: square root of the number of pixels at which an image is seen.
        views: flips and turns that are averaged.
        demonstration: the checkpoint shows the mechanism and is not for real parts.
    """

    def __init__(self, config: CloudConfig, folder: Path, adapter: Path | None) -> None:
        card = read_card(folder)
        self.name = config.model if config.adapter is None else f"{config.model}+{config.adapter}"
        self.demonstration = card.demonstration
        self._prompt = _prompt(config.prompt or card.prompt or DEFAULT.version)
        self.prompt = self._prompt.version
        self._folders = [folder] if adapter is None else [folder, adapter]
        self.side = card.side if config.side is None else config.side
        self._square = card.square
        self._batch = config.batch
        self._scoring = config.scoring
        self.views = card.views if config.views is None else config.views
        self._plan = Plan(
            side=self.side,
            references=config.references,
            together=card.max_references,
            views=self.views,
            crops=config.scoring == "rank",
        )
        self._preprocessing = Preprocessing.read(folder)
        self._tokenizer = load_tokenizer(folder)
        self._device = pick_device(config)
        if self._device.type == "cpu":
            share_cpu()
        self._dtype = pick_dtype(config, self._device)
        self._answers = answer_ids(self._tokenizer, scoring_text(self._prompt, 0), self._prompt.labels)
        self._answer_length = 1 + len(encode(self._tokenizer, self._prompt.prefill))
        self._image_id, self._end_id = (_token(self._tokenizer, t) for t in (IMAGE_PAD, END))
        self.model = load_model(
            Qwen2_5_VLForConditionalGeneration, folder, adapter, self._device, self._dtype
        )
        # The model keeps state of its own between calls (rope_deltas).
        self._lock = threading.Lock()

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

    def judge(self, queries: list[CloudQuery]) -> list[CloudOpinion]:
        """P(defect) of each query, in order; the mean over its asks where there are several.

        Raises:
            AnswerError: what the model wrote is not a label (strict generation); it names the frame.
        """
        groups = [asks_of(query, self._plan) for query in queries]
        asks = [ask for group in groups for ask in group]
        if self._scoring == "generate":
            texts = iter(self._in_batches(asks, partial(self._write, text=scoring_text, tokens=LABEL_TOKENS)))
            ps = [
                self._votes(query, [next(texts) for _ in g]) for query, g in zip(queries, groups, strict=True)
            ]
        else:
            logits = iter(self._in_batches(asks, self._score))
            ps = [mean_p([next(logits) for _ in g]) for g in groups]
        return [CloudOpinion(p_defect=p, model=self.name, prompt=self.prompt) for p in ps]

    def _votes(self, query: CloudQuery, texts: Sequence[str]) -> float:
        """The share of the asks about a query whose answer is the label of a defect."""
        votes = [named(query, parse_label, text, self._prompt.labels) for text in texts]
        return sum(votes) / len(votes)

    def explain(self, queries: list[CloudQuery]) -> list[Explanation]:
        """Kind and description of each query's defect in the model's words, its box from ``focus``.

        Raises:
            AnswerError: an answer does not parse; it names the frame.
        """
        asks = [explaining_ask(query, self._plan) for query in queries]
        texts = self._in_batches(asks, partial(self._write, text=explain_text, tokens=EXPLANATION_TOKENS))
        return [
            named(query, parse_explanation, text, query.focus)
            for query, text in zip(queries, texts, strict=True)
        ]

    def _in_batches(self, asks: Sequence[Ask], answer: Callable[[Sequence[Ask]], list[T]]) -> list[T]:
        answers: list[T] = []
        for start in range(0, len(asks), self._batch):
            answers += answer(asks[start : start + self._batch])
        return answers

    def _score(self, asks: Sequence[Ask]) -> list[tuple[float, float]]:
        """A number for good and one for defect of each ask, of which the softmax is P(defect)."""
        inputs = self._inputs(asks, scoring_text)
        keep = self._answer_length if self._scoring == "rank" else 1
        with self._lock, torch.inference_mode():
            logits = self.model(**inputs, logits_to_keep=keep, use_cache=False).logits
        if self._scoring == "rank":
            return ranked_answers(logits, inputs["input_ids"], self._answers)
        return label_logits(logits, self._answers)

    def _write(self, asks: Sequence[Ask], *, text: TextOf, tokens: int) -> list[str]:
        """What the model writes after each ask's text, greedily."""
        inputs = self._inputs(asks, text)
        greedy = GenerationConfig(
            do_sample=False,
            max_new_tokens=tokens,
            eos_token_id=self._end_id,
            pad_token_id=self._end_id,
        )
        with self._lock, torch.inference_mode():
            ids = self.model.generate(**inputs, generation_config=greedy)
        new = ids[:, inputs["input_ids"].shape[1] :].tolist()
        return [str(text) for text in self._tokenizer.batch_decode(new, skip_special_tokens=True)]

    def _inputs(self, asks: Sequence[Ask], text: TextOf) -> dict[str, torch.Tensor]:
        """The model's arguments for a batch: tokens padded on the left, patches of all images in order."""
        pixels, grids, sequences = [], [], []
        for ask in asks:
            shown = [*ask.references, ask.frame]
            cut = [self._patches(image, ask.side) for image in shown]
            counts = [len(p) // self._preprocessing.merge**2 for p, _ in cut]
            ids = encode(self._tokenizer, text(self._prompt, len(shown) - 1))
            sequences.append(expand_images(ids, self._image_id, counts))
            pixels += [p for p, _ in cut]
            grids += [grid for _, grid in cut]
        tokens = pad_left(sequences, self._image_id, self._end_id)
        arrays = {
            "input_ids": tokens.ids,
            "attention_mask": tokens.attention,
            "mm_token_type_ids": tokens.types,
            "image_grid_thw": np.asarray(grids, np.int64),
        }
        inputs = {name: torch.from_numpy(a).to(self._device) for name, a in arrays.items()}
        inputs["pixel_values"] = torch.from_numpy(np.concatenate(pixels)).to(self._device, self._dtype)
        return inputs

    def _patches(self, image: Image, side: int) -> tuple[NDArray[np.float32], Grid]:
        how = self._preprocessing
        height, width = image.shape[:2]
        return patches(
            image, fit_size(height, width, self.side, how.patch * how.merge, square=self._square), how
        )


def _token(tokenizer: Any, text: str) -> int:
    """Id of a special token."""
    ids = encode(tokenizer, text)
    if len(ids) != 1:
        raise ModelError(f"the tokenizer has no token {text}", "use a checkpoint with Qwen2.5-VL's tokens")
    return ids[0]


def _check(config: CloudConfig) -> None:
    """Raise ConfigError for a setting that is out of range."""
    side = 28 if config.side is None else config.side
    views = 1 if config.views is None else config.views
    if config.batch < 1 or config.references < 0 or side < 28 or not 1 <= views <= VIEWS:
        raise ConfigError(
            f"batch {config.batch}, references {config.references}, side {config.side}, "
            f"views {config.views}: out of range",
            f"batch from 1, references from 0, side from 28, views from 1 to {VIEWS}",
        )


def _prompt(version: str) -> Prompt:
    if version not in PROMPTS:
        raise ConfigError(f"there is no prompt {version}", f"there are {', '.join(PROMPTS)}")
    return PROMPTS[version]
