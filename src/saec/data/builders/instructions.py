"""`saec data sft`: instruction data, chat messages with images, for fine-tuning the cloud's model."""

from __future__ import annotations

import json
import math
import zlib
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from saec import prompts
from saec.data.builders.build_folder import (
    Built,
    Exclusions,
    SourceImage,
    building,
    collect,
    place_file,
    unique,
)
from saec.data.folds import group_ids
from saec.data.manifest import Manifest
from saec.data.parts import PartIds
from saec.data.progress import ShowProgress, silent
from saec.errors import ConfigError, DataError
from saec.settings import SftConfig
from saec.types import DEFECT, GOOD

DEFAULT = SftConfig()


class Sets(msgspec.Struct, frozen=True):
    """Training and validation images, and those left out because training has another view of their part."""

    train: list[SourceImage]
    val: list[SourceImage]
    torn: list[SourceImage]


def build_sft(
    src: Path,
    out: Path,
    config: SftConfig = DEFAULT,
    *,
    parts: PartIds | None = None,
    force: bool = False,
    progress: ShowProgress = silent,
) -> Built:
    """Make ``train.jsonl``, ``val.jsonl``, ``images/`` and ``manifest.json``.

    Training gets every train image and a share of each category's test defects; validation gets the test
    goods and the other defects. Images of one part, and copies of one image, never stand on both sides. Each
    line holds the messages of the current prompt, with train goods of the same category as references.
    What is spared for calibration goes to ``calibration/CATEGORY/good`` and ``defect``.

    Args:
        src: root with the categories, for example MVTec AD.
        out: the folder to make.
        config: what of it is taken. The shares are those of each category; of a manifest's hold-out images
            other images of their parts are left out, too.
        parts: where part ids come from.
        force: replace an earlier build in ``out``.

    Raises:
        ConfigError: a share outside 0 to 1 or a negative number of references.
        DataError: too few train goods for the references, ``out`` is in use, no labelled data there.
    """
    seed, references = config.seed, config.references
    trained, spared_share = config.train_defect_share, config.calibration_share
    if not 0 <= trained <= 1:
        raise ConfigError(f"train_defect_share = {trained} is out of range", "give a share from 0 to 1")
    if not 0 <= spared_share < 1:
        raise ConfigError(
            f"calibration_share = {spared_share} is out of range", "give a share from 0 to below 1"
        )
    if references < 0:
        raise ConfigError(f"references = {references} is out of range", "give a number from 0")
    sources = collect(src, holdout_only=False, parts=parts, progress=progress)
    free = _without_holdouts(sources, config.exclude_holdout)
    spared = spare(free, spared_share, seed)
    left = {s.relative for s in spared}
    sets = split([s for s in free if s.relative not in left], trained, seed)
    counts = _counts(sets, len(sources) - len(free)) | ({"calibration": len(spared)} if spared else {})
    options = {"train_defect_share": trained, "seed": seed, "references": references}
    if spared_share:
        options["calibration_share"] = spared_share
    about = {
        "made_by": "saec data sft",
        "source": src.resolve().name,
        "options": options,
        "prompt": prompts.DEFAULT.version,
        "counts": counts,
    }
    manifest = Manifest(about=about)
    manifest.add("sft-train", [s.item for s in sets.train], hashes=[s.sha for s in sets.train], root=src)
    manifest.add("sft-val", [s.item for s in sets.val], hashes=[s.sha for s in sets.val], root=src)
    with building(out, src=src, force=force) as work:
        _place(work, sets, spared, link=config.link)
        _write(work / "train.jsonl", sets.train, sets.train, references, seed)
        _write(work / "val.jsonl", sets.val, sets.train, references, seed)
        manifest.write(work)
    return Built(out, counts, _notes(counts))


def _place(work: Path, sets: Sets, spared: list[SourceImage], *, link: bool) -> None:
    """Put the images where the files name them, and those that are spared beside."""
    for source in {s.relative: s for s in [*sets.train, *sets.val]}.values():
        place_file(source.item.path, work / "images" / source.relative, link=link)
    for source in spared:
        label = "defect" if source.item.label == DEFECT else "good"
        name = source.relative.replace("/", "__")
        place_file(source.item.path, work / "calibration" / source.category / label / name, link=link)


def _without_holdouts(sources: list[SourceImage], manifests: Sequence[Path]) -> list[SourceImage]:
    exclusions = Exclusions()
    for path in manifests:
        exclusions.add_manifest(path, "holdout")
    return [s for s in sources if not exclusions.covers(s)]


def _groups(sources: list[SourceImage]) -> dict[str, str]:
    """The group (part or content) of each image, by its path."""
    ids = group_ids([s.item.part for s in sources], [s.sha for s in sources])
    return dict(zip((s.relative for s in sources), ids, strict=True))


def spare(sources: list[SourceImage], ratio: float, seed: int) -> list[SourceImage]:
    """Whole groups with a share of each category's train goods, and of its test defects."""
    group = _groups(sources)
    chosen: set[str] = set()
    for category in sorted({s.category for s in sources}):
        rng = np.random.default_rng([seed, zlib.crc32(category.encode()), 1])
        for trains, label in ((True, GOOD), (False, DEFECT)):
            keys = [
                group[s.relative]
                for s in sources
                if s.category == category and (s.item.split == "train") is trains and s.item.label == label
            ]
            chosen |= _choose(keys, ratio, rng)
    return [s for s in sources if group[s.relative] in chosen]


def split(sources: list[SourceImage], ratio: float, seed: int) -> Sets:
    """Divide by groups (part or content): train images as they are, test defects by their share."""
    group = _groups(sources)
    train = [s for s in sources if s.item.split == "train"]
    held = [s for s in sources if s.item.split != "train"]
    fixed = {group[s.relative] for s in train}
    chosen: set[str] = set()
    for category in sorted({s.category for s in held}):
        defects = [s for s in held if s.category == category and s.item.label == DEFECT]
        keys = [group[s.relative] for s in defects if group[s.relative] not in fixed]
        chosen |= _choose(keys, ratio, np.random.default_rng([seed, zlib.crc32(category.encode())]))
    taken = [s for s in held if group[s.relative] in chosen and s.item.label == DEFECT]
    val = [s for s in held if group[s.relative] not in fixed | chosen]
    torn = [s for s in held if group[s.relative] in fixed | chosen and s not in taken]
    return Sets(unique([*train, *taken]), unique(val), torn)


def _choose(keys: list[str], ratio: float, rng: np.random.Generator) -> set[str]:
    """Whole groups until the share of the images is reached."""
    sizes: dict[str, int] = defaultdict(int)
    for key in keys:
        sizes[key] += 1
    names = sorted(sizes)
    target = math.floor(ratio * len(keys) + 0.5)
    chosen: set[str] = set()
    filled = 0
    for at in rng.permutation(len(names)):
        if filled >= target:
            break
        chosen.add(names[at])
        filled += sizes[names[at]]
    return chosen


def messages(image: str, references: Sequence[str], label: int) -> list[dict[str, Any]]:
    """The conversation of one sample, with its answer; images are paths from the JSONL file's folder."""
    prompt = prompts.DEFAULT
    pieces = prompt.user(len(references)).split(prompts.IMAGE)
    content: list[dict[str, str]] = []
    for text, path in zip(pieces, [*references, image, ""], strict=True):
        content += [{"type": "text", "text": text}] if text else []
        content += [{"type": "image", "image": path}] if path else []
    answer = prompt.prefill + prompt.labels[label]
    return [
        {"role": "system", "content": [{"type": "text", "text": prompt.system}]},
        {"role": "user", "content": content},
        {"role": "assistant", "content": [{"type": "text", "text": answer}]},
    ]


def _write(
    path: Path, samples: list[SourceImage], train: list[SourceImage], references: int, seed: int
) -> None:
    goods: dict[str, list[SourceImage]] = defaultdict(list)
    for source in train:
        if source.item.label == GOOD:
            goods[source.category].append(source)
    with path.open("w", encoding="utf-8", newline="\n") as f:
        for sample in samples:
            shown = _references(sample, goods[sample.category], references, seed)
            line = {
                "id": sample.relative,
                "image": f"images/{sample.relative}",
                "label": sample.item.label,
                "category": sample.category,
                "kind": sample.item.kind,
                "part": sample.item.part,
                "sha256": sample.sha,
                "prompt": prompts.DEFAULT.version,
                "messages": messages(
                    f"images/{sample.relative}",
                    [f"images/{s.relative}" for s in shown],
                    sample.item.label or GOOD,
                ),
            }
            f.write(json.dumps(line, ensure_ascii=False) + "\n")


def _references(sample: SourceImage, goods: list[SourceImage], n: int, seed: int) -> list[SourceImage]:
    """Random goods of the category, neither the sample itself nor another view of its part."""
    part = sample.item.part
    others = [g for g in goods if g.sha != sample.sha and (not part or g.item.part != part)]
    if len(others) < n:
        raise DataError(
            f"{sample.relative} needs {n} references, but {sample.category} has only {len(others)} "
            "other good images",
            "give more good training images, or ask for fewer references",
        )
    rng = np.random.default_rng([seed, int(sample.sha[:12], 16)])
    return [others[i] for i in rng.permutation(len(others))[:n]]


def _counts(sets: Sets, excluded: int) -> dict[str, int]:
    counts = {"train": len(sets.train), "val": len(sets.val)}
    for name, taken in (("train", sets.train), ("val", sets.val)):
        counts[f"{name} good"] = sum(s.item.label == GOOD for s in taken)
        counts[f"{name} defect"] = sum(s.item.label == DEFECT for s in taken)
    return counts | {"excluded": excluded, "torn": len(sets.torn)}


def _notes(counts: dict[str, int]) -> list[str]:
    notes = []
    if counts["torn"]:
        notes.append(
            f"{counts['torn']} test images are left out: the training images hold their part or a copy"
        )
    empty = [word for word in ("good", "defect") if not counts[f"val {word}"]]
    return notes + [f"val has no {w} image: make the hold-out smaller, or change the share" for w in empty]
