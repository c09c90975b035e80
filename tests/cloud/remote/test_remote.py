"""The remote engine against a real HTTP server: what it sends, and what it makes of the answers."""

from __future__ import annotations

import itertools
import math
import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saec.cloud import open_engine
from saec.cloud.questions.ensemble import turned
from saec.cloud.questions.image_patches import fit_size, resized
from saec.cloud.remote.engine import RemoteEngine
from saec.errors import AnswerError, ConfigError, LinkError
from saec.prompts import V1, V2
from saec.settings import CloudConfig, ModelCard, RemoteConfig
from tests.cloud.helpers_cloud import noise, query
from tests.cloud.model_server import Asked, Server, said, scored, serving, tokenized


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as state:
        yield state


@pytest.fixture
def opened(server: Server) -> Iterator[Callable[..., Any]]:
    """Opens an engine on the server; keywords are settings of the cloud or of the link."""
    engines = []

    def open_(**given: Any) -> RemoteEngine | None:
        own = {k: given.pop(k) for k in list(given) if k in RemoteConfig.__struct_fields__}
        engine = open_engine(
            CloudConfig(**{"model": "small", **given}, remote=RemoteConfig(url=server.url, **own))
        )
        assert isinstance(engine, RemoteEngine)
        engines.append(engine)
        return engine

    yield open_
    for engine in engines:
        engine.close()


def test_a_question_is_one_token_after_a_prefilled_answer(opened: Callable[..., Any], server: Server) -> None:
    opened().judge([query(noise(0), noise(1))])
    (asked,) = server.chats
    body = asked.body
    assert body["model"] == "small"
    assert body["max_tokens"] == 1
    assert body["temperature"] == 0
    assert body["logprobs"] is True
    assert body["top_logprobs"] == 20
    assert body["continue_final_message"] is True
    assert body["add_generation_prompt"] is False
    assert body["messages"][0] == {"role": "system", "content": V1.system}
    assert body["messages"][-1] == {"role": "assistant", "content": "Label: "}


def test_the_images_stand_where_the_prompt_has_them(opened: Callable[..., Any], server: Server) -> None:
    opened(references=2, model="other", side_px=56).judge([query(noise(0), noise(1), noise(2))])
    content = server.chats[0].body["messages"][1]["content"]
    text = "".join("<image>" if p["type"] == "image_url" else p["text"] for p in content)
    assert text == V1.user(2)
    frame, *references = (resized(noise(i), (56, 56)) for i in range(3))
    for got, expected in zip(server.chats[0].images, [*references, frame], strict=True):
        np.testing.assert_array_equal(got, expected)


def test_the_prompt_is_that_of_the_settings(opened: Callable[..., Any], server: Server) -> None:
    opened(model="other", prompt=V2.version).judge([query(noise(0))])
    assert server.chats[0].body["messages"][0]["content"] == V2.system


def test_the_labels_ids_are_those_after_the_prefilled_words(
    opened: Callable[..., Any], server: Server
) -> None:
    engine = opened()
    engine.judge([query(noise(0))])
    engine.judge([query(noise(1))])
    assert [a.body["logprob_token_ids"] for a in server.chats] == [[15, 16]] * 2
    assert len(server.asked) == 3 + 2, "the tokenizer is asked once"
    assert all(a.body["add_special_tokens"] is False for a in server.asked[:3])


@pytest.mark.parametrize(
    "answer",
    [
        (404, {}, {"detail": "Not Found"}),
        (401, {}, {"error": "no"}),
        (200, {}, b"<html>"),
        (200, {}, {"tokens": None}),
        (200, {}, {"tokens": [1, 2]}),
        (200, {}, []),
    ],
)
def test_without_a_tokenizer_the_labels_are_looked_for_among_the_top(
    opened: Callable[..., Any], server: Server, answer: tuple[Any, ...]
) -> None:
    server.tokenize = lambda _: answer
    engine = opened()
    for i in range(2):
        engine.judge([query(noise(i))])
    for asked in server.chats:
        assert "logprob_token_ids" not in asked.body
    assert len(server.asked) == 3 + 2


def test_a_tokenizer_that_is_busy_is_asked_again_later(opened: Callable[..., Any], server: Server) -> None:
    server.tokenize = lambda _: (503, {}, {})
    engine = opened()
    assert len(engine.judge([query(noise(0))])) == 1
    server.tokenize = tokenized
    engine.judge([query(noise(0))])
    assert ["logprob_token_ids" in a.body for a in server.chats] == [False, True]


def test_labels_that_are_no_single_token_after_the_words_have_no_ids(
    opened: Callable[..., Any], server: Server
) -> None:
    server.tokenize = lambda a: (200, {}, {"tokens": [len(a.body["prompt"])]})
    opened().judge([query(noise(0))])
    assert "logprob_token_ids" not in server.chats[0].body


def test_p_is_the_softmax_of_the_two_labels(opened: Callable[..., Any], server: Server) -> None:
    engine, asked = opened(), [query(noise(0, 28, 28))]

    @settings(max_examples=25)
    @given(good=st.floats(-30, 0), defect=st.floats(-30, 0))
    def check(good: float, defect: float) -> None:
        server.answer = lambda _: scored(good, defect)
        (opinion,) = engine.judge(asked)
        expected = math.exp(defect) / (math.exp(good) + math.exp(defect))
        assert opinion.p_defect == pytest.approx(expected, abs=1e-12)
        assert (opinion.model, opinion.prompt) == ("small", V1.version)

    check()


def test_opinions_come_in_the_order_of_the_questions(opened: Callable[..., Any], server: Server) -> None:
    # The brightness of the frame is its answer.
    server.answer = lambda a: scored(0.0, -float(a.images[-1].mean()) / 10)
    values = [200, 3, 90, 40, 0, 130, 77]
    frames = [query(np.full((28, 28, 3), v, np.uint8)) for v in values]
    ps = [o.p_defect for o in opened(concurrency=3).judge(frames)]
    assert ps == pytest.approx([1 / (1 + math.exp(v / 10)) for v in values])


def test_no_question_is_no_request(opened: Callable[..., Any], server: Server) -> None:
    assert opened().judge([]) == []
    assert opened().explain([]) == []
    assert server.asked == []


def test_views_and_references_in_turn_are_asked_and_averaged(
    opened: Callable[..., Any], server: Server
) -> None:
    numbers = itertools.count()
    server.answer = lambda _: scored(-1.0, -1.0 - next(numbers))
    frame, references = noise(0, 240, 240), (noise(1, 240, 240), noise(2, 240, 240))
    engine = opened(views=2, references=2, concurrency=1)
    (opinion,) = engine.judge([query(frame, *references)])
    expected = [[turned(r, n), turned(frame, n)] for r in references for n in range(2)]
    got = [a.images for a in server.chats]
    assert len(got) == 4
    for images, pair in zip(got, expected, strict=True):
        assert all(np.array_equal(i, e) for i, e in zip(images, pair, strict=True))
    assert opinion.p_defect == pytest.approx(1 / (1 + math.exp(1.5)))


def test_ranking_looks_at_five_crops(opened: Callable[..., Any], server: Server) -> None:
    engine = opened(scoring="rank")
    engine.judge([query(noise(0, 448, 448))])
    assert len(server.chats) == 5


@pytest.mark.parametrize(
    ("model", "side", "square", "unit"), [("small", 240, True, 20), ("other", 84, False, 28)]
)
def test_what_arrives_is_exactly_the_picture_that_the_model_sees(
    opened: Callable[..., Any], server: Server, model: str, side: int, square: bool, unit: int
) -> None:
    engine = opened(model=model, side_px=side)

    @settings(max_examples=15)
    @given(st.integers(20, 400), st.integers(20, 400))
    def check(height: int, width: int) -> None:
        image = noise(5, height, width)
        engine.judge([query(image)])
        (arrived,) = server.chats[-1].images
        size = fit_size(height, width, side, unit, square=square)
        np.testing.assert_array_equal(arrived, resized(image, size))

    check()


def test_jpeg_is_smaller_and_nearly_the_same(opened: Callable[..., Any], server: Server) -> None:
    smooth = np.tile(np.arange(224, dtype=np.uint8)[:, None, None], (1, 224, 3)) // 2
    opened(jpeg_quality=90).judge([query(smooth + noise(0) // 32)])
    opened().judge([query(smooth + noise(0) // 32)])
    lossy, plain = server.chats
    url = lossy.body["messages"][1]["content"][0]["image_url"]["url"]
    assert url.startswith("data:image/jpeg;base64,")
    assert len(str(lossy.body)) < len(str(plain.body)) / 2
    difference = np.abs(lossy.images[0].astype(int) - plain.images[0].astype(int))
    assert 0 < difference.mean() < 5


def test_words_are_asked_for_by_schema_and_keep_the_box(opened: Callable[..., Any], server: Server) -> None:
    server.answer = lambda _: said('{"kind": "scratch", "description": "A long scratch."}')
    asked = query(noise(0), noise(1))
    (words,) = opened().explain([asked])
    assert (words.kind, words.description, words.box) == ("scratch", "A long scratch.", asked.focus)
    body = server.chats[0].body
    form = body["response_format"]
    assert form["type"] == "json_schema"
    assert form["json_schema"]["schema"]["required"] == ["kind", "description"]
    assert not server.chats[0].prefilled
    assert "continue_final_message" not in body
    text = [p["text"] for p in body["messages"][1]["content"] if p["type"] == "text"]
    assert "JSON" in text[-1]


@pytest.mark.parametrize("text", ["a scratch, I think", '{"kind": "scratch"}', "", None, 7])
def test_words_that_do_not_parse_name_their_frame(
    opened: Callable[..., Any], server: Server, text: int | str | None
) -> None:
    server.answer = lambda _: said(text)
    with pytest.raises(AnswerError, match=r"^frame-3: "):
        opened().explain([query(noise(0), name="frame-3")])


def _without(label: str) -> tuple[int, dict[Any, Any], dict[str, list[dict[str, Any | int]]]]:
    status, headers, body = scored(-0.1, -3.0)
    position = body["choices"][0]["logprobs"]["content"][0]
    position["top_logprobs"] = [t for t in position["top_logprobs"] if t["token"] != label]
    return status, headers, body


@pytest.mark.parametrize(
    "answer",
    [
        _without("1"),
        scored(-5.0, -6.0, written="Label"),
        scored(-0.1, -math.inf),
        scored(-0.1, math.nan),
        (200, {}, b"{"),
        (200, {}, b"[" * 100_000),
        (200, {}, b"\xff\xfe"),
        (200, {}, []),
        (200, {}, None),
        (200, {}, {"choices": []}),
        (200, {}, {"choices": [{"message": {"content": "1"}, "logprobs": None}]}),
        (200, {}, {"choices": [{"logprobs": {"content": []}}]}),
        (200, {}, {"choices": [{"logprobs": {"content": [{"token": "1", "logprob": -0.1}]}}]}),
        (
            200,
            {},
            {"choices": [{"logprobs": {"content": [{"token": "1", "logprob": "x", "top_logprobs": []}]}}]},
        ),
        (200, {"Content-Encoding": "gzip"}, b"no gzip"),
        (200, {}, b" " * (5 * 2**20)),
        (400, {}, {"error": {"message": "the prompt is longer than the context"}}),
        (413, {}, b"too large"),
        (422, {}, {"detail": [{"msg": "bad image"}]}),
    ],
    ids=lambda a: str(a)[:60],
)
def test_an_answer_that_is_none_is_an_error_of_its_frame(
    opened: Callable[..., Any], server: Server, answer: tuple[int, dict[str, str], bytes]
) -> None:
    server.answer = lambda _: answer
    with pytest.raises(AnswerError, match=r"^frame-9: "):
        opened().judge([query(noise(0), name="frame-9")])
    assert len(server.chats) == 1, "it is not asked again"


def test_no_more_requests_than_stated_are_under_way(opened: Callable[..., Any], server: Server) -> None:
    lock, full, now, most = threading.Lock(), threading.Event(), 0, 0

    def answer(_: Asked) -> tuple[int, dict[Any, Any], dict[str, list[dict[str, Any | int]]]]:
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
        if most == 3:
            full.set()
        full.wait(60)
        with lock:
            now -= 1
        return scored(-1, -2)

    server.answer = answer
    opened(concurrency=3).judge([query(noise(i, 28, 28)) for i in range(9)])
    assert most == 3


def test_after_a_failure_no_further_frame_is_sent(opened: Callable[..., Any], server: Server) -> None:
    server.answer = lambda _: (422, {}, {"error": {"message": "no"}})
    with pytest.raises(AnswerError):
        opened(concurrency=1).judge([query(noise(i, 28, 28)) for i in range(40)])
    assert len(server.chats) < 40


def test_the_name_of_an_adapter_upon_the_small_checkpoint_is_asked_as_it_is(
    opened: Callable[..., Any], server: Server
) -> None:
    engine = opened(model="small+gear")
    assert (engine.side, engine.demonstration) == (240, True)
    engine.judge([query(noise(0))])
    assert server.chats[0].body["model"] == "small+gear"
    assert (opened(model="smaller").side, opened(model="smaller").demonstration) == (448, False)


def test_what_the_service_tells_of_a_model_goes_before_its_name(
    opened: Callable[..., Any], server: Server
) -> None:
    card = ModelCard(demonstration=True, side=56, square=True, prompt="v2", max_references=1, views=2)
    engine = opened(model="gear", card=card, weights_hash="abc", references=2)
    assert (engine.side, engine.views, engine.prompt, engine.weights_hash) == (56, 2, "v2", "abc")
    assert engine.demonstration
    engine.judge([query(noise(0, 50, 90), noise(1), noise(2))])
    assert len(server.chats) == 4
    assert {i.shape for a in server.chats for i in a.images} == {(56, 56, 3)}


def test_a_closed_engine_says_so(opened: Callable[..., Any]) -> None:
    engine = opened()
    engine.judge([query(noise(0))])
    engine.close()
    with pytest.raises(LinkError, match="closed"):
        engine.judge([query(noise(0))])


@pytest.mark.parametrize(
    "setting",
    [
        {"adapter": "lora"},
        {"scoring": "generate"},
        {"prompt": "v0"},
        {"references": -1},
        {"side_px": 27},
        {"views": 0},
        {"views": 9},
        {"timeout_s": 0.0},
        {"retries": -1},
        {"concurrency": 0},
        {"jpeg_quality": 0},
        {"jpeg_quality": 101},
    ],
)
def test_settings_that_a_service_cannot_honour_are_refused(
    opened: Callable[..., Any], setting: dict[str, float | str]
) -> None:
    with pytest.raises(ConfigError):
        opened(**setting)


@pytest.mark.parametrize(
    ("opened_with", "answers_with", "fits"),
    [("abc", "abc", True), ("abc", "xyz", False), ("abc", None, True), ("", "xyz", True)],
)
def test_an_answer_by_other_weights_than_were_told_is_none(
    opened: Callable[..., Any], server: Server, opened_with: str, answers_with: str | None, fits: bool
) -> None:
    def answer(_: Asked) -> tuple[Any, ...]:
        status, headers, body = scored(-0.1, -3.0)
        return status, headers, body | {"system_fingerprint": answers_with}

    server.answer = answer
    engine = opened(model="gear", weights_hash=opened_with)
    if fits:
        assert engine.judge([query(noise(0))])[0].p_defect < 0.5
    else:
        with pytest.raises(LinkError, match="other weights"):
            engine.judge([query(noise(0))])
