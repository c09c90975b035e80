"""What a line keeps of the frames that it was taught, so that it can be taught more without their images.

Of all goods: sums and a sample of patches. Of some goods and defects, chosen by a hash of their part: their
features, which is what they are scored by again when the line changes. What is kept is a function of the
set of frames, not of their order. It stays below ``LARGEST_FILE`` however many frames there are.
"""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from saec.decoding import decode
from saec.edge.learning.feature_sums import Features, FeatureSums, Steps
from saec.edge.learning.patch_candidates import PatchCandidates
from saec.errors import DataError, LineError
from saec.types import DEFECT, GOOD

FILE = "taught.npz"
"""The file's name in a line profile."""

LARGEST_FILE = 60_000_000
"""Bytes of the file, at most."""

LARGEST_PLAIN = 50_000_000
"""Bytes of arrays from which the file is compressed, which takes as long as a third of the features."""

PICKED = 2
"""Beside GOOD and DEFECT: goods that were chosen by their score."""

KEPT_BYTES = {GOOD: 28_000_000, DEFECT: 10_000_000, PICKED: 5_000_000}
"""Bytes of features that are kept of goods, defects and picked goods, before they are compressed."""

LEAST_KEPT = {GOOD: 12, DEFECT: 6, PICKED: 2}
"""Frames whose features are kept however large they are: at the largest side 2.5 MB each."""

MOST_BLOCKS = 256
"""Blocks of cells that have a covariance of their own, at most: they double until they are so few."""

_AT_ONCE = 64
"""Goods that are brought into the sums at once."""

_FIRST_GOODS = 32
"""Goods that set the steps of the features."""


class TaughtFrame(msgspec.Struct, frozen=True, kw_only=True):
    """A frame whose features are kept.

    Attributes:
        sha: sha256 of its file.
        label: GOOD or DEFECT.
        group: sha256 that stands for its part; frames of one part share it.
        kind: the kind of defect, "" where it is unknown.
        marked: indices of the cells (of h x w, row by row) that a mask or box marks, or None without one.
        picked: a good that was chosen by its score, as for review. The detector learns from it, but it says
            nothing of how many goods score so, and sets no threshold.
    """

    sha: str
    label: int
    group: str
    kind: str = ""
    marked: list[int] | None = None
    picked: bool = False

    @property
    def share(self) -> int:
        """Whose room its features take: GOOD, DEFECT or ``PICKED``."""
        return PICKED if self.picked and self.label == GOOD else self.label


class TaughtFrames:
    """What is kept. Goods count from the first on, but there are no steps before the 32nd or ``settle``.

    Attributes:
        steps: None until the goods have set them.
    """

    def __init__(self) -> None:
        self.steps: Steps | None = None
        self._sums: FeatureSums | None = None
        self._candidates: PatchCandidates | None = None
        self._waiting: list[tuple[str, Features]] = []
        self._kept: dict[str, tuple[TaughtFrame, Features]] = {}
        self._beyond: dict[int, str] = {}
        self._early: list[tuple[TaughtFrame, NDArray[np.float32]]] = []

    @property
    def sums(self) -> FeatureSums | None:
        """The sums over all goods."""
        self._count_waiting()
        return self._sums

    @property
    def count(self) -> int:
        """How many goods were taught."""
        return 0 if self.sums is None else self.sums.count

    @property
    def candidates(self) -> PatchCandidates | None:
        """The sample of all goods' patches."""
        self._count_waiting()
        return self._candidates

    def add(self, frame: TaughtFrame, features: NDArray[np.float32]) -> None:
        """Teach a frame.

        Args:
            frame: what is known of it.
            features: C x h x w, float32.

        Raises:
            DataError: it is kept already.
        """
        if frame.sha in self._kept:
            raise DataError(f"the image {frame.sha[:12]} was taught before", "teach each image once")
        if self.steps is None:
            self._early.append((frame, features))
            if sum(early.label == GOOD for early, _ in self._early) >= _FIRST_GOODS:
                self.settle()
        else:
            self._add(frame, self.steps.whole(features))

    def settle(self) -> None:
        """Let the goods so far set the steps, if they are not set; call it after the last frame.

        Raises:
            DataError: there are no goods.
        """
        if self.steps is not None:
            return
        goods = [features for frame, features in self._early if frame.label == GOOD]
        if not goods:
            raise DataError("there are no good images to learn from", "give good images")
        self.steps = Steps.of(np.stack(goods))
        channels, height, width = goods[0].shape
        self._sums = FeatureSums.empty(channels, height, width, block_size(height, width))
        self._candidates = PatchCandidates.empty(channels)
        early, self._early = self._early, []
        for frame, features in early:
            self._add(frame, self.steps.whole(features))

    def forget(self, sha: str) -> TaughtFrame:
        """Take a frame out, as if it had never been taught.

        Raises:
            DataError: its features are not kept.
        """
        if sha not in self._kept:
            raise DataError(
                f"the features of the image {sha[:12]} are not kept", "fit the line again without the image"
            )
        assert self.sums is not None
        assert self.candidates is not None
        frame, features = self._kept.pop(sha)
        if frame.label == GOOD:
            self.sums.subtract(features[None])
            self.candidates.remove(sha)
        return frame

    def frames(self, label: int) -> list[TaughtFrame]:
        """The frames of a label whose features are kept, in the order of their hashes."""
        return sorted((f for f, _ in self._kept.values() if f.label == label), key=lambda f: f.sha)

    def features(self, frames: Iterable[TaughtFrame]) -> Features:
        """The features of kept frames, n x C x h x w, int8, in steps."""
        assert self.sums is not None
        found = [self._kept[frame.sha][1] for frame in frames]
        return np.stack(found) if found else np.zeros((0, *self.sums.first.shape), np.int8)

    def __contains__(self, sha: str) -> bool:
        return sha in self._kept

    def _add(self, frame: TaughtFrame, features: Features) -> None:
        if frame.label == GOOD:
            self._waiting.append((frame.sha, features))
            if len(self._waiting) >= _AT_ONCE:
                self._count_waiting()
        beyond = self._beyond.get(frame.share)
        if beyond is None or frame.group < beyond:
            self._kept[frame.sha] = (frame, features)
            self._drop_beyond(frame.share, features.nbytes)

    def _count_waiting(self) -> None:
        """Bring goods into sums and sample, many at once: the cost of a change hardly grows with them."""
        if not self._waiting:
            return
        assert self._sums is not None
        assert self._candidates is not None
        self._sums.add(np.stack([features for _, features in self._waiting]))
        self._candidates.add(self._waiting)
        self._waiting = []

    def _drop_beyond(self, share: int, size: int) -> None:
        """Keep whole parts, those of the smallest hashes, as far as there is room."""
        room = max(LEAST_KEPT[share], KEPT_BYTES[share] // size)
        frames = [frame for frame, _ in self._kept.values() if frame.share == share]
        if len(frames) <= room:
            return
        frames.sort(key=lambda frame: frame.group)
        beyond = frames[room].group
        if beyond == frames[0].group:  # one part fills all the room
            beyond = next((f.group for f in frames if f.group > beyond), "g")
        self._beyond[share] = beyond
        for frame in frames:
            if frame.group >= beyond:
                del self._kept[frame.sha]

    def save(self, path: Path) -> None:
        """Write the file: arrays as .npy in a .zip, no pickle; the same frames give the same bytes."""
        self.settle()
        assert self.steps is not None
        assert self.sums is not None
        assert self.candidates is not None
        kept = [self._kept[sha] for sha in sorted(self._kept)]
        upper = np.triu_indices(self.sums.second.shape[1])
        record = {
            "frames": [frame for frame, _ in kept],
            "beyond": {str(share): group for share, group in sorted(self._beyond.items())},
            "count": self.sums.count,
            "block": self.sums.block,
        }
        arrays: dict[str, NDArray[Any]] = {
            "record": np.frombuffer(msgspec.json.encode(record), np.uint8),
            "steps_centre": self.steps.centre,
            "steps_size": self.steps.size,
            "first": _smallest(self.sums.first),
            "second": _smallest(self.sums.second[:, upper[0], upper[1]]),
            "candidate_keys": self.candidates.keys,
            "candidate_owners": self.candidates.owners,
            "candidate_patches": self.candidates.patches,
            "features": self.features(frame for frame, _ in kept),
        }
        small = sum(array.nbytes for array in arrays.values()) < LARGEST_PLAIN
        with zipfile.ZipFile(path, "w") as file:
            for name, array in arrays.items():
                data = io.BytesIO()
                np.lib.format.write_array(data, np.ascontiguousarray(array), allow_pickle=False)
                member = zipfile.ZipInfo(f"{name}.npy", (1980, 1, 1, 0, 0, 0))
                member.compress_type = zipfile.ZIP_STORED if small else zipfile.ZIP_DEFLATED
                file.writestr(member, data.getvalue(), compresslevel=1)

    @classmethod
    def read(cls, path: Path) -> TaughtFrames:
        """Read a file that ``save`` has written.

        Raises:
            LineError: it is missing or damaged.
        """
        try:
            with np.load(path, allow_pickle=False) as file:
                arrays = {name: file[name] for name in file.files}
            record = decode(arrays["record"].tobytes(), _Record)
            return cls._of(record, arrays)
        except FileNotFoundError as e:
            raise LineError(
                f"{path} is missing, so the line cannot be taught", "restore it or fit the line again"
            ) from e
        except (EOFError, OSError, ValueError, KeyError, zipfile.BadZipFile, msgspec.MsgspecError) as e:
            raise LineError(f"{path} is damaged: {e}", "restore it or fit the line again") from e

    @classmethod
    def _of(cls, record: _Record, arrays: dict[str, NDArray[Any]]) -> TaughtFrames:
        taught = cls()
        first = arrays["first"].astype(np.int64)
        packed = arrays["second"].astype(np.int64)
        second = np.zeros((len(packed), len(first), len(first)), np.int64)
        upper = np.triu_indices(len(first))
        second[:, upper[0], upper[1]] = packed
        second[:, upper[1], upper[0]] = packed
        taught.steps = Steps(arrays["steps_centre"], arrays["steps_size"])
        taught._sums = FeatureSums(record.block, record.count, first, second)
        keys, owners = arrays["candidate_keys"], arrays["candidate_owners"]
        taught._candidates = PatchCandidates(keys, owners, arrays["candidate_patches"])
        taught._beyond = {int(share): group for share, group in record.beyond.items()}
        for frame, features in zip(record.frames, arrays["features"], strict=True):
            taught._kept[frame.sha] = (frame, features)
        return taught


class _Record(msgspec.Struct, frozen=True, kw_only=True):
    """What the file holds beside arrays."""

    frames: list[TaughtFrame]
    beyond: dict[str, str]
    count: int
    block: tuple[int, int]


def block_size(height: int, width: int) -> tuple[int, int]:
    """Height and width of the blocks of cells that share a covariance.

    Each is the largest divisor of the grid's side that is at most 4; both double while blocks are too many.
    """
    rows, columns = (max(side for side in (1, 2, 3, 4) if length % side == 0) for length in (height, width))
    while height * width // (rows * columns) > MOST_BLOCKS:
        taller, wider = height % (2 * rows) == 0, width % (2 * columns) == 0
        if taller and (rows <= columns or not wider):
            rows *= 2
        elif wider:
            columns *= 2
        else:
            break
    return rows, columns


def group_of(part: str, sha: str) -> str:
    """The hash that stands for a frame's part; a frame without a part id is a part."""
    return hashlib.sha256(f"part {part}".encode()).hexdigest() if part else sha


def _smallest(values: NDArray[np.int64]) -> NDArray[Any]:
    """As int32 where that holds them."""
    fits = max(abs(int(values.max(initial=0))), abs(int(values.min(initial=0)))) < 2**31
    return values.astype(np.int32) if fits else values
