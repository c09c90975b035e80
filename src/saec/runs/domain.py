"""Whether line, thresholds and adapter were made on the data set that is judged, or on another one.

Judging with what was made elsewhere is allowed and sometimes what one wants to know. It is never left
unsaid: ``cross_domain`` gives the label that stands in run.json, in the figures and on the report.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path, PurePosixPath

import msgspec

from saec.data.input_images import Inputs, list_inputs
from saec.data.manifest import FILE, Manifest
from saec.data.user_folders import enclosing, is_split
from saec.edge.detector_kinds import NONE
from saec.errors import ModelError
from saec.profile import LineProfile, sha256_file
from saec.texts import read_json

ADAPTER_FILE = "saec_adapter.json"
"""Beside an adapter's weights; its key ``dataset`` names what the adapter was tuned on."""

_PLAIN = ("file", "images")


class _AdapterOrigin(msgspec.Struct, frozen=True):
    """The one key of ``saec_adapter.json`` that a run needs; a hand-made card has no more."""

    dataset: str


def cross_domain(profile: LineProfile, inputs: Inputs, adapter: str | None = None) -> str | None:
    """The label of a run whose line, thresholds or adapter come from another data set than it judges.

    The line is at home where one of its training images stands in the judged data set's train split, or,
    where that has none, where the data set's folder has the name of the line's. Thresholds are elsewhere's
    when images of another data set are among the line's calibration images. An adapter is compared by the
    name in its ``saec_adapter.json``, with the data set's folder and the one above it.

    A file or a plain folder of images outside of any data set has no name to differ from, and gets no label.

    Args:
        profile: the line.
        inputs: what is judged.
        adapter: folder of the cloud's adapter.

    Returns:
        For example "line and adapter from bottle, judged on screw"; None where all is at home or unnamed.

    Raises:
        ModelError: the adapter's card is damaged.
    """
    judged = _data_set(inputs)
    if judged is None:
        return None
    home = Path(judged.root)
    manifest = _manifest(profile)
    origins = {
        "line": None if _at_home(profile, manifest, judged) else _line_origin(profile),
        "thresholds": _threshold_origin(profile, manifest, home),
        "adapter": _foreign(adapter_origin(adapter), home),
    }
    found: dict[str, list[str]] = {}
    for what, origin in origins.items():
        if origin is not None:
            found.setdefault(origin, []).append(what)
    if not found:
        return None
    sources = [f"{' and '.join(what)} from {origin}" for origin, what in found.items()]
    return f"{', '.join(sources)}, judged on {home.name}"


def adapter_origin(adapter: str | None) -> str | None:
    """The data set that an adapter says it was tuned on; None without an adapter or without its card.

    Raises:
        ModelError: the card is damaged.
    """
    if adapter is None:
        return None
    path = Path(adapter) / ADAPTER_FILE
    if not path.is_file():
        return None
    card = read_json(path, _AdapterOrigin, error=ModelError, remedy="restore the adapter's original files")
    return PurePosixPath(card.dataset).name


def _data_set(inputs: Inputs) -> Inputs | None:
    """The data set that is judged; of a plain file or folder, or of one split, the one that it lies in."""
    folder, plain = Path(inputs.root), inputs.layout in _PLAIN
    if not plain and not is_split(folder):
        return inputs
    root = enclosing(folder)
    if root is None:
        return None if plain else inputs
    return list_inputs(root, split="all")


def _at_home(profile: LineProfile, manifest: Manifest, judged: Inputs) -> bool:
    if profile.line.detector.kind == NONE:  # nothing was made on any data
        return True
    if judged.train:
        trained_on = manifest.having("train")
        return any(sha in trained_on for sha in _hashes(judged.train))
    root, own = Path(judged.root).resolve(), Path(profile.line.dataset).resolve()
    # A line may be fitted on one folder of the data set alone: on its goods.
    within = bool(profile.line.dataset) and own.is_relative_to(root)
    return within or root.name in (_line_origin(profile), profile.line.name)


def _hashes(paths: Iterable[str]) -> Iterable[str]:
    return (sha256_file(Path(path)) for path in paths if Path(path).is_file())


def _line_origin(profile: LineProfile) -> str:
    return Path(profile.line.dataset).name or profile.line.name


def _threshold_origin(profile: LineProfile, manifest: Manifest, home: Path) -> str | None:
    """The first other data set whose images set the thresholds; a folder of known defects is none."""
    own = Path(profile.line.dataset).absolute()
    folders = {Path(entry.path).absolute().parent for entry in manifest.having("calibration").values()}
    for folder in sorted(folders):
        root = None if folder.is_relative_to(own) else enclosing(folder)
        if root is not None and root.absolute() not in (own, home.absolute()):
            return root.name
    return None


def _foreign(origin: str | None, home: Path) -> str | None:
    return None if origin in (home.name, home.parent.name) else origin


def _manifest(profile: LineProfile) -> Manifest:
    path = profile.folder / FILE
    return Manifest.read(path) if path.is_file() else Manifest()
