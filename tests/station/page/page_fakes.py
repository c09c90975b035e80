"""A page over a spool that a test fills, and what stands for the station before it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import cv2
import numpy as np
import uvicorn
from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from saec.settings.cloud_settings import CloudConfig
from saec.station.page.page_app import make_page_events, make_page_tools, page_app
from saec.station.page.station_feed import StationFeed
from saec.station.people.people_settings import PeopleSettings
from saec.station.people.people_store import PeopleStore
from saec.station.people.roles import Role
from saec.station.people.sessions import Sessions
from saec.station.setup.station_section import StationSection
from saec.station.setup.station_settings import LineSettings, StationSettings
from saec.station.sources.watched_folder import FolderSource
from saec.station.storage.parts.part_rules import PartRules
from saec.station.storage.records import NewFrame, SpoolLimits
from saec.station.storage.spool import Spool
from saec.types import DecidedBy, Explanation, VerdictRecord
from saec.web.browser_sessions import COOKIE
from saec.web.program.http_server import HttpThread, listen

PASSWORD = "correct horse battery"
HERE = "http://testserver"


def picture(seed: int = 0, *, spot: bool = False, size: int = 256) -> np.ndarray:
    """A round part on a grey ground, with a dark spot where it is wanted."""
    ground = np.full((size, size, 3), 90, np.uint8)
    cv2.circle(ground, (size // 2, size // 2), size // 3, (180, 186, 190), -1, cv2.LINE_AA)
    cv2.circle(ground, (size // 2, size // 2), size // 9, (90, 90, 90), -1, cv2.LINE_AA)
    if spot:
        place = np.random.default_rng(seed).integers(size // 3, size // 2, 2)
        cv2.ellipse(
            ground, (int(place[0]), int(place[1])), (size // 18, size // 40), 30, 0, 360, (40, 40, 60), -1
        )
    noise = np.random.default_rng(seed).normal(0, 4, ground.shape)
    return np.clip(ground + noise, 0, 255).astype(np.uint8)


class PageBench:
    """A data folder, its spool, and the page over it.

    Attributes:
        feed: what the station tells the page.
        tools: what the page's views work with.
        told: its last word; a front says it again with each request.
    """

    def __init__(
        self,
        folder: Path,
        lines: tuple[str, ...] = ("bottle",),
        name: str = "cell-3",
        people: PeopleSettings | None = None,
        policy: str | None = None,
        cloud: CloudConfig | None = None,
        parts: dict[str, PartRules] | None = None,
    ) -> None:
        self.data = folder / "data"
        self.settings = StationSettings(
            station=StationSection(name=name, data=self.data),
            people=people or PeopleSettings(),
            cloud=cloud,
            line=[LineSettings(name=line, profile=folder / "profile", policy=policy) for line in lines],
            source=[FolderSource(name="in", line=line, path=folder / "in") for line in lines[:1]],
        )
        self.spool = Spool(self.data, sinks=(), limits=SpoolLimits(free_gb=0), parts=parts)
        (self.data / "maps").mkdir(exist_ok=True)
        self.feed = StationFeed()
        told = {"version": 3, "shadow": None, "cloud": "fused", "link": "up", "drift": "", "late": 0}
        self.told: dict[str, Any] = {
            "status": {"station": name, "lines": dict.fromkeys(lines, told)},
            "problems": [],
        }
        self.feed.update(self.told)
        self.tools = make_page_tools(self.settings, self.feed)
        self.app = page_app(self.tools, make_page_events(self.tools))
        self.people = PeopleStore(self.data, self.settings.people)
        self.n = 0

    def close(self) -> None:
        self.spool.close()

    def judge(
        self,
        line: str = "bottle",
        label: int | None = 0,
        *,
        name: str = "",
        state: Any = "final",
        decided_by: DecidedBy = "edge",
        drawn: bool = True,
        words: Explanation | None = None,
        **fields: Any,
    ) -> str:
        """A frame with its verdict; the id."""
        self.n += 1
        key = f"camera/{name or f'part-{self.n:05d}.png'}"
        frame = NewFrame(line=line, source="camera", key=key, suffix=".png", captured=time.time())
        image = picture(self.n, spot=label == 1)
        got = self.spool.accept(frame, cv2.imencode(".png", image)[1].tobytes())
        if drawn and label is not None:
            shown = image.copy()
            if label == 1:
                shown[80:130, 80:130] = (shown[80:130, 80:130] * 0.4 + np.array((60, 40, 200)) * 0.6).astype(
                    np.uint8
                )
            cv2.imwrite(str(self.data / "maps" / f"{got.id}.jpg"), shown)
        reason = {0: "sure-good", 1: "sure-defect", None: "read-error"}[label]
        verdict = VerdictRecord(
            id=got.id,
            path="",
            sha256="",
            line=line,
            time=time.time(),
            label=label,
            state="error" if label is None else "final",
            decided_by="none" if label is None else decided_by,
            score=None if label is None else 0.3 + 1.1 * label,
            p_defect=None if label is None else 0.02 + 0.9 * label,
            map=f"{got.id}.jpg" if drawn and label is not None else None,
            **{"reason": reason, **fields},
        )
        self.spool.decide(got.seq, state, verdict, version="3")
        if words is not None:
            self.spool.explain(got.seq, words)
        return got.id

    def add_people(self, password: str | None = PASSWORD) -> None:
        """One person of each role, named as it; without a password that is much faster."""
        for role in Role:
            self.people.add(role.value, role, password)


def as_role(role: Role, **more: str) -> dict[str, str]:
    """The headers by which the station says who asks, and that of a form of this page."""
    return {"X-SAEC-Person": quote(role.value), "X-SAEC-Role": role.value, "Origin": HERE, **more}


class StationFront:
    """What stands before the page in these tests, as the station does: sessions, pictures."""

    def __init__(self, bench: PageBench) -> None:
        self._app: ASGIApp = bench.app
        self._bench, self._sessions = bench, Sessions(bench.data, bench.settings.people)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        self._bench.feed.update(self._bench.told)
        request = Request(scope)
        if request.url.path.startswith("/v1/frames/"):
            await self._picture(request.url.path)(scope, receive, send)
            return
        person = self._sessions.person_of(request.cookies.get(COOKIE, ""))
        headers = MutableHeaders(scope=scope)
        for name in ("x-saec-person", "x-saec-role"):
            del headers[name]
        if person is not None:
            headers["x-saec-person"], headers["x-saec-role"] = quote(person.name), person.role.value
        headers["x-saec-address"] = "127.0.0.1"
        await self._app(scope, receive, send)

    def _picture(self, path: str) -> Response:
        _, _, _, id, what = path.split("/")
        if what == "map":
            found = self._bench.data / "maps" / f"{id}.jpg"
            return FileResponse(found) if found.is_file() else PlainTextResponse("none", 404)
        frame = self._bench.spool.frame(int(id.rpartition("-")[2]))
        return (
            PlainTextResponse("none", 404) if frame is None else FileResponse(self._bench.spool.path(frame))
        )


@contextmanager
def served(bench: PageBench) -> Iterator[str]:
    """The page at an address of this machine, for a browser."""
    config = uvicorn.Config(StationFront(bench), log_config=None, timeout_graceful_shutdown=1)
    thread = HttpThread(config, listen("127.0.0.1:0"))
    thread.start()
    try:
        yield thread.where
    finally:
        bench.feed.end()
        thread.stop()
