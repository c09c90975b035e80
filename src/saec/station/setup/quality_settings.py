"""The section [quality]: the shifts of the plant, and what is wanted of the rates.

The command line reads it where ``saec[station]`` is not installed, so it imports none of its packages.
"""

from __future__ import annotations

from typing import Annotated

import msgspec

from saec.station.section_types import Section

_HourOfDay = Annotated[int, msgspec.Meta(ge=0, le=23)]
_Price = Annotated[float, msgspec.Meta(ge=0, le=1e6)]


class QualitySettings(Section, frozen=True, kw_only=True):
    """The section [quality]: how the rates of the lines are reckoned (docs/rates.md).

    Attributes:
        shifts: Hours of the day at which a shift begins, by the station's clock.
        level: Level of the intervals: the share of windows in which they hold the true figure, at least.
        within: Distance between a rate and the ends of its interval that is near enough for you. The page
            says how many more reviews reach it.
        person_hour: Price of an hour of a person who reviews, in your currency. 0 shows no prices.
        kwh: Price of a kilowatt-hour, in the same currency.
    """

    shifts: Annotated[list[_HourOfDay], msgspec.Meta(min_length=1, max_length=24)] = msgspec.field(
        default_factory=lambda: [6, 14, 22]
    )
    level: Annotated[float, msgspec.Meta(ge=0.5, le=0.999)] = 0.9
    within: Annotated[float, msgspec.Meta(gt=0, lt=1)] = 0.05
    person_hour: _Price = 0.0
    kwh: _Price = 0.0
