"""Runs and verdicts to report on, and a parser of the page."""

from html.parser import HTMLParser
from pathlib import Path
from typing import Any, Literal

import cv2
import msgspec
import numpy as np

from saec.frame.map_pictures import save_picture
from saec.profile import Gate
from saec.runs.run_record import CloudInfo, DatasetInfo, LineInfo, RunInfo, write_run
from saec.types import (
    CloudRecord,
    EdgeOpinion,
    EdgeRecord,
    ErrorRecord,
    Route,
    VerdictRecord,
)

THRESHOLD = 3.0
Role = Literal["fused", "advisory", "unasked", "alone"]
GATE = Gate(low=2.0, high=4.0, basis="p_defect")


class Page(HTMLParser):
    """A parsed page: its tags with attributes, and its text outside of style."""

    VOID = frozenset({"meta", "img", "line", "rect", "circle", "link", "br"})

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.words: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    def having(self, tag: str, css: str = "") -> list[dict[str, str]]:
        """The attributes of each tag with a class; one without a value has an empty one."""
        found = [{key: value or "" for key, value in a.items()} for t, a in self.tags if t == tag]
        return [a for a in found if css in a.get("class", "")]


def verdict(
    id: str = "a.png",
    score: float = 1.0,
    truth: int | None = None,
    label: int | None = None,
    cloud: float | None = None,
    role: Literal["fused", "advisory", "alone"] = "fused",
    **more: Any,
) -> VerdictRecord:
    """A verdict as the pipeline would log it, with the edge's label at THRESHOLD."""
    edge, sent = int(score >= THRESHOLD), cloud is not None
    fields: dict[str, Any] = {
        "path": f"/nowhere/{id}",
        "sha256": "0" * 64,
        "line": "gear",
        "time": 0.0,
        "truth": truth,
        "label": edge if label is None else label,
        "score": score,
        "decided_by": "cloud" if sent and role == "fused" else "edge",
        "reason": "unsure" if sent else ("sure-defect" if edge else "sure-good"),
        "route": Route("cloud" if sent else "edge", "unsure" if sent else "sure-good"),
        "edge": EdgeRecord(score, edge),
        "cloud": CloudRecord(cloud, "small", "v1", role) if cloud is not None else None,
        "p_defect": cloud if sent else 0.5,
        "ms": {"decode": 1.0, "edge": 10.0, "judging": 11.0},
    }
    return VerdictRecord(id=id, **(fields | more))


def failed(id: str = "broken.png", message: str = "truncated", truth: int | None = None) -> VerdictRecord:
    """The verdict of a frame that could not be read."""
    return VerdictRecord(
        id=id,
        path=f"/nowhere/{id}",
        sha256="",
        line="gear",
        time=0.0,
        truth=truth,
        state="error",
        decided_by="none",
        reason="read-error",
        error=ErrorRecord("ImageError", message),
    )


def line_info(name: str = "gear", gate: Gate = GATE) -> LineInfo:
    return LineInfo(
        name=name, folder="lines/gear", detector="patch", threshold=THRESHOLD, calibration=1, gate=gate
    )


def info(
    name: str = "gear",
    *,
    procedural: bool = False,
    cloud: CloudInfo | None = None,
    ended: str = "2026-01-01T00:01:00+00:00",
    **more: Any,
) -> RunInfo:
    return RunInfo(
        saec="0.1.0",
        line=line_info(name),
        dataset=DatasetInfo(root="/data/gears", layout="tree", procedural=procedural),
        cloud=cloud,
        ended=ended,
        **more,
    )


def small(role: Role = "fused", demonstration: bool = True, **more: Any) -> CloudInfo:
    return CloudInfo(name="small", role=role, demonstration=demonstration, **more)


def write(folder: Path, verdicts: list[VerdictRecord], run: RunInfo | None = None) -> Path:
    """Write a run folder."""
    folder.mkdir(parents=True, exist_ok=True)
    write_run(folder, run or info())
    (folder / "verdicts.jsonl").write_bytes(b"".join(msgspec.json.encode(v) + b"\n" for v in verdicts))
    return folder


def pictured(folder: Path, id: str, score: float = 5.0, **more: Any) -> VerdictRecord:
    """A verdict whose frame and map exist, the map in the run folder."""
    image = np.random.default_rng(0).integers(0, 256, (600, 400, 3), dtype=np.uint8)
    path = folder.parent / "data" / id
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), image)
    opinion = EdgeOpinion(score, 1, map=np.full((6, 4), score, np.float32), map_box=(0, 0, 400, 600))
    save_picture(folder / "maps" / f"{id}.jpg", image, opinion, THRESHOLD)
    return verdict(id, score, path=str(path), map=f"maps/{id}.jpg", **more)
