"""The rates of all lines for Prometheus; reckoned once a minute at most."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import structlog
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from saec.errors import SaecError
from saec.schedule.review_rates.quality_rates import QualityRates
from saec.schedule.review_rates.reviews_needed import four_rates
from saec.station.quality.line_quality import QualityReader
from saec.station.quality.review_samples import whole_hours
from saec.station.quality.shift_windows import shift_at
from saec.station.station import Station

_EVERY_S = 60.0
_STATES = ("drawn", "reviewed", "waiting", "unsure", "lost")

log = structlog.get_logger()


class RateGauges(Collector):
    """The rates of the present shift of each line; safe to use from several threads.

    Args:
        station: the station.
        clock: seconds that do not go back.
    """

    def __init__(self, station: Station, clock: Callable[[], float] = time.monotonic) -> None:
        self._station, self._clock, self._lock = station, clock, threading.Lock()
        self._known: dict[str, QualityRates] = {}
        self._read_at: float | None = None
        self._reader: QualityReader | None = None

    def collect(self) -> Iterator[Metric]:
        """The gauges; those of a minute ago where they were asked for since."""
        rate = GaugeMetricFamily(
            "saec_quality_rate",
            "Shares and rates of the present shift from reviews: estimate, and the ends of its interval.",
            labels=["line", "rate", "end"],
        )
        reviews = GaugeMetricFamily(
            "saec_quality_reviews",
            "Frames of the present shift that were drawn at random, by what became of them.",
            labels=["line", "side", "state"],
        )
        for line, known in self._rates().items():
            for name, one in four_rates(known).items():
                ends = {"value": one.value, "low": one.low, "high": one.high}
                for end, value in ends.items():
                    if value is not None:
                        rate.add_metric([line, name, end], value)
            for where, side in (("passed", known.passed), ("rejected", known.rejected)):
                counts = (side.drawn, side.reviewed, side.waiting, side.unsure, side.lost)
                for state, count in zip(_STATES, counts, strict=True):
                    reviews.add_metric([line, where, state], count)
        yield from (rate, reviews)

    def _rates(self) -> dict[str, QualityRates]:
        with self._lock:
            now = self._clock()
            if self._read_at is None or now - self._read_at >= _EVERY_S:
                self._known, self._read_at = self._read(), now
            return self._known

    def _read(self) -> dict[str, QualityRates]:
        settings = self._station.settings
        if self._reader is None:
            self._reader = QualityReader(settings.station.data, self._station.spool, settings.quality)
        moment = time.time()
        window = whole_hours(shift_at(moment, settings.quality.shifts).since, moment)
        try:
            return {line: self._reader.rates(line, [window])[0] for line in self._station.runners}
        except SaecError as e:
            log.warning("rates not read", error=str(e))
            return {}
