"""`saec data mvtec-holdout`: a hold-out from the test images of all categories of a root."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from saec.data.builders.build_folder import (
    Built,
    Exclusions,
    SourceImage,
    building,
    collect,
    place_file,
    place_mask,
    unique,
    write_lists,
)
from saec.data.manifest import Manifest
from saec.data.parts import PartIds
from saec.data.progress import ShowProgress, silent
from saec.errors import DataError
from saec.settings import HoldoutConfig
from saec.types import DEFECT, GOOD

WORDS = {GOOD: "good", DEFECT: "defect"}

DEFAULT = HoldoutConfig()


def build_holdout(
    src: Path,
    out: Path,
    config: HoldoutConfig = DEFAULT,
    *,
    parts: PartIds | None = None,
    force: bool = False,
    progress: ShowProgress = silent,
) -> Built:
    """Pool the test goods and test defects of every category, shuffle, take at most so many of each.

    Makes ``val/good`` and ``val/defect`` with files ``<category>__<type>__<file>``, the masks that exist in
    ``ground_truth/defect``, and ``manifest.json``. Copies of one image are taken once.

    Args:
        src: root with the categories, for example MVTec AD.
        out: the folder to make.
        config: what of it is taken. MVTec AD has 467 test goods. The pool is sorted by path before it is
            shuffled. The lists are ``mvtec_holdout_good.txt`` and ``mvtec_holdout_defect.txt`` with the paths
            below ``src``.
        parts: where part ids come from.
        force: replace an earlier build in ``out``.

    Raises:
        DataError: nothing to take, ``out`` is in use, an exclusion that cannot be understood.
    """
    pool = unique(collect(src, holdout_only=True, parts=parts, progress=progress))
    free = _without(pool, src, config.exclude, config.exclude_manifest)
    n_good, n_defect = config.n_good, config.n_defect
    rng = np.random.default_rng(config.seed)
    picked = {GOOD: _pick(free, GOOD, n_good, rng), DEFECT: _pick(free, DEFECT, n_defect, rng)}
    if not (picked[GOOD] or picked[DEFECT]):
        raise DataError(
            f"{src}: every test image is excluded", "exclude fewer with --exclude and --exclude-manifest"
        )
    counts = {"good": len(picked[GOOD]), "defect": len(picked[DEFECT]), "excluded": len(pool) - len(free)}
    asked = {"n_good": n_good, "n_defect": n_defect, "seed": config.seed}
    manifest = Manifest(about={"made_by": "saec data mvtec-holdout", "options": asked, "counts": counts})
    for sources in picked.values():
        manifest.add("holdout", [s.item for s in sources], hashes=[s.sha for s in sources], root=src)
    with building(out, src=src, force=force) as work:
        for label, sources in picked.items():
            for source in sources:
                _place(source, work, WORDS[label], config.link)
        manifest.write(work)
    lists = {
        f"mvtec_holdout_{WORDS[label]}": [s.relative for s in sources] for label, sources in picked.items()
    }
    write_lists(config.lists, lists)
    return Built(out, counts, _notes(counts, {"good": n_good, "defect": n_defect}))


def _without(
    pool: list[SourceImage], src: Path, lists: Sequence[Path], manifests: Sequence[Path]
) -> list[SourceImage]:
    exclusions = Exclusions()
    for file in manifests:
        exclusions.add_manifest(file)
    for file in lists:
        exclusions.add_jsonl(file, src, pool)
    return [s for s in pool if not exclusions.covers(s)]


def _notes(counts: dict[str, int], asked: dict[str, int]) -> list[str]:
    return [
        f"you asked for {most} {word} images, but only {counts[word]} exist"
        for word, most in asked.items()
        if counts[word] < most
    ]


def _pick(pool: list[SourceImage], label: int, most: int, rng: np.random.Generator) -> list[SourceImage]:
    of_label = [s for s in pool if s.item.label == label]
    order = rng.permutation(len(of_label))[: max(0, most)]
    return sorted((of_label[i] for i in order), key=lambda s: s.relative)


def _place(source: SourceImage, work: Path, word: str, link: bool) -> None:
    name = f"{source.category}__{source.item.kind}__{source.item.path.name}"
    place_file(source.item.path, work / "val" / word / name, link=link)
    place_mask(source.item, work / "ground_truth" / word / f"{Path(name).stem}_mask", link=link)
