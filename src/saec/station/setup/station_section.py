"""The section [station], and the names of the sections beside it.

The command line reads it where ``saec[station]`` is not installed, so it imports none of its packages.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from msgspec import Meta

from saec.settings.setting_fields import Everyday, Option
from saec.station.section_types import Name, Section

STATION_SECTIONS = (
    "station",
    "http",
    "line",
    "source",
    "sink",
    "plc",
    "coupler",
    "output",
    "input",
    "cloud",
    "spool",
    "retention",
    "people",
    "recipe",
    "review",
    "quality",
)
"""The sections of ``StationSettings``; cloud, spool, retention, people, review, quality, station and http
are no lists."""


class StationSection(Section, frozen=True, kw_only=True):
    """The section [station]: the station itself.

    Attributes:
        name: The station's name. Give each station of one cloud service its own.
        data: The folder of frames, images, verdicts and versions of lines.
        listen: HOST:PORT of the API, the page and the metrics.
        tokens_file: Who may post frames and change things: one "NAME SHA256-OF-TOKEN" a line. Without it the
            station listens only on this machine.
        privacy: No image leaves the site. The cloud must then have a private address.
        page: Serve the page for people beside the API.
        warm_mb: Megabytes of memory that opened versions of lines may take, so that a change to their recipe
            is instant. The versions that judge now stay open in any case.
    """

    name: Name = "station"
    data: Path = Path("station-data")
    listen: Annotated[Everyday[str], Option(metavar="HOST:PORT")] = "127.0.0.1:8090"
    tokens_file: Annotated[Everyday[Path | None], Option(metavar="FILE")] = None
    privacy: Everyday[bool] = False
    page: bool = True
    warm_mb: Annotated[int, Meta(ge=1)] = 2048
