"""What is asked of a new calibration, and the thresholds, gate and certificate that follow from it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypedDict

import msgspec

from saec.errors import ConfigError
from saec.lines.calibrating.certificate import CalibrationScores, certify_line
from saec.profile import Calibration, Certificate, Gate
from saec.schedule.calibration.certified_risk import certified_gate
from saec.schedule.calibration.score_calibration import calibrate
from saec.settings import GateConfig, RiskConfig
from saec.settings.setting_fields import Costs, CountOrZero, Everyday, OpenShare
from saec.settings.threshold_rule import ThresholdRule, requested_rule

_ENDS = ("gate_low", "gate_high", "p_low", "p_high")
_RISK = {
    "certify_escape_rate": "alpha",
    "certify_overkill_rate": "beta",
    "certify_risk": "delta",
}
"""What a certificate and ``RiskConfig`` call the settings of a certificate."""


class RecalibrationRequest(msgspec.Struct, frozen=True, kw_only=True):
    """The section [thresholds]: what is asked of a new calibration; None keeps what the line has.

    An end of the gate that was given by hand gives way to a threshold that is given later.

    Attributes:
        overkill_rate: Choose the threshold by the share of good images that it may reject (false rejects).
            It then comes from good images alone. Default: the line's rule stays.
        escape_rate: Choose the threshold by the share of defects that it may miss (missed defects). It needs
            labelled defects. Default: the line's rule stays.
        cost: Choose the threshold by what errors cost. It then has the smallest expected cost at
            --prevalence. It needs at least two labelled defects. Only the ratio of the two costs counts.
            Default: the line's rule stays.
        prevalence: The share of defects among the frames that P(defect) assumes. It moves P(defect) and so
            the gate. It moves the threshold only with --cost. Default: unchanged.
        threshold: Set the threshold by hand, as a score. `saec fit` prints the line's threshold on
            this scale.
        gate_low: The lower end of the gate, set by hand: below this score the edge is sure of "good". It
            beats --p-low.
        gate_high: The upper end of the gate, set by hand: above this score the edge is sure of "defect". It
            beats --p-high.
        p_low: Below this P(defect) the edge is sure of "good". It needs labelled defects, and replaces an
            earlier --gate-low. Default: unchanged; 0.1 in a new line.
        p_high: Above this P(defect) the edge is sure of "defect". It needs labelled defects, and replaces an
            earlier --gate-high. Default: unchanged; 0.9 in a new line.
        certify_escape_rate: Certify that the edge passes at most this share of defects (missed defects).
            Default: unchanged; 0.05 in a first certificate.
        certify_overkill_rate: Certify that the edge rejects at most this share of good images (false
            rejects). Default: unchanged; 0.05 in a first certificate.
        certify_risk: The chance that the edge exceeds one of the two certified rates. Default: unchanged; 0.1
            in a first certificate.
        stand_ins: Paint so many artificial defects ("stand-ins") on good images. The certificate uses them
            where you have too few real defects. 0 removes them.
    """

    overkill_rate: Everyday[OpenShare | None] = None
    escape_rate: Everyday[OpenShare | None] = None
    cost: Costs = None
    prevalence: Everyday[OpenShare | None] = None
    threshold: Everyday[float | None] = None
    gate_low: float | None = None
    gate_high: float | None = None
    p_low: OpenShare | None = None
    p_high: OpenShare | None = None
    certify_escape_rate: Everyday[OpenShare | None] = None
    certify_overkill_rate: Everyday[OpenShare | None] = None
    certify_risk: Everyday[OpenShare | None] = None
    stand_ins: CountOrZero | None = None


class CalibrationFields(TypedDict, total=False):
    """The fields of ``RecalibrationRequest`` as keyword arguments."""

    overkill_rate: float | None
    escape_rate: float | None
    cost: dict[str, float] | None
    prevalence: float | None
    threshold: float | None
    gate_low: float | None
    gate_high: float | None
    p_low: float | None
    p_high: float | None
    certify_escape_rate: float | None
    certify_overkill_rate: float | None
    certify_risk: float | None
    stand_ins: int | None


def calibrate_as_asked(
    old: Calibration, known: CalibrationScores, wish: RecalibrationRequest, created: str
) -> Calibration:
    """The new thresholds; clouds stay trusted only if what their fusion was fitted on stays."""
    rule = requested_rule(wish.overkill_rate, wish.escape_rate, wish.cost)
    chosen = rule != ThresholdRule()
    hand = _by_hand(old, wish, renewed=chosen or known.goods != old.good_scores)
    certificate = _certificate(old, known, wish)
    if certificate is not None:
        hand = {name: value for name, value in hand.items() if name == "threshold"}
    new = calibrate(
        known.goods,
        list(known.defects.values()) or old.defects,
        rule=rule if chosen else old.rule,
        gate=GateConfig(**{end: hand[end] for end in ("p_low", "p_high") if end in hand}),
        prevalence=old.prevalence if wish.prevalence is None else wish.prevalence,
        created=created,
    )
    threshold = hand.get("threshold", new.threshold)
    new = msgspec.structs.replace(
        new,
        threshold=threshold,
        gate=certified_gate(certificate, threshold) if certificate else _gate(new.gate, threshold, hand),
        defect_scores=dict(known.defects),
        by_hand=hand,
        stand_ins=dict(known.stand_ins),
        certificate=certificate,
    )
    return msgspec.structs.replace(new, clouds=old.clouds if _fuses_alike(old, new) else {})


def _certificate(
    old: Calibration, known: CalibrationScores, wish: RecalibrationRequest
) -> Certificate | None:
    """The certificate that is asked for now, or was and still stands, on the scores as they are now."""
    ends = [name for name in _ENDS if getattr(wish, name) is not None]
    asked = {risk: value for name, risk in _RISK.items() if (value := getattr(wish, name)) is not None}
    if not asked and not wish.stand_ins and (ends or old.certificate is None):
        return None
    if ends:
        raise ConfigError(
            f"--{ends[0].replace('_', '-')} cannot be used together with options that certify the gate",
            "leave it out, or leave out certify_escape_rate, certify_overkill_rate, certify_risk and "
            "stand_ins",
        )
    before = {name: getattr(old.certificate, name) for name in _RISK.values()} if old.certificate else {}
    return certify_line(known, RiskConfig(**before | asked))


def _fuses_alike(old: Calibration, new: Calibration) -> bool:
    """Whether a fusion that was fitted under the old calibration still holds what it promises.

    The gate counts: through it go the goods on which the fused overkill was held.
    """

    def basis(c: Calibration) -> tuple[object, ...]:
        return c.threshold, c.p_defect, c.prevalence, c.gate.low, c.gate.high

    return basis(old) == basis(new)


def _by_hand(old: Calibration, wish: RecalibrationRequest, *, renewed: bool) -> dict[str, float]:
    """What is given by hand now, and what was and still holds: no scores where the threshold is renewed."""
    names = ("threshold", "gate_low", "gate_high", "p_low", "p_high")
    given = {name: value for name in names if (value := getattr(wish, name)) is not None}
    kept = dict(old.by_hand)
    if renewed:
        kept = {name: value for name, value in kept.items() if name in ("p_low", "p_high")}
    for end in ("low", "high"):
        if f"p_{end}" in given:
            kept.pop(f"gate_{end}", None)
    if "threshold" in given:
        for end, outermost in (("gate_low", min), ("gate_high", max)):
            if end in kept:
                kept[end] = outermost(kept[end], given["threshold"])
    return kept | given


def _gate(gate: Gate, threshold: float, hand: Mapping[str, float]) -> Gate:
    """The gate with the ends given by hand; it always contains the threshold."""
    low = hand.get("gate_low", min(gate.low, threshold))
    high = hand.get("gate_high", max(gate.high, threshold))
    if not low <= threshold <= high:
        raise ConfigError(
            f"the threshold {threshold:g} lies outside the gate {low:g} .. {high:g}",
            "give a gate_low at most, and a gate_high at least, the threshold",
        )
    return Gate(low=low, high=high, basis=gate.basis)
