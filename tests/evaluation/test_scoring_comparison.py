"""The ways of scoring side by side, with an engine that answers as it is told."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
import pytest

from saec.errors import AnswerError, ConfigError
from saec.evaluation.scoring_comparison import compare_scorings
from saec.settings import ModelCard
from saec.types import CloudOpinion, CloudQuery, Explanation, Source
from tests.run_fakes import FakeCloud

SHADES = {"a": 10, "b": 90, "c": 160, "d": 240}
TRUTH = {"a": 0, "b": 0, "c": 1, "d": 1}


CARD = ModelCard()


@dataclass
class Shades:
    """P(defect) is the frame's brightness; strict generation cannot read frame b."""

    name: str = "shades"
    way: str = "threshold"
    asked: list[tuple[str, list[str], int]] = field(default_factory=list)
    weights_hash: str = ""
    card: ModelCard = CARD
    demonstration: bool = False
    prompt: str = "v1"
    side: int = 448
    views: int = 1

    def scored_by(self, scoring: str) -> Shades:
        return Shades(self.name, scoring, self.asked)

    def judge(self, queries: list[CloudQuery]) -> list[CloudOpinion]:
        self.asked.append((self.way, [q.frame.id for q in queries], len(queries[0].references)))
        if self.way == "generate" and any(q.frame.id == "b" for q in queries):
            raise AnswerError("b: it rambles")
        ps = [float(q.frame.image.mean()) / 255 for q in queries]
        if self.way == "rank":
            ps = [1 - p for p in ps]
        return [CloudOpinion(p, self.name, "v1") for p in ps]

    def explain(self, queries: list[CloudQuery]) -> list[Explanation]:
        raise NotImplementedError


@pytest.fixture
def sources(tmp_path: Path) -> list[Source]:
    found = []
    for name, shade in SHADES.items():
        path = tmp_path / f"{name}.png"
        cv2.imwrite(str(path), np.full((8, 8, 3), shade, np.uint8))
        found.append(Source(id=name, path=str(path), truth=TRUTH[name]))
    return found


def test_each_way_gets_its_own_row_of_figures(sources: list[Source]) -> None:
    engine, seen = Shades(), []
    goods = [np.zeros((8, 8, 3), np.uint8)] * 2
    rows = compare_scorings(engine, sources, goods, batch=3, progress=lambda *a: seen.append(a))
    assert [row.scoring for row in rows] == ["threshold", "rank", "generate"]
    by = {row.scoring: row for row in rows}
    assert by["threshold"].metrics.accuracy == 1.0
    assert by["rank"].metrics.accuracy == 0.0
    assert by["rank"].metrics.image_auroc == 0.0
    assert {references for _, _, references in engine.asked} == {2}
    assert seen[-1] == ("generate", 4, 4)
    assert all(row.ms_per_frame > 0 for row in rows)


def test_an_answer_that_does_not_parse_is_counted_and_is_in_no_rate(sources: list[Source]) -> None:
    rows = compare_scorings(Shades(), sources, [], batch=4)
    assert [row.unparsed for row in rows] == [0, 0, 1]
    written = rows[2].metrics
    assert (written.n_good, written.n_defect, written.accuracy) == (1, 2, 1.0)


def test_every_way_judges_every_image(sources: list[Source]) -> None:
    engine = Shades()
    compare_scorings(engine, sources, [], batch=3)
    for way in ("threshold", "rank", "generate"):
        assert {name for asked, names, _ in engine.asked if asked == way for name in names} == set(SHADES)


def test_an_engine_with_one_way_is_refused(sources: list[Source]) -> None:
    with pytest.raises(ConfigError, match="server has only one scoring method"):
        compare_scorings(FakeCloud("server"), sources, [], batch=2)
