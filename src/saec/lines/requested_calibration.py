"""What is asked of a new calibration, and the thresholds, gate and certificate that follow from it."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from saec.errors import ConfigError
from saec.lines.certificate import CalibrationScores, certify_line
from saec.profile import Calibration, Certificate, Gate
from saec.schedule.calibration.certified_risk import certified_gate
from saec.schedule.calibration.score_calibration import calibrate
from saec.settings import GateConfig, RiskConfig

_ENDS = ("gate_low", "gate_high", "p_low", "p_high")
_RISK = ("alpha", "beta", "delta")


class RecalibrationRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked of a new calibration; None keeps what the line has.

    Attributes:
        overkill: share of goods that may be rejected.
        prevalence: share of defects at which P(defect) is stated.
        threshold, gate_low, gate_high: scores given by hand. They hold until another overkill rate or
            other goods; an end of the gate gives way to a threshold that is given later.
        p_low, p_high: P(defect) between which the edge is not sure; each replaces that end's score.
        alpha, beta, delta: the risk that the gate is certified for; any of them asks for a certificate,
            which holds until an end of the gate is given otherwise.
        stand_ins: procedural defects to paint on goods for the certificate; 0 forgets them.
    """

    overkill: float | None = None
    prevalence: float | None = None
    threshold: float | None = None
    gate_low: float | None = None
    gate_high: float | None = None
    p_low: float | None = None
    p_high: float | None = None
    alpha: float | None = None
    beta: float | None = None
    delta: float | None = None
    stand_ins: int | None = None


def calibrate_as_asked(
    old: Calibration, known: CalibrationScores, wish: RecalibrationRequest, created: str
) -> Calibration:
    """The new thresholds; clouds stay trusted only if what their fusion was fitted on stays."""
    hand = _by_hand(old, wish, same_goods=known.goods == old.good_scores)
    certificate = _certificate(old, known, wish)
    if certificate is not None:
        hand = {name: value for name, value in hand.items() if name == "threshold"}
    new = calibrate(
        known.goods,
        list(known.defects.values()) or old.defects,
        overkill=old.overkill if wish.overkill is None else wish.overkill,
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
    asked = {name: value for name in _RISK if (value := getattr(wish, name)) is not None}
    if not asked and not wish.stand_ins and (ends or old.certificate is None):
        return None
    if ends:
        raise ConfigError(
            f"a certified gate does not go with {ends[0]}",
            "give either alpha, beta and delta, or the ends of the gate",
        )
    before = {name: getattr(old.certificate, name) for name in _RISK} if old.certificate else {}
    return certify_line(known, RiskConfig(**before | asked))


def _fuses_alike(old: Calibration, new: Calibration) -> bool:
    """Whether a fusion that was fitted under the old calibration still holds what it promises.

    The gate counts: through it go the goods on which the fused overkill was held.
    """

    def basis(c: Calibration) -> tuple[object, ...]:
        return c.threshold, c.p_defect, c.prevalence, c.gate.low, c.gate.high

    return basis(old) == basis(new)


def _by_hand(old: Calibration, wish: RecalibrationRequest, *, same_goods: bool) -> dict[str, float]:
    """What is given by hand now, and what was and still holds."""
    names = ("threshold", "gate_low", "gate_high", "p_low", "p_high")
    given = {name: value for name in names if (value := getattr(wish, name)) is not None}
    kept = dict(old.by_hand)
    if wish.overkill is not None or not same_goods:
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
            "give --gate-low at most the threshold, and --gate-high at least the threshold",
        )
    return Gate(low=low, high=high, basis=gate.basis)
