"""How the verdicts on the frames of a part make the part's verdict: pure functions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Annotated, Literal

import msgspec

from saec.frame.verdicts import printable
from saec.station.section_types import FieldFault, Seconds, Section
from saec.station.storage.records import PartVerdict, PartView
from saec.types import DEFECT, GOOD, ErrorRecord, VerdictRecord

INCOMPLETE = "part-incomplete"
"""Reason of a part's verdict without a label: a frame of it is missing, or could not be judged."""

Rule = Literal["any-defect", "newest", "vote"]


class PartRules(Section, frozen=True, kw_only=True):
    """The table [line.parts]: a verdict for a part that several frames show. A part without id has none.

    Attributes:
        views: Frames that show each part. 0 makes no verdict for parts.
        sources: Names of the sources that see each part, in place of ``views``. A source that stands here
            twice gives two frames of it. "http:NAME" is who posts with the token NAME.
        rule: How a part's verdict is made. "any-defect": one frame with a defect is enough. "newest": the
            same, but only the newest frame of each source counts. "vote": more goods than defects make a
            good.
        within_s: Seconds from a part's first frame. A frame that is missing then makes the verdict an error,
            never good. A frame after that time is of a new visit of the part.
    """

    views: Annotated[int, msgspec.Meta(ge=0, le=1000)] = 0
    sources: tuple[str, ...] = ()
    rule: Rule = "any-defect"
    within_s: Seconds = 5.0

    @property
    def on(self) -> bool:
        """Whether parts get a verdict."""
        return bool(self.views or self.sources)

    @property
    def expected(self) -> int:
        """How many frames a part has at least."""
        return len(self.sources) or self.views

    def faults(self, sources: Sequence[str], deadline_s: float) -> list[FieldFault]:
        """What the types of the fields cannot say.

        Args:
            sources: names of the line's sources.
            deadline_s: the line's.
        """
        found = []
        if self.views and self.sources:
            found.append(("views", "there are both views and sources", "give one of them"))
        for name in self.sources:
            if name not in sources and not name.startswith("http:"):
                known = ", ".join(sources) or "none"
                remedy = f"use the line's own sources ({known}), or http:NAME for a token"
                found.append(("sources", f"the line has no [[source]] named {printable(name[:80])}", remedy))
        if self.on and self.within_s < deadline_s:
            what = f"within_s ({self.within_s:g}) is below the line's deadline_s ({deadline_s:g})"
            remedy = "raise within_s, so that the last frame of a part can be judged"
            found.append(("within_s", what, remedy))
        return found

    def faults_of_answer(self, deadline_s: float) -> list[FieldFault]:
        """Why a PLC of the line cannot be answered with the verdict on the part.

        Args:
            deadline_s: the PLC's.
        """
        if not self.on:
            what = "the line makes no verdict on parts, so no trigger can be answered with it"
            return [("answer", what, "give the line a table parts, or remove answer")]
        if deadline_s < self.within_s:
            what = f"deadline_s ({deadline_s:g}) is below within_s ({self.within_s:g}) of the line's parts"
            return [("deadline_s", what, "raise it, or lower within_s")]
        return []

    def missing(self, seen: Sequence[str]) -> tuple[str, ...]:
        """The frames that a part still lacks: by their source, "" where any will do.

        Args:
            seen: the sources of its frames, one for each frame.
        """
        if not self.sources:
            return ("",) * max(0, self.views - len(seen))
        return tuple(sorted((Counter(self.sources) - Counter(seen)).elements()))


def counted_views(rule: Rule, sources: Sequence[str]) -> list[bool]:
    """Which frames of a part count, in the order in which they came."""
    last = {source: n for n, source in enumerate(sources)}
    return [rule != "newest" or last[source] == n for n, source in enumerate(sources)]


def part_label(rule: Rule, labels: Sequence[int | None], missing: int) -> int | None:
    """A part's label; None where a frame that is missing, or has no label, leaves it open.

    Whatever the rule, a part of which a frame is missing is never good.

    Args:
        labels: those of the frames that count; None is a frame that could not be judged.
        missing: frames that have not come, or have no verdict yet.
    """
    defects, goods = sum(label == DEFECT for label in labels), sum(label == GOOD for label in labels)
    others = len(labels) - defects - goods + missing
    if rule == "vote":
        if defects and defects >= goods:
            return DEFECT
        return GOOD if not missing and goods > defects + others else None
    if defects:
        return DEFECT
    return GOOD if goods and not others else None


class PartVisit(msgspec.Struct, frozen=True):
    """A part that has come to a line; when it comes again later it is another visit.

    Attributes:
        first: number of its first frame.
    """

    line: str
    part: str
    first: int

    @property
    def id(self) -> str:
        """The id of its verdict; no other visit has it."""
        return f"{self.line}/{self.part}/{self.first}"


class JudgedView(msgspec.Struct, frozen=True):
    """A frame of a part: its id, its source, and its newest verdict; None where it has none yet."""

    frame: str
    source: str
    verdict: VerdictRecord | None

    @property
    def label(self) -> int | None:
        return None if self.verdict is None else self.verdict.label


def judge_part(
    rules: PartRules, visit: PartVisit, views: Sequence[JudgedView], now: float, *, act: bool
) -> PartVerdict:
    """The verdict on a part by those on its frames, in the order in which they came.

    Score, P(defect), kind and who decided are those of one frame: the one with the highest P(defect), then
    score, among those with the part's label. Recipe and capture are the last frame's.

    Args:
        now: when it is made, seconds since the epoch.
        act: whether the line can still act on it.
    """
    sources = [view.source for view in views]
    counts, missing = counted_views(rules.rule, sources), rules.missing(sources)
    counted = [view.verdict for view, counts_too in zip(views, counts, strict=True) if counts_too]
    judged = [verdict for verdict in counted if verdict is not None]
    waiting = sum(view.verdict is None for view in views)
    label = part_label(rules.rule, [verdict.label for verdict in judged], len(missing) + waiting)
    alike = [verdict for verdict in judged if label is not None and verdict.label == label]
    record = _record(visit, max(alike, key=_weight, default=None), views, label, _note(rules, views, missing))
    if label is not None:
        record = msgspec.structs.replace(record, reason=f"part-{rules.rule}")
    return PartVerdict(
        verdict=msgspec.structs.replace(record, time=now),
        rule=rules.rule,
        views=tuple(_shown(*pair) for pair in zip(views, counts, strict=True)),
        missing=missing,
        act=act,
    )


def _record(
    visit: PartVisit, lead: VerdictRecord | None, views: Sequence[JudgedView], label: int | None, note: str
) -> VerdictRecord:
    """The record of a part's verdict; ``lead`` is the frame's that speaks for it, None without a label."""
    last = next((view.verdict for view in reversed(views) if view.verdict is not None), None)
    return VerdictRecord(
        id=visit.id,
        path="",
        sha256="",
        line=visit.line,
        time=0.0,
        seq=visit.first,
        label=label,
        state="error" if label is None else "final",
        score=None if lead is None else lead.score,
        p_defect=None if lead is None else lead.p_defect,
        kind=None if lead is None else lead.kind,
        kind_confidence=None if lead is None else lead.kind_confidence,
        decided_by="none" if lead is None else lead.decided_by,
        reason=INCOMPLETE,
        error=ErrorRecord(kind="PartIncomplete", message=note) if label is None else None,
        note=note,
        part=visit.part,
        recipe=None if last is None else last.recipe,
        capture=None if last is None else last.capture,
    )


def _weight(verdict: VerdictRecord) -> tuple[float, float]:
    return (verdict.p_defect or 0.0, verdict.score or 0.0)


def _shown(view: JudgedView, counted: bool) -> PartView:
    told = view.verdict
    return PartView(
        frame=view.frame,
        source=view.source,
        label=view.label,
        state="waiting" if told is None else told.state,
        counted=counted,
    )


def _note(rules: PartRules, views: Sequence[JudgedView], missing: Sequence[str]) -> str:
    """What a person is told of a part's frames; "" where each came and has a label."""
    said = []
    if missing:
        named = ", ".join(sorted({name for name in missing if name}))
        said.append(f"{len(missing)} of {rules.expected} frames did not come{f' ({named})' if named else ''}")
    if late := [view.frame for view in views if view.verdict is None]:
        said.append(f"without a verdict in time: {', '.join(late)}")
    if failed := [view.frame for view in views if view.verdict is not None and view.label is None]:
        said.append(f"not judged: {', '.join(failed)}")
    return "; ".join(said)
