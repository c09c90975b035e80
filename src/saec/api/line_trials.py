"""What a line does with labelled images beside judging them: calibrate itself, and try a cloud."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from saec.api.given_run import given_out
from saec.api.given_settings import check_cloud, check_layout, given_folders, given_path, given_shares
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
    dataset: Any,
    goods: Any,
    defects: Any,
    cloud: Cloud | None,
    layout: str,
    parts: PartIds | None = None,
) -> tuple[LineProfile, tuple[str, ...]]:
    """The line with its next calibration, and what there is to say of it; see ``Line.calibrate``."""
    check_cloud(cloud)
    check_layout(layout)
    root = None if dataset is None else given_path("dataset", dataset)
    good_folders, defect_folders = given_folders("goods", goods), given_folders("defects", defects)
    if cloud is not None and root is None and not good_folders:
        raise ConfigError("there are no images to measure the cloud on", "give dataset: the line's data set")
    after = recalibrate(
        profile,
        request,
        created=now(),
        goods=_pictures(good_folders, GOOD),
        defects=_pictures(defect_folders, DEFECT),
        dataset=open_dataset(root, layout=layout) if root else None,
        parts=parts,
        cloud=cloud,
    )
    role = () if cloud is None else (standing(cloud, after.calibration, DEFAULT_POLICY).reason,)
    return after, (*role, *rule_limits(after.calibration), *ThresholdTable.of(after).lines())


def _pictures(folders: Sequence[Path], label: int) -> list[Path]:
    return [path for folder in folders for path in pictures_of(folder, label)]


def tried(
    profile: LineProfile,
    dataset: Any,
    cloud: Cloud,
    *,
    shares: Sequence[float],
    out: Any,
    split: Split,
    layout: str,
) -> CloudTrial:
    """What asking the cloud would add; see ``Line.worth``."""
    check_cloud(cloud, needed=True)
    check_layout(layout)
    root, wanted, kept = given_path("dataset", dataset), given_shares(shares), given_out(out)
    inputs = list_inputs(root, split=split, layout=layout)
    with tempfile.TemporaryDirectory(prefix="saec-") as scratch:
        trial = measure_worth(profile, inputs, cloud, kept or Path(scratch), shares=wanted)
    assert trial is not None  # nobody stops it
    return trial
