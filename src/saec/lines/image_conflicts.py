"""Images that a line is to be calibrated on, against what the data sets at hand say of them.

A folder given for calibration may hold copies of images that a data set holds out, or of its goods under the
name of defects. The line's own data set is looked at whether it was named or not; where it is no longer at
hand, the line's manifest knows what was held out when the line was fitted.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from saec.data.dataset import Dataset, open_dataset
from saec.data.holdout import divided_by
from saec.data.items import Item
from saec.data.manifest import Manifest, check_disjoint, hash_item
from saec.errors import DataError, SaecError
from saec.profile import LineProfile
from saec.types import DEFECT, GOOD

_WORDS = {GOOD: "good", DEFECT: "defect"}


def check_given(
    profile: LineProfile,
    manifest: Manifest,
    dataset: Dataset | None,
    *,
    goods: Mapping[str, Path],
    defects: Mapping[str, Path],
) -> None:
    """Stop where an image to calibrate on is held out, or has another label elsewhere.

    Args:
        profile: the line, which knows its own data set.
        manifest: the line's manifest.
        dataset: the data set that was named, divided as the line knows it.
        goods, defects: file by its sha256.

    Raises:
        LeakError: an image is held out; names both files.
        DataError: an image has another label in a data set.
    """
    if not goods and not defects:
        return
    asked = Manifest()
    for label, images in ((GOOD, goods), (DEFECT, defects)):
        asked.add("calibration", [Item(path=p, label=label) for p in images.values()], hashes=list(images))
    own = _own(profile, manifest)
    for known in (dataset, own):
        if known is not None:
            _check(known, asked)
    if own is None:
        check_disjoint({sha: e.path for sha, e in manifest.having("holdout").items()}, asked)


def _own(profile: LineProfile, manifest: Manifest) -> Dataset | None:
    """The data set that the line was fitted on, as it is now; None where it cannot be read any more."""
    root = Path(profile.line.dataset)
    if not profile.line.dataset or not root.is_dir():
        return None
    try:
        known = open_dataset(root, layout=str(manifest.about.get("layout", "auto")), strict=False)
    except SaecError:
        return None
    return divided_by(known, manifest)


def _check(dataset: Dataset, asked: Manifest) -> None:
    held_out = {item.path for item in dataset.holdout() if item.split}
    held: dict[str, str] = {}
    for item in dataset.items:
        sha = hash_item(item)
        entry = asked.roles.get(sha)
        if entry is None:
            continue
        if None not in (entry.label, item.label) and item.label != entry.label:
            raise DataError(
                f"{entry.path} is given as {_WORDS[entry.label or 0]}, but the same image {item.path} is "
                f"{_WORDS[item.label or 0]} in {dataset.root}",
                "leave it out, or correct the data set",
            )
        if item.path in held_out:
            held.setdefault(sha, str(item.path))
    check_disjoint(held, asked)
