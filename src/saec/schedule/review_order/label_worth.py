"""What a label of a frame teaches: how likely it shows a new defect, and how likely the verdict is wrong.

A line learns most from labelled defects, which are rare; next from errors near its threshold, on both sides.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from saec.profile import Calibration
from saec.schedule.statistics.logistic import log_odds
from saec.schedule.statistics.threshold import MIN_GOODS, share_above
from saec.types import DEFECT, VerdictRecord

Reason = Literal["disagreement", "gate", "drift", "value"]
"""Why a label of a frame helps: opinions disagree; the edge is not sure; the scores drift; it teaches."""

DEFECT_SHARE = 0.05
"""Share of defects among the frames, while nothing else is known."""

CERTAIN = 0.98
"""P(defect) is never believed nearer to 0 or 1 than this before a person has looked."""

ERROR = 0.5
"""What it teaches that a verdict is wrong, in units of what a labelled defect teaches."""

DISPUTED, DRIFTING = 0.2, 0.1
"""What a label is worth more where opinions of a frame disagree, and where the line's scores drift."""

_SHAPE = 0.3
"""Exponent of the defects' law: the share of goods above a defect's score has the density a u^(a - 1)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelFacts:
    """What is known of a frame before a person looks.

    Attributes:
        label: the final verdict's, GOOD or DEFECT.
        chance: P(defect) at the share of defects that the line sees; see ``label_facts``.
        kind: what the edge calls the defect, "" where it names none.
        unsure: the score lies inside the gate.
        disputed: edge and cloud disagree, or the final verdict differs from the provisional one.
        drifting: the line's scores drift.
    """

    label: int
    chance: float
    kind: str = ""
    unsure: bool = False
    disputed: bool = False
    drifting: bool = False


@dataclass(frozen=True, slots=True)
class LabelWorth:
    """What a label helps, and why.

    Attributes:
        worth: more is better; a sure defect has 1.
        why: the reason to name to people.
    """

    worth: float
    why: Reason


def label_facts(
    record: VerdictRecord,
    calibration: Calibration,
    *,
    defect_share: float = DEFECT_SHARE,
    changed: bool = False,
    drifting: bool = False,
) -> LabelFacts:
    """What a final verdict and its line's calibration say of a frame.

    Args:
        record: a final verdict with a label and a score.
        calibration: the calibration of the version that judged it.
        defect_share: share of defects among the line's frames, in (0, 1).
        changed: the verdict differs from the provisional one.
        drifting: the line's scores drift.

    Raises:
        ValueError: the record has no label or no score.
    """
    if record.label is None or record.score is None:
        raise ValueError(f"the frame {record.id} has no label or no score")
    cloud, edge = record.cloud, record.edge
    disputed = changed
    if cloud is not None and edge is not None:
        disputed = disputed or (cloud.p_defect >= 0.5) != (edge.label == DEFECT)
    told = record.p_defect if cloud is not None and cloud.role != "advisory" else None
    return LabelFacts(
        label=record.label,
        chance=defect_chance(record.score, calibration, told=told, defect_share=defect_share),
        kind=record.kind or "",
        unsure=calibration.gate.low <= record.score <= calibration.gate.high,
        disputed=disputed,
        drifting=drifting,
    )


def defect_chance(
    score: float,
    calibration: Calibration,
    *,
    told: float | None = None,
    defect_share: float = DEFECT_SHARE,
) -> float:
    """P(defect) of a frame at a stated share of defects.

    From ``told``, else from the line's P(defect), moved to the share. A line without labelled defects knows
    only u, the share of its goods above the score. It is uniform for goods. For defects it is held to have
    the density a u^(a - 1), the alternative of Sellke, Bayarri and Berger (Am. Stat. 55, 2001), a = 0.3.

    Args:
        score: the edge's.
        calibration: the line's.
        told: P(defect) of edge and cloud together, at the calibration's prevalence; None where only the
            edge has one.
        defect_share: share of defects among the line's frames, in (0, 1).

    Returns:
        A probability, never nearer to 0 or 1 than ``CERTAIN`` says.
    """
    if told is None and calibration.p_defect is not None:
        told = calibration.p_defect(score)
    if told is not None:
        held = min(max(told, 1e-6), 1 - 1e-6)
        logit = log_odds(held) - log_odds(calibration.prevalence) + log_odds(defect_share)
        chance = 1 / (1 + math.exp(-logit))
    elif len(calibration.goods) >= MIN_GOODS:
        above = float(share_above(np.sort(calibration.goods), np.array([score]))[0])
        density = _SHAPE * max(above, 1e-9) ** (_SHAPE - 1)
        chance = defect_share * density / (defect_share * density + 1 - defect_share)
    else:
        chance = 0.5 if score >= calibration.threshold else defect_share
    return min(max(chance, 1 - CERTAIN), CERTAIN)


def label_worth(facts: LabelFacts) -> LabelWorth:
    """What a label of this frame alone helps; what many together do is ``ordered_frames``.

    P(defect) + ``ERROR`` x P(the verdict is wrong), and more where opinions disagree or scores drift.
    """
    wrong = 1 - facts.chance if facts.label == DEFECT else facts.chance
    worth = facts.chance + ERROR * wrong + DISPUTED * facts.disputed + DRIFTING * facts.drifting
    if facts.disputed:
        return LabelWorth(worth, "disagreement")
    if facts.drifting:
        return LabelWorth(worth, "drift")
    return LabelWorth(worth, "gate" if facts.unsure else "value")
