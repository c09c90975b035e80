"""The challenge of one line: when a run begins, how it goes on, what follows from it, and what stands."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Literal, NamedTuple

import msgspec
import structlog

from saec.errors import SaecError
from saec.station.challenge.challenge_result import judged_run
from saec.station.challenge.challenge_schedule import due_since
from saec.station.challenge.challenge_settings import ChallengeSettings
from saec.station.challenge.challenge_wishes import LineWishes, RunWish
from saec.station.challenge.golden_run import ClaimedFrame, GoldenRun
from saec.station.challenge.golden_set import GoldenPart, GoldenSet
from saec.station.challenge.picture_look import PictureLook
from saec.station.challenge.run_conditions import KnownGoods, PictureSources, run_conditions
from saec.station.challenge_records import ChallengeRecord, ChallengeWay, ConditionCheck
from saec.station.storage.records import NewFrame, Receipt
from saec.station.storage.spool import Spool

ChallengeResult = Literal["none", "passed", "failed"]
ChallengeStanding = Literal["none", "passed", "failed", "running", "interrupted", "stopped"]

SOURCE = "challenge"
"""The source of frames whose pictures were pinned."""

_LOOK = 0.5
"""Seconds between two looks at what people want."""

_AGAIN = 60.0
"""Seconds after a run that was interrupted before the schedule begins another one."""

log = structlog.get_logger()


class ChallengeHooks(NamedTuple):
    """What a line's challenge works with.

    Attributes:
        spool: has the frames, their verdicts, and the runs.
        accept: takes a frame over, as from any source.
        goods: what is known of the goods of a version.
        look: measures a picture's file.
        alarm: raises an alarm of a kind.
    """

    spool: Spool
    accept: Callable[[NewFrame, bytes], Receipt]
    goods: Callable[[str], KnownGoods]
    look: Callable[[bytes], PictureLook]
    alarm: Callable[[str, str], None]


class LineChallenge:
    """The challenge of one line. One thread calls ``turn``; frames are claimed, and it is asked, by others.

    Args:
        line: the line's name.
        settings: its challenge's.
        deadline: seconds within which the line needs a verdict.
        golden: its golden parts.
        wishes: what people want of it.
        hooks: what it works with.
        clock: seconds since the epoch.
        steady: seconds by a clock that never goes back.

    Attributes:
        last: the last run that has a result; None before the first.
    """

    def __init__(
        self,
        line: str,
        settings: ChallengeSettings,
        deadline: float,
        golden: GoldenSet,
        wishes: LineWishes,
        hooks: ChallengeHooks,
        clock: Callable[[], float] = time.time,
        steady: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.line, self.settings, self._deadline = line, settings, deadline
        self.golden, self.wishes, self._hooks = golden, wishes, hooks
        self._clock, self._steady = clock, steady
        self._run: GoldenRun | None = None
        self._version: Callable[[], int] | None = None
        self._sent_at = self._looked = float("-inf")
        self._until = 0.0
        runs = hooks.spool.challenges(line, most=2000)
        ended = [run for run in runs if run.ended is not None]
        self.last: ChallengeRecord | None = next(iter(ended), None)
        self._stopped_by = next((run for run in ended if run.state == "passed" or run.stop), None)
        counted = [run for run in ended if run.state in ("passed", "failed")]
        self._last_run_at = counted[0].begun if counted else clock()
        self._frames = hooks.spool.frames_since(line, counted[0].last) if counted else 0
        self._decided: ChallengeRecord | None = next(iter(counted), None)
        self._tried_at = float("-inf")
        self._due_told: float | None = None
        self._overridden, self._golden_parts = 0, 0
        self.see_override()

    # what others ask

    @property
    def stopped(self) -> str:
        """Why the line judges nothing but golden parts, one sentence; "" while it judges. Never waits."""
        by = self._stopped_by
        if by is None or by.state == "passed" or by.n <= self._overridden:
            return ""
        return f"{self.line} is stopped: it failed challenge {by.n} ({'; '.join(by.reasons)[:300]})"

    @property
    def refuses(self) -> bool:
        """Whether a part that comes now would not be judged: it is stopped and awaits no golden part."""
        return bool(self.stopped) and not self.awaits_parts

    @property
    def result(self) -> ChallengeResult:
        """What the last run that passed or failed said, unless it was overridden. Never waits."""
        decided = self._decided
        if decided is None or decided.n <= self._overridden:
            return "none"
        return "passed" if decided.state == "passed" else "failed"

    @property
    def standing(self) -> ChallengeStanding:
        """How it stands, in one word. Never waits."""
        if self._run is not None:
            return "running"
        if self.stopped:
            return "stopped"
        if self.last is not None and self.last.state == "interrupted":
            return "interrupted"
        return self.result

    @property
    def awaits_parts(self) -> bool:
        """Whether golden parts are to come before the camera."""
        run = self._run
        return run is not None and run.record.way == "camera" and run.next_part is not None

    def status(self) -> dict[str, Any]:
        """Plain values for page and metrics."""
        run, last = self._run, self.last
        return {
            "golden": self._golden_parts,
            "running": None if run is None else {"n": run.record.n, "way": run.record.way, **_progress(run)},
            "standing": self.standing,
            "stopped": self.stopped,
            "last": None
            if last is None
            else {"n": last.n, "state": last.state, "ended": last.ended, "reasons": list(last.reasons)},
            "due_since": self._due(self._clock()) if self._may_be_due() else None,
        }

    def follow(self, version: Callable[[], int]) -> None:
        """Heed promotions.

        Args:
            version: tells the number of the line's current version, once it judges.
        """
        self._version = version

    @contextmanager
    def claimed(self, frame: NewFrame) -> Iterator[ClaimedFrame]:
        """A frame of the line that is about to be accepted: a golden part where one is awaited."""
        run = self._run
        if frame.challenge or run is None or run.record.way != "camera":
            claimed = ClaimedFrame(frame)
            yield claimed
        else:
            with run.claim(frame, self._steady()) as claimed:
                yield claimed
        if claimed.receipt is not None and not claimed.frame.challenge:
            self._frames += 1

    # the thread

    def recover(self, record: ChallengeRecord, why: str) -> None:
        """After a start: a run that an earlier process left without a result is interrupted."""
        self._end(msgspec.structs.replace(record, ended=self._clock(), state="interrupted", reasons=(why,)))

    def turn(self) -> bool:
        """Go on; whether a run is under way."""
        now = self._steady()
        if now - self._looked >= _LOOK or self._run is None:
            self._looked = now
            self._heed()
        run = self._run
        if run is None:
            return False
        run.collect(self._hooks.spool, now)
        if run.done:
            self._finish(run, ())
        elif run.record.way == "pictures":
            self._send(run, now)
        elif run.next_part is not None and now > self._until:
            missing = len([one for one in run.told() if not one.frame])
            run.give_up()
            self._finish(run, [f"{missing} golden parts did not come within {self.settings.camera_s:g} s"])
        return self._run is not None

    def _heed(self) -> None:
        """Look at what people want, at promotions and at the schedule."""
        self.see_override()
        self._golden_parts = len(self.golden.parts())
        if self._run is not None:
            return
        if (wish := self.wishes.wish()) is not None:
            self._begin(wish)
            self.wishes.heeded()
            return
        if self._was_promoted() and self.settings.after_promotion and self._golden_parts:
            self._begin(RunWish(way="pictures", who="station", why="promotion"))
            return
        self._heed_schedule()

    def see_override(self) -> None:
        """Look whether somebody has overridden a failed run."""
        override = self.wishes.overridden()
        self._overridden = 0 if override is None else override.run

    def _was_promoted(self) -> bool:
        if self._version is None:
            return False
        mark, current = f"challenge-version:{self.line}", self._version()
        before = self._hooks.spool.mark(mark)
        if before == current:
            return False
        self._hooks.spool.set_mark(mark, current)
        return before is not None

    def _may_be_due(self) -> bool:
        return self.settings.scheduled and self._run is None

    def _due(self, now: float) -> float | None:
        return due_since(self.settings, self._last_run_at, now, self._frames)

    def _heed_schedule(self) -> None:
        now = self._clock()
        due = self._due(now) if self._may_be_due() else None
        if due is None:
            self._due_told = None
            return
        ready = self._golden_parts > 0
        if ready and self.settings.way == "pictures" and self._steady() - self._tried_at >= _AGAIN:
            self._begin(RunWish(way="pictures", who="station", why="schedule"))
            return
        self._due_told = now if self._due_told is None else self._due_told
        overdue = now - min(due, self._due_told) >= self.settings.due_s
        if overdue and self._due_told != float("inf"):
            self._due_told = float("inf")
            what = "put the golden parts before the camera" if ready else "pin golden parts to the line"
            self._hooks.alarm(
                "challenge-due",
                f"{self.line}: a challenge is due and was not made: {what}, or look at its runs",
            )

    # a run

    def _begin(self, wish: RunWish) -> None:
        self._tried_at = self._steady()
        way: ChallengeWay = wish.way or self.settings.way
        record = ChallengeRecord(line=self.line, way=way, why=wish.why, who=wish.who, begun=self._clock())
        parts: tuple[GoldenPart, ...] = ()
        why = ""
        try:
            parts = self.golden.parts()
        except SaecError as e:
            why = str(e)
        opened = self._hooks.spool.runs.open(record)
        log.info("challenge begins", line=self.line, run=opened.n, way=way, parts=len(parts), why=wish.why)
        run = GoldenRun(opened, parts, self._deadline)
        if not parts:
            self._finish(run, [why or "no golden part is pinned to the line"])
            return
        self._until = self._steady() + self.settings.camera_s
        self._run = run

    def _send(self, run: GoldenRun, now: float) -> None:
        """The next picture, once the one before has its verdict and the pace allows it."""
        part = run.next_part
        if part is None or run.waiting or now - self._sent_at < self.settings.pace_s:
            return
        self._sent_at = now
        frame = NewFrame(
            line=self.line,
            source=SOURCE,
            key=f"{SOURCE}/{run.record.n}/{part.name}",
            suffix=part.suffix,
            captured=self._clock(),
            part=part.part,
            challenge=run.mark(part),
        )
        try:
            receipt = self._hooks.accept(frame, self.golden.picture(part))
        except (SaecError, OSError) as e:
            run.give_up()
            self._finish(run, [f"{part.name} could not be judged: {e}"])
            return
        run.sent(part, receipt.seq, now)

    def _finish(self, run: GoldenRun, broken: Sequence[str]) -> None:
        broken = [*broken]
        if len(run.judged_by) > 1:
            broken.append("the version or the recipe changed meanwhile")
        version, recipe = next(iter(run.judged_by), ("", None))
        conditions: list[ConditionCheck] = []
        if self.settings.conditions and run.judged_by and len(run.judged_by) == 1:
            try:
                sources = PictureSources(self.golden, self._hooks.spool, self._hooks.look)
                goods = self._hooks.goods(version)
                scores = self.golden.scores(_key(version, recipe))
                conditions = run_conditions(run, sources, goods, scores, self.settings.least())
            except (SaecError, OSError) as e:
                broken.append(f"the pictures could not be compared: {e}")
        record = msgspec.structs.replace(
            run.record, version=version, recipe=recipe, last=max(run.frames.values(), default=0)
        )
        ended = judged_run(
            record,
            run.told(),
            conditions,
            most_missed=self.settings.missed,
            most_false_rejects=self.settings.false_rejects,
            broken=broken,
            ended=self._clock(),
            confidence=self.settings.confidence,
        )
        if ended.state == "failed" and self.settings.stop:
            ended = msgspec.structs.replace(ended, stop=True)
        self._end(ended)
        self._run = None
        if ended.state == "passed" and ended.way == "pictures":
            by_name = {one.name: one.sha256 for one in run.parts}
            told = {by_name[one.part]: one.score for one in ended.parts if one.score is not None}
            self.golden.keep_scores(_key(version, recipe), told)

    def _end(self, record: ChallengeRecord) -> None:
        """Write the result with its alarm; then it holds."""
        alarm = None if record.state == "passed" else _alarm(record)
        if not self._hooks.spool.runs.end(record, alarm):
            return
        log.info("challenge ended", line=self.line, run=record.n, state=record.state, why=record.reasons)
        self.last = record
        if record.state == "passed" or record.stop:
            self._stopped_by = record
        if record.state in ("passed", "failed"):
            self._decided = record
            self._last_run_at, self._frames, self._due_told = record.begun, 0, None


def _alarm(record: ChallengeRecord) -> tuple[str, str]:
    text = record.sentence()
    if record.state == "failed":
        return "challenge", text
    return "challenge-interrupted", text


def _key(version: str, recipe: int | None) -> str:
    return version if recipe is None else f"{version}/{recipe}"


def _progress(run: GoldenRun) -> dict[str, Any]:
    waits = run.next_part
    judged = len([one for one in run.told() if one.outcome != "absent"])
    return {"judged": judged, "of": len(run.parts), "next": "" if waits is None else waits.name}
