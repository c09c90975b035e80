"""The demonstration checkpoint: a small Qwen2.5-VL, trained on procedural drawings alone (README.md)."""

from pathlib import Path

FOLDER = Path(__file__).parent
"""The checkpoint's folder (entry point ``saec.checkpoints``)."""
