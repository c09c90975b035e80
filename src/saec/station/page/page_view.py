"""What a view of the page is made of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from starlette.responses import Response

from saec.station.page.page_tools import PageTools, ViewWords
from saec.station.page.page_visit import Visit

ShowPage = Callable[[PageTools, Visit], Response]
"""Answers a request, in a thread of its own; a SaecError becomes a page that says it."""


@dataclass(frozen=True, slots=True)
class PageRoute:
    """One address of the page.

    Attributes:
        path: begins with /page/; ``{name}`` in it is in ``Visit.taken``.
    """

    method: Literal["GET", "POST"]
    path: str
    show: ShowPage


@dataclass(frozen=True, slots=True)
class PageView:
    """An entry of the navigation.

    Attributes:
        name: its address is /page/NAME, and its icon is the one of this name in ``icons.html``.
        words: what it is called and what it is for.
        routes: its addresses; the first one is /page/NAME.
    """

    name: str
    words: ViewWords
    routes: tuple[PageRoute, ...]
