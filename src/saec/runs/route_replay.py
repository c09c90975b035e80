"""Replay: the routes of a log again, from what the log says they were made of.

A policy with a memory gives the same routes only when it sees the same frames in the same order, so they are
put into the order of ``VerdictRecord.seq``; a log holds the cloud's frames when they were answered. Frames
whose verdicts are missing (the run was killed or stopped before the cloud answered) are counted: what a
policy with a memory did after them cannot be told from the log.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from saec.errors import DataError
from saec.frame.assessment import logged_assessment, route_frame
from saec.schedule.policies.policy_contract import Scheduler
from saec.types import Route, VerdictRecord


@dataclass(frozen=True, slots=True)
class Difference:
    """The first frame whose route did not come out again.

    Attributes:
        seq, id: the frame's number and id.
        logged, replayed: its routes.
        missing: frames before it in its part of the run that have no verdict.
    """

    seq: int
    id: str
    logged: Route
    replayed: Route
    missing: int


@dataclass(frozen=True, slots=True)
class Replayed:
    """What a replay found.

    Attributes:
        routes: number of routes that were repeated, up to the first difference.
        unrouted: frames without a route: they could not be read or judged.
        missing: frames that were numbered and have no verdict.
        difference: the first, or None.
    """

    routes: int
    unrouted: int
    missing: int
    difference: Difference | None


def replay(
    verdicts: Iterable[VerdictRecord], policy: Callable[[], Scheduler], starts: Sequence[int] = (1,)
) -> Replayed:
    """Route every frame of a log again and stop at the first difference.

    Args:
        verdicts: the verdicts of one run, in the order of the log; the first on a frame counts.
        policy: makes a fresh policy, as the run's was when a part of it began.
        starts: number of the first frame of each part.

    Raises:
        DataError: the verdicts do not hold what their routes were made of.
    """
    routes = unrouted = missing = gap = 0
    part, due = -1, 1
    chosen: Scheduler | None = None
    for verdict in in_order(verdicts, starts):
        now = bisect_right(starts, verdict.seq) - 1
        if chosen is None or now != part:
            chosen, part, due, gap = policy(), now, starts[now], 0
        gap += verdict.seq - due
        missing += verdict.seq - due
        due = verdict.seq + 1
        if verdict.route is None:
            unrouted += 1
            continue
        route = _again(verdict, chosen)
        if route != verdict.route:
            found = Difference(verdict.seq, verdict.id, verdict.route, route, gap)
            return Replayed(routes, unrouted, missing, found)
        routes += 1
    return Replayed(routes, unrouted, missing, None)


def in_order(verdicts: Iterable[VerdictRecord], starts: Sequence[int] = (1,)) -> Iterator[VerdictRecord]:
    """The first verdict on each frame, in the order in which the frames were routed.

    What came out of order is kept until its turn; no frame of a part comes after one of the next.

    Raises:
        DataError: a verdict without a number, as older versions wrote them.
    """
    early: dict[int, VerdictRecord] = {}
    part, due = 0, starts[0]
    for verdict in verdicts:
        if verdict.seq < starts[0]:
            raise DataError(
                f"{verdict.id}: the verdict has no sequence number, so an older version wrote the log",
                "inspect again",
            )
        if (now := bisect_right(starts, verdict.seq) - 1) > part:
            yield from (early[seq] for seq in sorted(early))
            early.clear()
            part, due = now, starts[now]
        if verdict.seq < due:
            continue
        early.setdefault(verdict.seq, verdict)
        while due in early:
            yield early.pop(due)
            due += 1
    yield from (early[seq] for seq in sorted(early))


def _again(verdict: VerdictRecord, policy: Scheduler) -> Route:
    edge, state = verdict.edge, verdict.cloud_state
    if edge is None or state is None:
        raise DataError(
            f"{verdict.id}: the log has too little data to repeat the decision",
            "restore the log, or inspect again",
        )
    return route_frame(logged_assessment(edge, verdict.complexity), policy, state, verdict.time)
