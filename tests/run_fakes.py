"""Plain objects in place of detector and cloud: their opinions follow from a frame's pixels alone."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np

from saec.data.dataset import Item
from saec.data.manifest import Manifest
from saec.errors import AnswerError
from saec.frame.judges import Judges
from saec.frame.verdicts import Rules
from saec.profile import (
    Calibration,
    CloudTrust,
    Detector,
    Gate,
    LineProfile,
    LineRecord,
    Preparation,
    Sigmoid,
)
from saec.schedule.policies.gate import GatePolicy
from saec.settings import GateConfig, ModelCard
from saec.types import (
    UNKNOWN_KIND,
    CloudOpinion,
    CloudQuery,
    EdgeOpinion,
    Explanation,
    Image,
    KindOpinion,
    Source,
)

THRESHOLD = 5.0
CALIBRATION = Calibration(
    version=1,
    created="2026-01-01T00:00:00+00:00",
    overkill=0.05,
    threshold=THRESHOLD,
    gate=Gate(low=3.0, high=7.0, basis="p_defect"),
    p_defect=Sigmoid(slope=1.0, centre=THRESHOLD, offset=0.0),
)
FUSED = CloudTrust(model="fake", prompt="v0", mode="fused", edge_weight=1.0, cloud_weight=2.0)


def score_of(image: Image) -> float:
    """0 to 10; the frames are flat, and PNG keeps them exactly."""
    return float(image[0, 0, 0]) / 25.5


@dataclass
class FakeDetector:
    """Scores a frame by its red; raises on pure blue ones. Where it knows kinds, the blue is their place."""

    seen: int = 0
    batches: list[int] = field(default_factory=list)
    kinds: tuple[str, ...] = ()

    def inspect(self, images: list[Image]) -> list[EdgeOpinion]:
        self.seen += len(images)
        self.batches.append(len(images))
        return [self._look(image) for image in images]

    def _look(self, image: Image) -> EdgeOpinion:
        if image[0, 0, 2] == 255:
            raise ValueError("the detector chokes on blue")
        score = score_of(image)
        p = CALIBRATION.p_defect
        assert p is not None
        heat = np.full((4, 4), score, np.float32)
        label, box = int(score >= THRESHOLD), (0, 0, image.shape[1], image.shape[0])
        return EdgeOpinion(score, label, p(score), heat, box, self._kind(image) if label else None)

    def _kind(self, image: Image) -> KindOpinion | None:
        blue = int(image[0, 0, 2])
        if not self.kinds:
            return None
        return KindOpinion(self.kinds[blue] if blue < len(self.kinds) else UNKNOWN_KIND, 0.75)


DEMONSTRATION = ModelCard(demonstration=True)


@dataclass
class FakeCloud:
    """P(defect) is the frame's green; raises on green 13, speaks nonsense of green 200."""

    name: str = "fake"
    batches: list[int] = field(default_factory=list)
    gate: threading.Event | None = None
    references: list[int] = field(default_factory=list)
    weights_hash: str = "ab" * 32
    prompt: str = "v0"
    card: ModelCard = DEMONSTRATION
    demonstration: bool = True
    side: int = 448
    views: int = 1

    def judge(self, queries: list[CloudQuery]) -> list[CloudOpinion]:
        if self.gate is not None:
            assert self.gate.wait(30)
        self.batches.append(len(queries))
        self.references.extend(len(query.references) for query in queries)
        if any(query.frame.image[0, 0, 1] == 13 for query in queries):
            raise RuntimeError("the cloud chokes on 13")
        return [CloudOpinion(float(q.frame.image[0, 0, 1]) / 255, "fake", "v0") for q in queries]

    def explain(self, queries: list[CloudQuery]) -> list[Explanation]:
        if any(query.frame.image[0, 0, 1] == 200 for query in queries):
            raise AnswerError("no JSON")
        return [Explanation("spot", "A spot.", query.focus) for query in queries]


class Frames:
    """Writes flat PNG frames of a stated edge score and cloud P(defect)."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def add(self, name: str, red: int, green: int = 0, blue: int = 0, truth: int | None = None) -> Source:
        path = self.folder / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), np.full((8, 8, 3), (blue, green, red), np.uint8))
        return Source(id=f"{name}.png", path=str(path), truth=truth)

    def broken(self, name: str) -> Source:
        path = self.folder / f"{name}.png"
        path.write_bytes(b"no image")
        return Source(id=f"{name}.png", path=str(path))


def judges(cloud: FakeCloud | None = None, *, role: str = "fused", batch: int = 4) -> Judges:
    """Our default policy over the fakes."""
    trust = FUSED if role == "fused" else None
    return Judges(
        FakeDetector(),
        GatePolicy(CALIBRATION, GateConfig(), trust),
        Rules("fake-line", CALIBRATION, role, trust),  # type: ignore[arg-type]
        engine=cloud,
        batch=batch,
    )


def make_line(
    folder: Path,
    goods: Sequence[Source] = (),
    calibration: Calibration = CALIBRATION,
    kinds: tuple[str, ...] = (),
) -> LineProfile:
    """A line profile whose detector is the fake; goods are entered as what it was fitted on."""
    folder.mkdir(parents=True)
    (folder / "references").mkdir()
    (folder / "references" / "0.png").write_bytes(
        cv2.imencode(".png", np.zeros((8, 8, 3), np.uint8))[1].tobytes()
    )
    manifest = Manifest()
    manifest.add("train", [Item(path=Path(good.path), label=0) for good in goods])
    manifest.write(folder)
    line = LineRecord(
        name=folder.name,
        created="2026-01-01T00:00:00+00:00",
        saec="0",
        dataset="",
        preparation=Preparation(height=32, width=32),
        detector=Detector(kind="patch", backbone="fake"),
        kinds=kinds,
        calibration=calibration.version,
    )
    return LineProfile.create(folder, line, calibration)


def make_dataset(root: Path, *, goods: int = 8, defects: int = 8, train: int = 10) -> Path:
    """A plain tree of flat frames that the fakes tell apart, but for one good and one defect."""
    frames = Frames(root)
    for i in range(train):
        frames.add(f"train/good/{i:02}", 20 + i, green=5 + i)
    for i in range(goods):
        frames.add(f"test/good/{i:02}", 150 if i == 0 else 60 + i, green=30 + i)
    for i in range(defects):
        frames.add(f"test/defect/{i:02}", 110 if i == 0 else 200 + i, green=220 + i)
    return root
