"""Which frames are drawn at random: a function of a secret and the frame's number, the same in each process.

Nobody can foresee it without the secret, and nothing is written while the line judges.
"""

from __future__ import annotations

import hashlib
import os
import secrets
from contextlib import suppress
from pathlib import Path

from saec.errors import ReviewError
from saec.station.review.review_records import Stratum
from saec.types import DEFECT

_BYTES = 32


class RandomDraw:
    """Draws frames, and of these the ones that get a second opinion.

    Args:
        secret: the station's; see ``draw_secret``.
    """

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def draws(self, line: str, seq: int, probability: float) -> bool:
        """Whether a frame is drawn. One that is drawn with some chance is drawn with every greater one."""
        return self._uniform("draw", line, seq) < probability

    def asks_twice(self, line: str, seq: int, probability: float) -> bool:
        """Whether a drawn frame gets a second opinion, whatever the first is."""
        return self._uniform("second", line, seq) < probability

    def mixed(self, line: str, seq: int) -> float:
        """A uniform number by which drawn frames are put in a random order."""
        return self._uniform("order", line, seq)

    def _uniform(self, what: str, line: str, seq: int) -> float:
        digest = hashlib.sha256(self._secret + f"{what}/{line}/{seq}".encode()).digest()
        return (int.from_bytes(digest[:8]) >> 11) / 2**53  # below 1 whatever the digest


def stratum_of(label: int) -> Stratum:
    """The stratum of a verdict's label."""
    return "rejected" if label == DEFECT else "passed"


def draw_secret(folder: Path) -> bytes:
    """The secret of a review's folder; made at first, for this account alone.

    Raises:
        ReviewError: the file is damaged.
        OSError: it cannot be read or made.
    """
    path = folder / "secret"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not path.exists():
        partial = path.with_name(f"secret.{os.getpid()}.partial")
        partial.write_bytes(secrets.token_bytes(_BYTES))
        partial.chmod(0o600)
        try:
            with suppress(FileExistsError):  # of several that come at once, one wins
                os.link(partial, path)
        finally:
            partial.unlink()
    data = path.read_bytes()
    if len(data) != _BYTES:
        raise ReviewError(
            f"{path} is damaged", "restore it from a backup; without it, delete it: draws then begin anew"
        )
    return data
