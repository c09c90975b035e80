from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.strategies._internal.random import ArtificialRandom
from transformers import AutoTokenizer

from saec.cloud.questions.chat_template import IMAGE_PAD, scoring_text
from saec.cloud.questions.token_layout import answer_ids, encode, expand_images, pad_left
from saec.errors import ModelError
from saec.prompts import V1
from saec_research.small_model import FOLDER as SMALL
from tests.cloud.helpers_cloud import needs_qwens_files

IMAGE_ID, PAD = 7, 0


class _Merging:
    """A tokenizer that swallows the space before a digit, as many do."""

    def encode(self, text: str, add_special_tokens: bool) -> list[int]:
        words = text.replace(" 0", "\x01").replace(" 1", "\x02")
        return [ord(c) for c in words]


@pytest.mark.parametrize("references", [0, 1, 2])
def test_the_labels_are_single_tokens_after_the_prefix(references: int) -> None:
    tokenizer = AutoTokenizer.from_pretrained(SMALL)
    prefix = scoring_text(V1, references)
    good, defect = answer_ids(tokenizer, prefix, V1.labels)
    assert [tokenizer.decode([i]) for i in (good, defect)] == ["0", "1"]
    assert encode(tokenizer, prefix + "0")[:-1] == encode(tokenizer, prefix)
    assert encode(tokenizer, prefix + "0")[:-1] == encode(tokenizer, prefix + "1")[:-1]


def test_a_tokenizer_that_merges_space_and_digit_is_refused() -> None:
    with pytest.raises(ModelError, match="tokenizer makes several tokens of a label"):
        answer_ids(_Merging(), "Label: ", ("0", "1"))


def test_a_tokenizer_that_cannot_tell_the_labels_apart_is_refused() -> None:
    class Blind:
        def encode(self, text: str, add_special_tokens: bool) -> list[int]:
            return [1] * len(text)

    with pytest.raises(ModelError):
        answer_ids(Blind(), "Label: ", ("0", "1"))


@given(st.lists(st.integers(10, 20), max_size=10), st.lists(st.integers(1, 5), max_size=4), st.randoms())
def test_expanding_touches_nothing_but_the_images(
    text: list[int], counts: list[int], random: ArtificialRandom
) -> None:
    ids = text + [IMAGE_ID] * len(counts)
    random.shuffle(ids)
    out = expand_images(ids, IMAGE_ID, counts)
    assert [i for i in out if i != IMAGE_ID] == [i for i in ids if i != IMAGE_ID]
    assert out.count(IMAGE_ID) == sum(counts)


def test_a_missing_image_is_an_error() -> None:
    with pytest.raises(ValueError, match="1 image tokens for 2 images"):
        expand_images([1, IMAGE_ID, 2], IMAGE_ID, [4, 4])


@given(st.lists(st.lists(st.integers(1, 9), min_size=1, max_size=12), min_size=1, max_size=5))
def test_padding_is_on_the_left_and_hides_nothing(sequences: list[list[int]]) -> None:
    batch = pad_left(sequences, IMAGE_ID, PAD)
    assert batch.ids.shape == batch.attention.shape == batch.types.shape
    for row, sequence in enumerate(sequences):
        real = batch.attention[row] == 1
        assert batch.ids[row][real].tolist() == sequence
        assert real[-1]
        assert np.array_equal(batch.types[row][real], [int(i == IMAGE_ID) for i in sequence])
        assert not batch.types[row][~real].any()


@needs_qwens_files
def test_qwens_own_answer_tokens_are_15_and_16() -> None:
    folder = Path(os.environ["SAEC_TEST_DATA"]) / "models" / "qwen2.5-vl-7b-instruct"
    tokenizer = AutoTokenizer.from_pretrained(folder)
    assert answer_ids(tokenizer, scoring_text(V1, 1), V1.labels) == (15, 16)
    assert len(encode(tokenizer, IMAGE_PAD)) == 1
