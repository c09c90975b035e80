"""How long a file is waited for: whether it may be taken as it is now, and when it is looked into again."""

from __future__ import annotations

from dataclasses import dataclass

from saec.data.images.headers.png import MAGIC
from saec.data.images.integrity import may_be_unwritten, why_torn
from saec.station.sources.seen_files import SeenFile

_LONGEST = 60.0
"""Seconds between looks into a file that is not whole and does not change."""


@dataclass(slots=True)
class SettlingFile:
    """A file that is waited for.

    Attributes:
        seen: the file's state now.
        since: when it was first seen so, seconds of any clock.
        settle: seconds from then on before which it is not looked into.
        writing: whether a program writes it, as far as is known (see ``Writers``).
    """

    seen: SeenFile
    since: float
    settle: float
    writing: bool | None = None
    _due: float = 0.0
    _pause: float = 0.0

    def is_due(self, now: float, writing: bool | None) -> bool:
        """Whether to look into it; at once where it was closed, or opened again, since the last look."""
        if writing is not self.writing:
            self.writing, self._due = writing, 0.0
        return now >= max(self._due, self.since + self.settle)

    def put_off(self, now: float, patience: float) -> bool:
        """Look again after a longer pause, and at the end of the patience; whether that is over."""
        end = self.since + patience
        self._pause = min(max(self.settle, 2 * self._pause), _LONGEST)
        self._due = now + self._pause if now >= end else min(now + self._pause, end)
        return now >= end


def why_not_whole(data: bytes, name: str, *, writing: bool | None, waited: bool) -> str | None:
    """Why a file is not taken yet, the beginning of a sentence; None where it is taken.

    Only a PNG proves by itself that each of its bytes was written. Of the others a program that has closed
    the file vouches for it. Where nothing is known of its writer, as on a network drive, zeros count as
    black once the patience is over.

    Args:
        writing: whether a program writes it; None where that is not known.
        waited: it has not changed for as long as the patience lasts.
    """
    if (torn := why_torn(data, name)) is not None:
        return torn
    if writing is False or data.startswith(MAGIC):
        return None
    doubt = may_be_unwritten(data)
    if writing and (doubt or not waited):
        return f"{name} is still open for writing" + (", and it contains a block of zeros" if doubt else "")
    if doubt and not waited:
        return f"{name} contains a block of zeros: either black pixels, or data that are not written yet"
    return None
