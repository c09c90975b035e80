"""Opinions to labels: what each role of the cloud may and may not change."""

from __future__ import annotations

import math
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from saec.errors import AnswerError, ConfigError, ImageError
from saec.frame.assessment import assess, decode_frame, read_frame
from saec.frame.cloud_questions import ask_cloud, cloud_record, make_query
from saec.frame.judges import Cloud, standing
from saec.frame.verdicts import (
    Role,
    Rules,
    cloud_verdict,
    decide,
    edge_verdict,
    error_verdict,
    fallback_verdict,
)
from saec.profile import CloudTrust
from saec.settings import CloudConfig
from saec.types import (
    CloudOpinion,
    CloudQuery,
    CloudRecord,
    EdgeOpinion,
    EdgeRecord,
    Image,
    Pending,
    Route,
    Source,
    VerdictRecord,
)
from tests.run_fakes import CALIBRATION, FUSED, THRESHOLD, FakeCloud, Frames

scores = st.floats(0, 10)
shares = st.floats(0, 1)


def edge(score: float) -> EdgeRecord:
    assert CALIBRATION.p_defect is not None
    return EdgeRecord(score, int(score >= THRESHOLD), CALIBRATION.p_defect(score))


def pending(score: float) -> Pending:
    return Pending(
        source=Source(id="a", path="/a", truth=1),
        sha256="0",
        time=1.0,
        edge=edge(score),
        route=Route("cloud", "unsure"),
        ms={"decode": 1.0, "edge": 2.0},
    )


def opinion(p: float) -> CloudOpinion:
    return CloudOpinion(p, "fake", "v0")


@given(scores, shares)
def test_advice_changes_nothing(score: float, p: float) -> None:
    rules = Rules("l", CALIBRATION)
    assert decide(edge(score), cloud_record(opinion(p), "advisory"), rules) == decide(
        edge(score), None, rules
    )


@given(scores, shares, shares)
def test_a_cloud_alone_decides_by_its_threshold(score: float, p: float, threshold: float) -> None:
    rules = Rules("l", CALIBRATION, "alone", cloud_threshold=threshold)
    decision = decide(edge(score), cloud_record(opinion(p), "alone"), rules)
    assert (decision.label, decision.p_defect, decision.by) == (int(p >= threshold), p, "cloud")


@given(scores, shares, shares)
def test_a_fused_cloud_pulls_towards_its_opinion(score: float, p: float, q: float) -> None:
    rules = Rules("l", CALIBRATION, "fused", FUSED)
    low, high = (
        decide(edge(score), cloud_record(opinion(x), "fused"), rules) for x in (min(p, q), max(p, q))
    )
    assert low.p_defect is not None
    assert high.p_defect is not None
    assert low.p_defect <= high.p_defect
    assert low.label <= high.label


def test_fused_needs_a_cloud_that_has_earned_its_say() -> None:
    for trust in (None, msgspec.structs.replace(FUSED, mode="unasked")):
        with pytest.raises(ConfigError, match="not calibrated with this cloud"):
            Rules("l", CALIBRATION, "fused", trust)


@pytest.mark.parametrize("p", [math.nan, math.inf, -0.1, 1.1])
def test_what_is_no_probability_is_an_error(p: float) -> None:
    with pytest.raises(AnswerError):
        cloud_record(opinion(p), "fused")


def test_verdicts_carry_all_that_is_known() -> None:
    rules = Rules("l", CALIBRATION, "fused", FUSED)
    record = CloudRecord(0.9, "fake", "v0", "fused")
    asked = cloud_verdict(pending(4.0), record, rules)
    assert (asked.decided_by, asked.state, asked.reason, asked.cloud) == ("cloud", "final", "unsure", record)
    assert (asked.truth, asked.score, asked.ms["judging"]) == (1, 4.0, 3.0)
    alone = edge_verdict(pending(4.0), rules)
    assert (alone.decided_by, alone.label, alone.cloud) == ("edge", 0, None)
    fallback = fallback_verdict(pending(6.0), rules, "cloud-error", RuntimeError("down"))
    assert (fallback.decided_by, fallback.state, fallback.label) == ("edge-fallback", "provisional", 1)
    assert fallback.error is not None
    assert (fallback.error.kind, fallback.error.message) == ("RuntimeError", "down")


@pytest.mark.parametrize(
    ("score", "p", "role", "reason"),
    [
        (2.9, 0.9, "fused", "disagreement"),
        (7.1, 0.1, "fused", "disagreement"),
        (2.9, 0.9, "advisory", "disagreement"),
        (2.9, 0.89, "fused", "unsure"),  # the cloud is not sure
        (3.0, 0.99, "fused", "unsure"),  # the edge is not
        (7.1, 0.9, "fused", "unsure"),  # both are, of the same label
        (2.9, 0.1, "fused", "unsure"),
        (2.9, 0.99, "alone", "unsure"),  # the edge has no say
    ],
)
def test_a_disagreement_is_a_reason_of_its_own(score: float, p: float, role: Role, reason: str) -> None:
    verdict = cloud_verdict(
        pending(score), CloudRecord(p, "fake", "v0", role), Rules("l", CALIBRATION, role, FUSED)
    )
    assert verdict.reason == reason
    assert verdict.route is not None
    assert verdict.route.reason == "unsure"  # why it was asked is kept


def test_an_error_verdict_has_no_label_and_says_the_remedy() -> None:
    verdict = error_verdict(
        Source(id="a", path="/a", truth=0), "l", ImageError("no image", "export it again"), stage="read"
    )
    assert (verdict.label, verdict.state, verdict.decided_by, verdict.truth) == (None, "error", "none", 0)
    assert verdict.error is not None
    assert "export it again" in verdict.error.message


@given(st.binary(min_size=1, max_size=12))
def test_any_file_name_can_be_logged(name: bytes) -> None:
    text = name.decode("utf-8", "surrogateescape")
    verdict = error_verdict(Source(id=text, path=text), "l", ImageError(text))
    assert msgspec.json.decode(msgspec.json.encode(verdict), type=VerdictRecord) == verdict


class Dazed:
    """A detector whose score is no number."""

    def inspect(self, images: list[Image]) -> list[EdgeOpinion]:
        return [EdgeOpinion(math.nan, 0) for _ in images]


def test_a_score_that_is_no_number_is_an_error_and_never_a_label(tmp_path: Path) -> None:
    frame = decode_frame(read_frame(Frames(tmp_path).add("a", 20)))
    with pytest.raises(AnswerError, match="score is nan") as e:
        assess(frame, Dazed(), Rules("l", CALIBRATION))
    assert e.value.remedy == "fit the line again"


def test_a_frame_that_changed_while_it_was_judged_is_not_asked_about(tmp_path: Path) -> None:
    frames = Frames(tmp_path)
    source = frames.add("a", 128)
    judged = msgspec.structs.replace(pending(5.0), source=source, sha256=read_frame(source).sha256)
    make_query(judged, "l", [])
    frames.add("a", 129)
    with pytest.raises(ImageError, match="changed while it was judged"):
        make_query(judged, "l", [])


class Forgetful(FakeCloud):
    """Leaves one of several questions out."""

    def judge(self, queries: list[CloudQuery]) -> list[CloudOpinion]:
        answers = super().judge(queries)
        return answers[1:] if len(answers) > 1 else answers


def test_a_cloud_that_leaves_a_question_out_is_asked_again_one_by_one(tmp_path: Path) -> None:
    frames, cloud, batch = Frames(tmp_path), Forgetful(), []
    for green in (10, 250):
        source = frames.add(str(green), 128, green)
        waiting = msgspec.structs.replace(pending(5.0), source=source, sha256=read_frame(source).sha256)
        batch.append((waiting, make_query(waiting, "l", [])))
    verdicts = ask_cloud(cloud, batch, Rules("l", CALIBRATION, "fused", FUSED), explain=False)
    assert [verdict.cloud.p_defect for verdict in verdicts] == pytest.approx([10 / 255, 250 / 255])
    assert cloud.batches == [2, 1, 1]


def test_a_cloud_that_nobody_could_judge_is_advisory_and_says_why(fakes: FakeCloud) -> None:
    cloud = Cloud(CloudConfig(model="small"))
    untried = CloudTrust(model="fake", prompt="v0", mode="advisory")
    told = standing(cloud, msgspec.structs.replace(CALIBRATION, clouds={cloud.key: untried}), "gate")
    assert (told.role, told.trust) == ("advisory", untried)
    assert "no labelled defects" in told.reason
