"""Prompts: versioned data in one place, the same for training, evaluation and use.

Each says which label is the defect. A version is never edited once released: a change is a new one.
"""

from __future__ import annotations

import msgspec

IMAGE = "<image>"
"""Where an image goes in a prompt's text; engines replace it by their own image tokens."""


class Prompt(msgspec.Struct, frozen=True, kw_only=True):
    """One version of the prompt.

    ``reference`` is repeated for each reference image and comes before ``query``. The answer to the
    scoring question is prefilled with ``prefill``; the next token is one of ``labels``, in the order
    (good, defect). ``explain`` continues the same conversation and asks for JSON.
    """

    version: str
    system: str
    reference: str
    query: str
    prefill: str
    labels: tuple[str, str]
    explain: str

    def user(self, references: int) -> str:
        """The user's turn with that many references; every image stands as ``IMAGE``."""
        return self.reference * references + self.query


V1 = Prompt(
    version="v1",
    system="You are a visual inspector in a factory. You compare a product with what a good one looks like.",
    reference=f"{IMAGE}\nThis is a good product, without any defect.\n",
    query=(
        f"{IMAGE}\nIs this product good or does it have a defect? "
        "Answer with one label: 0 means good, 1 means defect."
    ),
    prefill="Label: ",
    labels=("0", "1"),
    explain=(
        f"{IMAGE}\nThis product has a defect. "
        'Describe it as JSON with two keys: "kind", one or two words, and "description", one sentence.'
    ),
)

PROMPTS = {p.version: p for p in (V1,)}
DEFAULT = V1
