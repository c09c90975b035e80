"""Runs and verdicts to report on, and a parser of the page."""

from html.parser import HTMLParser

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
    Verdict,
)

THRESHOLD = 3.0
GATE = Gate(low=2.0, high=4.0, basis="p_defect")


class Page(HTMLParser):
    """A parsed page: its tags with attributes, and its text outside of style."""

    VOID = frozenset({"meta", "img", "line", "rect", "circle", "link", "br"})

    def __init__(self, html):
        super().__init__()
        self.tags, self.open, self.words = [], [], []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        if tag not in self.VOID:
            assert self.open.pop() == tag

    def handle_data(self, data):
        if "style" not in self.open:
            self.words.append(data)

    @property
    def text(self):
        return " ".join(" ".join(self.words).split())

    def having(self, tag, css=""):
        return [a for t, a in self.tags if t == tag and css in a.get("class", "")]


def verdict(id="a.png", score=1.0, truth=None, label=None, cloud=None, role="fused", **more):
    """A verdict as the pipeline would log it, with the edge's label at THRESHOLD."""
    edge = int(score >= THRESHOLD)
    sent = cloud is not None
    fields = {
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
        "cloud": CloudRecord(cloud, "small", "v1", role) if sent else None,
        "p_defect": cloud if sent else 0.5,
        "ms": {"decode": 1.0, "edge": 10.0, "judging": 11.0},
    }
    return Verdict(id=id, **(fields | more))


def failed(id="broken.png", message="truncated", truth=None):
    """The verdict of a frame that could not be read."""
    return Verdict(
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


def line_info(name="gear", gate=GATE):
    return LineInfo(
        name=name, folder="lines/gear", detector="patch", threshold=THRESHOLD, calibration=1, gate=gate
    )


def info(name="gear", *, procedural=False, cloud=None, ended="2026-01-01T00:01:00+00:00", **more):
    return RunInfo(
        saec="0.1.0",
        line=line_info(name),
        dataset=DatasetInfo(root="/data/gears", layout="tree", procedural=procedural),
        cloud=cloud,
        ended=ended,
        **more,
    )


def small(role="fused", demonstration=True, **more):
    return CloudInfo(name="small", role=role, demonstration=demonstration, **more)


def write(folder, verdicts, run=None):
    """Write a run folder."""
    folder.mkdir(parents=True, exist_ok=True)
    write_run(folder, run or info())
    (folder / "verdicts.jsonl").write_bytes(b"".join(msgspec.json.encode(v) + b"\n" for v in verdicts))
    return folder


def pictured(folder, id, score=5.0, **more):
    """A verdict whose frame and map exist, the map in the run folder."""
    image = np.random.default_rng(0).integers(0, 256, (600, 400, 3), dtype=np.uint8)
    path = folder.parent / "data" / id
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), image)
    opinion = EdgeOpinion(score, 1, map=np.full((6, 4), score, np.float32), map_box=(0, 0, 400, 600))
    save_picture(folder / "maps" / f"{id}.jpg", image, opinion, THRESHOLD)
    return verdict(id, score, path=str(path), map=f"maps/{id}.jpg", **more)
