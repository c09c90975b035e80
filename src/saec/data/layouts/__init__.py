"""How data sets lie on disk. A new layout is a file here and a line in ``LAYOUTS``.

The first that is found is taken; where two are found, the user is asked.
"""

from __future__ import annotations

from pathlib import Path

from saec.data.images.file_names import find_images, subfolders
from saec.data.layouts.coco import Coco
from saec.data.layouts.layout_reading import Layout
from saec.data.layouts.masked_images import Marked, is_ksdd, is_ksdd2, is_marked, ksdd_part, refuse_positive
from saec.data.layouts.sft import Sft
from saec.data.layouts.tables import RealIad, Visa
from saec.data.layouts.tree import Tree, split_folders
from saec.data.layouts.unlabelled import Plain
from saec.data.layouts.yolo_labels import Yolo
from saec.errors import DataError

__all__ = [
    "LAYOUTS",
    "Choice",
    "Reading",
    "Saturation",
    "describe",
    "detect",
    "expected",
    "is_data_set",
    "split_folders",
]

_MVTEC = "train/good, test/TYPE, masks in ground_truth/TYPE; AD 2, LOCO, 3D, BTAD, MPDD, VisA as converted"
_FOLDERS = "{train,test,val}/{good,defect}, or good/ beside other classes; masks in a folder or beside"

LAYOUTS: dict[str, Layout] = {
    layout.name: layout
    for layout in (
        Sft(),
        Visa(),
        RealIad(),
        Coco(),
        Yolo(),
        Marked("ksdd", "kosNN/PartN.jpg with PartN_label.bmp (KolektorSDD)", is_ksdd, ksdd_part),
        Marked("ksdd2", "{train,test}/NNNNN.png with NNNNN_GT.png (KolektorSDD2)", is_ksdd2),
        Tree("mvtec", _MVTEC, typed=True),
        Tree("folders", _FOLDERS, typed=False),
        Marked("marked", "images and their masks without classes: an empty mask is a good (DAGM)", is_marked),
        Plain(),
    )
}

_SURE = {"sft", "visa", "realiad", "ksdd", "ksdd2"}
"""Layouts that no other is mistaken for, though a more general one may be found beside them."""


def detect(root: Path) -> str | None:
    """The labelled layout of a folder, or None.

    Raises:
        DataError: two layouts are found, or class names that mean two things; says how to pick one.
    """
    if not root.is_dir():
        return None
    found = [name for name, layout in LAYOUTS.items() if layout.found(root)]
    if not found:
        refuse_positive(root)
        return None
    if len(found) > 1 and found[0] not in _SURE:
        one, two = found[0], found[1]
        raise DataError(
            f"{root} fits the layouts {one} ({LAYOUTS[one].looks}) and {two} ({LAYOUTS[two].looks})",
            f"choose one: --layout {one} or --layout {two}",
        )
    return found[0]


def is_data_set(root: Path) -> bool:
    """Whether a folder is a labelled data set; one that cannot be looked into is none."""
    try:
        return root.is_dir() and any(layout.found(root) for layout in LAYOUTS.values())
    except (DataError, OSError):
        return False


def expected() -> str:
    """All layouts, for an error's remedy."""
    return "use one of these layouts: " + "; ".join(
        f"{layout.looks} ({name})" for name, layout in LAYOUTS.items()
    )


def folder_summary(root: Path) -> str:
    """What a folder holds, for errors: its folders two deep, and how many images lie in it."""
    folders = []
    for sub in subfolders(root)[:6]:
        inner = [f.name for f in subfolders(sub)]
        shown = ",".join(inner[:4]) + (",..." if len(inner) > 4 else "")
        folders.append(f"{sub.name}/{{{shown}}}" if inner else f"{sub.name}/")
    more = len(subfolders(root)) - len(folders)
    text = ", ".join(folders) + (f" and {more} more folders" if more > 0 else "")
    return f"it holds {text or 'no folders'} and {len(find_images(root))} images in all"
