"""Any folder of images, without labels."""

from __future__ import annotations

from pathlib import Path

from saec.data.faults import Fault
from saec.data.files import find_images
from saec.data.items import Item
from saec.data.layouts.contract import Choice, Reading
from saec.data.layouts.sorting import sort_files


class Plain:
    """Images alone; their labels are unknown."""

    name = "images"
    looks = "any folder of images, or one file; no labels"
    listed = False

    def found(self, root: Path) -> bool:
        return False

    def read(self, root: Path, choice: Choice) -> Reading:
        pictures = find_pictures(root)
        masks = set(find_images(root)) - set(pictures)
        faults = []
        if masks:
            remedy = "name a folder without masks, or the data set that they belong to"
            faults = [
                Fault(
                    "warning", "mask", [str(min(masks))], f"{len(masks)} masks are no images to judge", remedy
                )
            ]
        return Reading(items=[Item(path=p) for p in pictures], aside=frozenset(masks), faults=faults)

    def sets(self, root: Path) -> list[Path]:
        return []


def find_pictures(root: Path) -> list[Path]:
    """The images of a folder without the masks among them; a single file gives itself.

    Raises:
        DataError: no such file or folder.
    """
    files = find_images(root)
    if root.is_dir():
        files = [f.path for f in sort_files(root, files) if f.what != "mask"]
    return files
