"""One labelled image of a data set, and the folder names that are understood."""

from __future__ import annotations

import re
import unicodedata
from pathlib import Path
from typing import Literal

import msgspec

from saec.types import LONGEST_KIND, Mask

Split = Literal["train", "test", "val", ""]

SPLITS: dict[str, Split] = {
    "train": "train",
    "training": "train",
    "test": "test",
    "testing": "test",
    "val": "val",
    "valid": "val",
    "validation": "val",
}
"""Folder names (lower case) of the splits."""

# fmt: off
GOOD_NAMES = frozenset((
    "good", "goods", "ok", "okay", "normal", "pass", "passed", "defectfree", "nondefective", "nodefect",
    "gut", "io", "良品", "正常", "合格",
))
DEFECT_NAMES = frozenset((
    "defect", "defects", "defective", "bad", "ng", "nok", "notok", "notgood", "anomaly", "anomalies",
    "anomalous", "abnormal", "fail", "failed", "reject", "rejected",
    "schlecht", "nio", "不良", "不良品", "異常", "异常", "缺陷", "不合格",
))
# fmt: on


UNKNOWN_NAMES = frozenset(("unknown", "unlabelled", "unlabeled", "unsorted", "unsure", "todo", "不明"))
"""Names that say that nobody has said which kind of defect it is."""


class Item(msgspec.Struct, frozen=True, kw_only=True):
    """One image of a data set.

    Attributes:
        path: the image file.
        label: GOOD, DEFECT or None when unknown.
        split: "train", "test", "val", or "" where the data set has no splits.
        kind: "good", a defect type, or "" when unknown.
        mask: where the defect is, or None when unknown. A good may have one; it marks nothing.
        part: id of the physical part, "" when unknown.
        lot: id of the production lot, "" when unknown.
        picked: it was chosen by its score, as for review, so goods like it are rarer than they seem.
    """

    path: Path
    label: int | None = None
    split: Split = ""
    kind: str = ""
    mask: Mask | None = None
    part: str = ""
    lot: str = ""
    picked: bool = False


def plain_name(folder: str) -> str:
    """A folder name without case, blanks, dashes and underscores, for comparing with the synonyms."""
    return re.sub(r"[\s_-]+", "", folder.lower())


def is_good_name(folder: str) -> bool:
    return _class_name(folder) in GOOD_NAMES


def is_defect_name(folder: str) -> bool:
    return _class_name(folder) in DEFECT_NAMES


def is_unknown_name(name: str) -> bool:
    """Whether a name says that the kind of a defect is not known."""
    return plain_name(name) in UNKNOWN_NAMES


def stated_kind(name: str) -> str:
    """The kind of defect that a data set's own word states, at most ``LONGEST_KIND`` printable characters.

    It is "" where the word says no more than that the image is good, a defect, or of unknown kind.

    >>> stated_kind(" broken large"), stated_kind("Defects"), stated_kind("unknown")
    ('broken large', '', '')
    """
    text = unicodedata.normalize("NFC", name).strip()
    if is_good_name(text) or is_defect_name(text) or is_unknown_name(text):
        return ""
    shown = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)
    return shown if len(shown) <= LONGEST_KIND else shown[: LONGEST_KIND - 1] + "…"


def _class_name(folder: str) -> str:
    """A plain name without a word that only says what lies there, as ``images`` or ``dir``."""
    plain = plain_name(folder)
    return plain if plain in GOOD_NAMES | DEFECT_NAMES else _HOLDERS.sub("", plain)


_HOLDERS = re.compile(r"(?<=.)(?:dir|folder|images?|imgs?|pictures?|photos?|samples?|parts?)$")
