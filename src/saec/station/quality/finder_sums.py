"""What edge, cloud and people each cost and found in a window, side by side."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal

import msgspec

from saec.station.review.review_records import ReviewedFrame
from saec.station.storage.counts.decider_sums import DeciderSums
from saec.types import DEFECT, GOOD

Finder = Literal["edge", "cloud", "person"]


class FinderSums(msgspec.Struct, frozen=True, kw_only=True):
    """What one of them did.

    Attributes:
        frames: how many it decided; for people, how many they answered.
        defects: how many of them it called defects.
        missed: defects that the line had passed and that people found; 0 for edge and cloud.
        cleared: goods that the line had rejected and that people found; 0 for edge and cloud.
        seconds: time that it took; for people, from showing a frame to the answer.
        timed: frames of which the time is known.
        joules: energy of the ``metered`` frames.
        metered: frames of which the energy is known; 0 for people.
        price: what it cost in your currency; None without a price, or where nothing was measured.
    """

    frames: int = 0
    defects: int = 0
    missed: int = 0
    cleared: int = 0
    seconds: float = 0.0
    timed: int = 0
    joules: float = 0.0
    metered: int = 0
    price: float | None = None


_NAMES: Mapping[str, Finder] = {"edge": "edge", "edge-fallback": "edge", "cloud": "cloud"}
_KWH = 3.6e6


def finder_sums(
    deciders: Iterable[DeciderSums],
    reviewed: Iterable[ReviewedFrame],
    *,
    kwh: float,
    person_hour: float,
) -> dict[Finder, FinderSums]:
    """Edge, cloud and people.

    Args:
        deciders: sums over the frames of the window, by who decided. The energy of frames that the cloud
            decided includes that of the edge, which looks at each frame first.
        reviewed: frames of the window that people answered, drawn at random or not.
        kwh, person_hour: prices; 0 where there is none.
    """
    found: dict[Finder, FinderSums] = {"edge": FinderSums(), "cloud": FinderSums()}
    for one in deciders:
        if one.decider in _NAMES:
            name = _NAMES[one.decider]
            found[name] = _added(found[name], one)
    for name, sums in list(found.items()):
        if kwh > 0.0 and sums.metered:
            found[name] = msgspec.structs.replace(sums, price=sums.joules / _KWH * kwh)
    return {**found, "person": _people(reviewed, person_hour)}


def _added(sums: FinderSums, more: DeciderSums) -> FinderSums:
    return msgspec.structs.replace(
        sums,
        frames=sums.frames + more.frames,
        defects=sums.defects + more.defects,
        seconds=sums.seconds + more.seconds,
        timed=sums.timed + more.timed,
        joules=sums.joules + more.joules,
        metered=sums.metered + more.metered,
    )


def _people(reviewed: Iterable[ReviewedFrame], person_hour: float) -> FinderSums:
    frames = list(reviewed)
    times = [
        label.answer.seconds for frame in frames for label in frame.labels if label.answer.seconds is not None
    ]
    settled = [(frame.frame.label, frame.settled) for frame in frames]
    return FinderSums(
        frames=len(frames),
        defects=sum(label == DEFECT for _, label in settled),
        missed=settled.count((GOOD, DEFECT)),
        cleared=settled.count((DEFECT, GOOD)),
        seconds=sum(times),
        timed=len(times),
        price=sum(times) / 3600.0 * person_hour if person_hour > 0.0 and times else None,
    )
