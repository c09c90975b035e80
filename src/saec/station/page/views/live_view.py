"""Live: the newest frame of each line, all day."""

from __future__ import annotations

from starlette.responses import Response

from saec.station.page.page_tools import PageTools, ViewWords
from saec.station.page.page_view import PageRoute, PageView
from saec.station.page.page_visit import Visit
from saec.station.page.words.languages import msgid


def show_live(tools: PageTools, visit: Visit) -> Response:
    """The page; what changes on it comes by events."""
    return tools.page("live", visit, lines=list(tools.live.look().values()))


LIVE = PageView(
    "live",
    ViewWords(
        msgid("Live"),
        msgid("See what each line judges now, and hold a defect until you have looked at it."),
        msgid(
            "The coloured area shows where the edge sees something unusual; its outline is where the "
            "score reaches the threshold. A dashed frame is the place that the cloud means. Choose "
            "under “On a defect” whether a defect's picture is held. The key Escape shows the newest "
            "frames again."
        ),
    ),
    (PageRoute("GET", "/page/live", show_live),),
)
