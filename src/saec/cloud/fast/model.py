"""A loaded Qwen2.5-VL run by the fast pass: conversations that end in one image and some words.

Batches are made of conversations of one shape behind one prefix, or of those with a prefix each; a batch is
put on the device's queue and its answer read later, so that the next one can be cut while this one computes.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from saec.cloud.fast.attention import Heads, Past
from saec.cloud.fast.cuda_graphs import Graphs
from saec.cloud.fast.layout import PassLayout, Windows, make_layout, make_windows
from saec.cloud.fast.ops import Operand, apply, norm
from saec.cloud.fast.packed_weights import Weights, read_weights
from saec.cloud.fast.packing import plain_low_rank
from saec.cloud.fast.towers import (
    entered,
    language_block,
    last_block,
    merge_patches,
    patch_rows,
    vision_block,
)
from saec.cloud.questions.conversation import Prepared
from saec.cloud.questions.image_patches import Grid, Preprocessing
from saec.settings import CloudConfig
from saec.types import Image

_RECOMPILES = 256
"""Shapes for which a layer may be compiled; torch's own limit is 8."""

MOST = 64
"""Conversations that are computed at once, at most."""


@dataclass(slots=True)
class PrefixUse:
    """How often a conversation's prefix was at hand.

    Attributes:
        found: conversations whose prefix was kept already, or that share it with one of their batch.
        computed: prefixes that were computed.
    """

    found: int = 0
    computed: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class PendingLogits:
    """An answer that the device may still be computing.

    Attributes:
        parts: rows of the answer and what they are, on the host once ``done`` has been reached.
        count: number of all rows.
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
        prefixes: prefixes whose keys and values are kept, the latest ones.

    Attributes:
        use: counts of prefixes found and computed.
    """

    def __init__(
        self,
        model: Any,
        how: Preprocessing,
        dtype: torch.dtype,
        *,
        fp8: bool = False,
        compiled: bool = False,
        prefixes: int = CloudConfig().prefixes,
    ) -> None:
        self.use, self._most = PrefixUse(), prefixes
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
            self._made(merge_patches),
        )
        self._weights: dict[str | None, Weights] = {}
        self._layouts: dict[tuple[Any, ...], PassLayout] = {}
        self._windows: dict[Grid, Windows] = {}
        self._prefixes: OrderedDict[tuple[Any, ...], list[Past]] = OrderedDict()
        self._graphs = Graphs(self._device) if compiled and self._device.type == "cuda" else None

    def _made(self, function: Callable[..., Any]) -> Callable[..., Any]:
        return torch.compile(function, fullgraph=True, dynamic=False) if self._compiled else function

    def submit(
        self, talks: Sequence[Prepared], tokens: Tensor | None = None, *, adapter: str | None = None
    ) -> PendingLogits:
        """Put conversations on the device's queue.

        Args:
            talks: each with at least one image, of any shapes.
            tokens: ids of the tokens whose logits are wanted; None wants the whole vocabulary.
            adapter: name of the adapter that takes effect.
        """
        with torch.inference_mode():
            return self._submit(talks, tokens, adapter)

    def _submit(self, talks: Sequence[Prepared], tokens: Tensor | None, adapter: str | None) -> PendingLogits:
        parts = []
        for members in _together(talks):
            for at in range(0, len(members), MOST):
                rows = members[at : at + MOST]
                hidden = self._hidden([talks[n] for n in rows], adapter)
                parts.append((rows, self._head(hidden, tokens)))
        if self._device.type != "cuda":
            return PendingLogits(parts, len(talks))
        host = [(rows, _to_host(values)) for rows, values in parts]
        done = torch.cuda.Event()
        done.record()
        return PendingLogits(host, len(talks), done)

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
        names = [(adapter, talk.shape, talk.before) for talk in talks]
        missing = sum(name not in self._prefixes for name in set(names))
        held = self._held(dict(zip(names, talks, strict=True)), layout, adapter)
        self.use.computed += missing
        self.use.found += len(talks) - missing
        frames = [talk.images[-1] for talk in talks]
        if len(held) > 1:
            past = [
                Past(*map(torch.cat, zip(*layer, strict=True))) for layer in zip(*held.values(), strict=True)
            ]
            return self._run(layout, self._upload(frames), past, adapter)
        ((name, past),) = held.items()
        key = (adapter, talks[0].shape)
        size = None if self._graphs is None else self._graphs.size(key, len(frames))
        if self._graphs is None or size is None:
            return self._run(layout, self._upload(frames), past, adapter)
        images = self._upload([*frames, *frames[-1:] * (size - len(frames))])
        return self._graphs.run(key, images, past, name, lambda x, held: self._run(layout, x, held, adapter))

    def _run(self, layout: PassLayout, images: Tensor, past: Sequence[Past], adapter: str | None) -> Tensor:
        weights, n = self._of(adapter), len(images)
        seen = self._look(images, layout.grids[-1], weights)
        words = self._bare.model.language_model.embed_tokens(layout.suffix[layout.tokens :])
        stream = entered(torch.cat((seen, words.expand(n, -1, -1)), 1))
        cos, sin = layout.suffix_rotations
        last = len(weights.layers) - 1
        for i in range(last):
            before = Past(*_free(past[i]))
            stream, _ = self._read(*_free(stream), weights.layers[i], cos[0], sin[0], before, self._heads)
        before = Past(*_free(past[last]))
        h = self._last(*_free(stream), weights.layers[last], cos[0], sin[0], before, self._heads)
        return norm(h, weights.final, self._heads.eps)

    def _look(self, images: Tensor, grid: Grid, weights: Weights) -> Tensor:
        """The vision tower on images of one size: (n, tokens, width of the language model)."""
        windows = self._window(grid)
        (images,) = _free((images,))
        rows = self._cut(images, windows.order, self._mean, self._std, self._how.patch)
        stream = entered(apply(Operand(rows.to(self._dtype)), weights.patch))
        whole = ((1, len(windows.order)),)
        for i, block in enumerate(weights.blocks):
            shapes = whole if i in self._full else windows.shapes
            stream = self._see(*_free(stream), block, windows.cos, windows.sin, shapes, self._vision_heads)
        tokens: Tensor = self._merge(
            *_free(stream), weights.merge_norm, weights.merge1, weights.merge2, windows.back
        )
        return tokens

    def _held(
        self, talks: Mapping[tuple[Any, ...], Prepared], layout: PassLayout, adapter: str | None
    ) -> dict[tuple[Any, ...], list[Past]]:
        """Keys and values of what comes before the frame, from the cache or computed, by their names."""
        missing = {name: talk for name, talk in talks.items() if name not in self._prefixes}
        if missing:
            made = self._before(layout, [talk.images[:-1] for talk in missing.values()], adapter)
            for n, name in enumerate(missing):
                self._prefixes[name] = [_alone(layer, n) for layer in made]
        held = {name: self._prefixes[name] for name in talks}
        for name in held:
            self._prefixes.move_to_end(name)
        while len(self._prefixes) > self._most:
            self._prefixes.popitem(last=False)
        return held

    def _before(
        self, layout: PassLayout, references: Sequence[Sequence[Image]], adapter: str | None
    ) -> list[Past]:
        """Keys and values of several conversations' words and references, layer by layer."""
        weights = self._of(adapter)
        words = self._bare.model.language_model.embed_tokens(layout.prefix)
        x = words.expand(len(references), -1, -1).clone()
        places = zip(layout.starts, layout.grids, zip(*references, strict=True), strict=False)
        for start, grid, images in places:
            seen = self._look(self._upload(images), grid, weights)
            x[:, start : start + seen.shape[1]] = seen
        cos, sin = layout.prefix_rotations
        stream, kept = entered(x), []
        for layer in weights.layers:
            stream, own = language_block(*stream, layer, cos[0], sin[0], None, self._heads)
            kept.append(own)
        return kept

    def _layout(self, talk: Prepared) -> PassLayout:
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


def _together(talks: Sequence[Prepared]) -> list[list[int]]:
    """Numbers of those that are computed together: of one shape behind one prefix, or each behind its own."""
    shapes: dict[tuple[Any, ...], dict[str, list[int]]] = {}
    for n, talk in enumerate(talks):
        shapes.setdefault(talk.shape, {}).setdefault(talk.before, []).append(n)
    groups = []
    for prefixes in shapes.values():
        groups += [members for members in prefixes.values() if len(members) > 1]
        if alone := [members[0] for members in prefixes.values() if len(members) == 1]:
            groups.append(alone)
    return groups


def _alone(past: Past, n: int) -> Past:
    """One row of a batch, contiguous and copied: a part would keep all of it."""
    return Past(*(part[n : n + 1].clone(memory_format=torch.contiguous_format) for part in past))


def _free(tensors: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """Let one compilation serve batches of any size; one alone is compiled for itself."""
    for x in tensors:
        if len(x) > 1:
            torch._dynamo.maybe_mark_dynamic(x, 0)
    return tensors


def _to_host(values: Tensor) -> Tensor:
    host = torch.empty(values.shape, dtype=torch.float32, pin_memory=True)
    return host.copy_(values, non_blocking=True)
