"""The view Quality: how well a line judges, how sure that is, and what to review next."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from starlette.responses import Response

from saec.schedule.review_rates.quality_rates import QualityRates, RateInterval
from saec.station.page.numbers.time_plots import RateSpan, interval_plot
from saec.station.page.page_tools import PageTools, ViewWords
from saec.station.page.page_view import PageRoute, PageView
from saec.station.page.page_visit import Visit
from saec.station.page.views.quality.quality_window import (
    QUALITY_WINDOWS,
    plot_room,
    plotted_windows,
    read_quality_window,
)
from saec.station.page.words.languages import msgid


def show_quality(tools: PageTools, visit: Visit) -> Response:
    """The four figures of a line with their intervals, over time, and what to do next."""
    now, shifts = time.time(), tools.settings.quality.shifts
    asked = read_quality_window(visit.form, tools.lines, shifts, now)
    found = tools.quality.quality(asked.line, asked.since, asked.until, version=asked.version)
    stretches = plotted_windows(asked, shifts, now)
    past = tools.quality.rates(asked.line, stretches, asked.version)
    return tools.page(
        "quality",
        visit,
        asked=asked,
        windows=QUALITY_WINDOWS,
        lines=tools.lines,
        found=found,
        rates=found.rates,
        window=plot_room(stretches),
        escape_plot=interval_plot(plot_room(stretches), _spans(stretches, past, lambda one: one.escape_rate)),
        overkill_plot=interval_plot(
            plot_room(stretches), _spans(stretches, past, lambda one: one.overkill_rate)
        ),
        history=[
            (since, until, one)
            for (since, until), one in zip(stretches, past, strict=True)
            if one.passed.population + one.rejected.population
        ],
    )


def _spans(
    windows: Sequence[tuple[float, float]],
    rates: Sequence[QualityRates],
    pick: Callable[[QualityRates], RateInterval],
) -> list[RateSpan]:
    """The stretches in which a rate is known."""
    found = []
    for (since, until), one in zip(windows, rates, strict=True):
        rate = pick(one)
        if rate.value is not None:
            found.append(RateSpan(since, until, rate.value, rate.low, rate.high))
    return found


QUALITY = PageView(
    "quality",
    ViewWords(
        msgid("Quality"),
        msgid("See how well a line judges now, and how sure that is."),
        msgid(
            "Only frames that were drawn at random and answered by people count. The interval is what "
            "counts: the true figure lies in it in at least as many of a hundred windows as its level "
            "says. Missed defects are a share of all defects, false rejects a share of all goods. "
            "A wide interval asks for more reviews."
        ),
    ),
    (PageRoute("GET", "/page/quality", show_quality),),
)
