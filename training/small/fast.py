"""The same network as transformers', for one fixed image size: what training steps run.

Works on the modules of a ``Qwen2_5_VLForConditionalGeneration``; only the plumbing is ours: equal
windows in one attention call, positions computed once, whole batches of one token layout. The tests
hold it to the original's numbers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from architecture import SIDE
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention
from transformers import Qwen2_5_VLForConditionalGeneration

from saec.cloud.tokens import expand_images

PATCHES = SIDE // 14
TOKENS = SIDE // 28


@dataclass(frozen=True)
class Layout:
    """One token layout: text with whole images in it, the same for every row of a batch.

    Attributes:
        ids: (length,) token ids.
        images: where each image's first token stands.
        positions: (3, 1, length) of mRoPE.
    """

    ids: Tensor
    images: tuple[int, ...]
    positions: Tensor


def make_layout(
    model: Qwen2_5_VLForConditionalGeneration, raw: list[int], tail: int, device: torch.device
) -> Layout:
    """The layout of token ids with one image token per image, followed by ``tail`` tokens of an answer."""
    image = model.config.image_token_id
    ids = expand_images(raw, image, [TOKENS**2] * raw.count(image))
    ids += [model.config.text_config.pad_token_id] * tail
    row = torch.tensor([ids])
    types = (row == image).long()
    grid = torch.tensor([[1, PATCHES, PATCHES]] * raw.count(image))
    positions, _ = model.model.get_rope_index(row, mm_token_type_ids=types, image_grid_thw=grid)
    starts = [i for i in range(1, len(ids)) if ids[i] == image and ids[i - 1] != image]
    return Layout(row[0].to(device), tuple(starts), positions.to(device))


class Fast:
    """Forward passes at ``SIDE`` x ``SIDE``.

    Args:
        model: the network; its parameters are used in place.
        device: where it lives.
        compiled: whether the blocks are compiled; one compilation serves all layers.
    """

    def __init__(
        self, model: Qwen2_5_VLForConditionalGeneration, device: torch.device, compiled: bool = False
    ) -> None:
        self.visual, self.language = model.model.visual, model.model.language_model
        self.full = set(model.config.vision_config.fullatt_block_indexes)
        self.heads = model.config.vision_config.num_heads
        wrap: Callable[..., Any] = torch.compile(dynamic=False) if compiled else lambda f: f
        self._see, self._read = wrap(_vision_block), wrap(_language_block)
        units = window_order(device)
        rows = torch.arange(PATCHES, device=device)
        grid = torch.stack(torch.meshgrid(rows, rows, indexing="ij"), -1)[None]
        where = to_windows(grid.permute(0, 3, 1, 2).float(), 1)[0].long()
        cos, sin = self.visual.rotary_pos_emb(torch.zeros(1, device=device), where)
        self.cos, self.sin = cos.float(), sin.float()
        self.back = torch.argsort(units)

    def see(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """The vision tower.

        Args:
            pixels: (n, 3, SIDE, SIDE), normalised.

        Returns:
            The last block's output per patch in window order (n, 256, width) and the merged tokens
            in raster order (n, 64, width).
        """
        weight = self.visual.patch_embed.proj.weight
        # A still image stands twice in time: the two halves of the kernel see the same pixels.
        x = to_windows(pixels, 14) @ weight.sum(2).flatten(1).T.to(pixels.dtype)
        for i, block in enumerate(self.visual.blocks):
            x = self._see(block, x, self.cos, self.sin, 1 if i in self.full else 4, self.heads)
        tokens = self.visual.merger(x).view(len(pixels), TOKENS**2, -1)
        return x, tokens[:, self.back]

    def read(self, layout: Layout, images: list[Tensor], answer: Tensor | None = None) -> Tensor:
        """The language model.

        Args:
            layout: the token layout.
            images: per image of the layout its tokens (batch, 64, width).
            answer: (batch, tail) ids of the layout's last tokens.

        Returns:
            The normalised last hidden states (batch, length, width).
        """
        x = self._embed(layout, images, answer)
        cos, sin = (t.float() for t in self.language.rotary_emb(x, layout.positions))
        for layer in self.language.layers:
            x = self._read(layer, x, cos, sin)
        return self.language.norm(x)

    def _embed(self, layout: Layout, images: list[Tensor], answer: Tensor | None) -> Tensor:
        batch, dtype = len(images[0]), images[0].dtype
        text = self.language.embed_tokens(layout.ids).to(dtype).expand(batch, -1, -1)
        pieces, at = [], 0
        for start, image in zip(layout.images, images, strict=True):
            pieces += [text[:, at:start], image]
            at = start + image.shape[1]
        end = text.shape[1] if answer is None else text.shape[1] - answer.shape[1]
        pieces.append(text[:, at:end])
        if answer is not None:
            pieces.append(self.language.embed_tokens(answer).to(dtype))
        return torch.cat(pieces, 1)


def to_windows(x: Tensor, patch: int) -> Tensor:
    """Cut (n, c, side, side) into patches (n, patches, c * patch * patch), in the tower's window order."""
    n, c = x.shape[:2]
    cut = x.reshape(n, c, 2, 4, 2, patch, 2, 4, 2, patch).permute(0, 2, 6, 3, 7, 4, 8, 1, 5, 9)
    return cut.reshape(n, PATCHES**2, c * patch * patch)


def window_order(device: torch.device) -> Tensor:
    """Raster index of each merged token, in window order."""
    raster = torch.arange(TOKENS**2, device=device).reshape(2, 4, 2, 4)
    return raster.permute(0, 2, 1, 3).flatten()


def _rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    a, b = x.float().chunk(2, -1)
    return (x.float() * cos + torch.cat((-b, a), -1) * sin).to(x.dtype)


def _vision_block(block: Any, x: Tensor, cos: Tensor, sin: Tensor, windows: int, heads: int) -> Tensor:
    n, length, width = x.shape
    qkv = block.attn.qkv(block.norm1(x)).view(n, length, 3, heads, width // heads)
    q, k, v = qkv.unbind(2)
    q, k = _rotate(q, cos[:, None], sin[:, None]), _rotate(k, cos[:, None], sin[:, None])
    q, k, v = (t.reshape(n * windows, length // windows, heads, -1).transpose(1, 2) for t in (q, k, v))
    seen = scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(n, length, width)
    x = x + block.attn.proj(seen)
    return x + block.mlp(block.norm2(x))


def _language_block(layer: Any, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    n, length, width = x.shape
    attention = layer.self_attn
    y = layer.input_layernorm(x)
    q, k, v = (
        p(y).view(n, length, attention.num_heads, -1).transpose(1, 2)
        for p in (attention.q_proj, attention.k_proj, attention.v_proj)
    )
    q, k = _rotate(q, cos[:, None], sin[:, None]), _rotate(k, cos[:, None], sin[:, None])
    seen = scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).reshape(n, length, width)
    x = x + attention.o_proj(seen)
    return x + layer.mlp(layer.post_attention_layernorm(x))
