"""Crops of the hottest place through the engines: what is asked, what comes of it, and what it took."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from saec.cloud import open_engine
from saec.cloud.engines.qwen import QwenEngine
from saec.cloud.questions.views import crop_box
from saec.contracts import CloudEngine
from saec.errors import ConfigError
from saec.prompts import V4
from saec.settings import CloudConfig, RemoteConfig, Spending
from saec.types import CloudQuery, Image, Spent
from tests.cloud.helpers_cloud import noise, open_qwen, query
from tests.cloud.model_server import Server, scored, serving
from tests.helpers_numeric import p_apart, same_opinions

pytestmark = pytest.mark.numeric

CPU: dict[str, Any] = {"dtype": "float32", "device": "cpu"}
CROP = Spending(rule="crop")
SPOT = (400, 300, 420, 320)


def _spot(seed: int, *references: Image, hottest: tuple[int, int, int, int] | None = SPOT) -> CloudQuery:
    frame = query(noise(seed, 672, 672), *references, name=f"frame-{seed}")
    return dataclasses.replace(frame, hottest=hottest, complexity=0.0)


def _ps(engine: CloudEngine, queries: list[CloudQuery]) -> list[float]:
    return [o.p_defect for o in engine.judge(queries)]


@pytest.fixture(scope="module")
def crops() -> QwenEngine:
    """The shipped checkpoint, shown whole and crop in turn."""
    return open_qwen(CloudConfig(model="small", batch=4, spending=CROP, **CPU))


def test_a_batch_gives_what_single_calls_give(crops: QwenEngine) -> None:
    queries = [_spot(0, noise(9, 672, 672)), _spot(1), _spot(2, hottest=None), _spot(3, noise(8, 300, 400))]
    together = crops.judge(queries)
    alone = [crops.judge([q])[0] for q in queries]
    same_opinions(crops, [o.p_defect for o in together], [o.p_defect for o in alone])
    assert [o.spent for o in together] == [o.spent for o in alone]


def _either(*ps: float) -> float:
    """The probability of a defect in either of two sights, each at a prior of 1 - sqrt(1/2)."""
    return 1 - math.prod(1 / (1 + (math.sqrt(2) - 1) * p / (1 - p)) for p in ps)


def test_whole_and_crop_are_what_the_model_says_of_each_alone(crops: QwenEngine) -> None:
    asked = _spot(0, noise(9, 672, 672))
    small, large = (open_qwen(CloudConfig(model="small", side_px=side, **CPU)) for side in (120, 240))
    crop = crop_box(672, 672, SPOT, 240, 20)
    assert crop is not None
    left, top, right, bottom = crop
    near, near_reference = (
        image[top:bottom, left:right] for image in (asked.frame.image, asked.references[0])
    )
    expected = _either(_ps(small, [asked])[0], _ps(large, [query(near, near_reference)])[0])
    # each of the two moves what comes of both by sqrt(2) of its own difference at most
    assert _ps(crops, [asked])[0] == pytest.approx(expected, abs=2 * math.sqrt(2) * p_apart(crops))


def test_what_a_question_took_is_told(crops: QwenEngine, engine: QwenEngine) -> None:
    reference = noise(9, 672, 672)
    (whole,) = engine.judge([_spot(0, reference)])
    (both,) = crops.judge([_spot(0, reference)])
    words = whole.spent.text
    assert words is not None
    assert words > 50
    assert whole.spent == Spent(("whole 240",), 144, 144, words, 0)
    assert both.spent == Spent(("whole 120", "crop 240"), 36 + 144, 36 + 144, 2 * words, 0)


def test_a_model_of_many_images_sees_whole_and_crop_in_one_conversation(random_checkpoint: Path) -> None:
    engine = open_engine(
        CloudConfig(model=str(random_checkpoint), side_px=224, references=2, spending=CROP, **CPU)
    )
    assert engine.prompt == V4.version
    asked = [_spot(0, noise(8, 672, 672), noise(9, 672, 672)), _spot(1), _spot(2, hottest=None)]
    opinions = engine.judge(asked)
    assert opinions[0].spent.shown == ("whole 112", "crop 224")
    assert (opinions[0].spent.frame, opinions[0].spent.references) == (80, 160)
    assert opinions[2].spent.shown == ("whole 224",)
    same_opinions(engine, [o.p_defect for o in opinions], [_ps(engine, [q])[0] for q in asked])
    moved = dataclasses.replace(asked[0], hottest=(10, 10, 30, 30))
    assert abs(_ps(engine, [moved])[0] - opinions[0].p_defect) > p_apart(engine)


def test_a_prompt_without_words_for_both_shows_them_in_turn(random_checkpoint: Path) -> None:
    engine = open_engine(
        CloudConfig(model=str(random_checkpoint), side_px=224, prompt="v2", spending=CROP, **CPU)
    )
    (opinion,) = engine.judge([_spot(0, noise(9, 672, 672))])
    (whole,) = open_engine(CloudConfig(model=str(random_checkpoint), side_px=224, prompt="v2", **CPU)).judge(
        [_spot(0, noise(9, 672, 672))]
    )
    assert whole.spent.text is not None
    assert opinion.spent.text == 2 * whole.spent.text


@pytest.mark.parametrize(
    "settings",
    [{"scoring": "rank"}, {"scoring": "generate"}, {"spending": Spending(rule="crop", small_px=10)}],
    ids=str,
)
@pytest.mark.parametrize("where", ["here", "there"])
def test_what_cannot_be_spent_so_is_refused(settings: dict[str, Any], where: str) -> None:
    remote = RemoteConfig(url="http://127.0.0.1:9/v1") if where == "there" else RemoteConfig()
    with pytest.raises(ConfigError):
        open_engine(CloudConfig(**{"model": "small", "remote": remote, "spending": CROP, **CPU, **settings}))


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as state:
        yield state


def test_a_service_is_sent_both_and_the_bytes_are_counted(server: Server) -> None:
    engine = open_engine(
        CloudConfig(model="small", remote=RemoteConfig(url=server.url, concurrency=1), spending=CROP)
    )
    asked = _spot(0, noise(9, 672, 672))
    answers = iter([scored(-1.0, -3.0), scored(-2.0, -0.5)])
    server.answer = lambda _: next(answers)
    (opinion,) = engine.judge([asked])
    engine.close()
    whole, near = server.chats
    # In whole tokens of 20 pixels.
    assert [i.shape[:2] for i in whole.images] == [(120, 120)] * 2
    crop = crop_box(672, 672, SPOT, 240, 20)
    assert crop is not None
    left, top, right, bottom = crop
    for arrived, image in zip(near.images, (asked.references[0], asked.frame.image), strict=True):
        np.testing.assert_array_equal(arrived, image[top:bottom, left:right])
    expected = _either(*(1 / (1 + math.exp(-margin)) for margin in (-2.0, 1.5)))
    assert opinion.p_defect == pytest.approx(expected)
    sent = sum(int(chat.headers["Content-Length"]) for chat in server.chats)
    assert opinion.spent == Spent(("whole 120", "crop 240"), 36 + 144, 36 + 144, None, sent)


def test_the_text_is_what_the_service_has_read_beside_the_images(server: Server) -> None:
    engine = open_engine(CloudConfig(model="small", remote=RemoteConfig(url=server.url), spending=CROP))
    status, headers, body = scored(-1.0, -3.0)
    server.answer = lambda a: (
        status,
        headers,
        {**body, "usage": {"prompt_tokens": 71 + sum(i.size for i in a.images) // (3 * 20**2)}},
    )
    (opinion,) = engine.judge([_spot(0, noise(9, 672, 672))])
    engine.close()
    assert opinion.spent.text == 2 * 71


def test_one_conversation_goes_in_one_request(server: Server) -> None:
    remote = RemoteConfig(url=server.url)
    engine = open_engine(CloudConfig(model="other", side_px=224, remote=remote, spending=CROP))
    engine.judge([_spot(0, noise(9, 672, 672))])
    engine.close()
    (chat,) = server.chats
    assert [i.shape[0] for i in chat.images] == [112, 224, 112, 224]
    content = chat.body["messages"][1]["content"]
    text = "".join("<image>" if p["type"] == "image_url" else p["text"] for p in content)
    assert text == V4.user(1, beside=True)
