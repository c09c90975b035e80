"""The LLaVA-1.5 engine, a baseline: one image, no training, its own chat template.

The conversation is LLaVA's own (``USER: <image>\\n... ASSISTANT:``), with the text of
``saec.prompts.LLAVA_V1``. Its vocabulary writes a digit after a blank as two tokens, the blank and the digit,
so a greedy answer takes two. P(defect) is the softmax over the logits of the two digits after the blank;
the label at P = 0.5 is the one that greedy decoding would choose of the two. Strict generation writes the
two tokens freely and takes nothing but a label.

An image is padded to a square with the mean colour, as LLaVA-1.5 was trained (the converted processor's
default crops the centre, which would cut the ends off strips), and resized once, by Pillow. The vision tower
was trained at one size, 336 pixels; at any other its position embeddings are interpolated (bicubic, by
transformers), which is no size that it was trained at.
"""

from __future__ import annotations

import copy
import dataclasses
import threading
from collections.abc import Callable, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import Any, TypeVar

import torch
from transformers import GenerationConfig, LlavaForConditionalGeneration
from transformers.models.llava.image_processing_pil_llava import LlavaImageProcessorPil

from saec.cloud.checkpoints.checkpoint_folder import check_adapter, read_card, weights_hash
from saec.cloud.checkpoints.weights import (
    load_model,
    load_tokenizer,
    pick_attention,
    pick_device,
    pick_dtype,
    share_cpu,
)
from saec.cloud.questions.answers import naming_frame, parse_explanation, parse_label
from saec.cloud.questions.ensemble import VIEWS, Ask, Plan, asks_of, explaining_ask, mean_p, spent
from saec.cloud.questions.label_scores import label_logits
from saec.cloud.questions.plan import check_range
from saec.cloud.questions.token_layout import answer_ids, encode, expand_images
from saec.errors import ConfigError, ModelError
from saec.prompts import LLAVA_V1
from saec.settings import CloudConfig, Scoring
from saec.types import CloudOpinion, CloudQuery, Explanation

T = TypeVar("T")

EXPLANATION_TOKENS = 128
"""Most tokens that an explanation may take; one that is cut off there does not parse."""

ANSWER_TOKENS = 2
"""The blank and the digit of a written label."""

LEAST_SIDE = 28


class LlavaEngine:
    """A ``saec.contracts.CloudEngine`` in this process; safe to call from several threads.

    Attributes:
        name: how the settings named the model, with the adapter after a "+".
        card: what the checkpoint says of itself.
        prompt: version of the prompt.
        views: number of flips and turns of each image that are averaged.
        side: side of the square input in pixels, a multiple of the vision tower's patch.
        demonstration: the checkpoint shows the mechanism and is not for real parts.
    """

    def __init__(self, config: CloudConfig, folder: Path, adapter: Path | None) -> None:
        self.name = config.model if config.adapter is None else f"{config.model}+{config.adapter}"
        self.prompt = LLAVA_V1.version
        self.card = read_card(folder)
        self.demonstration = self.card.demonstration
        self._folders = [folder] if adapter is None else [folder, adapter]
        self._batch = config.batch
        self._scoring = config.scoring
        self._tokenizer = load_tokenizer(folder)
        self._answers = answer_ids(self._tokenizer, llava_scoring_text(), LLAVA_V1.labels)
        text = encode(self._tokenizer, llava_scoring_text())
        self._words = len(text) - 1  # the image's place is one of them
        self._device = pick_device(config)
        if self._device.type == "cpu":
            share_cpu()
        self._dtype = pick_dtype(config, self._device)
        adapters = {} if adapter is None else {"adapter": adapter}
        self.model = load_model(
            LlavaForConditionalGeneration,
            folder,
            adapters,
            self._device,
            self._dtype,
            attention=pick_attention(config, self._device, self._dtype),
        )
        tower = self.model.config.vision_config
        self.side = _whole_patches(config.side_px or tower.image_size, tower.patch_size)
        self._image_tokens: int = (self.side // tower.patch_size) ** 2
        self._image_id = int(self.model.config.image_token_id)
        self._processor = _processor(folder, self.side)
        self.views = config.views or 1
        self._plan = Plan(self.side, 0, views=self.views, crops=config.scoring == "rank")
        self._lock = threading.Lock()

    @classmethod
    def open(cls, config: CloudConfig, folder: Path) -> LlavaEngine:
        """Load the checked checkpoint in ``folder`` as the settings say.

        Raises:
            ConfigError: a setting is out of range, or one that LLaVA-1.5 cannot follow.
            ModelError: the adapter is missing, or the checkpoint is damaged.
        """
        _check(config)
        return cls(config, folder, None if config.adapter is None else check_adapter(config.adapter))

    @cached_property
    def weights_hash(self) -> str:
        """sha256 over the weight files that were loaded, adapter included."""
        return weights_hash(self._folders)

    def scored_by(self, scoring: Scoring) -> LlavaEngine:
        """The same loaded model with another way of scoring."""
        twin = copy.copy(self)
        twin._scoring = scoring
        twin._plan = dataclasses.replace(self._plan, crops=scoring == "rank")
        return twin

    def judge(self, queries: list[CloudQuery]) -> list[CloudOpinion]:
        """P(defect) of each query, in order; the mean over its crops and views where there are several.

        Raises:
            AnswerError: what the model wrote is not a label (strict generation); it names the frame.
        """
        groups = [asks_of(query, self._plan) for query in queries]
        asks = [ask for group in groups for ask in group]
        if self._scoring == "generate":
            write = partial(self._write, text=llava_text(LLAVA_V1.query), tokens=ANSWER_TOKENS)
            texts = iter(self._in_batches(asks, write))
            votes = [
                [naming_frame(query, parse_label, next(texts), LLAVA_V1.labels) for _ in group]
                for query, group in zip(queries, groups, strict=True)
            ]
            ps = [sum(given) / len(given) for given in votes]
        else:
            # The ranked answers share all tokens but the label's, so their difference is the labels' own.
            logits = iter(self._in_batches(asks, self._score))
            ps = [mean_p([next(logits) for _ in group]) for group in groups]
        return [self._opinion(group, p) for group, p in zip(groups, ps, strict=True)]

    def _opinion(self, asks: Sequence[Ask], p: float) -> CloudOpinion:
        took = spent(asks, lambda image, side: self._image_tokens, len(asks) * self._words, sent=0)
        return CloudOpinion(p, self.name, self.prompt, took)

    def explain(self, queries: list[CloudQuery]) -> list[Explanation]:
        """Kind and description of each query's defect in the model's words, its box from ``focus``.

        Raises:
            AnswerError: an answer does not parse; it names the frame.
        """
        asks = [explaining_ask(query, self._plan) for query in queries]
        write = partial(self._write, text=llava_text(LLAVA_V1.explain), tokens=EXPLANATION_TOKENS)
        return [
            naming_frame(query, parse_explanation, said, query.focus)
            for query, said in zip(queries, self._in_batches(asks, write), strict=True)
        ]

    def _in_batches(self, asks: Sequence[Ask], answer: Callable[[Sequence[Ask]], list[T]]) -> list[T]:
        answers: list[T] = []
        for start in range(0, len(asks), self._batch):
            answers += answer(asks[start : start + self._batch])
        return answers

    def _score(self, asks: Sequence[Ask]) -> list[tuple[float, float]]:
        with self._lock, torch.inference_mode():
            inputs = self._inputs(asks, llava_scoring_text())
            logits = self.model(**inputs, logits_to_keep=1, use_cache=False).logits
        return label_logits(logits, self._answers)

    def _write(self, asks: Sequence[Ask], *, text: str, tokens: int) -> list[str]:
        """What the model writes after a text, greedily."""
        end = self._tokenizer.eos_token_id
        greedy = GenerationConfig(do_sample=False, max_new_tokens=tokens, eos_token_id=end, pad_token_id=end)
        with self._lock, torch.inference_mode():
            new = self.model.generate(**self._inputs(asks, text), generation_config=greedy)
        return [str(said) for said in self._tokenizer.batch_decode(new.tolist(), skip_special_tokens=True)]

    def _inputs(self, asks: Sequence[Ask], text: str) -> dict[str, torch.Tensor]:
        """The model's arguments for a batch. All sequences are of one length, so nothing is padded.

        The image's features take the place of its tokens here and not in the model's own forward pass,
        which does not hand the interpolation of position embeddings on.
        """
        pixels = self._processor(images=[ask.frame for ask in asks], return_tensors="pt")["pixel_values"]
        features = self.model.get_image_features(
            pixels.to(self._device, self._dtype),
            vision_feature_select_strategy="default",
            interpolate_pos_encoding=True,
        ).pooler_output
        sequence = expand_images(encode(self._tokenizer, text), self._image_id, [self._image_tokens])
        ids = torch.tensor(sequence, device=self._device).expand(len(asks), -1)
        embedded = self.model.get_input_embeddings()(ids)
        at_image = (ids == self._image_id).unsqueeze(-1)
        filled = embedded.masked_scatter(at_image, torch.cat(list(features)).to(embedded.dtype))
        return {"inputs_embeds": filled, "attention_mask": torch.ones_like(ids)}


def llava_scoring_text() -> str:
    """The conversation up to the point where the next token is the label."""
    return llava_text(LLAVA_V1.query) + LLAVA_V1.prefill


def llava_text(user: str) -> str:
    """One turn in LLaVA-1.5's own template, up to the assistant's answer; the image stands as its token."""
    return f"<s>USER: {user} ASSISTANT:"


def _whole_patches(side: int, patch: int) -> int:
    return max(1, round(side / patch)) * patch


def _processor(folder: Path, side: int) -> Any:
    """Transformers' image processor, its Pillow back end, with the checkpoint's mean and deviation."""
    size = {"height": side, "width": side}
    try:
        return LlavaImageProcessorPil.from_pretrained(
            folder, local_files_only=True, do_pad=True, size={"shortest_edge": side}, crop_size=size
        )
    except (OSError, ValueError) as e:
        raise ModelError(
            f"{folder} has no usable image processor: {e}", "restore the checkpoint's original files"
        ) from e


def _check(config: CloudConfig) -> None:
    """Raise ConfigError for a setting that is out of range, or that this model cannot follow."""
    check_range("batch", config.batch, 1)
    check_range("side_px", config.side_px, LEAST_SIDE)
    check_range("views", config.views, 1, VIEWS)
    if config.references:
        raise ConfigError(
            f"LLaVA-1.5 takes one image in all, so it takes none of the {config.references} reference images",
            "use references 0",
        )
    if config.spending.rule != "whole":
        raise ConfigError(
            f"LLaVA-1.5 sees every image at one size, so the rule {config.spending.rule} cannot apply",
            "use the spending rule whole",
        )
    if config.prompt not in (None, LLAVA_V1.version):
        raise ConfigError(
            f"LLaVA-1.5 cannot use the prompt {config.prompt}", f"use its own prompt, {LLAVA_V1.version}"
        )
