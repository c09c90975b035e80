"""The ways of scoring, views and references, on random checkpoints and on the one that ships."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from saec.cloud import open_engine
from saec.cloud.engines.qwen import QwenEngine
from saec.cloud.questions.chat_template import IMAGE_PAD, scoring_text
from saec.cloud.questions.token_layout import encode
from saec.data.procedural import draw_product
from saec.errors import AnswerError, ConfigError
from saec.prompts import PROMPTS, Prompt
from saec.settings import CloudConfig
from saec.types import CloudQuery
from saec_research.small_model import FOLDER as SMALL
from tests.cloud.helpers_cloud import noise, open_qwen, query
from tests.helpers_numeric import log_odds, odds_apart, same_opinions

pytestmark = pytest.mark.numeric

CPU: dict[str, Any] = {"dtype": "float32", "device": "cpu", "batch": 3}
GOODS = [noise(i + 20, 120, 90) for i in range(4)]


@pytest.fixture(scope="module")
def opened(random_checkpoint: Path) -> Callable[..., Any]:
    """Engines of the random checkpoint, at 112 px, by their settings."""
    first = open_engine(CloudConfig(model=str(random_checkpoint), side_px=112, **CPU))

    def with_(**settings: Any) -> QwenEngine:
        engine = open_qwen(CloudConfig(model=str(random_checkpoint), side_px=112, **CPU, **settings))
        engine.core = first.core
        return engine

    return with_


def _ps(engine: QwenEngine, queries: list[CloudQuery]) -> list[float]:
    return [o.p_defect for o in engine.judge(queries)]


@pytest.mark.parametrize("prompt", sorted(PROMPTS))
@pytest.mark.parametrize("k", [0, 1, 2, 4])
def test_any_number_of_references_goes_into_one_prompt(
    opened: Callable[..., Any], k: int, prompt: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = opened(references=k, prompt=prompt)
    assert engine.prompt == prompt
    seen = []
    run = engine.core.prepare

    def noted(*asked: Any) -> Any:
        seen.append(run(*asked))
        return seen[-1]

    monkeypatch.setattr(engine.core, "prepare", noted)
    (p,) = _ps(engine, [query(noise(0), *GOODS)])
    text = scoring_text(PROMPTS[prompt], k)
    assert text.count(IMAGE_PAD) == k + 1
    assert len(seen[0].grids) == k + 1
    ids = seen[0].ids
    images = ids.count(engine.core._image_id)
    assert len(ids) - images == len(encode(engine.core.tokenizer, text)) - (k + 1)
    shown = _ps(engine, [query(noise(0), *GOODS[:k])])
    same_opinions(engine, p, shown[0])


def test_every_reference_counts_and_so_does_their_order(opened: Callable[..., Any]) -> None:
    engine = opened(references=4)
    asked = [
        query(noise(0), *GOODS),
        query(noise(0), *GOODS[:3], noise(99)),
        query(noise(0), *reversed(GOODS)),
        query(noise(0), *GOODS[:2]),
    ]
    ps = _ps(engine, asked)
    assert len({round(p, 7) for p in ps}) == 4
    same_opinions(engine, ps, [_ps(engine, [q])[0] for q in asked])


@pytest.mark.parametrize("settings", [{"scoring": "rank"}, {"views": 3}, {"scoring": "rank", "views": 2}])
def test_batch_is_single_for_rank_and_views(
    opened: Callable[..., Any], settings: dict[str, int | int | str | str]
) -> None:
    engine = opened(references=1, **settings)
    asked = [
        query(noise(0, 260, 150), noise(1, 260, 150)),
        query(noise(2, 100, 100)),
        query(noise(3, 90, 200), noise(4)),
    ]
    together = _ps(engine, asked)
    same_opinions(engine, together, [_ps(engine, [q])[0] for q in asked])
    assert len({round(p, 6) for p in together}) == 3


def test_views_average_the_logits_of_frame_and_references_turned_together(opened: Callable[..., Any]) -> None:
    image, good = noise(0, 100, 140), noise(1, 100, 140)
    alike = [
        query(image, good),
        query(image[:, ::-1].copy(), good[:, ::-1].copy()),
        query(image[::-1, ::-1].copy(), good[::-1, ::-1].copy()),
    ]
    mean = np.mean([log_odds(p) for p in _ps(opened(), alike)])
    (p,) = _ps(opened(views=3), alike[:1])
    assert log_odds(p) == pytest.approx(mean, abs=odds_apart(opened()))


def test_ranking_is_what_scoring_each_crop_by_whole_answers_gives(opened: Callable[..., Any]) -> None:
    """Against the definition: each answer's tokens fed in full, their log-probabilities summed."""
    engine = opened(scoring="rank", references=0)
    image = noise(0, 200, 150)
    sums = []
    for y, x in ((0, 0), (0, 38), (88, 0), (88, 38), (44, 19)):
        crop = query(image[y : y + 112, x : x + 112])
        sums.append([_answer_log_probability(engine, crop, label) for label in ("0", "1")])
    good, defect = np.mean(sums, axis=0)
    (p,) = _ps(engine, [query(image)])
    assert log_odds(p) == pytest.approx(defect - good, abs=odds_apart(engine))


def _answer_log_probability(engine: QwenEngine, asked: CloudQuery, label: str) -> float:
    from saec.cloud.questions.ensemble import Ask

    def answered(prompt: Prompt, references: int, *, beside: bool = False) -> str:
        return scoring_text(prompt, references) + label

    ask = Ask(asked.frame.image, (), 112)
    inputs = engine.core.inputs(engine._prepared([ask], answered))
    with torch.inference_mode():
        logs = torch.log_softmax(engine.model(**inputs, use_cache=False).logits[0].double(), -1)
    ids = inputs["input_ids"][0].tolist()
    first = len(ids) - len(encode(engine.core.tokenizer, "Label: " + label))
    return sum(float(logs[i - 1, ids[i]]) for i in range(first, len(ids)))


def test_small_shows_references_in_turn_and_averages_their_logits(engine: QwenEngine) -> None:
    goods = [noise(i) for i in range(3)]
    alone = [_ps(engine, [query(noise(9), good)])[0] for good in goods]
    several = open_qwen(CloudConfig(model="small", references=3, **CPU))
    (p,) = _ps(several, [query(noise(9), *goods)])
    assert log_odds(p) == pytest.approx(np.mean([log_odds(a) for a in alone]), abs=odds_apart(engine))


def _stained() -> tuple[CloudQuery, CloudQuery]:
    product = draw_product("fabric", 2**31 + 5)
    bad = product.render(3, "stain", 0.1, 224).image
    return query(bad, product.render(1, size=224).image, name="bad"), query(
        product.render(7, size=224).image, product.render(1, size=224).image, name="good"
    )


def test_generation_takes_exactly_what_is_written(
    engine: QwenEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = engine.scored_by("generate")
    written = {"bad": "1", "good": "0 "}
    monkeypatch.setattr(writer, "_write", lambda asks, **_: [written[n] for n in ("bad", "good")])
    asked = list(_stained())
    assert _ps(writer, asked) == [1.0, 0.0]
    written["good"] = "0, good"
    with pytest.raises(AnswerError, match=r"^good: .*'0, good'"):
        writer.judge(asked)


def test_a_model_that_rambles_gets_no_default(opened: Callable[..., Any]) -> None:
    writer = opened(references=0, scoring="generate")
    with pytest.raises(AnswerError, match=r"^frame: the cloud's answer is neither"):
        writer.judge([query(noise(0))])


def test_batch_is_single_for_generation(engine: QwenEngine) -> None:
    """The texts are equal; whether they parse is the checkpoint's affair."""
    asked = [*_stained(), query(noise(5))]

    def said(queries: list[CloudQuery]) -> list[float] | str:
        try:
            return _ps(engine.scored_by("generate"), queries)
        except AnswerError as e:
            return e.what

    singles = [said([q]) for q in asked]
    together = said(asked)
    errors = [s for s in singles if isinstance(s, str)]
    opinions = [s[0] for s in singles if not isinstance(s, str)]
    assert together == (errors[0] if errors else opinions)


def test_a_twin_shares_the_model_and_leaves_the_first_as_it_was(engine: QwenEngine) -> None:
    asked = [query(noise(0, 400, 300))]
    before = _ps(engine, asked)
    twin = engine.scored_by("rank")
    assert twin.model is engine.model
    assert _ps(twin, asked) != before
    assert _ps(engine, asked) == before


def _with_card(folder: Path, **card: Any) -> str:
    for path in SMALL.iterdir():
        shutil.copyfile(path, folder / path.name)
    base = json.loads((SMALL / "saec.json").read_text())
    (folder / "saec.json").write_text(json.dumps(base | card))
    return str(folder)


def test_the_card_says_prompt_and_views_unless_the_settings_do(tmp_path: Path) -> None:
    model = _with_card(tmp_path, prompt="v2", views=2)
    of_card = open_engine(CloudConfig(model=model, **CPU))
    assert (of_card.prompt, of_card._plan.views) == ("v2", 2)
    of_settings = open_engine(CloudConfig(model=model, prompt="v1", views=1, **CPU))
    assert (of_settings.prompt, of_settings._plan.views) == ("v1", 1)


def test_a_prompt_that_is_not_there_is_refused() -> None:
    with pytest.raises(ConfigError, match="no prompt v9"):
        open_engine(CloudConfig(model="small", prompt="v9", **CPU))
