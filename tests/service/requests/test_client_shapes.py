"""What clients send, as they send it: what changes nothing is answered alike, what would is refused.

The bodies are those of openai 3.57, LangChain, LiteLLM and vLLM 0.33; `test_clients.py` runs the clients.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from httpx import Client
from hypothesis import given
from hypothesis import strategies as st

from saec.service.requests.idle_fields import IDLE, idle_fields_table
from saec.service.requests.questions import Question, read_question
from saec.service.requests.refusals import RequestRefused
from saec.service.requests.request_fields import CompletionBody
from saec.service.served_model import ServedModel
from saec.service.service_settings import ServiceConfig
from tests.service.service_helpers import GREY, Gate, client, running, scoring_body

CHAT = "/v1/chat/completions"
CONFIG = ServiceConfig(max_tokens=64)
SPECIAL = ["<|im_start|>", "<|im_end|>", "<|image_pad|>"]

USER: dict[str, Any] = {
    "role": "user",
    "content": [
        {"type": "text", "text": "Is there a defect?"},
        {"type": "image_url", "image_url": {"url": GREY}},
    ],
}
PLAIN = {"model": "small", "messages": [USER]}
PARSED: dict[str, Any] = {
    "type": "json_schema",
    "json_schema": {
        "name": "Defect",
        "strict": True,
        "schema": {
            "title": "Defect",
            "type": "object",
            "properties": {
                "kind": {"title": "Kind", "type": "string", "description": "one or two words"},
                "description": {"title": "Description", "type": "string"},
            },
            "required": ["kind", "description"],
            "additionalProperties": False,
        },
    },
}
"""What ``chat.completions.parse`` makes of a pydantic model; LangChain and LiteLLM send the same."""


def _read(body: dict[str, Any]) -> Question:
    return read_question(json.dumps(body).encode(), CONFIG, SPECIAL)


def _refused(body: dict[str, Any]) -> RequestRefused:
    with pytest.raises(RequestRefused) as refused:
        _read(body)
    assert refused.value.status == 400
    assert refused.value.remedy, "a refusal says what to do"
    return refused.value


ASKS_NOTHING = [
    {"stop": None},
    {"stop": []},
    {"frequency_penalty": 0, "presence_penalty": 0.0},
    {"frequency_penalty": -0.0},
    {"logit_bias": {}},
    {"logit_bias": {"50256": 0}},
    {"tools": [], "tool_choice": "none", "parallel_tool_calls": True},
    {"tool_choice": "auto", "functions": [], "function_call": "auto"},
    {"store": False, "metadata": {"run": "7"}, "service_tier": "auto"},
    {"stream": False, "stream_options": None},
    {"n": 1, "best_of": 1, "seed": 7, "user": "line-1", "safety_identifier": "x"},
    {"modalities": ["text"], "audio": None, "prediction": None, "web_search_options": None},
    {"reasoning_effort": None, "verbosity": "medium", "prompt_cache_key": "k"},
    {"response_format": {"type": "text"}},
    {"response_format": None, "logprobs": None, "top_logprobs": None},
    {"logprobs": False, "top_logprobs": 0},
    {"temperature": 0, "top_p": 0.001, "top_k": 20, "min_p": 0.1},
    {"temperature": 1e-6},
    {"temperature": 0.7, "top_k": 1},
    {"top_p": 1, "top_k": -1, "min_p": 0, "repetition_penalty": 1},
    {"top_k": 0, "length_penalty": 1.0, "use_beam_search": False, "min_tokens": 0, "ignore_eos": False},
    {"stop_token_ids": [], "bad_words": [], "skip_special_tokens": True, "echo": False, "priority": 0},
    {"chat_template_kwargs": {}, "mm_processor_kwargs": None, "cache_salt": "s", "extra_body": {}},
    {"a_field_of_tomorrow": None},
    dict.fromkeys(sorted(IDLE)),
    dict.fromkeys(sorted(set(CompletionBody.__struct_fields__) - {"model", "messages"})),
]


@pytest.mark.parametrize("fields", ASKS_NOTHING, ids=str)
def test_what_asks_for_nothing_changes_nothing(fields: dict[str, Any]) -> None:
    assert _read(PLAIN | fields) == _read(PLAIN)


WOULD_CHANGE = [
    ({"stop": ["\n"]}, "stop"),
    ({"stop": "\n"}, "stop"),
    ({"frequency_penalty": 0.1}, "frequency_penalty"),
    ({"presence_penalty": -1}, "presence_penalty"),
    ({"presence_penalty": False}, "presence_penalty"),
    ({"repetition_penalty": 1.1}, "repetition_penalty"),
    ({"logit_bias": {"50256": -100}}, "logit_bias"),
    ({"logit_bias": {"50256": "0"}}, "logit_bias"),
    ({"n": 2}, "n"),
    ({"n": True}, "n"),
    ({"temperature": 0.7}, "temperature"),
    ({"top_p": 0.9}, "top_p"),
    ({"top_k": 5}, "top_k"),
    ({"min_p": 0.1}, "min_p"),
    ({"tools": [{"type": "function", "function": {"name": "f"}}]}, "tools"),
    ({"tool_choice": "required"}, "tool_choice"),
    ({"tool_choice": {"type": "function", "function": {"name": "f"}}}, "tool_choice"),
    ({"functions": [{"name": "f"}]}, "functions"),
    ({"store": True}, "store"),
    ({"service_tier": "priority"}, "service_tier"),
    ({"modalities": ["text", "audio"]}, "modalities"),
    ({"audio": {"voice": "alloy", "format": "wav"}}, "audio"),
    ({"reasoning_effort": "high"}, "reasoning_effort"),
    ({"web_search_options": {}}, "web_search_options"),
    ({"min_tokens": 5}, "min_tokens"),
    ({"stop_token_ids": [1]}, "stop_token_ids"),
    ({"skip_special_tokens": False}, "skip_special_tokens"),
    ({"chat_template": "{{ x }}"}, "chat_template"),
    ({"mm_processor_kwargs": {"min_pixels": 3136}}, "mm_processor_kwargs"),
    ({"guided_choice": ["good", "defect"]}, "guided_choice"),
    ({"structured_outputs": {"choice": ["a"]}}, "structured_outputs"),
    ({"prompt_logprobs": 0}, "prompt_logprobs"),
    ({"response_format": {"type": "json_object"}}, "response_format"),
    ({"user": 5}, "user"),
    ({"a_field_of_tomorrow": 0}, "a_field_of_tomorrow"),
    ({"max_tokens": 65}, "max_tokens"),
    ({"max_completion_tokens": 4096, "max_tokens": 4096}, "max_completion_tokens"),
    ({"max_tokens": "many"}, "max_tokens"),
    ({"logprobs": True, "max_tokens": 16}, "logprobs"),
    ({"top_logprobs": 5}, "top_logprobs"),
]


@pytest.mark.parametrize(("fields", "param"), WOULD_CHANGE, ids=str)
def test_what_would_change_the_answer_is_refused_with_a_remedy(fields: dict[str, Any], param: str) -> None:
    error = _refused(PLAIN | fields)
    assert error.body["error"]["param"] == param
    assert error.remedy in error.body["error"]["message"]


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner, max_size=2),
    max_leaves=4,
)


@given(st.sampled_from(sorted(IDLE)), _JSON)
def test_an_idle_field_never_changes_the_question(field: str, value: object) -> None:
    try:
        got = _read(PLAIN | {field: value})
    except RequestRefused as e:
        refused = e
    else:
        assert got == _read(PLAIN)
        return
    assert (refused.status, refused.param) == (400, field)
    assert refused.remedy


def test_the_service_page_has_the_table_of_fields() -> None:
    page = Path(__file__).parents[3] / "docs" / "service.md"
    assert idle_fields_table() in page.read_text(), (
        "put what saec.service.requests.idle_fields.idle_fields_table() gives into docs/service.md"
    )


@pytest.mark.parametrize("name", sorted(CompletionBody.__struct_fields__))
def test_the_service_page_has_each_field_that_changes_something(name: str) -> None:
    page = Path(__file__).parents[3] / "docs" / "service.md"
    assert f"`{name}`" in page.read_text()


def test_an_answer_is_as_long_as_it_needs_where_nothing_is_said() -> None:
    assert _read(PLAIN).tokens is None
    assert _read(PLAIN | {"max_tokens": None, "max_completion_tokens": None}).tokens is None
    assert _read(PLAIN | {"max_tokens": 30}).tokens == 30
    assert _read(PLAIN | {"max_completion_tokens": 30}).tokens == 30
    assert _read(PLAIN | {"max_completion_tokens": 30, "max_tokens": 20}).tokens == 20
    assert _read(PLAIN | {"max_completion_tokens": 20, "max_tokens": 4096}).tokens == 20
    assert _read(PLAIN | {"logprobs": True}).tokens == 1, "our own client's scoring"


MESSAGES = [
    [{**USER, "name": "robot"}],
    [{**USER, "tool_calls": None, "function_call": None, "refusal": None, "audio": None, "annotations": []}],
    [{**USER, "cache_control": {"type": "ephemeral"}}],
    [
        {
            **USER,
            "content": [{**USER["content"][0], "cache_control": {"type": "ephemeral"}}, USER["content"][1]],
        }
    ],
    [{**USER, "content": [USER["content"][0], {"type": "image_url", "image_url": GREY, "uuid": None}]}],
]


@pytest.mark.parametrize("messages", MESSAGES, ids=range(len(MESSAGES)))
def test_what_clients_write_beside_a_message_changes_nothing(messages: list[Any]) -> None:
    assert _read(PLAIN | {"messages": messages}) == _read(PLAIN)


@pytest.mark.parametrize("detail", ["auto", "low", "high", None])
def test_the_detail_of_an_image_changes_nothing(detail: str | None) -> None:
    part = {"type": "image_url", "image_url": {"url": GREY, "detail": detail}}
    body = PLAIN | {"messages": [{**USER, "content": [USER["content"][0], part]}]}
    assert _read(body) == _read(PLAIN)


def test_texts_and_roles_come_in_several_forms() -> None:
    def said(role: str, content: object) -> str:
        return _read(PLAIN | {"messages": [{"role": role, "content": content}, USER]}).text

    parts = [{"type": "text", "text": "You "}, {"type": "text", "text": "inspect."}]
    assert said("system", "You inspect.") == said("developer", "You inspect.") == said("system", parts)
    text = _read(PLAIN | {"messages": [{"role": "user", "content": "Hello"}]})
    assert text == _read(
        PLAIN | {"messages": [{"role": "user", "content": [{"type": "text", "text": "Hello"}]}]}
    )


@pytest.mark.parametrize(
    "part",
    [
        {"type": "input_audio", "input_audio": {"data": "", "format": "wav"}},
        {"type": "file", "file": {"file_id": "x"}},
        {"type": "image", "image": GREY},
        {"type": "image_url"},
        {"type": "image_url", "image_url": {"url": GREY, "max_pixels": 9}},
        {"type": "image_url", "image_url": {}},
        {"text": "no type"},
        "only a text",
    ],
    ids=str,
)
def test_a_part_of_another_kind_is_refused_where_it_stands(part: object) -> None:
    error = _refused(PLAIN | {"messages": [{"role": "user", "content": [part]}]})
    assert error.param is not None
    assert error.param.startswith("messages[")


def _schema(**changes: object) -> dict[str, Any]:
    schema = PARSED["json_schema"]["schema"] | changes
    return {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}


TEXT = {"type": "string"}


@pytest.mark.parametrize(
    "how",
    [
        PARSED,
        _schema(description="A defect.", title="D"),
        _schema(required=[]),
        _schema(required=["kind"], additionalProperties=True),
        _schema(properties={"description": TEXT, "kind": TEXT}),
        _schema(
            properties={"kind": {"anyOf": [TEXT, {"type": "null"}], "default": None}, "description": TEXT}
        ),
        _schema(properties={"kind": {"type": ["string", "null"]}, "description": TEXT}),
    ],
    ids=range(7),
)
def test_a_schema_that_every_explanation_fits_is_served(how: dict[str, Any]) -> None:
    assert _read(PLAIN | {"response_format": how}).words


@pytest.mark.parametrize(
    "how",
    [
        _schema(properties={"kind": TEXT}, required=["kind"]),
        _schema(properties={"kind": TEXT, "description": TEXT, "box": TEXT}),
        _schema(properties={"kind": {"type": "string", "enum": ["dent"]}, "description": TEXT}),
        _schema(properties={"kind": {"type": "string", "maxLength": 9}, "description": TEXT}),
        _schema(properties={"kind": {"type": "integer"}, "description": TEXT}),
        _schema(properties={"kind": {"anyOf": [{"type": "integer"}]}, "description": TEXT}),
        _schema(properties={"kind": {"$ref": "#/$defs/Kind"}, "description": TEXT}),
        _schema(required=["kind", "box"]),
        _schema(required="kind"),
        _schema(minProperties=3),
        _schema(type="array"),
        {"type": "json_schema"},
        {"type": "json_schema", "json_schema": {"schema": []}},
        {"type": "grammar"},
        {"type": "json_schema", "schema": {}},
    ],
    ids=range(15),
)
def test_a_schema_that_an_explanation_may_not_fit_is_refused(how: dict[str, Any]) -> None:
    error = _refused(PLAIN | {"response_format": how})
    assert error.code in ("bad_schema", "bad_body")


@pytest.fixture(scope="module")
def http(served: ServedModel) -> Iterator[Client]:
    gate = Gate(served)
    gate.open.set()
    with running(gate.served) as (where, _), client(where) as opened:
        yield opened


VLLM_BENCH = {
    "model": "small",
    "messages": [{"role": "user", "content": [USER["content"][0], USER["content"][1]]}],
    "max_completion_tokens": 8,
    "stream": True,
    "stream_options": {"include_usage": True},
    "ignore_eos": True,
    "temperature": 0.0,
    "repetition_penalty": 1.0,
}
"""What `vllm bench serve --backend openai-chat` posts."""


def _events(text: str) -> list[Any]:
    lines = text.split("\n\n")
    assert lines[-2:] == ["data: [DONE]", ""]
    return [json.loads(line.removeprefix("data: ")) for line in lines[:-2]]


def test_a_stream_is_the_same_answer_in_events(http: Client) -> None:
    whole = http.post(CHAT, json={**VLLM_BENCH, "stream": False}).json()
    answer = http.post(CHAT, json=VLLM_BENCH)
    assert answer.headers["content-type"].startswith("text/event-stream")
    *chunks, last = _events(answer.text)
    assert {chunk["object"] for chunk in [*chunks, last]} == {"chat.completion.chunk"}
    assert len({chunk["id"] for chunk in [*chunks, last]}) == 1
    deltas = [chunk["choices"][0]["delta"] for chunk in chunks]
    assert deltas[0] == {"role": "assistant", "content": ""}
    text = "".join(delta.get("content", "") for delta in deltas)
    assert text == whole["choices"][0]["message"]["content"]
    ends = [chunk["choices"][0]["finish_reason"] for chunk in chunks]
    assert ends == [None, None, whole["choices"][0]["finish_reason"]]
    assert (last["choices"], last["usage"]) == ([], whole["usage"])
    assert all(chunk["usage"] is None for chunk in chunks)


def test_a_stream_has_the_log_probabilities_and_no_usage_that_was_not_asked(http: Client) -> None:
    body = scoring_body(GREY, stream=True)
    chunks = _events(http.post(CHAT, json=body).text)
    told = [chunk["choices"][0]["logprobs"] for chunk in chunks]
    whole = http.post(CHAT, json=body | {"stream": False}).json()
    assert [logs for logs in told if logs] == [whole["choices"][0]["logprobs"]]
    assert all("usage" not in chunk for chunk in chunks)


def test_an_error_of_a_stream_has_its_status(http: Client) -> None:
    for changes, status in (({"n": 2}, 400), ({"model": "none"}, 404)):
        answer = http.post(CHAT, json=VLLM_BENCH | changes)
        assert answer.status_code == status
        assert set(answer.json()["error"]) == {"message", "type", "param", "code"}


@pytest.mark.parametrize("path", ["/v1/models", "/v1/models/small", "/health", "/ready", "/metrics"])
def test_what_is_looked_at_may_be_asked_for_its_head_and_with_a_slash(http: Client, path: str) -> None:
    for asked in (path, f"{path}/"):
        assert http.get(asked).status_code == 200
        head = http.head(asked)
        assert (head.status_code, head.content) == (200, b"")
    if path.startswith("/v1"):
        assert http.get(f"{path}/").json() == http.get(path).json()


def test_a_completion_may_be_asked_for_with_a_slash(http: Client) -> None:
    answer = http.post(f"{CHAT}/", json=PLAIN)
    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize("path", ["/v1/completions", "/v1/responses", "/v1/embeddings", "/chat/completions"])
def test_another_way_is_answered_with_those_that_there_are(http: Client, path: str) -> None:
    answer = http.post(path, json={"model": "small"})
    assert answer.status_code == 404
    assert "/v1/chat/completions" in answer.json()["error"]["message"]


def test_tokens_are_told_as_vllm_tells_them(http: Client) -> None:
    asked = {"prompt": "a gear", "model": "small", "add_special_tokens": False}
    told = http.post("/tokenize", json=asked).json()
    assert set(told) == {"count", "max_model_len", "tokens", "token_strs"}
    assert told == http.post("/tokenize", json={"prompt": "a gear", "return_token_strs": None}).json()
    back = http.post("/detokenize", json={"model": "small", "tokens": told["tokens"]})
    assert back.json() == {"prompt": "a gear"}


def test_the_tokens_of_a_chat_are_those_of_its_completion(http: Client) -> None:
    messages = [{"role": "user", "content": "Hello"}]
    count = http.post("/tokenize", json={"model": "small", "messages": messages}).json()["count"]
    usage = http.post(CHAT, json={"model": "small", "messages": messages}).json()["usage"]
    assert count == usage["prompt_tokens"]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/tokenize", {"model": "small"}),
        ("/tokenize", {"prompt": "x", "messages": []}),
        ("/tokenize", {"prompt": "x", "return_token_strs": True}),
        ("/tokenize", {"messages": [USER]}),
        ("/tokenize", {"prompt": "x", "colour": "red"}),
        ("/detokenize", {"tokens": [10**9]}),
        ("/detokenize", {"tokens": [-1]}),
        ("/detokenize", {}),
    ],
    ids=str,
)
def test_what_has_no_tokens_is_refused_with_a_remedy(http: Client, path: str, body: dict[str, Any]) -> None:
    error = http.post(path, json=body)
    assert error.status_code == 400
    assert error.json()["error"]["message"].endswith(")")


def test_a_real_model_writes_till_it_ends_or_to_the_limit(served: ServedModel) -> None:
    """Without max_tokens; and with ignore_eos exactly so many."""
    with running(served, ServiceConfig(max_delay_ms=0.0, max_tokens=24)) as (where, _), client(where) as http:
        plain = http.post(CHAT, json=PLAIN).json()
        assert 1 < plain["usage"]["completion_tokens"] <= 24
        ended = plain["usage"]["completion_tokens"] < 24
        assert plain["choices"][0]["finish_reason"] == ("stop" if ended else "length")
        bench = http.post(CHAT, json={**VLLM_BENCH, "stream": False}).json()
        assert bench["usage"]["completion_tokens"] == 8
        assert bench["choices"][0]["finish_reason"] == "length"


def test_an_answer_is_cut_to_what_the_context_leaves(served: ServedModel) -> None:
    text = "long " * 1300
    with running(served) as (where, _), client(where) as http:
        asked = {"model": "small", "messages": [{"role": "user", "content": text}]}
        count = http.post("/tokenize", json=asked).json()
        left = count["max_model_len"] - count["count"]
    assert left > 0
    gate = Gate(served)
    gate.open.set()
    with (
        running(gate.served, ServiceConfig(max_delay_ms=0.0, max_tokens=left + 9)) as (where, _),
        client(where) as http,
    ):
        assert http.post(CHAT, json=asked).status_code == 200
        assert http.post(CHAT, json=asked | {"max_tokens": left}).status_code == 200
        refused = http.post(CHAT, json=asked | {"max_tokens": left + 1})
    assert [group.tokens for group, _ in gate.batches] == [left, left]
    assert refused.json()["error"]["code"] == "too_long"
