"""`saec data ksdd2`: KolektorSDD2 as folders, balanced one to one, or in its official split."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from saec.data.builders.build_folder import (
    Built,
    SourceImage,
    building,
    place_file,
    place_mask,
    unique,
    write_lists,
)
from saec.data.dataset import open_dataset
from saec.data.manifest import Manifest, Role, hash_item
from saec.data.progress import ShowProgress, silent
from saec.errors import DataError, LeakError
from saec.settings import Ksdd2Config
from saec.types import DEFECT, GOOD

MIXED = (
    "the one-to-one protocol mixes the official train and test images: nothing may be fitted or trained on "
    "KolektorSDD2 images that is judged on this hold-out"
)

DEFAULT = Ksdd2Config()


def build_ksdd2(
    src: Path,
    out: Path,
    config: Ksdd2Config = DEFAULT,
    *,
    force: bool = False,
    progress: ShowProgress = silent,
) -> Built:
    """Make ``{val | train,test}/{good,defect}`` with masks and ``manifest.json`` from the raw KolektorSDD2.

    Args:
        src: folder with ``train`` and ``test``; an image is a defect when its mask is not empty.
        out: the folder to make.
        config: what of it is taken. "one-to-one" gives 356 goods and 356 defects. The split lists hold paths
            below ``src``: ``ksdd2_1to1_good.txt`` and ``ksdd2_1to1_defect.txt``, or one list per official
            split and class.
        force: replace an earlier build in ``out``.

    Raises:
        DataError: not KolektorSDD2, or ``out`` is in use.
        LeakError: an image stands in train and test.
    """
    data = open_dataset(src, layout="ksdd2")
    sources = [
        SourceImage(data.name, i.path.relative_to(src).as_posix(), i, hash_item(i))
        for i in progress(data.items, len(data.items))
    ]
    if config.protocol == "one-to-one":
        roles, notes = {"val": _one_to_one(sources, config.seed)}, [MIXED]
    else:
        roles, notes = _official(sources, config.drop_shared)
    counts = _counts(roles)
    options = {"protocol": config.protocol, "seed": config.seed}
    manifest = Manifest(about={"made_by": "saec data ksdd2", "options": options, "counts": counts})
    _enter(manifest, roles, src)
    with building(out, src=src, force=force) as work:
        for split, taken in roles.items():
            for source in taken:
                _place(source, work, split, config.link)
        manifest.write(work)
    write_lists(config.lists, _lists(roles))
    return Built(out, counts, notes)


def _one_to_one(sources: list[SourceImage], seed: int) -> list[SourceImage]:
    pool = unique(sources)
    defects = [s for s in pool if s.item.label == DEFECT]
    goods = [s for s in pool if s.item.label == GOOD]
    if not defects or len(goods) < len(defects):
        raise DataError(
            f"the source has {len(goods)} good images and {len(defects)} with a defect; at least as many "
            "good ones are needed",
            "give the whole KolektorSDD2",
        )
    order = np.random.default_rng(seed).permutation(len(goods))[: len(defects)]
    return sorted([*defects, *(goods[i] for i in order)], key=lambda s: s.relative)


def _official(
    sources: list[SourceImage], drop_shared: bool
) -> tuple[dict[str, list[SourceImage]], list[str]]:
    test = [s for s in sources if s.item.split == "test"]
    train = [s for s in sources if s.item.split == "train"]
    if not drop_shared:
        return {"train": train, "test": test}, []
    held = {s.sha for s in test}
    kept = [s for s in train if s.sha not in held]
    return {"train": kept, "test": test}, [
        f"{len(train) - len(kept)} training images are left out, because they are also in test"
    ]


def _enter(manifest: Manifest, roles: dict[str, list[SourceImage]], src: Path) -> None:
    try:
        for split, taken in roles.items():
            role: Role = "train" if split == "train" else "holdout"
            manifest.add(role, [s.item for s in taken], hashes=[s.sha for s in taken], root=src)
    except LeakError as e:
        raise LeakError(e.what, "remove such images from train with --drop-shared") from e


def _place(source: SourceImage, work: Path, split: str, link: bool) -> None:
    # Numbers are unique over train and test in the published set; `place` stops where they are not.
    path = source.item.path
    place_file(path, work / split / source.item.kind / path.name, link=link)
    target = work / "ground_truth" / split / source.item.kind / f"{path.stem}_mask"
    place_mask(source.item, target, link=link)


def _counts(roles: dict[str, list[SourceImage]]) -> dict[str, int]:
    if list(roles) == ["val"]:
        return {word: sum(s.item.kind == word for s in roles["val"]) for word in ("good", "defect")}
    return {
        f"{split} {word}": sum(s.item.kind == word for s in taken)
        for split, taken in roles.items()
        for word in ("good", "defect")
    }


def _lists(roles: dict[str, list[SourceImage]]) -> dict[str, list[str]]:
    stems = {"val": "ksdd2_1to1", "train": "ksdd2_official_train", "test": "ksdd2_official_test"}
    return {
        f"{stems[split]}_{word}": [s.relative for s in taken if s.item.kind == word]
        for split, taken in roles.items()
        for word in ("good", "defect")
    }
