"""Chat text in Qwen's ChatML, built from the versioned prompts. Pure text, no tokenizer.

The same functions serve training, evaluation and use, so the three cannot drift apart.
"""

from __future__ import annotations

from saec.prompts import IMAGE, Prompt

IMAGE_PAD = "<|image_pad|>"
IMAGE_TEXT = f"<|vision_start|>{IMAGE_PAD}<|vision_end|>"
END = "<|im_end|>"


def scoring_text(prompt: Prompt, references: int, *, beside: bool = False) -> str:
    """The conversation up to the point where the next token is the label.

    Args:
        prompt: the version of the prompt.
        references: number of goods before the frame.
        beside: each product is shown twice, whole and near.
    """
    return _conversation(prompt.system, prompt.user(references, beside=beside)) + prompt.prefill


def explain_text(prompt: Prompt, references: int, *, beside: bool = False) -> str:
    """The conversation up to the point where the defect's JSON begins."""
    return _conversation(prompt.system, prompt.explaining(references, beside=beside))


def chat_text(system: str, user: str) -> str:
    """System and user turn, and the head of the assistant's; images stand in it as ``IMAGE_TEXT``."""
    return f"<|im_start|>system\n{system}{END}\n<|im_start|>user\n{user}{END}\n<|im_start|>assistant\n"


def _conversation(system: str, user: str) -> str:
    return chat_text(system, user.replace(IMAGE, IMAGE_TEXT))
