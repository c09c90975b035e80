"""What goes wrong at a simulated camera on purpose, and when."""

from __future__ import annotations

import random
from typing import Literal

from saec.station.section_types import Seconds, Section, Share

Mishap = Literal["missed", "late", "doubled", "black", "blurred"]


class CameraMishaps(Section, frozen=True, kw_only=True):
    """The table [source.mishaps]: what goes wrong at a simulated camera, as shares of its pictures.

    Attributes:
        missed: A trigger gets no picture.
        late: The picture comes late_s after its trigger.
        doubled: The picture comes twice.
        black: The picture is black.
        blurred: The picture is blurred.
        late_s: Seconds by which a late picture is late.
    """

    missed: Share = 0.0
    late: Share = 0.0
    doubled: Share = 0.0
    black: Share = 0.0
    blurred: Share = 0.0
    late_s: Seconds = 1.5

    def chosen(self, chance: random.Random) -> Mishap | None:
        """What goes wrong with the next picture; None most of the time."""
        shares: list[tuple[Mishap, float]] = [
            ("missed", self.missed),
            ("late", self.late),
            ("doubled", self.doubled),
            ("black", self.black),
            ("blurred", self.blurred),
        ]
        drawn = chance.random()
        for mishap, share in shares:
            drawn -= share
            if drawn < 0:
                return mishap
        return None
