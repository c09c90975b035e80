"""Token layout: which ids the model gets, where the images stand, which two ids are the answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from saec.errors import ModelError

Ids = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class TokenBatch:
    """Sequences of different lengths, padded on the left.

    Attributes:
        ids: (batch, length) token ids.
        attention: (batch, length), 1 at real tokens, 0 at padding.
        types: (batch, length), 1 at image tokens: without it the image positions are lost silently.
    """

    ids: Ids
    attention: Ids
    types: Ids


def answer_ids(tokenizer: Any, prefix: str, labels: tuple[str, str]) -> tuple[int, int]:
    """Ids of the two answer tokens (good, defect) at the position after ``prefix``.

    Raises:
        ModelError: the tokenizer does not keep each label as one token of its own after the prefix,
            so that there would be no one position at which the two compete.
    """
    head = encode(tokenizer, prefix)
    ends = [encode(tokenizer, prefix + label) for label in labels]
    if any(end[:-1] != head for end in ends) or ends[0][-1] == ends[1][-1]:
        raise ModelError(
            f"this checkpoint's tokenizer makes several tokens of a label: {labels} after "
            f"{prefix[-8:]!r}, so the labels cannot be compared",
            "restore the original tokenizer files of the checkpoint",
        )
    return ends[0][-1], ends[1][-1]


def encode(tokenizer: Any, text: str) -> list[int]:
    """Ids of a text that already holds its special tokens; nothing is added."""
    return [int(i) for i in tokenizer.encode(text, add_special_tokens=False)]


def expand_images(ids: Sequence[int], image_id: int, counts: Sequence[int]) -> list[int]:
    """Repeat the n-th image token ``counts[n]`` times.

    Raises:
        ValueError: the number of image tokens differs from the number of counts.
    """
    if sum(i == image_id for i in ids) != len(counts):
        raise ValueError(
            f"the text has {sum(i == image_id for i in ids)} image tokens for {len(counts)} images"
        )
    left = iter(counts)
    out: list[int] = []
    for i in ids:
        out.extend([i] * next(left) if i == image_id else [i])
    return out


def pad_left(sequences: Sequence[Sequence[int]], image_id: int, pad_id: int) -> TokenBatch:
    """Stack sequences so that each one's last token is in the last column."""
    shape = (len(sequences), max(map(len, sequences)))
    ids = np.full(shape, pad_id, np.int64)
    attention = np.zeros(shape, np.int64)
    for row, sequence in enumerate(sequences):
        ids[row, shape[1] - len(sequence) :] = sequence
        attention[row, shape[1] - len(sequence) :] = 1
    return TokenBatch(ids, attention, ((ids == image_id) & (attention == 1)).astype(np.int64))
