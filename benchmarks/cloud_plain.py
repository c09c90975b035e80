"""What the cloud engine is compared with: the seed's scoring loop, and steps from it towards ours.

Written from the description of that loop: one thread decodes, the image processor and the tokenizer make a
batch, transformers' pass gives the logits of all positions, of which the two labels' are compared.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image as Pillow
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from saec.cloud.questions.chat_template import scoring_text
from saec.cloud.questions.image_patches import Preprocessing, patches, resized
from saec.cloud.questions.token_layout import encode, expand_images, pad_left
from saec.prompts import PROMPTS
from saec.reading_ahead import ahead
from saec.types import Image

Decode = Callable[[Path], Image]


def decode(path: Path, side: int) -> Image:
    """A file as side x side pixels, as the seed reads it."""
    with Pillow.open(path) as image:
        return np.asarray(image.convert("RGB").resize((side, side), Pillow.Resampling.BICUBIC))


class PlainLoop:
    """The seed's loop on a loaded model, without a reference.

    Args:
        core: a ``saec.cloud.engines.qwen_forward.QwenModel``.
        preprocessing: of its checkpoint.
        prompt: version of the prompt; its words before and after the image matter little here.
        full_logits: compute the logits of all positions, as the seed does.
    """

    def __init__(self, core: Any, preprocessing: Preprocessing, prompt: str, *, full_logits: bool) -> None:
        self._core, self._how, self._full = core, preprocessing, full_logits
        self._text = scoring_text(PROMPTS[prompt], 0)
        self._image_id = int(core.model.config.image_token_id)
        self._answers = [encode(core.tokenizer, label)[0] for label in PROMPTS[prompt].labels]

    def files(self, paths: Sequence[Path], side: int, batch: int, threads: int) -> list[float]:
        """P(defect) of files; with one thread each batch is decoded, then computed."""
        if threads == 1:
            images: Iterator[Image] = (decode(path, side) for path in paths)
            return self.arrays(images, batch)
        with ThreadPoolExecutor(threads) as pool:
            return self.arrays(ahead(pool, lambda path: decode(path, side), paths, 4 * batch), batch)

    def arrays(self, images: Iterator[Image], batch: int) -> list[float]:
        """P(defect) of images; the processor makes multiples of a token of their sides (504 of 512)."""
        found: list[float] = []
        group: list[Image] = []
        for image in images:
            group.append(image)
            if len(group) == batch:
                found += self._score(group)
                group = []
        return found + (self._score(group) if group else [])

    def _score(self, images: Sequence[Image]) -> list[float]:
        device = self._core.model.lm_head.weight.device
        unit = self._how.patch * self._how.merge
        sizes = [tuple(round(n / unit) * unit for n in image.shape[:2]) for image in images]
        images = [resized(image, size) for image, size in zip(images, sizes, strict=True)]
        cut = [patches(image, image.shape[:2], self._how) for image in images]
        raw = encode(self._core.tokenizer, self._text)
        merged = self._how.merge**2
        rows = [expand_images(raw, self._image_id, [len(pixels) // merged]) for pixels, _ in cut]
        tokens = pad_left(rows, self._image_id, 0)
        inputs = {
            "input_ids": torch.from_numpy(tokens.ids).to(device),
            "attention_mask": torch.from_numpy(tokens.attention).to(device),
            "mm_token_type_ids": torch.from_numpy(tokens.types).to(device),
            "image_grid_thw": torch.tensor([grid for _, grid in cut], device=device),
            "pixel_values": torch.from_numpy(np.concatenate([p for p, _ in cut])).to(
                device, self._core.model.dtype
            ),
        }
        with torch.inference_mode():
            keep = {} if self._full else {"logits_to_keep": 1}
            logits = self._core.model(**inputs, use_cache=False, **keep).logits[:, -1, self._answers]
        return [float(p) for p in logits.double().softmax(-1)[:, 1].cpu()]


def batch_windows(model: Any, windows: int) -> Callable[[], None]:
    """Let transformers' vision tower attend to all equal windows in one call; returns what undoes it.

    Args:
        model: transformers' Qwen2.5-VL.
        windows: patches of a window; every layer's sequences must be of one length.
    """

    def attention(module: Any, q: Any, k: Any, v: Any, *_: Any, **options: Any) -> tuple[Any, None]:
        length = int(options["max_length_q"])
        cut = [t.unflatten(2, (-1, length)).transpose(1, 2).flatten(0, 1) for t in (q, k, v)]
        seen = torch.nn.functional.scaled_dot_product_attention(*cut, scale=options.get("scaling"))
        return seen.transpose(1, 2).reshape(1, q.shape[2], q.shape[1], -1), None

    ALL_ATTENTION_FUNCTIONS["windows_flash"] = attention
    config = model.model.visual.config
    before = config._attn_implementation
    config._attn_implementation = "windows_flash"

    def undo() -> None:
        config._attn_implementation = before

    return undo
