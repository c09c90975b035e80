from __future__ import annotations

import json
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saec.cloud.questions.chat_template import IMAGE_PAD, explain_text, scoring_text
from saec.prompts import IMAGE, PROMPTS
from saec.service.requests.questions import DEFAULT_SYSTEM, Question, read_question
from saec.service.requests.refusals import RequestRefused
from saec.service.service_settings import ServiceConfig
from tests.service.service_helpers import GREY, scoring_body

CONFIG = ServiceConfig(max_images=3, max_tokens=64)
SPECIAL = ["<|im_start|>", "<|im_end|>", "<|image_pad|>", "<|vision_start|>"]
WORDS = {
    "type": "json_schema",
    "json_schema": {
        "schema": {"properties": {"kind": {"type": "string"}, "description": {"type": "string"}}}
    },
}


def _read(body: dict[str, object]) -> Question:
    return read_question(json.dumps(body).encode(), CONFIG, SPECIAL)


def _refused(body: dict[str, object], code: str) -> RequestRefused:
    with pytest.raises(RequestRefused) as refused:
        _read(body)
    assert (refused.value.status, refused.value.code) == (400, code)
    return refused.value


def _parts(user: str) -> list[dict[str, Any]]:
    parts = []
    for i, text in enumerate(user.split(IMAGE)):
        parts += [{"type": "image_url", "image_url": {"url": f"{GREY}{i}"}}] * (i > 0)
        parts += [{"type": "text", "text": text}] * bool(text)
    return parts


@pytest.mark.parametrize("version", ["v1", "v2"])
@pytest.mark.parametrize("references", [0, 1, 2])
def test_the_conversation_is_the_engines_own(version: str, references: int) -> None:
    prompt = PROMPTS[version]
    body = scoring_body(GREY)
    body["messages"] = [
        {"role": "system", "content": prompt.system},
        {"role": "user", "content": _parts(prompt.user(references))},
        {"role": "assistant", "content": prompt.prefill},
    ]
    question = _read(body)
    assert question.text == scoring_text(prompt, references)
    assert question.urls == tuple(f"{GREY}{i + 1}" for i in range(references + 1))
    assert (question.tokens, question.logprobs, question.top, question.words) == (1, True, 5, False)
    words = {
        "model": "small",
        "max_tokens": 64,
        "response_format": WORDS,
        "messages": [body["messages"][0], {"role": "user", "content": _parts(prompt.explaining(references))}],
    }
    question = _read(words)
    assert question.text == explain_text(prompt, references)
    assert (question.tokens, question.logprobs, question.words) == (64, False, True)


def test_without_a_system_turn_it_is_the_templates_own() -> None:
    question = _read({"model": "m", "messages": [{"role": "user", "content": "Hello"}]})
    assert question.text.startswith(f"<|im_start|>system\n{DEFAULT_SYSTEM}<|im_end|>\n")
    assert question.urls == ()


def test_the_word_for_an_image_is_only_a_word() -> None:
    question = _read({"model": "m", "messages": [{"role": "user", "content": f"what is {IMAGE}?"}]})
    assert IMAGE_PAD not in question.text


@pytest.mark.parametrize("token", SPECIAL)
@pytest.mark.parametrize("turn", [0, 1, 2])
def test_no_text_can_stand_for_a_token_of_the_chats_own(token: str, turn: int) -> None:
    body = scoring_body(GREY)
    body["messages"][turn]["content"] = f"a {token} b"
    assert token in _refused(body, "special_token").what


def test_a_token_cut_into_two_texts_is_seen() -> None:
    body = scoring_body(GREY)
    body["messages"][1]["content"] = [{"type": "text", "text": "<|im_"}, {"type": "text", "text": "end|>"}]
    _refused(body, "special_token")


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"temperature": 0.7}, "no_sampling"),
        ({"temperature": None, "top_p": 0.5}, "no_sampling"),
        ({"temperature": 1}, "no_sampling"),
        ({"temperature": None, "top_k": 5}, "no_sampling"),
        ({"temperature": None, "min_p": 0.1}, "no_sampling"),
        ({"temperature": -1}, "bad_body"),
        ({"n": 2}, "no_sampling"),
        ({"max_tokens": 65}, "too_many_tokens"),
        ({"max_tokens": 2}, "logprobs_of_one"),
        ({"logprobs": False}, "logprobs_missing"),
        ({"top_logprobs": 21}, "bad_body"),
        ({"logprob_token_ids": [-1]}, "bad_body"),
        ({"logprob_token_ids": list(range(65))}, "bad_body"),
        ({"max_tokens": 0}, "bad_body"),
        ({"max_tokens": "many"}, "bad_body"),
        ({"colour": "red"}, "unknown_field"),
        ({"stream_options": {"continuous_usage_stats": True}}, "not_served"),
        ({"messages": []}, "no_beginning"),
        ({"continue_final_message": False}, "answer_given"),
        ({"add_generation_prompt": True}, "answer_given"),
        ({"response_format": {"type": "json_object"}}, "bad_schema"),
        ({"response_format": {"type": "json_schema", "json_schema": {"schema": {}}}}, "bad_schema"),
        ({"response_format": {"type": "json_schema"}}, "bad_schema"),
    ],
)
def test_what_would_be_answered_otherwise_than_asked_is_refused(
    changes: dict[str, object], code: str
) -> None:
    error = _refused(scoring_body(GREY) | changes, code)
    assert error.body["error"]["message"].startswith(error.what)


def test_turns_of_other_kinds_are_refused() -> None:
    body = scoring_body(GREY)
    system, user, answer = body["messages"]
    for messages, code in (
        ([system, user], "no_beginning"),
        ([system, answer], "bad_turns"),
        ([user, system, answer], "bad_turns"),
        ([system, user, answer, user, answer], "bad_turns"),
        ([{**user, "role": "tool"}], "bad_body"),
        ([{**user, "role": "system"}, user, answer], "misplaced_image"),
        ([system, user, {**user, "role": "assistant"}], "misplaced_image"),
        ([system, {"role": "user", "content": _parts(IMAGE * 4)}, answer], "too_many_images"),
        ([system, {"role": "user", "content": [{"type": "input_audio"}]}, answer], "bad_body"),
        ([system, {"role": "user", "content": None}, answer], "bad_body"),
    ):
        _refused(body | {"messages": messages}, code)


@pytest.mark.parametrize(
    "data", [b"", b"{", b"[]", b"null", b"\xff\xfe", b'{"model": NaN}', b"[" * 100_000, b'"\\ud800"']
)
def test_a_body_that_is_no_json_of_ours_is_refused(data: bytes) -> None:
    with pytest.raises(RequestRefused) as refused:
        read_question(data, CONFIG, SPECIAL)
    assert refused.value.code == "bad_body"


def test_a_temperature_that_is_no_number_is_refused() -> None:
    data = json.dumps(scoring_body(GREY) | {"temperature": float("nan")}).encode()
    with pytest.raises(RequestRefused):
        read_question(data, CONFIG, SPECIAL)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@given(st.sampled_from(sorted(scoring_body(GREY))), _JSON)
def test_any_field_may_hold_anything_and_it_is_answered_or_refused(field: str, value: object) -> None:
    body = deepcopy(scoring_body(GREY))
    body[field] = value
    question: Question | None = None
    try:
        question = _read(body)
    except RequestRefused as e:
        status = e.status
    assert status == 400 if question is None else question.text.count(IMAGE_PAD) == len(question.urls)


@pytest.mark.parametrize("role", ["system", "user", "assistant"])
@pytest.mark.parametrize(
    ("content", "code"),
    [("a b" * 70_000, "too_long"), ([{"type": "text", "text": ""}] * 1_001, "too_many_parts")],
)
def test_texts_and_parts_without_end_are_refused_before_they_are_cut_into_tokens(
    role: str, content: list[dict[str, str]] | str, code: str
) -> None:
    body = scoring_body(GREY)
    body["messages"] = [turn for turn in body["messages"] if turn["role"] != role]
    body["messages"].insert(
        {"system": 0, "user": 1, "assistant": 2}[role], {"role": role, "content": content}
    )
    assert "send at most" in _refused(body, code).remedy
