"""Why a verdict is what it is, in words."""

from __future__ import annotations

from typing import Literal

import pytest

from saec.frame.reason_words import ANSWERED_LATER, shown_reason, verdict_sentence
from saec.types import DecidedBy, Route, VerdictRecord


@pytest.mark.parametrize(
    ("decision", "by", "shown"),
    [
        ("edge", "edge-fallback", "cloud-down"),
        ("edge", "cloud", ANSWERED_LATER),
        ("edge", "edge", "cloud-down"),
        ("cloud", "cloud", "cloud-down"),
    ],
)
def test_a_late_answer_of_the_cloud_is_not_explained_by_the_label_before_it(
    decision: Literal["edge", "cloud"], by: DecidedBy, shown: str
) -> None:
    route = Route(decision=decision, reason="cloud-down")
    verdict = VerdictRecord(
        id="cell-1",
        path="",
        sha256="",
        line="cell",
        time=0.0,
        seq=1,
        decided_by=by,
        reason="cloud-down",
        route=route,
    )
    assert shown_reason(verdict) == shown
    assert ("came later" in verdict_sentence(verdict)) is (shown == ANSWERED_LATER)
