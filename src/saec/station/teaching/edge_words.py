"""What the edge of a version says of pictures: of reviewed frames, and of golden parts."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import msgspec

from saec.data.images.killable_decoder import Decoder, Spares
from saec.errors import SaecError
from saec.frame.assessment import EncodedFrame, decode_frame
from saec.station.challenge.golden_set import GoldenSet
from saec.station.line.edge_thread import assess_guarded
from saec.station.line.guard import GuardError
from saec.station.line.opened_version import OpenedVersion, open_version
from saec.station.maintenance.version_comparisons import ComparedChallenge
from saec.station.teaching.job_desk import JobDesk
from saec.station.teaching.line_base import LineBase
from saec.types import Source


class EdgeSaid(msgspec.Struct, frozen=True):
    """What the edge of a version says of a frame; the label is None where it could not judge it."""

    score: float
    label: int | None


class EdgeWords:
    """A version of a line that judges pictures.

    Args:
        version: the version.
        decoder: decodes its pictures.
    """

    def __init__(self, version: OpenedVersion, decoder: Decoder) -> None:
        self._version, self._decoder = version, decoder

    def of(self, name: str, data: bytes, sha256: str) -> EdgeSaid:
        """What it says of a picture.

        Args:
            name: what names it in errors.
            data: the picture's file.
            sha256: its hash.
        """
        version = self._version
        try:
            encoded = EncodedFrame(Source(id=name, path=""), data, sha256, 0.0, time.perf_counter(), {})
            decoded = decode_frame(encoded, bits=version.judges.bits, decode=self._decoder.decode, name=name)
            _, seen = assess_guarded(decoded, version)
        except (GuardError, SaecError):
            return EdgeSaid(0.0, None)
        return EdgeSaid(seen.opinion.score, seen.opinion.label)


@contextmanager
def edge_words(desk: JobDesk, base: LineBase, number: int) -> Iterator[EdgeWords]:
    """A version of the job's line, opened as the recipe has it judge; the edge alone, without a cloud.

    Raises:
        LineError: it is gone or damaged.
    """
    decoder = Decoder(Spares(spare=False))
    try:
        yield EdgeWords(open_version(desk.versions.profile(number), base.key(number), desk.line, ()), decoder)
    finally:
        decoder.close()


def golden_check(desk: JobDesk, base: LineBase, number: int) -> ComparedChallenge | None:
    """How the edge of a version judges the pictures of the line's golden parts; None where it has none.

    It says what the version knows. Whether camera, light and link are as they were, only a run at the line
    tells.

    Raises:
        GoldenSetError: the set is damaged, or a picture is gone.
        LineError: the version is gone or damaged.
    """
    golden = GoldenSet(desk.data, desk.job.line)
    parts = golden.parts()
    if not parts:
        return None
    wrong = []
    with edge_words(desk, base, number) as words:
        for at, part in enumerate(parts, 1):
            if words.of(part.name, golden.picture(part), part.sha256).label != part.label:
                wrong.append(part.name)
            desk.progress("challenge", at, len(parts))
    return ComparedChallenge(parts=len(parts), wrong=tuple(wrong), passed=not wrong)
