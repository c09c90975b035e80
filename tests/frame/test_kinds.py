"""Which kind: the edge's name goes with a frame to its verdict; a frame that is judged good has none."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from saec.errors import AnswerError
from saec.frame.assessment import assess, decode_frame, logged_assessment, pending_frame, read_frame
from saec.frame.cloud_questions import cloud_record
from saec.frame.verdicts import (
    Role,
    Rules,
    cloud_verdict,
    decide,
    edge_verdict,
    error_verdict,
    fallback_verdict,
)
from saec.types import (
    DEFECT,
    GOOD,
    LONGEST_KIND,
    UNKNOWN_KIND,
    CloudOpinion,
    EdgeOpinion,
    EdgeRecord,
    Image,
    KindOpinion,
    Pending,
    Route,
    Source,
)
from tests.run_fakes import CALIBRATION, FUSED, THRESHOLD, FakeDetector, Frames

ROLES: tuple[Role, ...] = ("fused", "advisory", "alone")
kinds = st.none() | st.builds(KindOpinion, st.text(min_size=1, max_size=20), st.floats(0, 1))
RULES = Rules("l", CALIBRATION)


def rules(role: Role) -> Rules:
    return Rules("l", CALIBRATION, role, FUSED if role == "fused" else None)


def pending(kind: KindOpinion | None, score: float = 9.0, source: Source | None = None) -> Pending:
    edge = EdgeRecord(score, int(score >= THRESHOLD), kind=kind)
    source = source or Source(id="a", path="/a", truth=DEFECT, kind="scratch")
    return Pending(source=source, sha256="0", time=1.0, edge=edge, route=Route("cloud", "unsure"))


@given(kinds, st.floats(0, 10), st.none() | st.floats(0, 1), st.sampled_from(ROLES))
def test_a_defect_has_the_edges_kind_and_a_good_has_none(
    kind: KindOpinion | None, score: float, p: float | None, role: Role
) -> None:
    edge = EdgeRecord(score, int(score >= THRESHOLD), kind=kind)
    cloud = None if p is None else cloud_record(CloudOpinion(p, "fake", "v0"), role)
    decision = decide(edge, cloud, rules(role))
    assert decision.kind == (kind if decision.label == DEFECT else None)


@given(kinds, st.floats(0, 10), st.floats(0, 1), st.sampled_from(ROLES))
def test_the_verdict_says_the_kind_of_its_decision(
    kind: KindOpinion | None, score: float, p: float, role: Role
) -> None:
    held = pending(kind, score)
    answer = cloud_record(CloudOpinion(p, "fake", "v0"), role)
    for verdict in (
        edge_verdict(held, RULES),
        cloud_verdict(held, answer, rules(role)),
        fallback_verdict(held, rules(role), "cloud-error"),
    ):
        named = verdict.label == DEFECT and kind is not None
        assert verdict.kind == (kind.name if named and kind else None)
        assert verdict.kind_confidence == (kind.confidence if named and kind else None)
        assert verdict.edge is not None
        assert verdict.edge.kind == kind
        assert verdict.true_kind == "scratch"


def test_a_cloud_that_turns_a_good_into_a_defect_leaves_the_edges_kind_if_there_is_one() -> None:
    sure = cloud_record(CloudOpinion(1.0, "fake", "v0"), "alone")
    dent = KindOpinion("dent", 0.4)
    for kind in (None, dent):
        verdict = cloud_verdict(pending(kind, 1.0), sure, rules("alone"))
        assert verdict.label == DEFECT
        assert verdict.kind == (kind and kind.name)


def test_a_frame_keeps_its_kind_from_the_detector_to_the_log(tmp_path: Path) -> None:
    detector = FakeDetector(kinds=("dent", "scratch"))
    for red, blue, name in ((250, 1, "scratch"), (250, 9, UNKNOWN_KIND), (20, 1, None)):
        frame = decode_frame(read_frame(Frames(tmp_path).add("x", red, blue=blue)))
        seen = assess(frame, detector, RULES)
        held = pending_frame(frame.source, seen, Route("edge", "sure"), None, taken=0.0, seq=1)
        verdict = edge_verdict(msgspec.json.decode(msgspec.json.encode(held), type=Pending), RULES)
        assert (verdict.kind, verdict.kind_confidence) == (name, 0.75 if name else None)
        again = logged_assessment(held.edge, None)
        assert again.opinion.kind == seen.opinion.kind


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        (KindOpinion("dent", float("nan")), "confidence in a kind is nan"),
        (KindOpinion("dent", 1.5), "confidence in a kind is 1.5"),
        (KindOpinion("dent", -0.1), "confidence in a kind is -0.1"),
        (KindOpinion("", 0.5), "names a kind ''"),
        (KindOpinion("a\nb", 0.5), r"names a kind 'a\\nb'"),
        (KindOpinion("x" * (LONGEST_KIND + 1), 0.5), "which cannot be one"),
    ],
)
def test_a_kind_that_cannot_be_one_is_an_error(tmp_path: Path, kind: KindOpinion, said: str) -> None:
    class Odd:
        def inspect(self, images: list[Image]) -> list[EdgeOpinion]:
            return [EdgeOpinion(9.0, DEFECT, kind=kind) for _ in images]

    frame = decode_frame(read_frame(Frames(tmp_path).add("x", 250)))
    with pytest.raises(AnswerError, match=said):
        assess(frame, Odd(), RULES)


@pytest.mark.parametrize(
    ("truth", "word", "stated"),
    [
        (DEFECT, "scratch", "scratch"),
        (DEFECT, "defect", ""),
        (DEFECT, "unknown", ""),
        (DEFECT, "", ""),
        (GOOD, "good", ""),
        (None, "scratch", ""),
        (DEFECT, "a\nb", "a\N{REPLACEMENT CHARACTER}b"),
    ],
)
def test_the_true_kind_is_that_of_a_defect(truth: int | None, word: str, stated: str) -> None:
    source = Source(id="a", path="/a", truth=truth, kind=word)
    assert edge_verdict(pending(None, source=source), RULES).true_kind == stated
    assert error_verdict(source, "l", ValueError("x")).true_kind == stated
