"""What the seed's documents publish, as data."""

from __future__ import annotations

from importlib import resources

import msgspec

from saec.decoding import decode


class PublishedFigure(msgspec.Struct, frozen=True, kw_only=True):
    """Published figures of one row; None where none is."""

    accuracy: float | None = None
    total_s: float | None = None
    image_s: float | None = None


class Published(msgspec.Struct, frozen=True, kw_only=True):
    """``published.json``: where the figures stand, what they were measured on, by data set and row."""

    source: str
    machine: str
    notes: list[str]
    sets: dict[str, dict[str, PublishedFigure]]

    def of(self, dataset: str, row: str) -> PublishedFigure:
        return self.sets.get(dataset, {}).get(row, PublishedFigure())


def published() -> Published:
    """The file that ships."""
    text = resources.files("saec_research.tables").joinpath("published.json").read_bytes()
    return decode(text, Published)
