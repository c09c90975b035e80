"""The station's settings as types; ``saec.station.setup.settings_file`` reads them from one TOML file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import msgspec

from saec.schedule.policies import DEFAULT_POLICY
from saec.settings import Spend
from saec.station.storage.records import Retention, SpoolLimits
from saec.web.http_settings import HttpSettings

Name = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$")]
Seconds = Annotated[float, msgspec.Meta(gt=0, le=1e6)]
Share = Annotated[float, msgspec.Meta(ge=0, le=1)]


class _Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    pass


class FrameGuardSettings(_Section, frozen=True, kw_only=True):
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


class LineSettings(_Section, frozen=True, kw_only=True):
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


class FolderSource(_Section, frozen=True, kw_only=True, tag_field="kind", tag="folder"):
    """Image files that appear in a folder.

    Attributes:
        path: is watched, its subfolders too.
        settle: seconds for which a file must not change before it is read.
        patience: seconds without a change after which a file that is not whole is refused, with an alarm. It
            is judged if it becomes whole later.
        after: what becomes of a file that was accepted, of which the spool then has a copy of its own.
        poll: seconds between looks.
    """

    name: Name
    line: Name
    path: Path
    settle: Seconds = 0.2
    patience: Seconds = 10.0
    after: Literal["delete", "keep"] = "delete"
    poll: Seconds = 0.1


class CameraSource(_Section, frozen=True, kw_only=True, tag_field="kind", tag="camera"):
    """An RTSP or USB camera; the newest frame wins, older ones are counted as dropped.

    Attributes:
        address: "rtsp://...", or the number of a USB camera.
        interval: seconds between frames that are taken.
        open_timeout, read_timeout: seconds after which a camera is given up and opened again.
    """

    name: Name
    line: Name
    address: str
    interval: Seconds = 0.5
    open_timeout: Seconds = 10.0
    read_timeout: Seconds = 5.0


class VideoSource(_Section, frozen=True, kw_only=True, tag_field="kind", tag="video"):
    """A video file, every ``every``-th frame of it, once.

    Attributes:
        realtime: whether frames come at the file's own pace, as from a camera; else as fast as the spool
            takes them.
    """

    name: Name
    line: Name
    path: Path
    every: Annotated[int, msgspec.Meta(ge=1)] = 1
    realtime: bool = False


SourceSettings = FolderSource | CameraSource | VideoSource


class _SinkSection(_Section, frozen=True, kw_only=True):
    """What every sink can be told.

    Attributes:
        attempts: how often a verdict is offered that the receiver refuses, before it is a dead letter.
        overflow: what happens when more than ``keep`` verdicts wait, or one for longer than ``keep_hours``:
            "block" keeps everything and raises an alarm, "drop" gives up the oldest as well, counted.
        keep: verdicts; of the dead letters as many are kept, whatever ``overflow`` says.
        late: seconds for which verdicts may wait and none be taken; then the station is not ready.
    """

    name: Name
    attempts: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 5
    overflow: Literal["block", "drop"] = "block"
    keep: Annotated[int, msgspec.Meta(ge=1)] = 100_000
    keep_hours: Annotated[float, msgspec.Meta(gt=0)] = 168.0
    late: Annotated[float, msgspec.Meta(gt=0)] = 600.0


class FileSink(_SinkSection, frozen=True, kw_only=True, tag_field="kind", tag="files"):
    """A folder with one JSONL (or CSV) file a day."""

    path: Path
    format: Literal["jsonl", "csv"] = "jsonl"


class WebhookSink(_SinkSection, frozen=True, kw_only=True, tag_field="kind", tag="webhook"):
    """HTTP POST of each verdict as JSON, with its idempotency key in the header ``Idempotency-Key``.

    Attributes:
        token_file: file with the bearer token.
        timeout: seconds for one answer.
        ca_file: PEM file of CAs to trust beside the system's.
        certificate_file, key_file: PEM files by which the station shows who it is.
    """

    url: str
    token_file: Path | None = None
    timeout: Seconds = 10.0
    ca_file: Path | None = None
    certificate_file: Path | None = None
    key_file: Path | None = None


class MqttSink(_SinkSection, frozen=True, kw_only=True, tag_field="kind", tag="mqtt"):
    """MQTT 3.1.1 with quality of service 1: each verdict as JSON to ``topic``/LINE.

    Attributes:
        topic: the topic's beginning, without wildcards.
        user, password_file: who the station is; off this machine they need ``tls``.
        ca_file, certificate_file, key_file: the same as for a webhook; they need ``tls``.
        timeout: seconds for a connection, and for the acknowledgement of one verdict.
    """

    host: str
    port: Annotated[int, msgspec.Meta(ge=1, le=65535)] = 1883
    topic: str = "saec/verdicts"
    user: str | None = None
    password_file: Path | None = None
    tls: bool = False
    timeout: Seconds = 10.0
    ca_file: Path | None = None
    certificate_file: Path | None = None
    key_file: Path | None = None


SinkSettings = FileSink | WebhookSink | MqttSink


class CloudSettings(_Section, frozen=True, kw_only=True):
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


class StationSection(_Section, frozen=True, kw_only=True):
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


class StationSettings(_Section, frozen=True, kw_only=True):
    """The whole file."""

    station: StationSection = StationSection()
    http: HttpSettings = HttpSettings()
    line: list[LineSettings]
    source: list[SourceSettings] = []
    sink: list[SinkSettings] = []
    cloud: CloudSettings | None = None
    spool: SpoolLimits = SpoolLimits()
    retention: Retention = Retention()
