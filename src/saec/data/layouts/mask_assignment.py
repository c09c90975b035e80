"""Which mask belongs to which image."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from saec.data.faults import Fault
from saec.data.items import Split
from saec.data.layouts.folder_names import image_stems
from saec.data.layouts.image_roles import Placed
from saec.types import Mask

Place = tuple[Split, tuple[str, ...]]


_OWNERS: tuple[Split, ...] = ("test", "val", "train")


class Assigned:
    """The masks of each image, those that belong to none, and what is ambiguous."""

    def __init__(self) -> None:
        self.files: dict[Path, list[Path]] = defaultdict(list)
        self.orphans: list[Path] = []
        self.faults: list[Fault] = []

    def of(self, image: Path) -> Mask | None:
        """The mask of an image: all its files together."""
        files = self.files.get(image)
        return Mask(files=tuple(sorted(files))) if files else None


def assign_masks(
    images: Sequence[Placed], masks: Iterable[Placed], good: Callable[[Placed], bool] = lambda image: False
) -> Assigned:
    """Give each mask to the image of its split, class and name.

    Args:
        images: the images of every split.
        masks: the masks in folders of their own or beside images. One without a split is the hold-out's.
        good: whether an image is known to be good: a mask without a class folder is rather a defect's.

    A mask named exactly as an image is that image's; else ``_mask``, ``_GT``, numbers and the like are taken
    off. A mask without a class folder goes to the one image of its name.
    """
    by_name: dict[tuple[Place, str], list[Path]] = defaultdict(list)
    defects: dict[tuple[Split, str], list[Path]] = defaultdict(list)
    anywhere: dict[tuple[Split, str], list[Path]] = defaultdict(list)
    for image in images:
        stem = image.path.stem.lower()
        by_name[image.place, stem].append(image.path)
        anywhere[image.split, stem].append(image.path)
        if not good(image):
            defects[image.split, stem].append(image.path)
    splits = {image.split for image in images}
    owner: Split = next((split for split in _OWNERS if split in splits), "")
    assigned = Assigned()
    for mask in masks:
        found = next((f for f in _candidates(mask, owner, by_name, (defects, anywhere)) if f), [])
        folders = {path.parent for path in found}
        if not found:
            assigned.orphans.append(mask.path)
        elif len(folders) > 1:
            assigned.faults.append(_two_images(mask.path, found))
        for path in found if len(folders) == 1 else ():
            assigned.files[path].append(mask.path)
    return assigned


def _candidates(
    mask: Placed,
    owner: Split,
    by_name: dict[tuple[Place, str], list[Path]],
    by_stem: Sequence[Mapping[tuple[Split, str], list[Path]]],
) -> Iterator[list[Path]]:
    """Images that a mask may belong to, the surest first."""
    split, classes = mask.place
    split = split or owner
    stems = image_stems(mask.path.stem)
    for stem in stems:
        yield by_name.get(((split, classes), stem), [])
    if classes:  # a folder of masks for each image, as in MVTec LOCO
        for stem in image_stems(classes[-1]):
            yield by_name.get(((split, classes[:-1]), stem), [])
    else:
        for images in by_stem:
            for stem in stems:
                yield images.get((split, stem), [])


def _two_images(mask: Path, images: list[Path]) -> Fault:
    shown = " and ".join("/".join(path.parts[-2:]) for path in images[:2])
    return Fault(
        "error",
        "mask-ambiguous",
        [str(mask), *map(str, images)],
        f"{mask.name} may be the mask of several images: {shown}",
        "put the masks into one folder per class, as ground_truth/CLASS/NAME_mask.png",
    )
