"""What rounding explains of a multimodal model's answers: how long its sums are, and how large its logits."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from torch import Tensor

from saec.rounding import apart, apart_in_probability

_STEEPEST = 0.224
"""Largest z p (1 - p) of p = 1 / (1 + exp(-z)): how P(defect) moves with a relative error of its log-odds."""

_STORED = 6
"""Results that a layer stores in the model's arithmetic: both norms, queries, attention, gate and sum."""


def logits_apart(model: Any, tokens: int) -> Tensor:
    """The largest difference in float32 of each token's logit, (vocabulary,).

    What enters the head has the root mean square of the last norm's weight, so a token's logit and its error
    are bounded by the length of that token's row.

    Args:
        model: a Qwen2.5-VL or a LLaVA as transformers loads it, in peft's wrapper where there are adapters.
        tokens: number of tokens of the conversation, images included.
    """
    bare = model.get_base_model() if hasattr(model, "get_base_model") else model
    head, scale = bare.lm_head.weight.detach().float(), bare.model.language_model.norm.weight.detach().float()
    largest = (head * scale).norm(dim=1) * math.sqrt(head.shape[1])
    return apart(_length(bare.config, tokens), 1.0) * largest.cpu()


def opinions_apart(model: Any, labels: Sequence[int], tokens: int) -> float:
    """The largest difference in float32 of P(defect), the softmax over the labels' tokens."""
    return apart_in_probability(float(logits_apart(model, tokens)[list(labels)].max()))


def opinions_apart_rounded(config: Any) -> float:
    """The median difference of P(defect) in bfloat16, where each result that is stored is rounded to 8 bits.

    Half of the largest: two standard deviations. ``config`` is transformers' own, of the whole model.
    """
    vision, text = config.vision_config, config.get_text_config()
    stored = _STORED * (_depth(vision) + int(text.num_hidden_layers))
    return apart(stored, _STEEPEST, "bfloat16") / 2


def _length(config: Any, tokens: int) -> int:
    """Terms of all sums that follow each other from a pixel to a logit."""
    vision, text = config.vision_config, config.get_text_config()
    merged = int(getattr(vision, "spatial_merge_size", 1)) ** 2
    patch = 3 * int(getattr(vision, "temporal_patch_size", 1)) * int(vision.patch_size) ** 2
    seeing = patch + _depth(vision) * _layer(vision, merged * tokens) + 2 * merged * int(vision.hidden_size)
    return seeing + int(text.num_hidden_layers) * _layer(text, tokens) + 2 * int(text.hidden_size)


def _layer(config: Any, places: int) -> int:
    """Two norms, queries, a head's scores, values of all places, output, gate, and the gate's output."""
    width = int(config.hidden_size)
    heads = int(getattr(config, "num_heads", 0) or config.num_attention_heads)
    return 5 * width + width // heads + places + int(config.intermediate_size)


def _depth(vision: Any) -> int:
    return int(getattr(vision, "depth", 0) or vision.num_hidden_layers)
