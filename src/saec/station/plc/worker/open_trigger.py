"""A trigger that has been taken: its picture, its frame, and the verdict that answers it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack

from saec.station.challenge_records import STOPPED_REASON
from saec.station.plc.handshake import TriggerNews
from saec.station.plc.plc_settings import PlcSettings
from saec.station.plc.signals import ConfidenceClass, FaultCode, PlcResult, ResultLabel
from saec.station.storage.records import PartVerdict, frame_id
from saec.station.storage.spool import Spool
from saec.station.triggers.trigger_board import Trigger, TriggerBoard
from saec.types import DEFECT, VerdictRecord


class OpenTrigger:
    """Follows one trigger until its answer is known; used by one thread, told by others.

    Args:
        settings: the PLC's.
        trigger: what was taken.
        board: has its source take the picture.
        spool: has its frame and its verdicts.
        wake: called when there may be news.
    """

    def __init__(
        self,
        settings: PlcSettings,
        trigger: Trigger,
        board: TriggerBoard,
        spool: Spool,
        wake: Callable[[], None],
    ) -> None:
        self._settings, self._board, self._spool, self._wake = settings, board, spool, wake
        self._told = threading.Event()
        self._watch = ExitStack()
        self._seq: int | None = None
        self.news = TriggerNews(number=trigger.number)
        self.announced = board.announce(trigger, wake)

    def look(self) -> TriggerNews:
        """What is known now."""
        announced, number = self.announced, self.news.number
        if self._seq is None and announced.wait(0):
            if announced.seq is None:
                self.news = TriggerNews(number=number, fault=FaultCode.NO_PICTURE)
            else:
                self._seq = announced.seq
                self._watch.enter_context(self._spool.watch(self._seq, self._tell))
                if self._settings.answer == "part":
                    self._watch.enter_context(self._spool.parts.watch(self._seq, self._tell))
                self._told.set()  # the verdict may have come before
                self.news = TriggerNews(number=number, pictured=True)
        if self._seq is not None and self._told.is_set() and self.news.result is None:
            self._told.clear()
            answer = self._part_answer if self._settings.answer == "part" else self._answer
            self.news = answer(self._seq)
        return self.news

    def close(self) -> bool:
        """Wait for nothing more; whether no picture had come for it, so that one may still come."""
        self._watch.close()
        return self._seq is None and self._board.withdraw(self.announced)

    def _tell(self, verdict: VerdictRecord | PartVerdict) -> None:
        self._told.set()
        self._wake()

    def _answer(self, seq: int) -> TriggerNews:
        number = self.news.number
        given = self._spool.verdicts(seq)  # asked first: a verdict that comes now is no late one
        late, acted = bool(given), self._spool.acted(seq)
        if any(verdict.challenge for verdict in given.values()):
            return TriggerNews(number=number, pictured=True, fault=FaultCode.GOLDEN_PART)
        if acted is None:
            return TriggerNews(
                number=number, pictured=True, fault=FaultCode.NO_RESULT if late else FaultCode.NONE
            )
        if acted.reason == STOPPED_REASON:
            return TriggerNews(number=number, pictured=True, fault=FaultCode.STOPPED)
        if acted.capture is None or acted.capture.trigger != number or acted.label is None:
            return TriggerNews(number=number, pictured=True, fault=FaultCode.NOT_JUDGED)
        result = plc_result(number, acted, self.announced.trigger.part, self._settings)
        return TriggerNews(number=number, pictured=True, result=result)

    def _part_answer(self, seq: int) -> TriggerNews:
        """By the verdict on the part, if it was made with the trigger's own frame."""
        number, given = self.news.number, self._spool.verdicts(seq)
        judged = bool(given)
        if any(verdict.challenge for verdict in given.values()):
            return TriggerNews(number=number, pictured=True, fault=FaultCode.GOLDEN_PART)
        visit = self._spool.part_of(seq)
        if visit is None:  # the frame waits for its verdict, or shows no part that is known
            return TriggerNews(
                number=number, pictured=True, fault=FaultCode.NOT_JUDGED if judged else FaultCode.NONE
            )
        made, frame = visit.verdict, frame_id(visit.line, seq)
        if made is None:
            return TriggerNews(number=number, pictured=True)
        if not made.act:
            return TriggerNews(number=number, pictured=True, fault=FaultCode.NO_RESULT)
        if made.verdict.label is None or frame not in [view.frame for view in made.views]:
            return TriggerNews(number=number, pictured=True, fault=FaultCode.NOT_JUDGED)
        result = plc_result(number, made.verdict, self.announced.trigger.part, self._settings)
        return TriggerNews(number=number, pictured=True, result=result)


def plc_result(number: int, verdict: VerdictRecord, part: str, settings: PlcSettings) -> PlcResult:
    """A verdict as a PLC reads it.

    Args:
        number: the trigger's.
        verdict: the one that the line acts on; it has a label.
        part: the part's id as the PLC told it; "" takes the verdict's.
    """
    label = ResultLabel.DEFECT if verdict.label == DEFECT else ResultLabel.GOOD
    return PlcResult(
        number=number,
        label=label,
        confidence=_confidence(verdict, settings.medium, settings.high),
        kind=_kind(verdict.kind, settings.kinds),
        part=part or verdict.part,
    )


def _confidence(verdict: VerdictRecord, medium: float, high: float) -> ConfidenceClass:
    if verdict.p_defect is None:
        return ConfidenceClass.UNKNOWN
    p = verdict.p_defect if verdict.label == DEFECT else 1.0 - verdict.p_defect
    if p >= high:
        return ConfidenceClass.HIGH
    return ConfidenceClass.MEDIUM if p >= medium else ConfidenceClass.LOW


def _kind(kind: str | None, kinds: Sequence[str]) -> int:
    return kinds.index(kind) + 1 if kind in kinds else 0
