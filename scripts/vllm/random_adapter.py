"""Write a LoRA adapter with random weights upon the small checkpoint: random_adapter.py FOLDER.

It has the layers that are tuned, attention and projector, and is of no use but to compare two engines that
have both loaded it.
"""

from __future__ import annotations

import sys

import torch
from peft import LoraConfig, get_peft_model
from transformers import Qwen2_5_VLForConditionalGeneration

from saec_research.small_model import FOLDER as SMALL

TARGETS = r"model\.language_model\.layers\.\d+\.self_attn\.(q|k|v|o)_proj|model\.visual\.merger\.mlp\.(0|2)"
SCALE = 0.1
"""Of the random B: enough to move P(defect) well, not so much that no label is answered."""


def main(folder: str) -> None:
    """Make it."""
    model = Qwen2_5_VLForConditionalGeneration.from_pretrained(SMALL, dtype=torch.float32)
    torch.manual_seed(0)
    adapted = get_peft_model(model, LoraConfig(r=8, lora_alpha=16, target_modules=TARGETS))
    for name, parameter in adapted.named_parameters():
        if "lora_B" in name:
            parameter.data.normal_(0.0, SCALE)
    adapted.save_pretrained(folder)


if __name__ == "__main__":
    main(sys.argv[1])
