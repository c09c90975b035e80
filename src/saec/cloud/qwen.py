"""The in-process cloud engine: Qwen2.5-VL by transformers' own classes.

P(defect) is the softmax over the next-token logits of the two labels, at the position after the
prefilled "Label: ". Batches are padded on the left, so a batch gives what single calls give.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import GenerationConfig

from saec.cloud.answers import parse_explanation
from saec.cloud.chat import END, IMAGE_PAD, explain_text, scoring_text
from saec.cloud.checkpoint import check_adapter, check_checkpoint, find_checkpoint, read_card, weights_hash
from saec.cloud.loading import load_model, load_tokenizer, pick_device, pick_dtype, share_cpu
from saec.cloud.pixels import Grid, Preprocessing, fit_size, patches
from saec.cloud.tokens import answer_ids, encode, expand_images, pad_left
from saec.config import CloudConfig
from saec.errors import AnswerError, ConfigError, ModelError
from saec.prompts import DEFAULT, Prompt
from saec.verdict import CloudOpinion, CloudQuery, Explanation, Image

T = TypeVar("T")

EXPLANATION_TOKENS = 128
"""Most tokens that an explanation may take; one that is cut off there does not parse."""


class QwenEngine:
    """A ``saec.verdict.CloudEngine`` in this process; safe to call from several threads.

    Attributes:
        name: how the settings named the model, with the adapter after a "+".
        prompt: version of the prompt.
        demonstration: the checkpoint shows the mechanism and is not for real parts.
    """

    def __init__(self, config: CloudConfig, folder: Path, adapter: Path | None) -> None:
        card = read_card(folder)
        self.name = config.model if config.adapter is None else f"{config.model}+{config.adapter}"
        self.demonstration = card.demonstration
        self._prompt: Prompt = DEFAULT
        self.prompt = self._prompt.version
        self._folders = [folder] if adapter is None else [folder, adapter]
        self._side = card.side if config.side is None else config.side
        self._square = card.square
        self._references = config.references
        self._batch = config.batch
        self._preprocessing = Preprocessing.read(folder)
        self._tokenizer = load_tokenizer(folder)
        self._device = pick_device(config)
        if self._device.type == "cpu":
            share_cpu()
        self._dtype = pick_dtype(config, self._device)
        self._answers = answer_ids(self._tokenizer, scoring_text(self._prompt, 0), self._prompt.labels)
        self._image_id, self._end_id = (_token(self._tokenizer, t) for t in (IMAGE_PAD, END))
        self.model = load_model(folder, adapter, self._device, self._dtype)
        # The model keeps state of its own between calls (rope_deltas).
        self._lock = threading.Lock()

    @classmethod
    def open(cls, config: CloudConfig) -> QwenEngine:
        """Find, check and load what the settings name.

        Raises:
            ConfigError: a setting is out of range.
            ModelError: the checkpoint or the adapter is missing, unsafe or unsuited.
        """
        if config.batch < 1 or config.references < 0 or (config.side is not None and config.side < 28):
            raise ConfigError(
                f"batch {config.batch}, references {config.references}, side {config.side}: out of range",
                "batch from 1, references from 0, side from 28",
            )
        adapter = None if config.adapter is None else check_adapter(config.adapter)
        folder = find_checkpoint(config.model)
        check_checkpoint(folder)
        return cls(config, folder, adapter)

    @cached_property
    def weights_hash(self) -> str:
        """sha256 over the weight files that were loaded, adapter included."""
        return weights_hash(self._folders)

    def judge(self, queries: list[CloudQuery]) -> list[CloudOpinion]:
        """P(defect) of each query, in order."""
        ps = self._in_batches(queries, self._score)
        return [CloudOpinion(p_defect=p, model=self.name, prompt=self.prompt) for p in ps]

    def explain(self, queries: list[CloudQuery]) -> list[Explanation]:
        """Kind and description of each query's defect in the model's words, its box from ``focus``.

        Raises:
            AnswerError: an answer does not parse; it names the frame.
        """
        texts = self._in_batches(queries, self._generate)
        return [_explanation(query, text) for query, text in zip(queries, texts, strict=True)]

    def _in_batches(
        self, queries: Sequence[CloudQuery], ask: Callable[[Sequence[CloudQuery]], list[T]]
    ) -> list[T]:
        answers: list[T] = []
        for start in range(0, len(queries), self._batch):
            answers += ask(queries[start : start + self._batch])
        return answers

    def _score(self, queries: Sequence[CloudQuery]) -> list[float]:
        inputs = self._inputs(queries, scoring_text)
        with self._lock, torch.inference_mode():
            logits = self.model(**inputs, logits_to_keep=1, use_cache=False).logits[
                :, -1, list(self._answers)
            ]
        return [float(p) for p in torch.softmax(logits.double(), dim=-1)[:, 1].cpu()]

    def _generate(self, queries: Sequence[CloudQuery]) -> list[str]:
        inputs = self._inputs(queries, explain_text)
        greedy = GenerationConfig(
            do_sample=False,
            max_new_tokens=EXPLANATION_TOKENS,
            eos_token_id=self._end_id,
            pad_token_id=self._end_id,
        )
        with self._lock, torch.inference_mode():
            ids = self.model.generate(**inputs, generation_config=greedy)
        new = ids[:, inputs["input_ids"].shape[1] :].tolist()
        return [str(text) for text in self._tokenizer.batch_decode(new, skip_special_tokens=True)]

    def _inputs(
        self, queries: Sequence[CloudQuery], text: Callable[[Prompt, int], str]
    ) -> dict[str, torch.Tensor]:
        """The model's arguments for a batch: tokens padded on the left, patches of all images in order."""
        pixels, grids, sequences = [], [], []
        for query in queries:
            shown = [*query.references[: self._references], query.frame.image]
            cut = [self._patches(image) for image in shown]
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

    def _patches(self, image: Image) -> tuple[NDArray[np.float32], Grid]:
        how = self._preprocessing
        height, width = image.shape[:2]
        return patches(
            image, fit_size(height, width, self._side, how.patch * how.merge, square=self._square), how
        )


def _token(tokenizer: Any, text: str) -> int:
    """Id of a special token."""
    ids = encode(tokenizer, text)
    if len(ids) != 1:
        raise ModelError(f"the tokenizer has no token {text}", "use a checkpoint with Qwen2.5-VL's tokens")
    return ids[0]


def _explanation(query: CloudQuery, text: str) -> Explanation:
    try:
        return parse_explanation(text, query.focus)
    except AnswerError as e:
        raise AnswerError(f"{query.frame.id}: {e.what}", e.remedy) from e
