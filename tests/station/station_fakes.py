"""A line at the station over the fakes of the pipeline: the edge sees red, the cloud green."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import httpx
import numpy as np

from saec.data.images import pixels as images
from saec.errors import LinkError
from saec.frame.assessment import DecodeImage
from saec.frame.judges import Cloud
from saec.settings import CloudConfig, Spending
from saec.station.http import api
from saec.station.http.page_proxy import PagePlace
from saec.station.line.runner import LineRunner
from saec.station.line.version_store import VersionStore
from saec.station.setup.station_settings import FrameGuardSettings, LineSettings, StationSettings
from saec.station.station import Station
from saec.station.storage.recent_pictures import RecentPictures
from saec.station.storage.records import NewFrame, SpooledFrame, SpoolLimits
from saec.station.storage.spool import Spool
from saec.station.threads import Stopping, Watched
from saec.types import CloudOpinion, CloudQuery, Image
from saec.web.admission.admission_control import AdmissionControl
from saec.web.admission.connection_timeouts import HttpConfig
from saec.web.admission.tokens import Tokens
from saec.web.browser_sessions import BrowserSessions
from saec.web.program.http_server import HttpThread, listen
from tests.run_fakes import FakeCloud, make_line

GOOD, UNSURE, DEFECT = 20, 128, 240
NO_GUARD = FrameGuardSettings(dark=0, bright=255, blur=0, empty=0)


class FakeLinkCloud(FakeCloud):
    """A cloud whose link can be cut, and that can be held until it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.up = True
        self.asked: list[str] = []

    def judge(self, queries: list[CloudQuery]) -> list[CloudOpinion]:
        self.asked += [query.frame.id for query in queries]
        if not self.up:
            raise LinkError("the link is cut", "mend it")
        return super().judge(queries)


def png(red: int, green: int = 0, blue: int = 0) -> bytes:
    return cv2.imencode(".png", np.full((8, 8, 3), (blue, green, red), np.uint8))[1].tobytes()


def spooled(spool: Spool, seq: int) -> SpooledFrame:
    """A frame that the spool must know."""
    frame = spool.frame(seq)
    assert frame is not None
    return frame


def image_path(spool: Spool, seq: int) -> Path:
    """Where the spool keeps the frame's image."""
    return spool.path(spooled(spool, seq))


class Bench:
    """A spool and a runner, driven by a test."""

    def __init__(
        self,
        folder: Path,
        cloud: FakeCloud | None = None,
        deadline: float = 30.0,
        budget: float | None = None,
        spending: Spending | None = None,
    ) -> None:
        self.folder, self.deadline, self.budget = folder, deadline, budget
        self.decoding: DecodeImage = images.decode_image
        self.profile = folder / "profile"
        if not self.profile.exists():
            make_line(self.profile)
        self.versions = VersionStore(folder / "data" / "lines" / "cell")
        self.versions.add(self.profile)
        self.spool = Spool(folder / "data", sinks=("sink",), limits=SpoolLimits(free_gb=0))
        self.clouds: list[Cloud] = []
        if cloud is not None:
            held = Cloud(CloudConfig(model="fake", references=1, spending=spending or Spending()))
            held.__dict__["engine"] = cloud
            self.clouds = [held]
        self.runner = self.make()
        self.stopping, self.n = Stopping(), 0
        self.threads: list[Any] = []
        self.failures: list[str] = []

    def decode(self, data: bytes, *, bits: int, name: str) -> Image:
        """A test may put another in its place."""
        return self.decoding(data, bits=bits, name=name)

    def make(self) -> LineRunner:
        settings = LineSettings(
            name="cell", profile=self.profile, deadline_s=self.deadline, guard=NO_GUARD, budget=self.budget
        )
        pictures = RecentPictures(self.folder / "data" / "maps", kept=10)
        return LineRunner(
            settings,
            self.spool,
            self.versions,
            cloud_for=lambda _: self.clouds,
            batch=4,
            pictures=pictures,
            decode=self.decode,
            decode_again=self.decode,
        )

    def accept(self, data: bytes, *, tell: bool = True) -> int:
        import time

        self.n += 1
        begun = time.perf_counter()
        frame = NewFrame(line="cell", source="test", key=str(self.n), suffix=".png", captured=time.time())
        seq = self.spool.accept(frame, data).seq
        if tell:
            self.runner.accepted(seq, begun)
        return seq

    def start(self) -> None:
        self.runner.recover()
        failed: Callable[[str, BaseException], None] = lambda name, e: self.failures.append(f"{name}: {e!r}")  # noqa: E731
        self.threads = [
            Watched(name, body, self.stopping, failed) for name, body in self.runner.bodies().items()
        ]
        for thread in self.threads:
            thread.start()

    def wait(self, ready: Callable[[], bool], seconds: float = 60.0) -> None:
        """Until something holds that another thread brings about."""
        tick, left = threading.Event(), seconds
        while not ready():
            tick.wait(0.01)
            left -= 0.01
            assert left > 0, (self.failures, self.spool.depth())

    def stop(self) -> None:
        self.stopping.set()
        self.runner.abort()
        for thread in self.threads:
            assert thread.join(60)
        self.spool.close()

    def labels(self, seq: int) -> dict[str, tuple[int | None, str]]:
        return {state: (v.label, v.decided_by) for state, v in self.spool.verdicts(seq).items()}


class Running:
    """A whole station with a fake cloud, or with that of its settings, served over HTTP."""

    def __init__(
        self,
        settings: StationSettings,
        cloud: FakeLinkCloud | None,
        tokens: Tokens,
        *,
        page: PagePlace | None = None,
        sessions: BrowserSessions | None = None,
    ) -> None:
        held = Cloud(CloudConfig(model="fake", references=1))
        held.__dict__["engine"] = cloud
        self.station = Station(settings, cloud_for=None if cloud is None else lambda _: [held])
        self.socket = listen(settings.station.listen)
        self.admission = AdmissionControl(settings.http, tokens, settings.station.listen)
        app = api.make_station_app(self.station, self.admission, page=page, sessions=sessions)
        config = HttpConfig(app, self.admission)
        self.http = HttpThread(config, self.admission.listener(self.socket))

    def __enter__(self) -> Running:
        self.station.start()
        self.http.start()
        self.client = httpx.Client(base_url=self.http.where, timeout=30, trust_env=False)
        return self

    def __exit__(self, *_: object) -> None:
        self.client.close()
        self.http.stop()
        self.station.stop()

    def post(self, data: bytes, *, line: str = "cell", wait: float = 20, **headers: str) -> httpx.Response:
        headers = {"Content-Type": "image/png", **{k.replace("_", "-"): v for k, v in headers.items()}}
        return self.client.post(f"/v1/lines/{line}/frames?wait={wait}", content=data, headers=headers)
