from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saec.cloud.questions.answers import parse_explanation
from saec.errors import AnswerError
from saec.types import Explanation

words = st.text(min_size=1).filter(lambda s: s.strip())


@given(
    kind=words, description=words, fence=st.sampled_from(["{}", "```json\n{}\n```", "```{}```", "\n {} \n"])
)
def test_every_valid_object_parses_and_keeps_the_maps_box(kind: str, description: str, fence: str) -> None:
    text = fence.replace("{}", json.dumps({"kind": kind, "description": description}))
    expected = Explanation(kind=kind.strip(), description=description.strip(), box=(0, 1, 2, 3))
    assert parse_explanation(text, (0, 1, 2, 3)) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "There is a scratch.",
        '{"kind": "scratch"}',
        '{"kind": "scratch", "description": ""}',
        '{"kind": "", "description": "x"}',
        '{"kind": 3, "description": "x"}',
        '{"kind": "scratch", "description": "cut of',
        '{"kind": "scratch", "description": "x", "bboxes": []}',
        '[{"kind": "scratch", "description": "x"}]',
        '{"kind": "a", "description": "b"} and more',
    ],
)
def test_anything_else_is_an_error_and_never_a_default(text: str) -> None:
    with pytest.raises(AnswerError):
        parse_explanation(text, None)


@given(st.text())
def test_no_text_escapes_as_another_exception(text: str) -> None:
    with pytest.raises(AnswerError) as e:
        parse_explanation(text, None)
    assert len(str(e.value)) < 1000
