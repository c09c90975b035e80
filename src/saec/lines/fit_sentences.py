"""What a fit has to say, as sentences."""

from __future__ import annotations

from saec.data.checks.set_faults import _SeenImage, significant_bits
from saec.data.dataset import Dataset
from saec.data.images.pixels import decode_native, read_bytes
from saec.edge.detector_kinds import detector_kind
from saec.lines.calibrating.threshold_table import ThresholdTable
from saec.lines.line_fit import FitSummary
from saec.profile import LineProfile
from saec.schedule.calibration.rule_words import rule_limits, rule_words
from saec.types import GOOD

_LOOKED_AT = 16
"""Goods whose depth is compared with the stated bits after a fit; `saec data check` looks at all."""


def bit_warnings(dataset: Dataset, bits: int) -> list[str]:
    """What the first goods say against the stated significant bits: frames too dark, or cut at white."""
    seen = []
    for item in dataset.select(("train", ""), GOOD)[:_LOOKED_AT]:
        pixels = decode_native(read_bytes(item.path), str(item.path))
        deepest = int(pixels.max()) if pixels.dtype.name == "uint16" else None
        height, width = pixels.shape[:2]
        seen.append(_SeenImage(item, "", height, width, deepest))
    return [f"warning: {fault.message}: {fault.remedy}" for fault in significant_bits(seen, bits)]


def threshold_sentences(profile: LineProfile) -> list[str]:
    """What a line's threshold and gate are, why, and what other choices would give."""
    c = profile.calibration
    basis = (
        "by P(defect)"
        if c.gate.basis == "p_defect"
        else "by the good images alone: P(defect) needs labelled defects"
    )
    threshold = f"threshold {c.threshold:.3f} {rule_words(c)}"
    if not c.defects:
        threshold += f"; for 2 % it would be {c.thresholds_at['0.02']:.3f}"
    if detector_kind(profile.line.detector.kind).own_rule:
        rejected = sum(score >= c.threshold for score in c.goods) / len(c.goods)
        threshold = f"the thresholds of the rule itself, which reject {100 * rejected:.0f} % of these images"
    return [
        threshold,
        f"the edge is not sure between {c.gate.low:.3f} and {c.gate.high:.3f} ({basis})",
        *rule_limits(c),
        *ThresholdTable.of(profile).lines(),
    ]


def fit_sentences(profile: LineProfile, summary: FitSummary) -> list[str]:
    """What a fit has to say, as sentences."""
    p = profile.line.preparation
    copies = f" ({summary.duplicates} exact copies left out)" if summary.duplicates else ""
    lines = [
        f"{profile.folder}: {summary.goods} good images{copies}, {summary.defects} defects for calibration, "
        f"input {p.width} x {p.height}",
        *threshold_sentences(profile),
        *summary.notes,
    ]
    if summary.contaminated:
        shown = ", ".join(summary.contaminated[:5])
        lines.append(
            f"warning: {len(summary.contaminated)} of the good images look unusual, check them: {shown}"
        )
    return lines
