"""A loaded Qwen2.5-VL: conversations in, next-token log-probabilities or greedily written texts out.

What the in-process engine and the service have in common, so that one and the same conversation gives the
same numbers in both. It knows neither frames nor prompts. Batches are padded on the left, so a batch gives
what single calls give.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import GenerationConfig, Qwen2_5_VLForConditionalGeneration

from saec.cloud.checkpoints.weights import load_model, load_tokenizer
from saec.cloud.fast.model import FastModel, PendingLogits, known
from saec.cloud.fast.self_check import Agreement
from saec.cloud.questions.chat_template import END, IMAGE_PAD
from saec.cloud.questions.conversation import Prepared, pixel_digest
from saec.cloud.questions.image_patches import Grid, Preprocessing, patches
from saec.cloud.questions.token_layout import encode, expand_images, pad_left
from saec.errors import ModelError
from saec.settings import CloudConfig
from saec.types import Image


@dataclass(frozen=True, slots=True)
class Wanted:
    """The next tokens whose log-probability is wanted: the ``top`` likeliest, and these ``ids``."""

    top: int = 1
    ids: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Written:
    """What was written: the text, how many tokens it took, and whether the model ended it itself."""

    text: str
    tokens: int
    ended: bool


class QwenModel:
    """Weights, tokenizer and preprocessing of a checkpoint, with any number of adapters.

    Safe to call from several threads; one computes at a time, since the model keeps state between calls.

    Args:
        folder: folder of a checked checkpoint.
        adapters: folders of checked adapters by the name under which they are asked for.
        quantization: transformers' settings of weights in fewer bits.
        fp8: compute the language model's products in eight bits (not for words).
        attention: how transformers' own pass computes attention, by its name there.
        prefixes: prefixes that the fast pass keeps.

    Attributes:
        unit: pixels per token and side; the sides of images are multiples of it.
        context: most tokens of a conversation, its answer included.
        special: texts that are tokens of their own, which nobody's words may hold.
        first: name of the first adapter, or None.
        agreement: how the fast pass agreed with transformers' at loading; None where it was not asked.

    Raises:
        ModelError: the checkpoint is damaged, or an adapter does not fit it.
    """

    def __init__(
        self,
        folder: Path,
        adapters: Mapping[str, Path],
        device: torch.device,
        dtype: torch.dtype,
        *,
        quantization: Any = None,
        fp8: bool = False,
        attention: str = CloudConfig().attention,
        prefixes: int = CloudConfig().prefixes,
    ) -> None:
        self.tokenizer = load_tokenizer(folder)
        self._preprocessing = Preprocessing.read(folder)
        self.unit = self._preprocessing.patch * self._preprocessing.merge
        self.special = frozenset(self.tokenizer.get_added_vocab())
        self._image_id, self._end_id = (_token(self.tokenizer, t) for t in (IMAGE_PAD, END))
        self._device, self._dtype = device, dtype
        self.model = load_model(
            Qwen2_5_VLForConditionalGeneration,
            folder,
            adapters,
            device,
            dtype,
            quantization=quantization,
            attention=attention,
        )
        self.context = int(self.model.config.get_text_config().max_position_embeddings)
        self.first: str | None = next(iter(adapters), None)
        self._active = self.first
        self.agreement: Agreement | None = None
        self._fp8, self._prefixes = fp8, prefixes
        self._lock, self._tokenizing = threading.Lock(), threading.Lock()

    def prepare(self, text: str, images: Sequence[Image]) -> Prepared:
        """Tokens and patches of a conversation; needs no GPU and no turn at the model.

        Args:
            text: up to where the answer begins, with ``IMAGE_PAD`` once for each image.
            images: the images at the sizes at which they are shown, whose sides are multiples of ``unit``.

        Raises:
            ValueError: the text holds another number of images, or a side is no multiple.
        """
        merged = self._preprocessing.merge**2
        grids = tuple(self._grid(image) for image in images)
        counts = [rows * columns // merged for _, rows, columns in grids]
        ids = tuple(expand_images(self.tokens_of(text), self._image_id, counts))
        shown = tuple(images)
        return Prepared(ids, shown, grids, (ids, grids), pixel_digest(shown[:-1]))

    def text_of(self, token: int) -> str:
        """What a token stands for."""
        with self._tokenizing:
            return str(self.tokenizer.decode([token]))

    def tokens_of(self, text: str) -> list[int]:
        """Ids of a text's tokens; nothing is added."""
        with self._tokenizing:
            return encode(self.tokenizer, text)

    def text_of_all(self, tokens: Sequence[int]) -> str:
        """What tokens stand for together, special ones included."""
        with self._tokenizing:
            return str(self.tokenizer.decode(list(tokens)))

    @property
    def vocabulary(self) -> int:
        """Number of token ids."""
        return int(self.model.config.get_text_config().vocab_size)

    def next_tokens(
        self, talks: Sequence[Prepared], wanted: Sequence[Wanted], *, adapter: str | None = None
    ) -> list[list[tuple[int, float]]]:
        """Token and log-probability of what may come next, likeliest first, then the ids that were asked."""
        logs = torch.log_softmax(self.submit(talks, adapter=adapter).result().double(), dim=-1)
        found = []
        for row, wish in zip(logs, wanted, strict=True):
            top: list[int] = row.topk(max(1, wish.top)).indices.tolist()
            ids = [*top, *(i for i in wish.ids if i not in top)]
            found.append(list(zip(ids, row[ids].tolist(), strict=True)))
        return found

    def submit(
        self, talks: Sequence[Prepared], tokens: Sequence[int] | None = None, *, adapter: str | None = None
    ) -> PendingLogits:
        """Ask for the logits of the tokens that may come next; the answer may be read later.

        Conversations that end in an image and words take the fast pass (``saec.cloud.fast``), where the model
        and its adapters are such as it knows.

        Args:
            talks: conversations of any shapes.
            tokens: ids of the tokens whose logits are wanted; None wants all.
            adapter: name of the adapter that takes effect.
        """
        wanted = None if tokens is None else torch.tensor(tokens, device=self._device)
        if self.fast is not None and all(talk.images for talk in talks):
            with self._lock:
                return self.fast.submit(talks, wanted, adapter=adapter)
        last = self.logits(talks, adapter=adapter)[0][:, -1].float()
        if wanted is not None:
            last = last[:, wanted]
        return PendingLogits([(list(range(len(talks))), last.cpu())], len(talks))

    @cached_property
    def fast(self) -> FastModel | None:
        """The fast pass on the loaded weights, or None where they are not such as it knows."""
        if not known(self.model):
            return None
        with self._lock:
            return FastModel(
                self.model,
                self._preprocessing,
                self._dtype,
                fp8=self._fp8,
                compiled=self._device.type == "cuda",
                prefixes=self._prefixes,
            )

    def logits(
        self, talks: Sequence[Prepared], *, keep: int = 1, adapter: str | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Logits (batch, keep, vocabulary) at the last positions by transformers' own pass, and the ids."""
        inputs = self.inputs(talks)
        with self._lock, torch.inference_mode():
            self._switch(adapter)
            logits = self.model(**inputs, logits_to_keep=keep, use_cache=False).logits
        return logits, inputs["input_ids"]

    def write(
        self, talks: Sequence[Prepared], *, tokens: int, adapter: str | None = None, endless: bool = False
    ) -> list[Written]:
        """What the model writes after each conversation, greedily, at most so many tokens.

        Args:
            talks: the conversations.
            tokens: most tokens of each answer.
            adapter: name of the adapter that takes effect.
            endless: go on where the model would end, till there are so many tokens; for measuring.
        """
        inputs = self.inputs(talks)
        greedy = GenerationConfig(
            do_sample=False,
            max_new_tokens=tokens,
            eos_token_id=None if endless else self._end_id,
            pad_token_id=self._end_id,
        )
        with self._lock, torch.inference_mode():
            self._switch(adapter)
            ids = self.model.generate(**inputs, generation_config=greedy)
        return [self._written(new, endless) for new in ids[:, inputs["input_ids"].shape[1] :].tolist()]

    def inputs(self, talks: Sequence[Prepared]) -> dict[str, torch.Tensor]:
        """The model's arguments for a batch: tokens padded on the left, patches of all images in order."""
        tokens = pad_left([talk.ids for talk in talks], self._image_id, self._end_id)
        arrays = {
            "input_ids": tokens.ids,
            "attention_mask": tokens.attention,
            "mm_token_type_ids": tokens.types,
        }
        grids = [grid for talk in talks for grid in talk.grids]
        if grids:
            arrays["image_grid_thw"] = np.asarray(grids, np.int64)
        inputs = {name: torch.from_numpy(a).to(self._device) for name, a in arrays.items()}
        if grids:
            cut = [patches(i, i.shape[:2], self._preprocessing)[0] for talk in talks for i in talk.images]
            inputs["pixel_values"] = torch.from_numpy(np.concatenate(cut)).to(self._device, self._dtype)
        return inputs

    def _grid(self, image: Image) -> Grid:
        height, width = image.shape[:2]
        if height % self.unit or width % self.unit:
            raise ValueError(f"an image has {height} x {width} pixels; both must be multiples of {self.unit}")
        return 1, height // self._preprocessing.patch, width // self._preprocessing.patch

    def _written(self, new: list[int], endless: bool) -> Written:
        ended = not endless and self._end_id in new
        count = new.index(self._end_id) + 1 if ended else len(new)
        with self._tokenizing:
            text = str(self.tokenizer.decode(new, skip_special_tokens=True))
        return Written(text, count, ended)

    def _switch(self, adapter: str | None) -> None:
        """Let an adapter take effect, or none."""
        if adapter == self._active:
            return
        if adapter is None:
            self.model.base_model.disable_adapter_layers()
        else:
            if self._active is None:
                self.model.base_model.enable_adapter_layers()
            self.model.set_adapter(adapter)
        self._active = adapter


def _token(tokenizer: Any, text: str) -> int:
    """Id of a special token."""
    ids = encode(tokenizer, text)
    if len(ids) != 1:
        raise ModelError(f"the tokenizer has no token {text}", "use a checkpoint with Qwen2.5-VL's tokens")
    return ids[0]
