"""Which replica a question goes to: the key of its beginning, and the order of replicas for a key."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from saec.service.replicas.prefix_key import prefix_key
from saec.service.replicas.routing_order import rendezvous_order, routing_ranks

NAMES = [f"replica-{n}" for n in range(5)]


def question_body(*parts: str, model: str = "small", system: str = "look", **more: Any) -> bytes:
    """A question of parts; one that begins with "data:" is an image."""
    content = [
        {"type": "image_url", "image_url": {"url": part}}
        if part.startswith("data:")
        else {"type": "text", "text": part}
        for part in parts
    ]
    turns = [{"role": "system", "content": system}, {"role": "user", "content": content}]
    return json.dumps({"model": model, "messages": turns, **more}).encode()


def test_questions_of_one_line_have_one_key() -> None:
    keys = {
        prefix_key(question_body("good:", "data:1", "frame:", f"data:{n}", f"asked {n}", user=str(n)))
        for n in range(3, 9)
    }
    assert len(keys) == 1
    assert len(keys.pop()) == 32


def test_whatever_stands_before_the_frame_changes_the_key() -> None:
    bodies = [
        question_body("good:", "data:1", "frame:", "data:2"),
        question_body("good:", "data:3", "frame:", "data:2"),
        question_body("good:", "data:1", "data:1", "frame:", "data:2"),
        question_body("good", ":", "data:1", "frame:", "data:2"),
        question_body("good:", "data:1", "frame:", "data:2", model="screws"),
        question_body("good:", "data:1", "frame:", "data:2", system="see"),
    ]
    assert len({prefix_key(body) for body in bodies}) == len(bodies)


def test_an_image_may_be_given_as_its_address_alone() -> None:
    turns = [{"role": "user", "content": [{"type": "image_url", "image_url": "data:1"}] * 2}]
    assert prefix_key(json.dumps({"model": "small", "messages": turns}).encode())


def test_what_has_no_references_has_no_key() -> None:
    for body in (
        question_body("frame:", "data:1"),
        question_body("words"),
        b"{",
        b"[]",
        b'{"model": 1}',
        b"\xff",
        b"[" * 9999,
    ):
        assert prefix_key(body) == ""


def test_a_prefix_always_falls_to_the_same_replica() -> None:
    for key in ("a", "b", "c"):
        assert rendezvous_order(key, NAMES) == rendezvous_order(key, NAMES[::-1])


def test_prefixes_are_shared_out() -> None:
    firsts = [rendezvous_order(f"{n:032x}", NAMES)[0] for n in range(2000)]
    assert all(300 < firsts.count(name) < 500 for name in NAMES)


@given(st.text(), st.sampled_from(NAMES))
def test_only_the_keys_of_a_replica_that_goes_move(key: str, gone: str) -> None:
    before, left = rendezvous_order(key, NAMES), [name for name in NAMES if name != gone]
    assert rendezvous_order(key, left) == [name for name in before if name != gone]


def test_a_busy_replica_is_passed_over() -> None:
    order = rendezvous_order("key", NAMES)
    load = dict.fromkeys(NAMES, 0)
    assert routing_ranks("key", NAMES, load.get, 4)[0] == [order[0]]
    load[order[0]] = 4
    assert routing_ranks("key", NAMES, load.get, 4)[0] == [order[1]]
    load = dict.fromkeys(NAMES, 4)
    assert [sorted(rank) for rank in routing_ranks("key", NAMES, load.get, 4)] == [
        NAMES
    ]  # the least busy one


def test_a_replica_of_which_nothing_is_known_is_not_busy() -> None:
    first = rendezvous_order("key", NAMES)[0]
    assert routing_ranks("key", NAMES, lambda name: None, 1)[0] == [first]


def test_replicas_that_were_asked_are_asked_again_only_if_there_is_no_other() -> None:
    order = rendezvous_order("key", NAMES)
    assert routing_ranks("key", NAMES, lambda name: 0, 4, {order[0]})[0] == [order[1]]
    assert routing_ranks("key", NAMES, lambda name: 0, 4, set(NAMES))[0] == [order[0]]


@given(
    st.sampled_from(["", "key"]), st.sets(st.sampled_from(NAMES), min_size=1), st.sets(st.sampled_from(NAMES))
)
def test_each_replica_that_may_be_asked_stands_in_the_ranks_once(
    key: str, there: set[str], avoid: set[str]
) -> None:
    found = [name for rank in routing_ranks(key, there, lambda name: 3, 2, avoid) for name in rank]
    assert sorted(found) == sorted((there - avoid) or there)
