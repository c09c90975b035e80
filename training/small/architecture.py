"""The small checkpoint's shape: Qwen2.5-VL's own classes, small, and the files beside its weights."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from tokenizer import VOCABULARY, save_tokenizer
from tokenizers import Tokenizer
from torch.nn.functional import interpolate
from transformers import GenerationConfig, Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration

from saec.prompts import V1

SIDE = 240
PATCH = 10
"""Small, so that a patch holds no more values than the width does and thin lines survive the embedding."""
WINDOW = 120
PROMPT = V1
"""What it is trained with, and so asked with."""
HIDDEN = 256
VISION_LAYERS = 7
LANGUAGE_LAYERS = 6


def make_config(tokenizer: Tokenizer) -> Qwen2_5_VLConfig:
    """The configuration; every special id comes from the tokenizer.

    ``rope_theta`` is 20 instead of a million: with 16 frequencies per head and images of 12 x 12
    tokens, a million would leave the model all but blind to rows and columns.
    """
    token = {
        name: tokenizer.token_to_id(f"<|{name}|>") for name in ("vision_start", "vision_end", "image_pad")
    }
    end, pad = tokenizer.token_to_id("<|im_end|>"), tokenizer.token_to_id("<|endoftext|>")
    return Qwen2_5_VLConfig(
        text_config={
            "vocab_size": VOCABULARY,
            "hidden_size": HIDDEN,
            "intermediate_size": 640,
            "num_hidden_layers": LANGUAGE_LAYERS,
            "num_attention_heads": 8,
            "num_key_value_heads": 8,
            "max_position_embeddings": 4096,
            "max_window_layers": LANGUAGE_LAYERS,
            "rms_norm_eps": 1e-6,
            "rope_parameters": {"rope_type": "default", "rope_theta": 20.0, "mrope_section": [4, 6, 6]},
            "bos_token_id": pad,
            "eos_token_id": end,
            "pad_token_id": pad,
            "tie_word_embeddings": True,
        },
        vision_config={
            "depth": VISION_LAYERS,
            "hidden_size": HIDDEN,
            "intermediate_size": 672,
            "num_heads": 4,
            "out_hidden_size": HIDDEN,
            "fullatt_block_indexes": [1, 3, 5, 6],
            "patch_size": PATCH,
            "window_size": WINDOW,
            "tokens_per_second": 2,
        },
        image_token_id=token["image_pad"],
        video_token_id=tokenizer.token_to_id("<|video_pad|>"),
        vision_start_token_id=token["vision_start"],
        vision_end_token_id=token["vision_end"],
        tie_word_embeddings=True,
    )


def new_model(tokenizer: Tokenizer, seed: int) -> Qwen2_5_VLForConditionalGeneration:
    """An untrained model in float32."""
    torch.manual_seed(seed)
    return Qwen2_5_VLForConditionalGeneration(make_config(tokenizer))


def load_grown(folder: Path, tokenizer: Tokenizer) -> Qwen2_5_VLForConditionalGeneration:
    """A checkpoint in float32; one of other patches sees ours as if they were scaled to its own."""
    old = Qwen2_5_VLForConditionalGeneration.from_pretrained(folder, dtype=torch.float32)
    side = old.config.vision_config.patch_size
    if side == PATCH:
        return old
    weights = old.state_dict()
    name = "model.visual.patch_embed.proj.weight"
    scaling = interpolate(
        torch.eye(PATCH**2).view(-1, 1, PATCH, PATCH), side, mode="bicubic", align_corners=False
    )
    weights[name] = (weights[name].flatten(-2) @ scaling.flatten(1).T).unflatten(-1, (PATCH, PATCH))
    grown = Qwen2_5_VLForConditionalGeneration(make_config(tokenizer))
    grown.load_state_dict(weights)
    return grown


def export(model: Qwen2_5_VLForConditionalGeneration, tokenizer: Tokenizer, folder: Path) -> None:
    """Write a complete checkpoint: bf16 safetensors in parts and every file that a loader wants."""
    folder.mkdir(parents=True, exist_ok=True)
    end, pad = tokenizer.token_to_id("<|im_end|>"), tokenizer.token_to_id("<|endoftext|>")
    model.generation_config = GenerationConfig(eos_token_id=end, pad_token_id=pad, do_sample=False)
    model.to(torch.bfloat16).save_pretrained(folder, max_shard_size="8MB")
    save_tokenizer(tokenizer, folder)
    preprocessor = {
        "image_processor_type": "Qwen2VLImageProcessor",
        "processor_class": "Qwen2_5_VLProcessor",
        # Wide enough that a server leaves a picture alone that comes at the size it is to be seen at.
        "min_pixels": 56 * 56,
        "max_pixels": 448 * 448,
        "patch_size": PATCH,
        "temporal_patch_size": 2,
        "merge_size": 2,
        "image_mean": [0.5, 0.5, 0.5],
        "image_std": [0.25, 0.25, 0.25],
    }
    card = {
        "demonstration": True,
        "side": SIDE,
        "square": True,
        "prompt": PROMPT.version,
        "max_references": 1,
        "unit": 2 * PATCH,
    }
    for name, value in (("preprocessor_config.json", preprocessor), ("saec.json", card)):
        (folder / name).write_text(json.dumps(value, indent=1) + "\n")
