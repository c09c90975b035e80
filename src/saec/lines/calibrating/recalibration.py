"""Redo a line's calibration without refitting: thresholds, P(defect), and how far a cloud is trusted."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from saec import edge
from saec.data.dataset import Dataset
from saec.data.parts import PartIds
from saec.frame.judges import Cloud
from saec.lines.calibrating.calibration_inputs import calibration_goods, gather_inputs
from saec.lines.calibrating.certificate import CalibrationScores, score_stand_ins
from saec.lines.calibrating.cloud_trust import trust_on
from saec.lines.calibrating.image_scores import Step, measure_complexities, score_files
from saec.lines.calibrating.requested_calibration import RecalibrationRequest, calibrate_as_asked
from saec.profile import LineProfile
from saec.schedule.policies.expected_value import with_asking


def recalibrate(
    profile: LineProfile,
    wish: RecalibrationRequest,
    *,
    created: str,
    goods: Sequence[Path] = (),
    defects: Sequence[Path] = (),
    dataset: Dataset | None = None,
    parts: PartIds | None = None,
    cloud: Cloud | None = None,
    step: Step = lambda name: None,
) -> LineProfile:
    """Make the next calibration of a line and make it the current one; the older ones stay.

    Args:
        profile: the line.
        wish: what is asked.
        created: ISO time.
        goods: further goods. One that the line was fitted on keeps its cross-fitted score.
        defects: labelled defects; the defects of the data set's train split are added to them.
        dataset: the line's data set, for its train defects, for the check against its hold-out, and for
            the images of the goods that a cloud is asked about.
        parts: part ids of the goods and defects that are new; without it each such image is a part.
        cloud: a cloud model to be judged on the labelled calibration images.
        step: called with the name of each thing scored or asked, for a progress bar.

    Raises:
        LeakError: a good or a defect given is held out, by the data set or the line's own, or the cloud was
            tuned on so many of the labelled images that too few are left to measure it on.
        ConfigError: a gate without the threshold or asked for in two ways; no images for cloud or stand-ins.
        DataError: too few goods, or an image given with another label than a data set gives it.
    """
    inputs = gather_inputs(profile, goods, defects, dataset, parts)
    old, new = profile.calibration, inputs.images
    detector = edge.open_detector(profile) if new or cloud or wish.stand_ins else None
    good_scores = score_files(profile, detector, inputs.goods, old.good_scores, step)
    defect_scores = score_files(profile, detector, inputs.defects, old.defect_scores, step)
    units = inputs.part_ids()
    stand_ins = old.stand_ins if wish.stand_ins is None else {}
    if wish.stand_ins and detector:
        painted_on = calibration_goods(good_scores, inputs.dataset, inputs.goods)
        stand_ins = score_stand_ins(profile, detector, painted_on, units, wish.stand_ins, step=step)
    learned = {sha for sha, entry in inputs.manifest.roles.items() if entry.role == "train"}
    # a good that the detector has learned, and that has no score as if unseen, says nothing of new goods
    unseen = {
        sha: score for sha, score in good_scores.items() if sha in old.good_scores or sha not in learned
    }
    known = CalibrationScores(goods=unseen, defects=defect_scores, stand_ins=stand_ins, parts=units)
    calibration = calibrate_as_asked(old, known, wish, created)
    complexities = measure_complexities(profile, new, old.complexities)
    calibration = with_asking(msgspec.structs.replace(calibration, complexities=complexities))
    if cloud is not None:
        draft = LineProfile(profile.folder, profile.line, calibration)
        judged = calibration_goods(good_scores, inputs.dataset, inputs.goods)
        trust = trust_on(draft, cloud, judged, list(inputs.defects.values()), detector=detector, step=step)
        clouds = {**calibration.clouds, cloud.key: trust}
        calibration = msgspec.structs.replace(calibration, clouds=clouds)
    # The manifest first: an interruption must not leave images that were used and stand nowhere.
    inputs.manifest.write(profile.folder / "manifest.json")
    return profile.recalibrated(calibration)
