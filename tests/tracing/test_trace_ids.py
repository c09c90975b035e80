from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saec.tracing.trace_ids import (
    frame_parent,
    frame_trace,
    is_sampled,
    read_traceparent,
    span_in,
    trace_in,
)

EXAMPLE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
"""The example of the W3C's recommendation."""


def test_a_frames_trace_is_made_of_id_content_and_time() -> None:
    one = frame_trace("a.png", "ab" * 32, 12.5)
    assert one == frame_trace("a.png", "ab" * 32, 12.5)
    others = [("b.png", "ab" * 32, 12.5), ("a.png", "ac" * 32, 12.5), ("a.png", "ab" * 32, 12.6)]
    assert len({one, *(frame_trace(*other) for other in others)}) == 4
    assert len(bytes.fromhex(one)) == 16


def test_a_file_name_that_is_no_utf8_has_the_trace_of_its_printable_name() -> None:
    from saec.frame.verdicts import printable

    name = b"caf\xe9.png".decode("utf-8", "surrogateescape")
    assert frame_trace(name, "", 0) == frame_trace(printable(name), "", 0.0)


def test_the_parts_of_the_recommendations_example() -> None:
    parent = read_traceparent(EXAMPLE)
    assert (parent, trace_in(parent), span_in(parent)) == (EXAMPLE, EXAMPLE[3:35], EXAMPLE[36:52])
    assert is_sampled(parent)
    assert not is_sampled(read_traceparent(EXAMPLE[:-2] + "00"))


def test_a_later_version_is_read_as_far_as_it_is_known() -> None:
    assert read_traceparent("cc" + EXAMPLE[2:] + "-what-comes") == EXAMPLE


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "00",
        EXAMPLE.upper(),
        "ff" + EXAMPLE[2:],
        EXAMPLE + "0",
        f"00-{'0' * 32}-00f067aa0ba902b7-01",
        f"00-4bf92f3577b34da6a3ce929d0e0e4736-{'0' * 16}-01",
    ],
)
def test_what_is_no_traceparent_is_none(text: str | None) -> None:
    assert read_traceparent(text) == ""


@given(st.text(), st.floats(allow_nan=False))
def test_a_frames_parent_reads_back(name: str, taken: float) -> None:
    trace = frame_trace(name, "", taken)
    parent = frame_parent(trace)
    assert read_traceparent(parent) == parent
    assert (trace_in(parent), span_in(parent)) == (trace, trace[:16])
    assert frame_parent("") == trace_in("") == ""
