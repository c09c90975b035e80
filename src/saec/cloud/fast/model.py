"""A loaded Qwen2.5-VL run by the fast pass: conversations that end in one image and some words.

Batches are made of conversations of one shape behind one prefix; a batch is put on the device's queue and its
answer read later, so that the next one can be cut while this one computes.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from saec.cloud.fast.graphs import GRAPHED, Graphs
from saec.cloud.fast.layout import Layout, Windows, make_layout, make_windows
from saec.cloud.fast.ops import apply, norm
from saec.cloud.fast.packing import plain_low_rank
from saec.cloud.fast.towers import (
    Heads,
    Past,
    language_block,
    last_block,
    merge,
    patch_rows,
    vision_block,
)
from saec.cloud.fast.weights import Weights, read_weights
from saec.cloud.pixels import Grid, Preprocessing
from saec.cloud.talks import Prepared
from saec.verdict import Image

_PREFIXES = 32
"""Prefixes whose keys and values are kept; one with a reference of 448 pixels takes 24 MB in the 7B shape."""

_RECOMPILES = 256
"""Shapes for which a layer may be compiled; torch's own limit is 8."""

MOST = 64
"""Conversations that are computed at once, at most."""


@dataclass(frozen=True, slots=True, eq=False)
class Pending:
    """An answer that the device may still be computing.

    Attributes:
        parts: rows of the answer and what they are, on the host once ``done`` has been reached.
        count: of all rows.
        done: reached when the device is through, None where it is already.
    """

    parts: list[tuple[list[int], Tensor]]
    count: int
    done: Any = None

    def result(self) -> Tensor:
        """(count, tokens) float32 logits; waits for the device."""
        if self.done is not None:
            self.done.synchronize()
        out = torch.empty(self.count, self.parts[0][1].shape[1])
        for rows, values in self.parts:
            out[rows] = values[: len(rows)]
        return out


class FastModel:
    """Next-token logits of conversations, several at once.

    Not safe to call from several threads at a time.

    Args:
        model: transformers' Qwen2.5-VL, in peft's wrapper where there are adapters.
        how: the checkpoint's preprocessing.
        dtype: the model's arithmetic.
        fp8: compute the language model's products in eight bits.
        compiled: compile the layers, for a GPU.
    """

    def __init__(
        self, model: Any, how: Preprocessing, dtype: torch.dtype, *, fp8: bool = False, compiled: bool = False
    ) -> None:
        self._bare = model.get_base_model() if hasattr(model, "get_base_model") else model
        self._device = self._bare.lm_head.weight.device
        self._how, self._dtype, self._fp8 = how, dtype, fp8
        self._mean, self._std = (torch.tensor(t, device=self._device) for t in (how.mean, how.std))
        vision, text = self._bare.config.vision_config, self._bare.config.get_text_config()
        self._full = frozenset(vision.fullatt_block_indexes)
        self._vision_heads = int(vision.num_heads)
        queries = int(text.num_attention_heads)
        self._heads = Heads(
            queries, int(text.num_key_value_heads), int(text.hidden_size) // queries, float(text.rms_norm_eps)
        )
        self._compiled = compiled
        if compiled:
            torch._dynamo.config.recompile_limit = max(torch._dynamo.config.recompile_limit, _RECOMPILES)
        self._see, self._read = self._made(vision_block), self._made(language_block)
        self._last, self._cut, self._merge = (
            self._made(last_block),
            self._made(patch_rows),
            self._made(merge),
        )
        self._weights: dict[str | None, Weights] = {}
        self._layouts: dict[tuple[Any, ...], Layout] = {}
        self._windows: dict[Grid, Windows] = {}
        self._prefixes: OrderedDict[tuple[Any, ...], list[Past]] = OrderedDict()
        self._graphs = Graphs(self._device) if compiled and self._device.type == "cuda" else None

    def _made(self, function: Callable[..., Any]) -> Callable[..., Any]:
        return torch.compile(function, fullgraph=True, dynamic=False) if self._compiled else function

    def submit(
        self, talks: Sequence[Prepared], tokens: Tensor | None = None, *, adapter: str | None = None
    ) -> Pending:
        """Put conversations on the device's queue.

        Args:
            talks: each with at least one image, of any shapes.
            tokens: ids of the tokens whose logits are wanted; None wants the whole vocabulary.
            adapter: that takes effect.
        """
        with torch.inference_mode():
            return self._submit(talks, tokens, adapter)

    def _submit(self, talks: Sequence[Prepared], tokens: Tensor | None, adapter: str | None) -> Pending:
        groups: dict[tuple[Any, ...], list[int]] = {}
        for n, talk in enumerate(talks):
            groups.setdefault((talk.shape, talk.before), []).append(n)
        parts = []
        for members in groups.values():
            for at in range(0, len(members), MOST):
                rows = members[at : at + MOST]
                hidden = self._hidden([talks[n] for n in rows], adapter)
                parts.append((rows, self._head(hidden, tokens)))
        if self._device.type != "cuda":
            return Pending(parts, len(talks))
        host = [(rows, _to_host(values)) for rows, values in parts]
        done = torch.cuda.Event()
        done.record()
        return Pending(host, len(talks), done)

    def _head(self, hidden: Tensor, tokens: Tensor | None) -> Tensor:
        """Logits in float32, added up in float32: the labels' would else be rounded to a sixteenth or so."""
        weight = self._bare.lm_head.weight
        if tokens is not None:
            return hidden.float() @ weight[tokens].float().T
        if self._device.type == "cuda" and self._dtype != torch.float32:
            return torch.mm(hidden, weight.T, out_dtype=torch.float32)
        return (hidden @ weight.T).float()

    def _hidden(self, talks: Sequence[Prepared], adapter: str | None) -> Tensor:
        """The last position's state behind the final norm, at least a row for each conversation."""
        layout = self._layout(talks[0])
        past, name = self._past(talks[0], layout, adapter)
        frames = [talk.images[-1] for talk in talks]
        if self._graphs is None or len(talks) > GRAPHED:
            return self._run(layout, self._upload(frames), past, adapter)
        key = (adapter, talks[0].shape)
        return self._graphs.run(key, frames, past, name, lambda x, held: self._run(layout, x, held, adapter))

    def _run(self, layout: Layout, images: Tensor, past: Sequence[Past], adapter: str | None) -> Tensor:
        weights, n = self._of(adapter), len(images)
        seen = self._look(images, layout.grids[-1], weights)
        words = self._bare.model.language_model.embed_tokens(layout.suffix[layout.tokens :])
        x = torch.cat((seen, words.expand(n, -1, -1)), 1)
        cos, sin = layout.suffix_rotations
        last = len(weights.layers) - 1
        for i in range(last):
            x, _ = self._read(_free(x), weights.layers[i], cos[0], sin[0], past[i], self._heads)
        h = self._last(_free(x), weights.layers[last], cos[0], sin[0], past[last], self._heads)
        return norm(h, weights.final, self._heads.eps)

    def _look(self, images: Tensor, grid: Grid, weights: Weights) -> Tensor:
        """The vision tower on images of one size: (n, tokens, width of the language model)."""
        windows = self._window(grid)
        rows = self._cut(_free(images), windows.order, self._mean, self._std, self._how.patch)
        x = apply(rows.to(self._dtype), weights.patch)
        whole = ((1, len(windows.order)),)
        for i, block in enumerate(weights.blocks):
            shapes = whole if i in self._full else windows.shapes
            x = self._see(_free(x), block, windows.cos, windows.sin, shapes, self._vision_heads)
        tokens: Tensor = self._merge(
            _free(x), weights.merge_norm, weights.merge1, weights.merge2, windows.back
        )
        return tokens

    def _past(
        self, talk: Prepared, layout: Layout, adapter: str | None
    ) -> tuple[list[Past], tuple[Any, ...]]:
        """Keys and values of what comes before the frame, from the cache or computed, and their name."""
        name = (adapter, talk.shape, talk.before)
        if name not in self._prefixes:
            self._prefixes[name] = self._before(layout, talk.images[:-1], adapter)
            if len(self._prefixes) > _PREFIXES:
                self._prefixes.popitem(last=False)
        self._prefixes.move_to_end(name)
        return self._prefixes[name], name

    def _before(self, layout: Layout, references: Sequence[Image], adapter: str | None) -> list[Past]:
        weights = self._of(adapter)
        x = self._bare.model.language_model.embed_tokens(layout.prefix)[None].clone()
        for start, grid, image in zip(layout.starts, layout.grids, references, strict=False):
            seen = self._look(self._upload([image]), grid, weights)
            x[:, start : start + seen.shape[1]] = seen
        cos, sin = layout.prefix_rotations
        kept = []
        for layer in weights.layers:
            x, own = language_block(x, layer, cos[0], sin[0], None, self._heads)
            kept.append(Past(own.keys.contiguous(), own.values.contiguous()))
        return kept

    def _layout(self, talk: Prepared) -> Layout:
        if talk.shape not in self._layouts:
            self._layouts[talk.shape] = make_layout(self._bare, talk.ids, talk.grids, self._dtype)
        return self._layouts[talk.shape]

    def _window(self, grid: Grid) -> Windows:
        if grid not in self._windows:
            self._windows[grid] = make_windows(self._bare.model.visual, grid, self._device)
        return self._windows[grid]

    def _of(self, adapter: str | None) -> Weights:
        if adapter not in self._weights:
            # Ordinary tensors: the model's own layers become views into them, and may be trained later.
            with torch.inference_mode(False):
                self._weights[adapter] = read_weights(self._bare, adapter, fp8=self._fp8)
        return self._weights[adapter]

    @cached_property
    def _copies(self) -> Any:
        return torch.cuda.Stream(self._device)

    def _upload(self, images: Sequence[Image]) -> Tensor:
        """Images of one size on the device, (n, height, width, 3) uint8; on a GPU beside what it computes."""
        if self._device.type != "cuda":
            return torch.from_numpy(np.stack(images)).to(self._device)
        host = torch.empty((len(images), *images[0].shape), dtype=torch.uint8, pin_memory=True)
        np.stack(images, out=host.numpy())
        with torch.cuda.stream(self._copies):
            there = host.to(self._device, non_blocking=True)
        current = torch.cuda.current_stream(self._device)
        current.wait_stream(self._copies)
        there.record_stream(current)
        return there


def known(model: Any) -> bool:
    """Whether a loaded model is such as the fast pass computes: full causal attention, plain adapters.

    On a CPU bitsandbytes repacks four-bit weights for itself at their first use, so there they are its own.
    """
    text = model.config.get_text_config()
    if model.device.type == "cpu" and getattr(model, "is_loaded_in_4bit", False):
        return False
    full = all(kind == "full_attention" for kind in text.layer_types)
    return full and str(text.hidden_act) == "silu" and plain_low_rank(model)


def _free(x: Tensor) -> Tensor:
    """Let one compilation serve batches of any size; one alone is compiled for itself."""
    if len(x) > 1:
        torch._dynamo.maybe_mark_dynamic(x, 0)
    return x


def _to_host(values: Tensor) -> Tensor:
    host = torch.empty(values.shape, dtype=torch.float32, pin_memory=True)
    return host.copy_(values, non_blocking=True)
