"""Help: what each view is for and what its marks mean. The shortest example of a view."""

from __future__ import annotations

from starlette.responses import Response

from saec.station.page.page_tools import PageTools, ViewWords
from saec.station.page.page_view import PageRoute, PageView
from saec.station.page.page_visit import Visit
from saec.station.page.words.languages import msgid


def show_help(tools: PageTools, visit: Visit) -> Response:
    """The page; it needs nothing but the words."""
    return tools.page("help", visit, views=tools.navigation)


HELP = PageView(
    "help",
    ViewWords(
        msgid("Help"),
        msgid("Read what each view is for and what the marks mean."),
        msgid("The sentence under each title says what a view is for, and its link leads here."),
    ),
    (PageRoute("GET", "/page/help", show_help),),
)
