"""Any folder of images, without labels."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from saec.data.faults import Fault
from saec.data.images.file_names import find_images
from saec.data.items import Item
from saec.data.layouts.image_roles import sort_files
from saec.data.layouts.layout_reading import Choice, LayoutReading


class Plain:
    """Images alone; their labels are unknown."""

    name = "images"
    looks = "any folder of images, or one file; no labels"
    listed = False

    def found(self, root: Path) -> bool:
        return False

    def read(self, root: Path, choice: Choice) -> LayoutReading:
        pictures = find_pictures(root)
        masks = set(find_images(root)) - set(pictures)
        faults = [*_masks_named(masks), *_labels_named(pictures)]
        return LayoutReading(items=[Item(path=p) for p in pictures], aside=frozenset(masks), faults=faults)

    def sets(self, root: Path) -> list[Path]:
        return []


def _masks_named(masks: set[Path]) -> Iterator[Fault]:
    if masks:
        remedy = "name a folder without masks, or the data set that the masks belong to"
        message = f"{len(masks)} files are masks, not images to judge"
        yield Fault("warning", "mask", [str(min(masks))], message, remedy)


def _labels_named(pictures: list[Path]) -> Iterator[Fault]:
    """Labels in forms that are not read: a file for each image by LabelMe, or in Pascal VOC's XML."""
    for suffix, form in ((".json", "LabelMe"), (".xml", "Pascal VOC")):
        beside = [path.with_suffix(suffix) for path in pictures if path.with_suffix(suffix).is_file()]
        if beside:
            message = f"{len(beside)} label files in the form of {form} are not read, so labels are unknown"
            remedy = "export them as COCO or YOLO, or sort the images into good and defect"
            yield Fault("warning", "labels-unread", [str(beside[0])], message, remedy)


def find_pictures(root: Path) -> list[Path]:
    """The images of a folder without the masks among them; a single file gives itself.

    Raises:
        DataError: no such file or folder.
    """
    files = find_images(root)
    if root.is_dir():
        files = [f.path for f in sort_files(root, files) if f.what != "mask"]
    return files
