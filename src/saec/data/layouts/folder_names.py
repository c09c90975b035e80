"""What the names of folders and files say: split, class, images, masks."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from saec.data.items import SPLITS, Split, is_defect_name, is_good_name, plain_name

# fmt: off
MASK_FOLDERS = frozenset((
    "groundtruth", "groundtruths", "gt", "gts", "mask", "masks", "maskdir", "maskimage", "maskimages",
    "defectmask", "defectmasks", "anomalymask", "anomalymasks", "binarymask", "binarymasks",
))
"""Folders of masks, whatever lies in them."""
MAYBE_MASK_FOLDERS = frozenset((
    "label", "labels", "annotation", "annotations", "anno", "annot", "annots", "seg", "segmentation",
    "segmentations", "segmentationclass", "segmentationobject", "truth", "target", "targets", "pixellabel",
))
"""Folders that hold masks if their files look so; else they are classes, as a fault of a label is."""
IMAGE_FOLDERS = frozenset((
    "image", "images", "img", "imgs", "data", "jpegimages", "picture", "pictures", "photo", "photos", "rgb",
))
"""Folders that only say that images lie in them."""
UNLABELLED = frozenset((
    "testprivate", "testprivatemixed", "unlabelled", "unlabeled", "unknown", "unsorted", "unsure", "todo",
))
"""Folders of images whose label nobody has said."""
NO_CLASSES = frozenset((
    "backup", "backups", "tmp", "temp", "trash", "ignore", "ignored", "excluded", "result", "results",
    "output", "outputs", "run", "runs", "prediction", "predictions", "pred", "preds", "heatmap", "heatmaps",
    "overlay", "overlays", "visualization", "visualizations", "visualisation", "visualisations", "preview",
    "previews", "thumb", "thumbs", "thumbnail", "thumbnails", "xyz", "depth", "pointcloud",
))
"""Folders that are no class of parts: what programs write beside images, and other measurements."""
TEST_GOODS = frozenset(("normaltest", "goodtest", "testnormal", "testgood", "oktest", "testok"))
"""Goods to test on, in a name of their own (anomalib's ``normal_test_dir``)."""
# fmt: on

TEST_SPLITS: dict[str, Split] = {"testpublic": "test", "traindata": "train", "testdata": "test"}

Role = Literal["split", "mask", "maybe-mask", "image", "unlabelled", "no-class", "class"]

_SEPARATOR = r"[_\-. ]"
_SURE = rf"(?:ground{_SEPARATOR}?truth|masks?|gt)"
_MAYBE = r"(?:labels?|lbl|seg|segmentation|annotations?|anno|pixels?|binary|defects?|anomal(?:y|ies))"
_ENDING = re.compile(rf"(?i)(?:{_SEPARATOR}+(?:{_SURE}|{_MAYBE})|masks?|groundtruth)$")
_BEGINNING = re.compile(rf"(?i)^(?:{_SURE}|{_MAYBE}){_SEPARATOR}+")
_NUMBER = re.compile(rf"(?:{_SEPARATOR}+\(?\d{{1,3}}\)?|(?<=[A-Za-z])\d{{1,3}})$")
_SUFFIX = re.compile(r"(?i)\.(?:png|jpe?g|bmp|tiff?)$")
_SURE_NAME = re.compile(
    rf"(?i)(?:^{_SURE}{_SEPARATOR}+.|.{_SEPARATOR}+{_SURE}(?:{_SEPARATOR}*\d{{1,3}})?$|.masks?\d{{0,3}}$|.groundtruth$)"
)
_MAYBE_NAME = re.compile(
    rf"(?i)(?:^{_MAYBE}{_SEPARATOR}+.|.{_SEPARATOR}+{_MAYBE}(?:{_SEPARATOR}*\d{{1,3}})?$)"
)


def split_of(folder: str) -> Split | None:
    """The split that a folder's name means."""
    return SPLITS.get(folder.lower()) or TEST_SPLITS.get(plain_name(folder))


def role_of(folder: str) -> Role:
    """What a folder's name means."""
    plain = plain_name(folder)
    if split_of(folder) is not None:
        return "split"
    for names, role in _ROLES:
        if plain in names:
            return role
    if "mask" in re.split(r"[\W_]+", folder.lower()):
        return "maybe-mask"
    return "class"


_ROLES: tuple[tuple[frozenset[str], Role], ...] = (
    (MASK_FOLDERS, "mask"),
    (MAYBE_MASK_FOLDERS, "maybe-mask"),
    (IMAGE_FOLDERS, "image"),
    (UNLABELLED, "unlabelled"),
    (NO_CLASSES, "no-class"),
)


def means_good(folder: str, more: tuple[str, ...] = ()) -> bool:
    """Whether a class folder holds goods, by the known names and by those that the user has said."""
    return folder.lower() in more or is_good_name(folder) or means_test_goods(folder)


def means_test_goods(folder: str) -> bool:
    """Whether a class folder holds goods to test on, beside a folder of goods to fit on."""
    return plain_name(folder).removesuffix("dir") in TEST_GOODS


def means_defect(folder: str) -> bool:
    return is_defect_name(folder)


def mask_name(path: Path) -> Literal["sure", "maybe", ""]:
    """Whether a file's name says that it is a mask of another file."""
    if _SURE_NAME.search(path.stem):
        return "sure"
    return "maybe" if _MAYBE_NAME.search(path.stem) else ""


def image_stems(stem: str) -> list[str]:
    """Names (lower case, without suffix) of the image that a mask may belong to, the likeliest first."""
    found: dict[str, None] = {stem.lower(): None}
    edge = [stem]
    for _ in range(4):
        edge = [shorter for name in edge for shorter in _shorter(name)]
        found |= dict.fromkeys(name.lower() for name in edge)
    return list(found)


def _shorter(name: str) -> Iterator[str]:
    for pattern in (_SUFFIX, _ENDING, _BEGINNING, _NUMBER):
        shorter = pattern.sub("", name, count=1)
        if shorter not in ("", name):
            yield shorter
