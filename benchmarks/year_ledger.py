"""What a year of frames must have come to, kept apart from the station, and held against what it did."""

from __future__ import annotations

import json
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import year_receiver

DAY = 86400.0
SLACK = DAY + 3600
"""Seconds by which a clock may go on from the latest proven time and be trusted, and an hour."""


_KNOWN, _FINAL, _GOOD, _IMAGE, _ASKED = 1, 2, 4, 8, 16


class Ledger:
    """The truth about a year, in room that is taken once: it does not grow with the frames.

    Args:
        days: after which an image may go for its age.
        most: frames.

    Attributes:
        early: images that went though they were not due, and room was not short.
        wrong_order: images that went before others that were to go first.
        unjudged: images that went without a final verdict.
    """

    def __init__(self, days: float, most: int) -> None:
        self.days, self.last = days, 0
        self._accepted, self._marks = array("d", bytes(8 * (most + 1))), bytearray(most + 1)
        self._first_good = 1
        self.gone: Counter[str] = Counter()
        self.early = self.wrong_order = self.unjudged = 0

    def accept(self, seq: int, now: float, *, asked: bool) -> None:
        self._accepted[seq] = now
        self._marks[seq] = _KNOWN | _IMAGE | (_ASKED if asked else 0)
        self.last = max(self.last, seq)

    def finish(self, seq: int, label: int) -> None:
        if self._marks[seq] & _FINAL:
            raise AssertionError(f"{seq} has two finals")
        self._marks[seq] |= _FINAL | (_GOOD if label == 0 else 0)
        self._first_good = min(self._first_good, seq)

    def is_final(self, seq: int) -> bool:
        return bool(self._marks[seq] & _FINAL)

    def frames(self, mark: int = _KNOWN) -> Iterator[int]:
        """Frames with a mark."""
        return (seq for seq in range(1, self.last + 1) if self._marks[seq] & mark)

    def held(self) -> Iterator[int]:
        """Frames whose image should be there."""
        return self.frames(_IMAGE)

    def verdicts(self) -> Iterator[str]:
        """Keys of all verdicts that every sink is due."""
        for seq in self.frames():
            yield f"cell-{seq:010d}/final"
            if self._marks[seq] & _ASKED:
                yield f"cell-{seq:010d}/provisional"

    def images_gone(self, seqs: Iterable[int], now: float, *, short: bool, undelivered: int) -> None:
        """Images were removed at a time.

        Args:
            short: whether there was no room just before.
            undelivered: the first frame that a sink did not know then.
        """
        for seq in seqs:
            marks = self._marks[seq]
            self._marks[seq] = marks & ~_IMAGE
            old = now - self._accepted[seq] >= self.days * DAY - SLACK
            self.gone["age" if old else "room"] += 1
            self.unjudged += not marks & _FINAL
            self.early += not old and not short
            if short and not old and not marks & _GOOD:
                self.wrong_order += self._good_before(min(seq, undelivered))

    def _good_before(self, seq: int) -> bool:
        """Whether a good frame before this one has its image still."""
        wanted = _GOOD | _IMAGE
        while self._first_good < seq and self._marks[self._first_good] & wanted != wanted:
            self._first_good += 1
        return self._first_good < seq


@dataclass
class Sinks:
    """What the sinks have, read from what they wrote.

    Attributes:
        missing: verdicts that neither came nor are known to have been refused or given up.
        doubled: verdicts that came more than once, as they may after a crash.
    """

    missing: int = 0
    doubled: int = 0
    verdicts: int = 0


def of_files(folder: Path, due: set[str]) -> Sinks:
    """Of the folder of a file sink."""
    seen: Counter[str] = Counter()
    for path in folder.glob("*.jsonl"):
        with path.open("rb") as lines:
            seen.update(json.loads(line)["key"] for line in lines)
    return _sinks(seen, due)


def of_webhook(log: Path, due: set[str]) -> Sinks:
    """Of a receiver's log; what it refuses for ever is not due."""
    seen = Counter(log.read_text().split())
    return _sinks(seen, {key for key in due if not year_receiver.is_poison(key)})


def _sinks(seen: Counter[str], due: set[str]) -> Sinks:
    return Sinks(
        missing=len(due - seen.keys()),
        doubled=sum(count - 1 for count in seen.values()),
        verdicts=len(seen),
    )
