"""What a line does with labelled images beside judging them: calibrate itself, and try a cloud."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

from saec.data.dataset import open_dataset
from saec.data.input_images import Split, list_inputs
from saec.data.parts import PartIds
from saec.data.user_folders import pictures_of
from saec.errors import ConfigError
from saec.evaluation.cloud_trial import CloudTrial, measure_worth
from saec.frame.judges import Cloud, standing
from saec.lines.calibrating.recalibration import recalibrate
from saec.lines.calibrating.requested_calibration import RecalibrationRequest
from saec.lines.calibrating.threshold_table import ThresholdTable
from saec.profile import LineProfile
from saec.runs.description import now
from saec.schedule.calibration.rule_words import rule_limits
from saec.schedule.policies import DEFAULT_POLICY
from saec.types import DEFECT, GOOD


def calibrated(
    profile: LineProfile,
    request: RecalibrationRequest,
    *,
    dataset: Path | None,
    goods: Sequence[Path],
    defects: Sequence[Path],
    cloud: Cloud | None,
    layout: str,
    parts: PartIds | None = None,
) -> tuple[LineProfile, tuple[str, ...]]:
    """The line with its next calibration, and what there is to say of it; see ``Line.calibrate``."""
    if cloud is not None and dataset is None and not goods:
        raise ConfigError("there are no images to measure the cloud on", "give dataset: the line's data set")
    after = recalibrate(
        profile,
        request,
        created=now(),
        goods=_pictures(goods, GOOD),
        defects=_pictures(defects, DEFECT),
        dataset=open_dataset(dataset, layout=layout) if dataset else None,
        parts=parts,
        cloud=cloud,
    )
    role = () if cloud is None else (standing(cloud, after.calibration, DEFAULT_POLICY).reason,)
    return after, (*role, *rule_limits(after.calibration), *ThresholdTable.of(after).lines())


def _pictures(folders: Sequence[Path], label: int) -> list[Path]:
    return [path for folder in folders for path in pictures_of(folder, label)]


def tried(
    profile: LineProfile,
    dataset: Path,
    cloud: Cloud,
    *,
    shares: Sequence[float],
    out: Path | None,
    split: Split,
    layout: str,
) -> CloudTrial:
    """What asking the cloud would add; see ``Line.worth``."""
    inputs = list_inputs(dataset, split=split, layout=layout)
    with tempfile.TemporaryDirectory(prefix="saec-") as scratch:
        trial = measure_worth(profile, inputs, cloud, out or Path(scratch), shares=shares)
    assert trial is not None  # nobody stops it
    return trial
