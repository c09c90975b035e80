"""The same network as transformers', for one fixed image size: what training steps run.

Works on the modules of a ``Qwen2_5_VLForConditionalGeneration``; only the plumbing is ours: equal
windows in one attention call, positions computed once, and what conversations have in common computed
once. The tests hold it to the original's numbers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention
from transformers import Qwen2_5_VLForConditionalGeneration

from saec.cloud.questions.token_layout import expand_images


@dataclass(frozen=True)
class Geometry:
    """How a square image is cut: all sides in units of the next smaller thing.

    Attributes:
        patch: side of a patch in pixels.
        windows: windows per side of the image.
        tokens: merged tokens per side of a window; each merges 2 x 2 patches.
    """

    patch: int
    windows: int
    tokens: int

    @classmethod
    def of(cls, config: Any, side: int) -> Geometry:
        """The geometry of a vision configuration at side x side pixels."""
        unit, window = config.patch_size * config.spatial_merge_size, config.window_size
        if config.spatial_merge_size != 2 or side % window or window % unit:
            raise ValueError(f"{side} pixels are no whole windows of {window} and tokens of {unit}")
        return cls(config.patch_size, side // window, window // unit)

    @property
    def side(self) -> int:
        """Merged tokens per side of the image."""
        return self.windows * self.tokens

    def to_windows(self, x: Tensor, patch: int) -> Tensor:
        """Cut (n, c, side, side) into patches (n, patches, c * patch * patch), in window order."""
        n, c = x.shape[:2]
        axis = (self.windows, self.tokens, 2, patch)
        cut = x.reshape(n, c, *axis, *axis).permute(0, 2, 6, 3, 7, 4, 8, 1, 5, 9)
        return cut.reshape(n, (2 * self.side) ** 2, c * patch * patch)

    def order(self, device: torch.device) -> Tensor:
        """Raster index of each merged token, in window order."""
        axis = (self.windows, self.tokens)
        raster = torch.arange(self.side**2, device=device).reshape(*axis, *axis)
        return raster.permute(0, 2, 1, 3).flatten()


class Shape(NamedTuple):
    """Lengths of a tree's parts: the stem, and of each query its image, its label's question, its words."""

    stem: int
    image: int
    label: int
    words: int


@dataclass(frozen=True)
class Tree:
    """Conversations about the frames of one product, with what they have in common once.

    The stem ends where a frame's first token stands. Behind it each frame has a branch: its image and the
    question for the label; a defective frame's image also has the question for words and their answer.

    Attributes:
        shape: lengths.
        stem, label, words: ids; the label's and the words' without the answer.
        reference: where the stem's image begins, None without one.
        stem_at, branch_at, words_at: (3, 1, length) positions of mRoPE.
    """

    shape: Shape
    stem: Tensor
    label: Tensor
    words: Tensor
    reference: int | None
    stem_at: Tensor
    branch_at: Tensor
    words_at: Tensor


def make_tree(
    model: Qwen2_5_VLForConditionalGeneration,
    side: int,
    label: list[int],
    words: list[int],
    tail: int,
    device: torch.device,
) -> Tree:
    """The tree of two conversations that differ behind the frame alone; the first goes on with its label.

    Args:
        model: whose positions are used.
        side: merged tokens per side of an image.
        label, words: ids of the conversations, one image token per image.
        tail: tokens of the words' answer.
    """
    long, at = _expanded(model, side, label, 1)
    other, other_at = _expanded(model, side, words, tail)
    image = model.config.image_token_id
    starts = [i for i in range(1, len(long)) if long[i] == image and long[i - 1] != image]
    stem, end = starts[-1], starts[-1] + side**2
    if long[:end] != other[:end] or not torch.equal(at[..., :end], other_at[..., :end]):
        raise ValueError("the two conversations differ before the frame")

    def ids(part: list[int]) -> Tensor:
        return torch.tensor(part, device=device)

    return Tree(
        Shape(stem, side**2, len(long) - end, len(other) - end),
        ids(long[:stem]),
        ids(long[end:-1]),
        ids(other[end : len(other) - tail]),
        starts[0] if len(starts) > 1 else None,
        at[..., :stem].to(device),
        at[..., stem:].to(device),
        other_at[..., end:].to(device),
    )


def _expanded(
    model: Qwen2_5_VLForConditionalGeneration, side: int, raw: list[int], tail: int
) -> tuple[list[int], Tensor]:
    image = model.config.image_token_id
    ids = expand_images(raw, image, [side**2] * raw.count(image))
    ids += [model.config.text_config.pad_token_id] * tail
    row = torch.tensor([ids])
    grid = torch.tensor([[1, 2 * side, 2 * side]] * raw.count(image))
    positions, _ = model.model.get_rope_index(
        row, mm_token_type_ids=(row == image).long(), image_grid_thw=grid
    )
    return ids, positions


class Fast:
    """Forward passes at one size.

    Args:
        model: the network; its parameters are used in place.
        side: of the images in pixels.
        device: where the network lives.
        compiled: whether the blocks are compiled; one compilation serves all layers.
    """

    def __init__(
        self,
        model: Qwen2_5_VLForConditionalGeneration,
        side: int,
        device: torch.device,
        compiled: bool = False,
    ) -> None:
        self.visual, self.language = model.model.visual, model.model.language_model
        vision = model.config.vision_config
        self.geometry = Geometry.of(vision, side)
        self.full, self.heads = set(vision.fullatt_block_indexes), vision.num_heads
        wrap: Callable[..., Any] = torch.compile(dynamic=False) if compiled else lambda f: f
        self._see, self._read = wrap(_vision_block), wrap(_language_block)
        rows = torch.arange(2 * self.geometry.side, device=device)
        grid = torch.stack(torch.meshgrid(rows, rows, indexing="ij"), -1)[None]
        where = self.geometry.to_windows(grid.permute(0, 3, 1, 2).float(), 1)[0].long()
        cos, sin = self.visual.rotary_pos_emb(torch.zeros(1, device=device), where)
        self.cos, self.sin = cos.float(), sin.float()
        self.back = torch.argsort(self.geometry.order(device))

    def see(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """The vision tower.

        Args:
            pixels: (n, 3, side, side), normalised.

        Returns:
            The last block's output per patch in window order (n, patches, width) and the merged tokens
            in raster order (n, tokens, width).
        """
        g = self.geometry
        weight = self.visual.patch_embed.proj.weight
        # A still image stands twice in time: the two halves of the kernel see the same pixels.
        x = g.to_windows(pixels, g.patch) @ weight.sum(2).flatten(1).T.to(pixels.dtype)
        for i, block in enumerate(self.visual.blocks):
            x = self._see(block, x, self.cos, self.sin, 1 if i in self.full else g.windows**2, self.heads)
        tokens = self.visual.merger(x).view(len(pixels), g.side**2, -1)
        return x, tokens[:, self.back]

    def read(
        self, tree: Tree, reference: Tensor | None, frames: Tensor, labels: Tensor, answers: Tensor
    ) -> tuple[Tensor, Tensor]:
        """The language model over a batch of trees.

        Args:
            tree: the conversations.
            reference: (n, tokens, width) of the good product, None where the tree has none.
            frames: (n, q, tokens, width); every second one, from the second, is put into words.
            labels: (n, q) ids of the labels, the branches' last tokens.
            answers: (n, q // 2, tail) ids of the words.

        Returns:
            The normalised last hidden states of the branches (n, q, image + label, width) and of the words
            (n, q // 2, words, width). The label is foretold at the branch's last position but one.
        """
        n, q = frames.shape[:2]
        x = self._embed(tree, reference, frames, labels, answers)
        at = torch.cat([tree.stem_at, *[tree.branch_at] * q, *[tree.words_at] * (q // 2)], -1)
        cos, sin = (t.float() for t in self.language.rotary_emb(x, at))
        for layer in self.language.layers:
            x = self._read(layer, x, cos, sin, tree.shape, q)
        x = self.language.norm(x[:, tree.shape.stem :])
        end = q * (tree.shape.image + tree.shape.label)
        return x[:, :end].view(n, q, -1, x.shape[-1]), x[:, end:].view(n, q // 2, -1, x.shape[-1])

    def _embed(
        self, tree: Tree, reference: Tensor | None, frames: Tensor, labels: Tensor, answers: Tensor
    ) -> Tensor:
        n, q, _, width = frames.shape
        dtype = frames.dtype

        def text(ids: Tensor, *times: int) -> Tensor:
            return self.language.embed_tokens(ids).to(dtype).expand(*times, -1, -1)

        stem = text(tree.stem, n)
        if reference is not None and tree.reference is not None:
            end = tree.reference + reference.shape[1]
            stem = torch.cat([stem[:, : tree.reference], reference, stem[:, end:]], 1)
        given, said = (self.language.embed_tokens(ids).to(dtype) for ids in (labels, answers))
        branches = torch.cat([frames, text(tree.label, n, q), given[:, :, None]], 2).view(n, -1, width)
        words = torch.cat([text(tree.words, n, q // 2), said], 2).view(n, -1, width)
        return torch.cat([stem, branches, words], 1)


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


def _language_block(layer: Any, x: Tensor, cos: Tensor, sin: Tensor, shape: Shape, frames: int) -> Tensor:
    """One layer over (n, stem | branches | words, width)."""
    n, length, width = x.shape
    attention = layer.self_attn
    y = layer.input_layernorm(x)
    q, k, v = (
        p(y).view(n, length, attention.num_heads, -1)
        for p in (attention.q_proj, attention.k_proj, attention.v_proj)
    )
    q, k = _rotate(q, cos[:, :, None], sin[:, :, None]), _rotate(k, cos[:, :, None], sin[:, :, None])
    parts = [_branched(t, shape, frames) for t in (q, k, v)]
    # The stem is attended from once per branch, so that one causal call does it all; the first is kept.
    seen = _causal(*(branches for branches, _ in parts)).reshape(n, frames, -1, width)
    said = _causal(*(words for _, words in parts)).reshape(n, frames // 2, -1, width)
    mixed = torch.cat(
        [
            seen[:, 0, : shape.stem],
            seen[:, :, shape.stem :].reshape(n, -1, width),
            said[:, :, shape.stem + shape.image :].reshape(n, -1, width),
        ],
        1,
    )
    x = x + attention.o_proj(mixed)
    return x + layer.mlp(layer.post_attention_layernorm(x))


def _branched(t: Tensor, shape: Shape, frames: int) -> tuple[Tensor, Tensor]:
    """Whole conversations of (n, length, heads, size): for the labels, and for the words."""
    n, _, heads, size = t.shape
    stem, end = t[:, : shape.stem], shape.stem + frames * (shape.image + shape.label)
    branches = t[:, shape.stem : end].view(n, frames, -1, heads, size)
    words = t[:, end:].view(n, frames // 2, -1, heads, size)
    one = stem[:, None].expand(-1, frames, -1, -1, -1)
    two = stem[:, None].expand(-1, frames // 2, -1, -1, -1)
    return (
        torch.cat([one, branches], 2).flatten(0, 1),
        torch.cat([two, branches[:, 1::2, : shape.image], words], 2).flatten(0, 1),
    )


def _causal(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    q, k, v = (t.transpose(1, 2) for t in (q, k, v))
    return scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2)
