"""No image is judged that has made its judge: the line's images, and those that the cloud was tuned on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import msgspec

from saec.data.holdout import makers
from saec.data.input_images import LEFT_OUT, Inputs
from saec.data.manifest import FILE, Manifest, check_disjoint
from saec.errors import DataError, LineError
from saec.profile import LineProfile, sha256_file
from saec.settings import CloudConfig
from saec.types import Source


def check_leaks(
    profile: LineProfile | None, sources: Sequence[Source], cloud: CloudConfig | None = None
) -> None:
    """Stop where an image to judge was used to fit or calibrate the line, or to tune the cloud.

    Args:
        profile: the line, or None where the cloud judges without one.
        sources: the images.
        cloud: who is asked; what its adapter or checkpoint was tuned on is known where a
            ``manifest.json`` of ``saec tune`` lies beside the weights.

    Raises:
        LeakError: names the image and its role.
        LineError: the line has no manifest.
        DataError: a manifest is damaged.
    """
    manifest = None if profile is None else manifest_of(profile)
    if profile is not None and manifest is None:
        raise LineError(
            f"{profile.folder} has no manifest.json",
            "fit the line again: this file shows which images were used for it",
        )
    names = {sha: source.path for source in sources if (sha := _sha_of(source))}
    if manifest is not None:
        check_disjoint(names, manifest)
    if cloud is not None:
        check_tuned(names, *_weights(cloud))


def held_out(profile: LineProfile | None, inputs: Inputs) -> Inputs:
    """The inputs without those that made the line, where the data set has no splits and is taken whole.

    How many are left out is said in the notes.

    Raises:
        DataError: none is left.
    """
    manifest = None if profile is None or not inputs.undivided else manifest_of(profile)
    if manifest is None:
        return inputs
    made = makers(manifest)
    sources = [source for source in inputs.sources if _sha_of(source) not in made]
    left_out = len(inputs.sources) - len(sources)
    if not left_out:
        return inputs
    if not sources:
        raise DataError(
            f"{inputs.root}: all {left_out} images were used to fit or calibrate the line",
            "give other images",
        )
    note = (
        f"{LEFT_OUT} it has no splits, so {left_out} images that were used to fit or calibrate the "
        f"line are left out; the other {len(sources)} are the hold-out."
    )
    return msgspec.structs.replace(inputs, sources=sources, notes=[*inputs.notes, note])


def _sha_of(source: Source) -> str:
    try:
        return sha256_file(Path(source.path))
    except OSError:
        return ""  # it cannot have been used, and its error verdict will say why


def check_tuned(names: Mapping[str, str], *folders: str | None) -> None:
    """Stop where an image to judge is one that a cloud was tuned on.

    Args:
        names: sha256 of each image to its name.
        folders: folders of weights, where ``saec tune`` leaves its manifest; None or without one is unknown.

    Raises:
        LeakError: names the image and its role.
        DataError: a manifest is damaged.
    """
    for manifest in _manifests(folders):
        check_disjoint(names, manifest)


def tuned_on(cloud: CloudConfig) -> set[str]:
    """sha256 of the images that the cloud was tuned on, as far as manifests beside its weights tell.

    Raises:
        DataError: a manifest is damaged.
    """
    roles = [manifest.roles for manifest in _manifests(_weights(cloud))]
    return {sha for entries in roles for sha, entry in entries.items() if entry.role != "holdout"}


def _weights(cloud: CloudConfig) -> tuple[str | None, str | None]:
    """Folders of the cloud's own weights and of its adapter, where they are at hand."""
    return cloud.model if cloud.model != "small" and not cloud.remote.url else None, cloud.adapter


def _manifests(folders: Iterable[str | None]) -> Iterator[Manifest]:
    """What ``saec tune`` has left in folders of weights."""
    for folder in folders:
        if folder is not None and (Path(folder) / FILE).is_file():
            yield Manifest.read(folder)


def manifest_of(profile: LineProfile) -> Manifest | None:
    """What the line was made of, or None for one without its manifest."""
    path = profile.folder / FILE
    return Manifest.read(path) if path.is_file() else None
