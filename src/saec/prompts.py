"""Prompts: versioned data in one place, the same for training, evaluation and use.

Each says which label is the defect. A version is never edited once released: a change is a new one.
"""

from __future__ import annotations

import msgspec

IMAGE = "<image>"
"""Where an image goes in a prompt's text; engines replace it by their own image tokens."""


class Beside(msgspec.Struct, frozen=True, kw_only=True):
    """The words where each product is shown twice: all of it, and near at one place; as in ``Prompt``."""

    openings: tuple[str, str, str]
    reference: str
    query: str
    explain: str


class Prompt(msgspec.Struct, frozen=True, kw_only=True):
    """One version of the prompt.

    The user's turn is an opening, ``reference`` once for each reference image, and ``query``. The
    opening is that of the number of references: ``openings`` holds those of no reference (zero-shot),
    of one (one-shot) and of several (few-shot, where ``{count}`` stands for the number). The answer to
    the scoring question is prefilled with ``prefill``; the next token is one of ``labels``, in the order
    (good, defect). ``explain`` takes the place of ``query`` and asks for JSON. ``beside`` are the words of a
    conversation that shows whole products and crops of them together; a version without them shows them in
    turn.
    """

    version: str
    system: str
    reference: str
    query: str
    prefill: str
    labels: tuple[str, str]
    explain: str
    openings: tuple[str, str, str] = ("", "", "")
    beside: Beside | None = None

    def user(self, references: int, *, beside: bool = False) -> str:
        """The user's turn with that many references; every image stands as ``IMAGE``.

        Args:
            references: number of goods shown.
            beside: each product is shown whole and then near.
        """
        words = self._words(beside)
        return _shown(words, references) + words.query

    def explaining(self, references: int, *, beside: bool = False) -> str:
        """The user's turn that asks for words on a defect."""
        words = self._words(beside)
        return _shown(words, references) + words.explain

    def _words(self, beside: bool) -> Prompt | Beside:
        if not beside:
            return self
        if self.beside is None:
            raise ValueError(f"the prompt {self.version} shows whole and crop in turn")
        return self.beside


def _shown(words: Prompt | Beside, references: int) -> str:
    opening = words.openings[min(references, 2)].replace("{count}", str(references))
    return opening + words.reference * references


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

V4 = Prompt(
    version="v4",
    system=V3.system,
    openings=V3.openings,
    reference=V3.reference,
    query=V3.query,
    prefill=V3.prefill,
    labels=V3.labels,
    explain=V3.explain,
    beside=Beside(
        openings=(
            "",
            "First you see a good product, then the product that you are to judge. Each is shown twice: "
            "all of it, and near at the place where the second one looks most unusual.\n",
            "First you see {count} good products of one kind, which show how much good ones differ, then "
            "the product of that kind that you are to judge. Each is shown twice: all of it, and near at "
            "the place where the last one looks most unusual.\n",
        ),
        reference=(
            f"{IMAGE}\nThis is a good product, without any defect.\n"
            f"{IMAGE}\nThis is the same place of it, near.\n"
        ),
        query=(
            "The following two images show one product: all of it, and near at the place that looks most "
            "unusual. Is it good or does it have a defect? A defect may show in either. "
            f"Answer with one label: 0 means good, 1 means defect.\n{IMAGE}\n{IMAGE}"
        ),
        explain=(
            "The following two images show one product that has a defect: all of it, and near at the place "
            'that looks most unusual. Describe the defect as JSON with two keys: "kind", one or two words, '
            f'and "description", one sentence.\n{IMAGE}\n{IMAGE}'
        ),
    ),
)
"""V3's words, and words for a product that is shown whole and near in one conversation."""

PROMPTS = {p.version: p for p in (V1, V2, V3, V4)}
"""Every version that may be named; a new one joins here."""

DEFAULT = V1
"""The version that is asked where settings and checkpoint name none."""

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
