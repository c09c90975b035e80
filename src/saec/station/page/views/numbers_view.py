"""Numbers: how the lines did in a window of time."""

from __future__ import annotations

import time

from starlette.responses import Response

from saec.station.page.numbers.figures_csv import figures_csv
from saec.station.page.numbers.link_figures import link_figures
from saec.station.page.numbers.time_plots import deciders_plot, frames_plot, link_plot, rate_plot
from saec.station.page.numbers.time_window import CHOSEN, WINDOWS, read_window
from saec.station.page.numbers.window_figures import window_figures
from saec.station.page.page_tools import PageTools, ViewWords
from saec.station.page.page_view import PageRoute, PageView
from saec.station.page.page_visit import Visit
from saec.station.page.search.search_form import moment_text
from saec.station.page.words.languages import msgid


def show_numbers(tools: PageTools, visit: Visit) -> Response:
    """The figures, plots and table of a window; one that ends now is loaded again when it changes."""
    window = read_window(visit.form, tools.lines, time.time())
    figures = window_figures(tools.reader, window)
    shown = [window.line] if window.line is not None else tools.lines
    told = {line: tools.feed.line(line) for line in shown}
    links = link_figures(tools.links, window, [line for line, one in told.items() if one.get("link")])
    return tools.page(
        "numbers",
        visit,
        window=window,
        windows={name: title for name, (title, _) in WINDOWS.items()} | {CHOSEN: msgid("From … until …")},
        since=moment_text(window.since),
        until=moment_text(window.until),
        lines=tools.lines,
        figures=figures,
        sums=figures.sums,
        frames_plot=frames_plot(figures),
        rate_plot=rate_plot(figures),
        deciders_plot=deciders_plot(figures),
        links=links,
        link_plot=link_plot(links),
        told=told,
        addresses=tools.feed.status.get("addresses") or {},
    )


def show_table(tools: PageTools, visit: Visit) -> Response:
    """The counts of a window as a file."""
    window = read_window(visit.form, tools.lines, time.time())
    text = figures_csv(window_figures(tools.reader, window))
    headers = {"Content-Disposition": 'attachment; filename="numbers.csv"'}
    return Response(text, 200, headers, "text/csv; charset=utf-8")


NUMBERS = PageView(
    "numbers",
    ViewWords(
        msgid("Numbers"),
        msgid("See how the lines did in any span of time."),
        msgid(
            "Each frame counts once, by its newest verdict, at the time at which the station accepted it. "
            "Reject rate and yield are shares of all frames; a frame that was not judged belongs to "
            "neither. The range behind them is the 95 % interval by Wilson, which takes the frames as "
            "independent. A window that ends now follows the line by itself."
        ),
    ),
    (
        PageRoute("GET", "/page/numbers", show_numbers),
        PageRoute("GET", "/page/numbers/table.csv", show_table),
    ),
)
