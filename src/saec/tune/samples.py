"""The images that are tuned on: read from instruction data, checked against each other and hold-outs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from saec.data.builders.build_folder import Exclusions
from saec.data.items import Item
from saec.data.manifest import FILE, Manifest
from saec.decoding import decode
from saec.errors import DataError, LeakError
from saec.profile import sha256_file
from saec.texts import read_lines
from saec.types import DEFECT, GOOD


class TrainingSample(msgspec.Struct, frozen=True, kw_only=True):
    """One line of ``train.jsonl`` or ``val.jsonl``, as far as it is read.

    The messages there are for other trainers: here a question is put together as in judging.

    Attributes:
        id: unique within the data.
        image: the file, from the JSONL file's folder.
        label: GOOD or DEFECT.
        category: goods of the same one may be shown as references.
        part: id of the physical part, "" when unknown.
        sha256: the hash of the file's bytes.
    """

    id: str
    image: Path
    label: int
    category: str = ""
    part: str = ""
    sha256: str


class TuneData(msgspec.Struct, frozen=True):
    """What is tuned on and what chooses between checkpoints.

    Attributes:
        dataset: name of the data set that the images come from.
        train, val: both with goods and defects.
        manifest: hash and role of every image.
    """

    dataset: str
    train: list[TrainingSample]
    val: list[TrainingSample]
    manifest: Manifest


def read_data(folder: Path, holdouts: Sequence[Path] = ()) -> TuneData:
    """Read and check what ``saec data sft`` made.

    Args:
        folder: the folder that holds ``train.jsonl`` and ``val.jsonl``.
        holdouts: manifests whose hold-out images must not be tuned on.

    Raises:
        LeakError: an image, or a part, is both in train and in val, or stands in a hold-out; names it.
        DataError: a file is missing, changed or damaged, or a class has no image.
    """
    train, val = (read_samples(folder / f"{name}.jsonl") for name in ("train", "val"))
    for name, samples in (("train", train), ("val", val)):
        for word, label in (("good", GOOD), ("defect", DEFECT)):
            if all(s.label != label for s in samples):
                raise DataError(
                    f"{folder / name}.jsonl has no {word} image",
                    "give good and defect images: both are needed to train and to choose the best weights",
                )
    own = folder / FILE
    manifest = Manifest()
    manifest.add("sft-train", map(_item, train), hashes=[s.sha256 for s in train])
    manifest.add("sft-val", map(_item, val), hashes=[s.sha256 for s in val])
    _check_parts(train, val)
    for path in [*holdouts, *([own] if own.is_file() else [])]:
        _check_holdout([*train, *val], path)
    return TuneData(_dataset(folder, train), train, val, manifest)


def read_samples(path: Path) -> list[TrainingSample]:
    """The lines of a JSONL file; each image is hashed and must be the one that the line was written for.

    Raises:
        DataError: missing, damaged, or an image is missing or changed.
    """
    if not path.is_file():
        raise DataError(f"{path} does not exist", "make it with `saec data sft`")
    samples = []
    for number, line in enumerate(read_lines(path), 1):
        if not line.strip():
            continue
        try:
            sample = decode(line, TrainingSample, hook=_path)
        except (msgspec.DecodeError, UnicodeError) as e:
            raise DataError(f"{path}:{number}: {e}", "make it again with `saec data sft`") from e
        if sample.label not in (GOOD, DEFECT):
            raise DataError(
                f"{path}:{number}: the label is {sample.label}", "use the labels 0 (good) and 1 (defect)"
            )
        samples.append(_checked(msgspec.structs.replace(sample, image=path.parent / sample.image)))
    return samples


def _path(kind: type, value: object) -> Path:
    return Path(str(value))


def _checked(sample: TrainingSample) -> TrainingSample:
    try:
        found = sha256_file(sample.image)
    except OSError as e:
        raise DataError(f"{sample.image}: {e.strerror}", "make the data again with `saec data sft`") from e
    if found != sample.sha256:
        raise DataError(
            f"{sample.image} changed after the data were made", "make the data again with `saec data sft`"
        )
    return sample


def _item(sample: TrainingSample) -> Item:
    return Item(path=Path(sample.id), label=sample.label, part=sample.part)


def _check_parts(train: Sequence[TrainingSample], val: Sequence[TrainingSample]) -> None:
    parts = {s.part: s.id for s in train if s.part}
    for sample in val:
        if sample.part in parts:
            raise LeakError(
                f"part {sample.part} is in val ({sample.id}) and in train ({parts[sample.part]})",
                "put all images of a part into one of them, as `saec data sft` does",
            )


def _check_holdout(samples: Sequence[TrainingSample], path: Path) -> None:
    held = Exclusions()
    held.add_manifest(path, "holdout")
    for sample in samples:
        if sample.sha256 in held.hashes or sample.part in held.parts:
            what = "is" if sample.sha256 in held.hashes else f"shows a part ({sample.part}) that is also"
            raise LeakError(
                f"{sample.id} {what} in the hold-out of {path}",
                "make the data again with `saec data sft --exclude-holdout`",
            )


def _dataset(folder: Path, train: Sequence[TrainingSample]) -> str:
    """The one category's name, or that of the root that several come from."""
    categories = sorted({s.category for s in train} - {""})
    if len(categories) == 1:
        return categories[0]
    source = Manifest.read(folder).about.get("source") if (folder / FILE).is_file() else None
    return str(source or folder.resolve().name)
