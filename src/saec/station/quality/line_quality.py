"""How well a line judged in a window: rates, what would make them known better, what was certified."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from contextlib import closing
from functools import lru_cache
from pathlib import Path

import msgspec

from saec.schedule.review_rates.quality_rates import QualityRates, estimate_rates
from saec.schedule.review_rates.reviews_needed import RATES, Rate, ReviewsNeeded, reviews_needed
from saec.station.quality.certified_rates import CertifiedRate, certified_rates
from saec.station.quality.finder_sums import Finder, FinderSums, finder_sums
from saec.station.quality.review_samples import reader_samples, review_samples, whole_hours
from saec.station.review.review_records import OfferedCount, ReviewedFrame
from saec.station.review.review_store import ReviewStore
from saec.station.setup.quality_settings import QualitySettings
from saec.station.storage.spool_reader import SpoolReader

READERS_S = 90 * 86_400.0
"""Seconds before a window whose second opinions tell of the readers, too."""

_KEPT = 256
# Estimates that are kept: shifts that are over seldom change.


class LineQuality(msgspec.Struct, frozen=True, kw_only=True):
    """How well a line judged in a window.

    Attributes:
        version: the version that judged; None where all count.
        since, until: the window, whole hours, seconds since the epoch.
        rates: the four shares with their intervals.
        within: the distance that ``needed`` is for.
        needed: how many more reviews until each is known to within it.
        finders: what edge, cloud and people cost and found.
        certified: the bounds of the certificate by rate; empty without one.
        versions: the versions that judged in the window.
    """

    line: str
    version: str | None
    since: float
    until: float
    rates: QualityRates
    within: float
    needed: dict[Rate, ReviewsNeeded]
    finders: dict[Finder, FinderSums]
    certified: dict[Rate, CertifiedRate]
    versions: list[str]


class QualityReader:
    """Reads how well lines judged; safe to use from several threads.

    Args:
        data: the station's data folder.
        reader: the spool's.
        settings: the section [quality].
    """

    def __init__(self, data: Path, reader: SpoolReader, settings: QualitySettings) -> None:
        self._data, self._reader, self.settings = data, reader, settings
        self._kept: dict[str, QualityRates] = {}
        self._lock = threading.Lock()

    def quality(
        self,
        line: str,
        since: float,
        until: float,
        *,
        version: str | None = None,
        within: float | None = None,
    ) -> LineQuality:
        """How well a line judged in the whole hours that a window touches.

        Args:
            version: takes what this version judged.
            within: the distance for the further reviews; None takes that of the settings.

        Raises:
            ReviewError: the review's database cannot be read.
            SpoolError: the spool's cannot.
            ConfigError: ``within`` is no distance.
        """
        since, until = whole_hours(since, until)
        near = self.settings.within if within is None else within
        with closing(ReviewStore(self._data)) as store:
            offered = store.offered(line, since, until, version)
            known = _known(store, line, since, until)
        reviewed = [frame for frame in known if _is_within(frame, since, until, version)]
        rates = self._rates(offered, known, (since, until), version)
        versions = sorted({count.version for count in offered})
        return LineQuality(
            line=line,
            version=version,
            since=since,
            until=until,
            rates=rates,
            within=near,
            needed={rate: _needed(rates, rate, near) for rate in RATES},
            finders=finder_sums(
                self._reader.decider_sums(line, since, until, version),
                reviewed,
                kwh=self.settings.kwh,
                person_hour=self.settings.person_hour,
            ),
            certified=certified_rates(self._data, line, versions, rates),
            versions=versions,
        )

    def rates(
        self, line: str, windows: Sequence[tuple[float, float]], version: str | None = None
    ) -> list[QualityRates]:
        """The rates alone of several windows, each of whole hours, in the order of time."""
        if not windows:
            return []
        with closing(ReviewStore(self._data)) as store:
            known = _known(store, line, windows[0][0], windows[-1][1])
            offered = [store.offered(line, *window, version) for window in windows]
        return [
            self._rates(counts, known, window, version)
            for counts, window in zip(offered, windows, strict=True)
        ]

    def _rates(
        self,
        offered: Sequence[OfferedCount],
        known: Sequence[ReviewedFrame],
        window: tuple[float, float],
        version: str | None,
    ) -> QualityRates:
        mine = [_is_within(frame, *window, version) for frame in known]
        samples = review_samples(offered, [frame for frame, held in zip(known, mine, strict=True) if held])
        until = window[1]  # so that what is known of past windows stays as it is
        others = reader_samples(
            [
                frame
                for frame, held in zip(known, mine, strict=True)
                if not held and until - READERS_S <= frame.frame.accepted < until
            ]
        )
        key = repr((samples, others, self.settings.level))
        with self._lock:
            found = self._kept.get(key)
        if found is None:
            found = estimate_rates(samples, elsewhere=others, confidence=self.settings.level)
            with self._lock:
                if len(self._kept) >= _KEPT:
                    self._kept.clear()
                self._kept[key] = found
        return found


def _known(store: ReviewStore, line: str, since: float, until: float) -> list[ReviewedFrame]:
    """The line's reviewed frames of a window, and those before it that tell of the readers alone."""
    return list(store.reviewed(line, since=min(since, until - READERS_S), until=until))


def _is_within(frame: ReviewedFrame, since: float, until: float, version: str | None) -> bool:
    return since <= frame.frame.accepted < until and version in (None, frame.frame.version)


@lru_cache(1024)
def _needed(rates: QualityRates, rate: Rate, within: float) -> ReviewsNeeded:
    return reviews_needed(rates, rate, within)
