"""What a line's certificate says, in words."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from saec.settings import RiskConfig

if TYPE_CHECKING:
    from saec.profile import Calibration, Certificate

_STAND_INS = "STAND-INS (procedural defects painted on this line's good images, not real ones)"


def certificate_lines(calibration: Calibration) -> list[str]:
    """The certificate as sentences; without one, what could be certified."""
    certificate = calibration.certificate
    if certificate is None:
        risk = RiskConfig()
        could = _certifiable(len(calibration.defects), risk.alpha, risk.delta)
        return [f"risk       not certified (--certify-escape-rate certifies it); {could}"]
    return [
        f"certified  with confidence {1 - certificate.delta:g}, both at once, for frames like these:",
        f"  escapes  {_escapes(certificate)}",
        f"  overkill {_overkill(certificate)}",
        *(f"  {line}" for line in _consequences(calibration, certificate)),
    ]


def _escapes(c: Certificate) -> str:
    what = _STAND_INS if c.stand_ins else "defects"
    could = _certifiable(c.defects, c.alpha, c.delta, "stand-ins" if c.stand_ins else "defects")
    if c.pass_below is None:
        none = "no labelled defects: " if not c.defects else ""
        return f"UNCERTIFIED, the edge passes nothing alone: {none}{could}"
    return (
        f"at most {_percent(c.alpha)} of {what} pass: the edge passes below {c.pass_below:.4g} "
        f"({c.escapes} of {c.defects} below); {could}"
    )


def _overkill(c: Certificate) -> str:
    from saec.schedule.calibration.certified_risk import left_for_goods, units_needed

    if c.reject_above is not None:
        return (
            f"at most {_percent(c.beta)} of good images are rejected: "
            f"the edge rejects above {c.reject_above:.4g} ({c.overkills} of {c.goods} above)"
        )
    level = left_for_goods(c.defects, c.goods, alpha=c.alpha, beta=c.beta, delta=c.delta)
    if level <= 0:
        return "UNCERTIFIED, the edge rejects nothing alone: the escape side takes all of delta"
    more = units_needed(c.beta, level) - c.goods
    return f"UNCERTIFIED, the edge rejects nothing alone: {more} more good images are needed"


def _certifiable(n: int, alpha: float, delta: float, what: str = "defects") -> str:
    """Which alpha n defects certify, and how many more the asked one needs."""
    from saec.schedule.calibration.certified_risk import certifiable_rate, units_needed

    needed = units_needed(alpha, delta)
    can = f"{n} {what} certify an escape rate of {_percent(certifiable_rate(n, delta))}" if n else ""
    asked = f"{_percent(alpha)} needs {needed} without a miss, {max(0, needed - n)} more"
    return f"{can}, {asked}" if can else asked


def _consequences(calibration: Calibration, certificate: Certificate) -> list[str]:
    from saec.schedule.calibration.certified_risk import escape_share

    gate, goods = calibration.gate, calibration.goods
    lines = []
    decided = [
        f"{sum(s < gate.low or s > gate.high for s in scores) / len(scores):.0%} of the {name}"
        for scores, name in ((goods, "good images"), (calibration.defects, "defects"))
        if scores
    ]
    lines.append(f"the edge decides alone {' and '.join(decided)} of the calibration, about the rest it asks")
    if certificate.pass_below is not None:
        passed = sum(score < gate.low for score in goods) / len(goods)
        share = escape_share(calibration.prevalence, certificate.alpha, passed)
        if share is not None:
            of = "stand-ins" if certificate.stand_ins else "defects"
            lines.append(
                f"where {calibration.prevalence:.2%} of frames are {of}, at most {share:.2%} of those passed "
                f"are (with {passed:.0%} of good images passed, as in the calibration)"
            )
    if certificate.stand_ins and calibration.defects:
        missed = sum(score < gate.low for score in calibration.defects)
        lines.append(f"of {len(calibration.defects)} real defects the edge would pass {missed}")
    return lines


def _percent(rate: float) -> str:
    """A rate rounded up, so that what is printed can be asked for."""
    return f"{math.ceil(round(rate * 1e4, 6)) / 100:g} %"
