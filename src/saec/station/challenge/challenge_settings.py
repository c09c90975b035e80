"""The settings of a line's challenge."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import msgspec

from saec.station.challenge.condition_checks import LeastTolerances
from saec.station.challenge_records import ChallengeWay
from saec.station.section_types import FieldFault, Seconds, Section

TimeOfDay = Annotated[str, msgspec.Meta(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")]
Hours = Annotated[float, msgspec.Meta(gt=0, le=10_000)]
Count = Annotated[int, msgspec.Meta(ge=0, le=10_000)]
Frames = Annotated[int, msgspec.Meta(ge=1, le=1_000_000_000)]
Allowed = Annotated[float, msgspec.Meta(ge=0, le=10)]
Level = Annotated[float, msgspec.Meta(gt=0, lt=1)]


class ChallengeSettings(Section, frozen=True, kw_only=True):
    """The table [line.challenge]: golden parts that the line must judge right (docs/challenge.md).

    Without a golden part that is pinned to the line none of this does anything.

    Attributes:
        way: What a run judges. "pictures": the pictures that were pinned. "camera": the golden parts
            themselves, which somebody puts before the camera.
        at: Times of day, as "06:00" by the station's clock, at which a run is due.
        every_hours: A run is due so many hours after the last one.
        every_frames: A run is due so many frames of the line after the last one.
        after_promotion: Run at once after another version was promoted.
        missed: Defects of the set that may be judged good.
        false_rejects: Goods of the set that may be judged defects.
        conditions: Also compare the pictures and their scores with those that were pinned.
        brightness: Change of brightness that is allowed in any case, as the logarithm of the ratio.
        sharpness: Change of sharpness that is allowed in any case, likewise.
        position: Shift that is allowed in any case, as a share of the longer side.
        likeness: What may be lacking of a correlation of 1 with the pinned picture in any case.
        score: Change of the scores that is allowed in any case, as the logarithm of the ratio.
        stop: A failed run stops the line: frames are stored and get an error for a verdict, until a run
            passes or an engineer overrides it.
        pace_s: Seconds between two golden frames of a run with pictures. There is never more than one of
            them under way.
        due_s: Seconds after which a run that is due and was not made raises an alarm.
        camera_s: Seconds within which the golden parts must come before the camera.
        confidence: Confidence of the intervals.
    """

    way: ChallengeWay = "pictures"
    at: list[TimeOfDay] = msgspec.field(default_factory=list)
    every_hours: Hours | None = None
    every_frames: Frames | None = None
    after_promotion: bool = True
    missed: Count = 0
    false_rejects: Count = 0
    conditions: bool = True
    brightness: Allowed = LeastTolerances().brightness
    sharpness: Allowed = LeastTolerances().sharpness
    position: Allowed = LeastTolerances().position
    likeness: Allowed = LeastTolerances().likeness
    score: Allowed = LeastTolerances().score
    stop: bool = False
    pace_s: Seconds = 0.5
    due_s: Seconds = 600.0
    camera_s: Seconds = 600.0
    confidence: Level = 0.95

    @property
    def scheduled(self) -> bool:
        """Whether runs become due by themselves."""
        return bool(self.at or self.every_hours or self.every_frames)

    def least(self) -> LeastTolerances:
        """What is allowed in any case."""
        return LeastTolerances(self.brightness, self.sharpness, self.position, self.likeness, self.score)

    def faults(self) -> Iterator[FieldFault]:
        """What the types of the fields cannot say."""
        if len(set(self.at)) != len(self.at):
            yield "at", "a time of day stands there twice", "give each once"
