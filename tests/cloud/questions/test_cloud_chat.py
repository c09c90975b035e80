from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from transformers import AutoTokenizer

from saec.cloud.questions.chat_template import IMAGE_PAD, explain_text, scoring_text
from saec.prompts import IMAGE, V1
from saec_research.small_model import FOLDER as SMALL
from tests.cloud.helpers_cloud import needs_qwens_files


def _messages(user: str) -> list[dict[str, Any]]:
    parts = []
    for i, text in enumerate(user.split(IMAGE)):
        parts += [{"type": "image"}] * (i > 0) + [{"type": "text", "text": text}] * bool(text)
    return [{"role": "system", "content": V1.system}, {"role": "user", "content": parts}]


@pytest.mark.parametrize("references", [0, 1, 3])
def test_chat_text_is_what_the_shipped_template_writes(references: int) -> None:
    tokenizer = AutoTokenizer.from_pretrained(SMALL)
    user = V1.user(references)
    theirs = tokenizer.apply_chat_template(_messages(user), tokenize=False, add_generation_prompt=True)
    assert scoring_text(V1, references) == theirs + V1.prefill


@needs_qwens_files
@pytest.mark.parametrize("references", [0, 2])
def test_chat_text_is_what_qwens_own_template_writes(references: int) -> None:
    folder = Path(os.environ["SAEC_TEST_DATA"]) / "models" / "qwen2.5-vl-7b-instruct"
    import json

    template = json.loads((folder / "chat_template.json").read_text())["chat_template"]
    tokenizer = AutoTokenizer.from_pretrained(folder)
    theirs = tokenizer.apply_chat_template(
        _messages(V1.user(references)), tokenize=False, add_generation_prompt=True, chat_template=template
    )
    assert scoring_text(V1, references) == theirs + V1.prefill


def test_every_image_has_its_place_and_the_query_comes_last() -> None:
    text = scoring_text(V1, 2)
    assert text.count(IMAGE_PAD) == 3
    assert IMAGE not in text
    assert text.rindex("good product") < text.rindex(IMAGE_PAD)


def test_explaining_shows_the_same_images_and_asks_for_json() -> None:
    text = explain_text(V1, 1)
    assert text.count(IMAGE_PAD) == 2
    assert "JSON" in text
    assert text.endswith("<|im_start|>assistant\n")
