"""Several clouds that a line trusts: who is asked, whose rules count, and that each frame has one answer."""

from __future__ import annotations

from collections.abc import Set
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from saec import edge
from saec.errors import AnswerError, LinkError
from saec.frame.cloud_questions import ask_clouds
from saec.frame.judges import Cloud, TrustedCloud, by_trust, open_judges
from saec.frame.verdicts import Rules
from saec.profile import CloudTrust
from saec.settings import CloudConfig
from saec.types import CloudOpinion, CloudQuery, Frame, Pending
from tests.frame.test_verdicts import pending
from tests.run_fakes import CALIBRATION, FUSED, FakeCloud, FakeDetector, make_line

OTHER = msgspec.structs.replace(FUSED, edge_weight=0.25, cloud_weight=0.5)
ADVISORY = CloudTrust(model="fake", prompt="v0", mode="advisory")


class SomeLink(FakeCloud):
    """A cloud that some frames do not reach, and that has no answer to others."""

    def __init__(
        self, weights: str, *, unreached: Set[int] = frozenset(), refused: Set[int] = frozenset()
    ) -> None:
        super().__init__(weights_hash=weights * 32)
        self.unreached, self.refused = unreached, refused
        self.asked: list[int] = []

    def judge(self, queries: list[CloudQuery]) -> list[CloudOpinion]:
        numbers = {int(query.frame.id) for query in queries}
        if len(queries) > 1 and numbers & (self.unreached | self.refused):
            raise RuntimeError("ask about each alone")
        if numbers & self.unreached:
            raise LinkError("the link is cut")
        self.asked += sorted(numbers)
        if numbers & self.refused:
            raise AnswerError("no answer")
        return [CloudOpinion(0.9, "fake", "v0", weights=self.weights_hash[:12]) for _ in queries]


def _batch(frames: int) -> list[tuple[Pending, CloudQuery]]:
    image = np.zeros((8, 8, 3), np.uint8)
    return [(pending(5.0), CloudQuery(Frame(str(n), image), ())) for n in range(frames)]


def _rules(trust: CloudTrust) -> Rules:
    return Rules("line", CALIBRATION, "fused", trust)


numbers = st.sets(st.integers(0, 5))


@given(st.integers(0, 6), st.lists(st.tuples(numbers, numbers), min_size=1, max_size=3))
def test_a_frame_is_answered_by_the_first_cloud_that_it_reaches(
    frames: int, faults: list[tuple[set[int], set[int]]]
) -> None:
    """And by its rules; a frame to which a cloud has no answer is not asked about elsewhere."""
    engines = [SomeLink(f"{n}{n}", unreached=away, refused=no) for n, (away, no) in enumerate(faults)]
    trusts = [FUSED, OTHER, FUSED][: len(engines)]
    clouds = [TrustedCloud(engine, _rules(trust)) for engine, trust in zip(engines, trusts, strict=True)]
    answers = ask_clouds(clouds, _batch(frames))
    assert len(answers) == frames
    for n, (verdict, engine) in enumerate(answers):
        reached = next((one for one in engines if n not in one.unreached), None)
        if reached is None:
            assert verdict.error is not None
            assert verdict.error.kind == "LinkError"
            continue
        assert engine is reached
        assert [n in one.asked for one in engines].count(True) == 1
        if n in reached.refused:
            assert verdict.cloud is None
            continue
        assert verdict.cloud is not None
        assert verdict.cloud.weights == reached.weights_hash[:12]
        ((alone, _),) = ask_clouds([clouds[engines.index(reached)]], _batch(n + 1)[n:])
        assert verdict.p_defect == alone.p_defect


def _cloud(weights: str) -> Cloud:
    cloud = Cloud(CloudConfig(model="small", references=0))
    cloud.__dict__["engine"] = SomeLink(weights)
    return cloud


@pytest.mark.parametrize(
    ("trusted", "asked"),
    [
        ({}, "a"),
        ({"a": FUSED}, "a"),
        ({"b": FUSED}, "b"),
        ({"b": FUSED, "a": FUSED}, "ab"),
        ({"c": FUSED, "b": ADVISORY, "a": OTHER}, "ac"),
    ],
)
def test_a_line_asks_the_clouds_that_it_trusts_in_order_else_the_first(
    trusted: dict[str, CloudTrust], asked: str
) -> None:
    clouds = {name: _cloud(name * 2) for name in "abc"}
    trusts = {clouds[name].key: trust for name, trust in trusted.items()}
    calibration = msgspec.structs.replace(CALIBRATION, clouds=trusts)
    assert by_trust(list(clouds.values()), calibration, "gate") == [clouds[name] for name in asked]
    assert by_trust([], calibration, "gate") == []


def test_each_cloud_of_a_line_has_rules_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(edge, "open_detector", lambda profile: FakeDetector())
    first, second = _cloud("aa"), _cloud("bb")
    trusts = {first.key: FUSED, second.key: OTHER}
    profile = make_line(tmp_path / "line", calibration=msgspec.structs.replace(CALIBRATION, clouds=trusts))
    judges = open_judges(profile, first, alternates=[second])
    assert [one.rules.trust for one in judges.clouds] == [FUSED, OTHER]
    assert [one.engine for one in judges.clouds] == [first.engine, second.engine]
    assert judges.rules_of("").trust == judges.rules_of(("aa" * 32)[:12]).trust == FUSED
    assert judges.rules_of(("bb" * 32)[:12]).trust == OTHER
    assert open_judges(profile).clouds == []
