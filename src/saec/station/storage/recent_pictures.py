"""Pictures of recent frames with their maps, for the page; a bounded number of them."""

from __future__ import annotations

import time
from collections import deque
from pathlib import Path

from saec.frame.map_pictures import save_picture
from saec.station.storage.records import SpooledFrame
from saec.types import EdgeOpinion, Image

_KEPT = 300
_SECONDS = 1.0


class RecentPictures:
    """Keeps the last pictures in a folder.

    Frames that matter (a defect, or one that the cloud is asked about) are always kept, of the others one a
    second, so that drawing costs a fast line little.

    Args:
        folder: made where it is missing; what an earlier process left there counts.
        kept: most pictures that are kept.
    """

    def __init__(self, folder: Path, kept: int = _KEPT) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder, self._last = folder, 0.0
        found = sorted(folder.glob("*.jpg"), key=lambda path: path.stat().st_mtime)
        self._names = deque((path.name for path in found), maxlen=None)
        self._most = kept

    def name(self, frame: SpooledFrame, *, wanted: bool) -> str | None:
        """The name under which a frame's picture will be kept, or None where none is due."""
        now = time.monotonic()
        if not wanted and now - self._last < _SECONDS:
            return None
        self._last = now
        return f"{frame.id}.jpg"

    def keep(self, name: str, image: Image, opinion: EdgeOpinion, threshold: float) -> None:
        """Draw and keep a picture, and remove the oldest beyond the number."""
        save_picture(self._folder / name, image, opinion, threshold)
        self._names.append(name)
        while len(self._names) > self._most:
            (self._folder / self._names.popleft()).unlink(missing_ok=True)

    def path(self, name: str) -> Path | None:
        """The file of a picture that is still kept."""
        path = self._folder / name
        return path if path.parent == self._folder and path.is_file() else None
