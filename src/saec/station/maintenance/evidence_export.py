"""Evidence of a span of time, a lot, a line or single frames, from a station that may be running."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import msgspec

from saec.errors import SaecError
from saec.extensions import VERSION
from saec.station.audit.audit_log import AuditLog
from saec.station.audit.audit_rows import Action
from saec.station.audit.evidence import FRAMES, VERSIONS, EvidenceManifest, EvidenceWriter
from saec.station.audit.signing_keys import SigningKeys
from saec.station.line.version_opener import CloudFor
from saec.station.line.version_store import VersionStore, profile_content
from saec.station.maintenance.frame_replay import Check, FrameReplays, find_frame
from saec.station.recipes.recipe_settings import RecipeSettings
from saec.station.setup.station_settings import StationSettings
from saec.station.storage.parts.part_search import PartStanding
from saec.station.storage.records import SpooledFrame, frame_name
from saec.station.storage.spool_reader import SpoolReader
from saec.types import Explanation, VerdictRecord

_AT_ONCE = 500


class EvidenceQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which frames are evidence; each field that is given narrows them down.

    Attributes:
        since: accepted at this time or later, seconds since the epoch.
        until: accepted before this time.
        line: the line's name.
        lot: part of the frame's name, as the file or the client named it; case does not count.
        frames: ids of frames, and no others.
    """

    since: float | None = None
    until: float | None = None
    line: str | None = None
    lot: str | None = None
    frames: tuple[str, ...] = ()

    def has(self, frame: SpooledFrame) -> bool:
        """Whether a frame is among them."""
        return (
            (self.since is None or frame.accepted >= self.since)
            and (self.until is None or frame.accepted < self.until)
            and (self.line is None or frame.line == self.line)
            and (self.lot is None or self.lot.casefold() in frame_name(frame.source, frame.key).casefold())
        )


class FrameReplay(msgspec.Struct, frozen=True, kw_only=True):
    """What came of judging a frame again: "same", "differs", "unknown" or "none", and each comparison."""

    result: str
    checks: list[Check] = []
    error: str = ""


class FrameEvidence(msgspec.Struct, frozen=True, kw_only=True):
    """A line of ``frames.jsonl``.

    Attributes:
        id: the frame.
        line: the line that judged it.
        source: where it came from.
        name: how the file or the client named it.
        sha256: hash of its image.
        captured: when it was taken, seconds since the epoch.
        accepted: when the station had it on the disk.
        version: the line version that judged it.
        recipe: what the line ran for its product, with all that this said then; None without recipes.
        part: the visit of the part that it shows, with the part's verdict; None where parts have none.
        verdicts: the verdicts by state.
        words: what the cloud explained.
        replay: what came of judging it again.
    """

    id: str
    line: str
    source: str
    name: str
    sha256: str
    captured: float
    accepted: float
    version: str
    recipe: RecipeSettings | None = None
    part: PartStanding | None = None
    verdicts: dict[str, VerdictRecord]
    words: Explanation | None
    replay: FrameReplay


def export_evidence(
    settings: StationSettings,
    query: EvidenceQuery,
    target: Path,
    actor: str,
    role: str,
    reason: str = "",
    *,
    replay: bool = True,
    cloud_for: CloudFor | None = None,
) -> EvidenceManifest:
    """Write a signed file of evidence. That it was made is recorded first; the file's head covers this.

    Args:
        settings: the station's settings.
        query: which frames.
        target: the file; must not exist.
        actor: who, as in ``Action``.
        role: the role in which it is done.
        reason: why.
        replay: judge each frame again whose image is kept.
        cloud_for: see ``Station``.

    Raises:
        AuditError: no key signs, or the file cannot be written.
        SpoolError: a frame that is named is not there, or there is no spool.
    """
    data = settings.station.data
    log = AuditLog(data)
    keys = SigningKeys(data, log)
    asked = msgspec.structs.asdict(query) | {"frames": list(query.frames), "replay": replay}
    with FrameReplays(settings, cloud_for=cloud_for) as replays, EvidenceWriter(target) as out:
        for id in query.frames:
            find_frame(replays.reader, id)
        action = Action(
            actor=actor, role=role, what="evidence.export", about=target.name, after=asked, reason=reason
        )
        with log.recorded(action):
            results, used = _write_frames(out, replays, query, replay=replay)
        with out.part(VERSIONS) as lines:
            lines.line(msgspec.json.encode(_versions(settings, used)))
        head = log.head()
        first, last = log.span(query.since, query.until)
        out.actions(log.walk(first, min(last, head.n)) if first <= last else iter(()))
        manifest = EvidenceManifest(
            saec=VERSION,
            station=settings.station.name,
            made=time.time(),
            asked=asked,
            parts={},
            frames=results.total(),
            replays=dict(results),
            head=head,
            key="",
            keys=[],
        )
        return out.finish(manifest, keys)


def _write_frames(
    out: EvidenceWriter, replays: FrameReplays, query: EvidenceQuery, *, replay: bool
) -> tuple[Counter[str], set[tuple[str, str]]]:
    """Write what is known of each frame; how the replays ended, and which lines and versions judged."""
    results: Counter[str] = Counter()
    used: set[tuple[str, str]] = set()
    with out.part(FRAMES) as lines:
        for frame in _frames(replays.reader, query):
            told = _evidence(replays, frame, replay=replay)
            results[told.replay.result] += 1
            used.add((frame.line, frame.version))
            lines.line(msgspec.json.encode(told))
    return results, used


def _frames(reader: SpoolReader, query: EvidenceQuery) -> Iterator[SpooledFrame]:
    """Frames that have a verdict, one by one: those whose final one stands, then those that wait for it."""
    if query.frames:
        found: Iterator[SpooledFrame] = (find_frame(reader, id) for id in query.frames)
    else:
        found = chain(_walk(reader, "done", query.line), _walk(reader, "asked", query.line))
    return (frame for frame in found if query.has(frame))


def _walk(reader: SpoolReader, state: str, line: str | None) -> Iterator[SpooledFrame]:
    after = 0
    while some := reader.frames(state, line=line, after=after, most=_AT_ONCE):
        yield from some
        after = some[-1].seq


def _evidence(replays: FrameReplays, frame: SpooledFrame, *, replay: bool) -> FrameEvidence:
    verdicts = replays.reader.verdicts(frame.seq)
    return FrameEvidence(
        id=frame.id,
        line=frame.line,
        source=frame.source,
        name=frame_name(frame.source, frame.key),
        sha256=frame.sha256,
        captured=frame.captured,
        accepted=frame.accepted,
        version=frame.version,
        recipe=replays.recipe_of(frame),
        part=replays.reader.part_of(frame.seq),
        verdicts=verdicts,
        words=replays.reader.words(frame.seq),
        replay=_replay(replays, frame, verdicts) if replay and frame.image else FrameReplay(result="none"),
    )


def _replay(replays: FrameReplays, frame: SpooledFrame, verdicts: dict[str, VerdictRecord]) -> FrameReplay:
    try:
        checks = replays.replay(frame, verdicts)
    except (SaecError, OSError) as e:  # the image went meanwhile, or its version is not there
        return FrameReplay(result="none", error=str(e)[:500])
    found = {check.same for check in checks}
    result = "differs" if False in found else "unknown" if None in found else "same"
    return FrameReplay(result=result, checks=checks)


def _versions(settings: StationSettings, used: set[tuple[str, str]]) -> dict[str, Any]:
    """The versions of each line: their hashes when they were added, and now of those that judged."""
    found: dict[str, Any] = {}
    for line in sorted({line for line, _ in used}):
        store = VersionStore(settings.station.data / "lines" / line)
        try:
            state = store.state()
        except SaecError as e:
            found[line] = {"error": str(e)}
            continue
        found[line] = {"current": state.current, "previous": state.previous, "versions": []}
        for version in state.known:
            judged = (line, str(version.number)) in used
            path = store.path(version.number)
            now = profile_content(path) if judged and path.is_dir() else None
            told = msgspec.to_builtins(version) | {"judged": judged, "content_now": now}
            found[line]["versions"].append(told)
    return found
