"""A line without a detector, for a cloud that judges every frame alone: made in no time, of no fit."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np

from saec.data.dataset import Dataset
from saec.edge.detector_kinds import NONE
from saec.errors import DataError
from saec.extensions import VERSION
from saec.lines.line_fit import manifest_for, whole
from saec.profile import OPEN, Calibration, Detector, Gate, LineProfile, LineRecord, Preparation
from saec.types import DEFECT, GOOD


def line_alone(dataset: Dataset, out: Path, *, references: int, seed: int, created: str) -> LineProfile:
    """A profile that holds nothing but reference images, and what must not be judged.

    Its manifest is that of a fit on the same data set, so that a cloud alone judges the very images that
    fitted lines do.

    Args:
        dataset: a data set with splits; its train goods give the references.
        out: folder of the profile; made.
        references: drawn from the train goods.
        seed: the seed of the draw.
        created: ISO time.

    Raises:
        DataError: too few train goods for the references.
        LeakError: a train image stands in the hold-out too.
    """
    goods = dataset.select("train", GOOD)
    if len(goods) < references:
        raise DataError(
            f"{dataset.root} has only {len(goods)} good training images for {references} references",
            "give --references 0, or name good images with --goods",
        )
    drawn = np.random.default_rng(seed).permutation(len(goods))[:references]
    with whole(out.resolve()) as partial:
        (partial / "references").mkdir()
        for rank, index in enumerate(drawn):
            path = goods[index].path
            shutil.copyfile(path, partial / "references" / f"{rank:02d}{path.suffix.lower()}")
        manifest_for(dataset, goods, dataset.select("train", DEFECT)).write(partial)
        gate = Gate(low=-OPEN, high=OPEN, basis="goods")
        calibration = Calibration(version=1, created=created, overkill=0.0, threshold=0.0, gate=gate)
        line = LineRecord(
            name=out.name,
            created=created,
            saec=VERSION,
            dataset=str(dataset.root.absolute()),
            preparation=Preparation(height=0, width=0),
            detector=Detector(kind=NONE, backbone=""),
            calibration=1,
        )
        LineProfile.create(partial, line, calibration)
    return LineProfile.open(out)
