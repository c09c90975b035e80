"""What a line's certificate states, beside what was seen."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Literal

import msgspec

from saec.errors import SaecError
from saec.profile import Certificate, LineProfile
from saec.schedule.review_rates.quality_rates import QualityRates, RateInterval
from saec.schedule.review_rates.reviews_needed import Rate
from saec.station.line.version_store import VersionStore

Standing = Literal["kept", "broken", "open"]
"""The whole interval is at most what was certified; all of it is above; or neither."""


class CertifiedRate(msgspec.Struct, frozen=True):
    """A bound that a certificate states, beside what was seen.

    Attributes:
        bound: the rate that the edge alone exceeds at most, with the certificate's risk.
        risk: the chance with which the certificate may be wrong.
        standing: what the interval says of it. It is about the whole line, edge and cloud.
    """

    bound: float
    risk: float
    standing: Standing


def certified_rates(
    data: Path, line: str, versions: Sequence[str], rates: QualityRates
) -> dict[Rate, CertifiedRate]:
    """The bounds that the certificate of a window's version states, by rate.

    Args:
        data: the station's data folder.
        line: the line's name.
        versions: the versions that judged in the window; of several none is compared.
        rates: what was seen.

    Returns:
        Nothing for a side that was not certified, or only with artificial defects, and where no profile can
        be read.
    """
    known = _certificate(data, line, versions[0]) if len(versions) == 1 else None
    if known is None:
        return {}
    found: dict[Rate, CertifiedRate] = {}
    if known.pass_below is not None and not known.stand_ins:
        standing = _standing(rates.escape_rate, known.alpha)
        found["escape_rate"] = CertifiedRate(known.alpha, known.delta, standing)
    if known.reject_above is not None:
        standing = _standing(rates.overkill_rate, known.beta)
        found["overkill_rate"] = CertifiedRate(known.beta, known.delta, standing)
    return found


def _standing(seen: RateInterval, bound: float) -> Standing:
    if seen.value is None:
        return "open"
    return "kept" if seen.high <= bound else "broken" if seen.low > bound else "open"


def _certificate(data: Path, line: str, version: str) -> Certificate | None:
    """The certificate of a version, by its number as frames name it."""
    store = VersionStore(data / "lines" / line)
    try:
        known = {str(one.number): one for one in store.state().known}
        found = known.get(version)
        return None if found is None else _certificate_of(store.path(found.number), found.content)
    except (SaecError, OSError):
        return None  # the views of lines say what is wrong with it


@lru_cache(64)
def _certificate_of(folder: Path, content: str) -> Certificate | None:
    """A version never changes: ``content`` is the hash that it was added with."""
    return LineProfile.open(folder, verify=False).calibration.certificate
