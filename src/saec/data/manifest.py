"""Which image served which role, by content hash: what keeps a hold-out from being trained on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import msgspec

from saec.data.images.file_names import RENAME, is_utf8, printable_path
from saec.data.items import Item
from saec.errors import DataError, LeakError
from saec.profile import sha256_file, write_json
from saec.texts import read_json

Role = Literal["train", "calibration", "holdout", "sft-train", "sft-val"]

FILE = "manifest.json"


class ManifestEntry(msgspec.Struct, frozen=True):
    """One image: its role, its path when entered, its label (None unknown) and its part ("" unknown)."""

    role: Role
    path: str
    label: int | None = None
    part: str = ""


class Manifest(msgspec.Struct, kw_only=True):
    """``manifest.json``.

    Attributes:
        roles: sha256 of a file's bytes -> its entry; an image has one role.
        about: which command made it, with its options and counts.
    """

    schema: int = 1
    about: dict[str, Any] = {}
    roles: dict[str, ManifestEntry] = {}

    def add(
        self,
        role: Role,
        items: Iterable[Item],
        *,
        hashes: Sequence[str] | None = None,
        root: Path | None = None,
    ) -> None:
        """Enter images under a role; copies of one image within a role are entered once.

        Args:
            role: what they serve.
            items: the images.
            hashes: their sha256, when the caller has them; else the files are read.
            root: paths are entered relative to it.

        Raises:
            LeakError: an image has another role already; names it and both roles.
            DataError: an image is entered as good and as defect, cannot be read, or its name is
                no UTF-8.
        """
        items = list(items)
        for item, sha in zip(items, hashes or map(hash_item, items), strict=True):
            path = item.path.relative_to(root) if root else item.path
            self._enter(sha, ManifestEntry(role, path.as_posix(), item.label, item.part))

    def _enter(self, sha: str, entry: ManifestEntry) -> None:
        if not is_utf8(entry.path):
            raise DataError(f"the file name {printable_path(entry.path)} is not valid UTF-8", RENAME)
        other = self.roles.setdefault(sha, entry)
        if other.role != entry.role:
            raise LeakError(
                f"the same image is used twice: "
                f"{entry.path} in {entry.role} and {other.path} in {other.role}",
                "remove it from one of them; `saec data check` lists all such images",
            )
        if other.label != entry.label:
            raise DataError(
                f"{entry.path} and {other.path} are the same image with different labels",
                "keep the one with the right label",
            )

    def having(self, role: Role) -> dict[str, ManifestEntry]:
        """The entries of one role."""
        return {sha: entry for sha, entry in self.roles.items() if entry.role == role}

    def write(self, path: Path) -> None:
        """Write to a file, or as ``manifest.json`` into a folder; entries are sorted by path."""
        path = path / FILE if path.is_dir() else path
        ordered = dict(sorted(self.roles.items(), key=lambda kv: (kv[1].role, kv[1].path, kv[0])))
        write_json(path, msgspec.structs.replace(self, roles=ordered))

    @classmethod
    def read(cls, path: str | Path) -> Manifest:
        """Read a file, or ``manifest.json`` of a folder.

        Raises:
            DataError: missing, damaged or of another schema.
        """
        path = Path(path)
        path = path / FILE if path.is_dir() else path
        remedy = "give a manifest.json that `saec fit` or `saec data` wrote"
        manifest = read_json(path, cls, error=DataError, remedy=remedy, what="is not a manifest")
        if manifest.schema != 1:
            raise DataError(
                f"{path} is a manifest of format {manifest.schema}, which this version of saec cannot read",
                "make the manifest again, with the command that made it",
            )
        return manifest


def hash_item(item: Item) -> str:
    """sha256 of an image file.

    Raises:
        DataError: the file cannot be read.
    """
    try:
        return sha256_file(item.path)
    except OSError as e:
        raise DataError(f"{item.path}: {e.strerror}", "`saec data check` lists all such files") from e


def check_disjoint(holdout: Mapping[str, str] | Iterable[str], manifest: Manifest) -> None:
    """Make sure that no image of a hold-out has served anything but a hold-out.

    Args:
        holdout: sha256 of each image to judge; as a mapping to its name, the error says the name.
        manifest: the manifest of a line profile, of fine-tuning data or of another data set.

    Raises:
        LeakError: names the first such image (by path) and both roles, and says how many there are.
    """
    names = holdout if isinstance(holdout, Mapping) else {sha: sha for sha in holdout}
    entries = [(manifest.roles[sha], name) for sha, name in names.items() if sha in manifest.roles]
    leaks = sorted((e.path, name, e.role) for e, name in entries if e.role != "holdout")
    if leaks:
        path, name, role = leaks[0]
        more = f" (and {len(leaks) - 1} more images)" if len(leaks) > 1 else ""
        raise LeakError(
            f"{name} is a hold-out image, but the same image was used in {role}: {path}{more}",
            "judge images that were used neither to train nor to calibrate, or fit again without them",
        )
