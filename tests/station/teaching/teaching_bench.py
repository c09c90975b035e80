"""A station's data folder with a real small line, frames that people have reviewed, and jobs."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path

import saec
from saec.data.procedural import draw_product
from saec.profile import sha256_file
from saec.station.audit.audit_log import AuditLog
from saec.station.line.version_store import VersionStore
from saec.station.maintenance.audited_versions import add_version
from saec.station.review.review_records import MarkedPlace, ReviewAnswer, ReviewFrame, Use
from saec.station.review.review_store import ReviewStore
from saec.station.setup.station_section import StationSection
from saec.station.setup.station_settings import LineSettings, StationSettings
from saec.station.storage.records import NewFrame, SpoolLimits
from saec.station.storage.spool import Spool
from saec.station.storage.spool_reader import SpoolReader
from saec.station.teaching.job_records import Job, Work
from saec.station.teaching.job_store import JobStore
from saec.station.teaching.label_choice import LabelChoice, label_choice
from saec.types import DEFECT, GOOD, VerdictRecord
from tests.station.station_fakes import NO_GUARD

SIDE = 128
FIT = {"side_px": SIDE, "memory_patches": 256, "folds": 3, "threads": 1, "overkill_rate": 0.1}


def draw(folder: Path, count: int, first: int, *, defects: bool) -> list[Path]:
    """Pictures of gears that nothing else has drawn."""
    import cv2

    product = draw_product("gear", 3)
    folder.mkdir(parents=True, exist_ok=True)
    found = []
    for i in range(count):
        kind = product.kinds[i % len(product.kinds)] if defects else None
        image = product.render(first + i, kind=kind, difficulty=0.0, size=SIDE).image
        found.append(folder / f"{first + i:04d}.png")
        assert cv2.imwrite(str(found[-1]), image[..., ::-1])
    return found


def fit_gears(root: Path) -> Path:
    """A line of eight good gears."""
    draw(root / "goods", 8, 0, defects=False)
    return saec.fit(goods=root / "goods", out=root / "gears", **FIT).folder  # type: ignore[arg-type]


class TeachingBench:
    """A data folder whose line "gears" judges by the version that is given.

    Args:
        folder: where the data folder is made.
        profile: the first version.
    """

    def __init__(self, folder: Path, profile: Path) -> None:
        self.root, self.data = folder, folder / "data"
        self.settings = StationSettings(
            station=StationSection(name="cell-3", data=self.data),
            spool=SpoolLimits(free_gb=0),
            line=[LineSettings(name="gears", profile=profile, guard=NO_GUARD)],
        )
        self.versions = VersionStore(self.data / "lines" / "gears")
        add_version(self.versions, AuditLog(self.data), "shell:eng", "shell", profile)
        self.spool = Spool(self.data, sinks=(), limits=SpoolLimits(free_gb=0))
        self.reviews, self.jobs = ReviewStore(self.data), JobStore(self.data)

    def close(self) -> None:
        self.reviews.close()
        self.spool.close()

    def frame(self, picture: Path, use: Use, label: int, **changed: object) -> ReviewFrame:
        """A frame of the line that waits for review; the verdict is the label."""
        key = f"{use}/{picture.name}"
        new = NewFrame(line="gears", source="camera", key=key, suffix=".png", captured=1.0)
        got = self.spool.accept(new, picture.read_bytes())
        verdict = VerdictRecord(id=got.id, path="", sha256="", line="gears", time=1.0, label=label)
        self.spool.decide(got.seq, "final", verdict, version="1")
        image = f"images/{got.id}.png"
        (self.reviews.folder / "images").mkdir(parents=True, exist_ok=True)
        shutil.copy(picture, self.reviews.folder / image)
        row = ReviewFrame(
            seq=got.seq,
            frame=got.id,
            line="gears",
            sha256=sha256_file(picture),
            image=image,
            part="",
            version="1",
            label=label,
            decided_by="edge",
            accepted=float(got.seq),
            why="random" if use == "prove" else "gate",
            probability=0.5 if use == "prove" else None,
            worth=0.0,
            use=use,
        )
        return self.reviews.put(row)

    def review(
        self, pictures: Iterable[Path], use: Use, label: int, kind: str = "", place: MarkedPlace | None = None
    ) -> list[int]:
        """Frames that a person has given a label; their numbers."""
        found = []
        for picture in pictures:
            frame = self.frame(picture, use, label)
            answer = ReviewAnswer(label=label, kind=kind, place=place, seconds=1.0)
            self.reviews.answer("anna", frame.seq, answer)
            found.append(frame.seq)
        return found

    def fill(self) -> None:
        """Labels to teach, and labels that prove."""
        new = self.root / "new"
        self.review(draw(new, 4, 100, defects=False), "teach", GOOD)
        place = MarkedPlace(boxes=((8, 8, 40, 40),))
        self.review(draw(new, 4, 200, defects=True), "teach", DEFECT, "tooth", place)
        self.review(draw(new, 12, 300, defects=False), "prove", GOOD)
        self.review(draw(new, 10, 400, defects=True), "prove", DEFECT)

    def choice(self) -> LabelChoice:
        """What the line can be taught now."""
        reader = SpoolReader.beside(self.data)
        try:
            return label_choice(self.settings, self.reviews, reader, "gears")
        finally:
            reader.close()

    def ask(self, work: Work) -> Job:
        """A job of anna's."""
        return self.jobs.add("gears", work, "anna", "engineer", "because")
