"""Prompts: versioned data in one place, the same for training, evaluation and use.

Each says which label is the defect. A version is never edited once released: a change is a new one.
"""

from __future__ import annotations

import msgspec

IMAGE = "<image>"
"""Where an image goes in a prompt's text; engines replace it by their own image tokens."""


class Prompt(msgspec.Struct, frozen=True, kw_only=True):
    """One version of the prompt.

    The user's turn is an opening, ``reference`` once for each reference image, and ``query``. The
    opening is that of the number of references: ``openings`` holds those of no reference (zero-shot),
    of one (one-shot) and of several (few-shot, where ``{count}`` stands for the number). The answer to
    the scoring question is prefilled with ``prefill``; the next token is one of ``labels``, in the order
    (good, defect). ``explain`` takes the place of ``query`` and asks for JSON.
    """

    version: str
    system: str
    reference: str
    query: str
    prefill: str
    labels: tuple[str, str]
    explain: str
    openings: tuple[str, str, str] = ("", "", "")

    def user(self, references: int) -> str:
        """The user's turn with that many references; every image stands as ``IMAGE``."""
        return self._shown(references) + self.query

    def explaining(self, references: int) -> str:
        """The user's turn that asks for words on a defect."""
        return self._shown(references) + self.explain

    def _shown(self, references: int) -> str:
        opening = self.openings[min(references, 2)].replace("{count}", str(references))
        return opening + self.reference * references


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

V2 = Prompt(
    version="v2",
    system="You are a visual inspector in a factory. You tell defects from harmless differences.",
    openings=(
        "You see a product.\n",
        "First you see a good product, then the product that you are to judge.\n",
        "First you see {count} good products of one kind, which show how much good ones differ, "
        "then the product of that kind that you are to judge.\n",
    ),
    reference=f"{IMAGE}\nThis is a good product, without any defect.\n",
    query=(
        f"{IMAGE}\nIs the product in this image good or does it have a defect? "
        "Answer with one label: 0 means good, 1 means defect."
    ),
    prefill="Label: ",
    labels=("0", "1"),
    explain=(
        f"{IMAGE}\nThe product in this image has a defect. "
        'Describe it as JSON with two keys: "kind", one or two words, and "description", one sentence.'
    ),
)
"""Says what is shown: nothing but the product, one good product before it, or several."""

V3 = Prompt(
    version="v3",
    system=V2.system,
    openings=("", *V2.openings[1:]),
    reference=V2.reference,
    query=(
        "Is the product in the following image good or does it have a defect? "
        f"Answer with one label: 0 means good, 1 means defect.\n{IMAGE}"
    ),
    prefill="Label: ",
    labels=("0", "1"),
    explain=(
        "The product in the following image has a defect. Describe it as JSON with two keys: "
        f'"kind", one or two words, and "description", one sentence.\n{IMAGE}'
    ),
)
"""Asks before it shows: all words that are the same for every frame come first and are computed once."""

PROMPTS = {p.version: p for p in (V1, V2, V3)}
DEFAULT = V1

LLAVA_V1 = Prompt(
    version="llava-v1",
    system="",
    reference="",
    query=(
        f"{IMAGE}\nIs the product in this image good or does it have a defect? "
        "Answer with one label: 0 means good, 1 means defect."
    ),
    prefill=" ",
    labels=("0", "1"),
    explain=(
        f"{IMAGE}\nThe product in this image has a defect. "
        'Describe it as JSON with two keys: "kind", one or two words, and "description", one sentence.'
    ),
)
"""For LLaVA-1.5, which has no system turn and sees one image. The space before a digit is a token of its own
there, so the answer is prefilled with it."""
