"""The station's settings as types; ``saec.station.setup.settings_file`` reads them from one TOML file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec

from saec.schedule.policies import DEFAULT_POLICY
from saec.settings import Spend
from saec.station.section_types import Name, Seconds, Section, Share
from saec.station.sinks import AnySink
from saec.station.sources import AnySource
from saec.station.storage.records import Retention, SpoolLimits
from saec.web.http_settings import HttpSettings


class FrameGuardSettings(Section, frozen=True, kw_only=True):
    """When a frame is no fair picture of a part; 0 (for bright 255) leaves a check out.

    Attributes:
        dark, bright: mean grey value (0 to 255) below and above which nothing can be judged.
        blur: share of a good's sharpness below which a frame is blurred.
        empty: share of a good's contrast below which there is no part in view.
    """

    dark: float = 12.0
    bright: float = 245.0
    blur: Share = 0.1
    empty: Share = 0.1


class LineSettings(Section, frozen=True, kw_only=True):
    """One product.

    Attributes:
        name: what its frames' ids begin with.
        profile: folder of the line profile; taken over as version 1 when the station first starts.
        cloud: whether the cloud is asked about what the edge is not sure of.
        deadline: seconds from acceptance within which the line needs a verdict to act on.
        policy: who answers, see docs/scheduling.md.
        budget: most of the frames that may be sent, as a share, held in every 1,000; a
            policy that does not rank frames gives way to "value". None is no bound.
    """

    name: Name
    profile: Path
    cloud: bool = True
    deadline: Seconds = 1.0
    policy: str = DEFAULT_POLICY
    budget: Share | None = None
    guard: FrameGuardSettings = FrameGuardSettings()


class CloudSettings(Section, frozen=True, kw_only=True):
    """The cloud service.

    Attributes:
        url: address of an OpenAI-compatible server, such as "https://gpu:8443/v1".
        model: its name there, or that of an adapter.
        token_file: file with the bearer token.
        references: good images shown before each frame.
        timeout: seconds for one answer.
        concurrency: requests under way at once.
        batch: frames asked about at once.
        ca_file: certificates to trust beside the system's.
        prompt: version of the prompt; by default the model's own.
        spend: what of a frame is shown, see docs/spending.md.
    """

    url: str
    model: str
    prompt: str | None = None
    spend: Spend = "whole"
    token_file: Path | None = None
    references: Annotated[int, msgspec.Meta(ge=0, le=8)] = 1
    timeout: Seconds = 20.0
    concurrency: Annotated[int, msgspec.Meta(ge=1)] = 4
    batch: Annotated[int, msgspec.Meta(ge=1)] = 8
    ca_file: Path | None = None


class StationSection(Section, frozen=True, kw_only=True):
    """The station itself.

    Attributes:
        name: unique among the stations of a cloud service.
        data: folder of spool, profiles' versions and logs.
        listen: "HOST:PORT" of API, status page and metrics.
        tokens_file: sha256 of the tokens that may post frames and change things, one "NAME HEX" a line;
            without it only loopback addresses may be listened on.
        privacy: no image leaves the site: the cloud must then lie in it.
    """

    name: Name = "station"
    data: Path = Path("station-data")
    listen: str = "127.0.0.1:8090"
    tokens_file: Path | None = None
    privacy: bool = False


class StationSettings(Section, frozen=True, kw_only=True):
    """The whole file."""

    station: StationSection = StationSection()
    http: HttpSettings = HttpSettings()
    line: list[LineSettings]
    source: list[AnySource] = msgspec.field(default_factory=list)
    sink: list[AnySink] = msgspec.field(default_factory=list)
    cloud: CloudSettings | None = None
    spool: SpoolLimits = SpoolLimits()
    retention: Retention = Retention()
