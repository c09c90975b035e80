"""Replay: the routes of a log come out again; what was tampered with is named."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from saec.errors import DataError
from saec.runs.route_replay import in_order, replay
from saec.schedule.policies.policy_contract import CloudState, ask
from saec.types import EdgeOpinion, EdgeRecord, Route, VerdictRecord

STATE = CloudState("up", 0, 8, 0.1, 0.5)


@dataclass
class Every:
    """Asks about every third frame that it sees: a policy with a memory."""

    seen: int = 0

    def route(self, complexity: float | None, opinion: EdgeOpinion, state: CloudState, now: float) -> Route:
        self.seen += 1
        return Route("edge", "edge-only") if self.seen % 3 else ask("unsure", state)


def log(frames: int, starts: tuple[int, ...] = (1,)) -> list[VerdictRecord]:
    verdicts, policy = [], Every()
    for seq in range(1, frames + 1):
        policy = Every() if seq in starts else policy
        state = msgspec.structs.replace(STATE, link="down" if seq % 7 == 0 else "up")
        route = policy.route(None, EdgeOpinion(seq / 10, 0), state, float(seq))
        record = EdgeRecord(seq / 10, 0)
        verdicts.append(
            VerdictRecord(
                id=f"{seq}",
                path="",
                sha256="",
                line="l",
                time=float(seq),
                seq=seq,
                label=0,
                route=route,
                cloud_state=state,
                edge=record,
            )
        )
    return verdicts


def test_a_log_gives_its_routes_again() -> None:
    found = replay(log(30), Every)
    assert (found.routes, found.unrouted, found.missing, found.difference) == (30, 0, 0, None)


@given(st.permutations(range(20)), st.lists(st.integers(0, 19)))
def test_the_order_of_the_log_does_not_matter(order: list[int], later: list[int]) -> None:
    verdicts = log(20)
    shuffled = [verdicts[i] for i in order]
    again = [msgspec.structs.replace(verdicts[i], replaces=True) for i in later]
    assert list(in_order(shuffled + again)) == verdicts
    assert replay(shuffled + again, Every).routes == 20


@pytest.mark.parametrize("seq", [1, 3, 14, 30])
def test_a_route_that_was_tampered_with_is_named(seq: int) -> None:
    verdicts = log(30)
    old = verdicts[seq - 1]
    other = Route("cloud", "unsure") if old.route.decision == "edge" else Route("edge", "edge-only")
    verdicts[seq - 1] = msgspec.structs.replace(old, route=other)
    found = replay(verdicts, Every)
    assert found.difference is not None
    assert (found.difference.seq, found.difference.id) == (seq, f"{seq}")
    assert (found.difference.logged, found.difference.replayed) == (other, old.route)
    assert found.routes == seq - 1


def test_an_input_that_was_tampered_with_is_named() -> None:
    verdicts = log(30)
    verdicts[20] = msgspec.structs.replace(verdicts[20], cloud_state=CloudState("up", 0, 8))
    found = replay(verdicts, Every)
    assert found.difference is not None
    assert (found.difference.seq, found.difference.logged.reason) == (21, "cloud-down")


def test_a_policy_begins_anew_with_each_part() -> None:
    starts = (1, 12, 23)
    verdicts = log(30, starts)
    assert replay(verdicts, Every, starts).difference is None
    assert replay(verdicts, Every).difference is not None
    # The second part's last verdicts are missing: the third is not touched by that.
    found = replay([v for v in verdicts if v.seq not in (21, 22)], Every, starts)
    assert (found.missing, found.difference) == (0, None)
    found = replay([v for v in verdicts if v.seq not in (3, 24)], Every, starts)
    assert found.difference is not None
    assert found.difference.missing == found.missing == 1


def test_frames_without_a_route_are_counted() -> None:
    verdicts = log(6)
    failed = msgspec.structs.replace(
        verdicts[-1], seq=7, route=None, cloud_state=None, edge=None, label=None, state="error"
    )
    found = replay([*verdicts, failed], Every)
    assert (found.routes, found.unrouted, found.difference) == (6, 1, None)


@pytest.mark.parametrize("fields", [{"seq": 0}, {"cloud_state": None}, {"edge": None}])
def test_a_log_without_its_inputs_is_refused(fields: dict[str, int | None]) -> None:
    verdicts = log(4)
    verdicts[2] = msgspec.structs.replace(verdicts[2], **fields)
    with pytest.raises(DataError):
        replay(verdicts, Every)
