"""What a year of frames must have come to, kept apart from the station, and held against what it did."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import year_receiver

DAY = 86400.0
SLACK = DAY + 3600
"""Seconds by which a clock may go on from the latest proven time and be trusted, and an hour."""


@dataclass
class Frame:
    """One accepted frame: when (true time), its bytes, its label once it is final, and who knows of it."""

    accepted: float
    size: int
    label: int | None = None
    final: bool = False
    image: bool = True


@dataclass
class Ledger:
    """The truth about a year.

    Args:
        days: after which an image may go for its age.

    Attributes:
        early: images that went though they were not due, and room was not short.
        wrong_order: images that went before others that were to go first.
        unjudged: images that went without a final verdict.
    """

    days: float
    frames: dict[int, Frame] = field(default_factory=dict)
    goods: dict[int, None] = field(default_factory=dict)
    gone: Counter[str] = field(default_factory=Counter)
    early: int = 0
    wrong_order: int = 0
    unjudged: int = 0

    def accept(self, seq: int, now: float, size: int) -> None:
        self.frames[seq] = Frame(now, size)

    def finish(self, seq: int, label: int) -> None:
        frame = self.frames[seq]
        if frame.final:
            raise AssertionError(f"{seq} has two finals")
        frame.label, frame.final = label, True
        if label == 0:
            self.goods[seq] = None

    def images_gone(self, seqs: Iterable[int], now: float, *, short: bool, undelivered: int) -> None:
        """Images were removed at a time.

        Args:
            short: whether there was no room just before.
            undelivered: the first frame that a sink did not know then.
        """
        for seq in seqs:
            frame = self.frames[seq]
            frame.image = False
            self.goods.pop(seq, None)
            old = now - frame.accepted >= self.days * DAY - SLACK
            self.gone["age" if old else "room"] += 1
            self.unjudged += not frame.final
            self.early += not old and not short
            if short and not old and frame.label != 0:
                first = next(iter(self.goods), undelivered)
                self.wrong_order += first < min(seq, undelivered)


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
