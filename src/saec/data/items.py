"""One labelled image of a data set, and the folder names that are understood."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

import msgspec

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
))
DEFECT_NAMES = frozenset((
    "defect", "defects", "defective", "bad", "ng", "nok", "notok", "notgood", "anomaly", "anomalies",
    "anomalous", "abnormal", "fail", "failed", "reject", "rejected",
))
# fmt: on


class Item(msgspec.Struct, frozen=True, kw_only=True):
    """One image of a data set.

    Attributes:
        path: the image file.
        label: GOOD, DEFECT or None when unknown.
        split: "train", "test", "val", or "" where the data set has no splits.
        kind: "good", a defect type, or "" when unknown.
        mask: file with the defect's pixels, or None.
        part: id of the physical part, "" when unknown.
        lot: id of the production lot, "" when unknown.
    """

    path: Path
    label: int | None = None
    split: Split = ""
    kind: str = ""
    mask: Path | None = None
    part: str = ""
    lot: str = ""


def plain_name(folder: str) -> str:
    """A folder name without case, blanks, dashes and underscores, for comparing with the synonyms."""
    return re.sub(r"[\s_-]+", "", folder.lower())


def is_good_name(folder: str) -> bool:
    return plain_name(folder) in GOOD_NAMES


def is_defect_name(folder: str) -> bool:
    return plain_name(folder) in DEFECT_NAMES
