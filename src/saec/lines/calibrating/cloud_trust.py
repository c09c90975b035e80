"""How far a cloud is trusted on a line: it is asked about labelled calibration images."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

import msgspec
import numpy as np

from saec import edge
from saec.contracts import EdgeDetector
from saec.errors import LeakError
from saec.frame.judges import Cloud
from saec.lines.calibrating.image_scores import Step, score_file
from saec.lines.calibrating.trust_questions import TrustQuestions
from saec.lines.leaks import tuned_on
from saec.profile import CloudTrust, LineProfile, sha256_file
from saec.schedule.calibration.trust import MIN_LABELLED, trust_cloud
from saec.schedule.policies.expected_value import measure_mending

MOST_ASKED = 100
"""Goods, and defects, that a cloud is asked about at most to find out how far it can be trusted."""

Labelled = tuple[Path, str]
"""A file and its sha256."""

T = TypeVar("T")


def trust_on(
    profile: LineProfile,
    cloud: Cloud,
    goods: Sequence[tuple[Path, str]],
    defects: Sequence[Path],
    *,
    detector: EdgeDetector | None = None,
    step: Step = lambda name: None,
) -> CloudTrust:
    """Ask a cloud about labelled calibration images and decide how far it is trusted on the line.

    Args:
        profile: the line with its calibration.
        cloud: the model.
        goods: file and sha256 of goods; the edge's score of one that the line was fitted on is its
            cross-fitted one.
        defects: files of labelled defects that are in no hold-out.

    At most ``MOST_ASKED`` of each are asked about, drawn with a fixed seed. The reference images that
    the cloud is shown are left out: it would compare them with themselves. So are those that it was tuned
    on: it knows their labels.

    Raises:
        LeakError: the cloud was tuned on so many of them that too few are left.
    """
    shown = {sha256_file(path) for path in profile.references(cloud.config.references)}
    # Without a defect nothing can be told, so nothing is asked.
    others = [(path, sha) for path, sha in goods if sha not in shown] if defects else []
    bad = [(path, sha256_file(path)) for path in defects]
    tuned = tuned_on(cloud.config)
    unseen_goods, unseen_defects = (
        _unseen(cloud, tuned, others, "goods"),
        _unseen(cloud, tuned, bad, "defects"),
    )
    left_out = len(others) + len(bad) - len(unseen_goods) - len(unseen_defects)
    chosen_goods, chosen_defects = _sample(unseen_goods), [path for path, _ in _sample(unseen_defects)]
    known = profile.calibration.good_scores
    if any(sha not in known for _, sha in chosen_goods) or chosen_defects:
        detector = detector or edge.open_detector(profile)
    bits = profile.line.preparation.bits
    questions = TrustQuestions(profile, cloud, detector)

    def look(path: Path) -> float:
        assert detector is not None
        return score_file(detector, path, bits)

    good_scores = [known[sha] if sha in known else look(path) for path, sha in chosen_goods]
    defect_scores = [look(path) for path in chosen_defects]
    opinions = (
        good_scores,
        defect_scores,
        questions.answers([path for path, _ in chosen_goods], good_scores, step),
        questions.answers(chosen_defects, defect_scores, step),
    )
    trust = trust_cloud(cloud.engine.name, cloud.engine.prompt, *opinions, profile.calibration)
    mending = measure_mending(profile.calibration, trust, *opinions)
    return msgspec.structs.replace(trust, left_out=left_out, mending=mending)


_IMAGES = {"goods": "good images", "defects": "defects"}


def _unseen(cloud: Cloud, tuned: set[str], images: list[Labelled], what: str) -> list[Labelled]:
    """The images that are not among those that the cloud was tuned on.

    Raises:
        LeakError: leaving the others out leaves too few.
    """
    unseen = [(path, sha) for path, sha in images if sha not in tuned]
    if len(unseen) < min(MIN_LABELLED, len(images)):
        raise LeakError(
            f"{len(images) - len(unseen)} of the {len(images)} {_IMAGES[what]} on which the cloud should be "
            f"measured were used to tune {cloud.config.adapter or cloud.config.model}",
            f"give at least {MIN_LABELLED} with --{what} that were not used for tuning, "
            "or tune without these",
        )
    return unseen


def _sample(items: list[T]) -> list[T]:
    if len(items) <= MOST_ASKED:
        return items
    chosen = np.random.default_rng(0).choice(len(items), MOST_ASKED, replace=False)
    return [items[i] for i in sorted(chosen)]
