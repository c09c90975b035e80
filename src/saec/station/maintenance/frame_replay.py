"""A verdict again: from the frame's image, by the version that judged it, with what was known then.

Everything that a verdict came from is kept: the image and its hash, the version of the line profile, the
edge's opinion, the state of the cloud, the route, the cloud's opinion, the trust by which both were fused.
``FrameReplays`` computes what can be computed and holds it against what was recorded. The cloud's opinion
itself is taken from the record: its model lives elsewhere.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from saec.data.images.killable_decoder import Decoder, Spares
from saec.errors import LineError, MachineError, SpoolError
from saec.frame.assessment import logged_assessment, route_frame
from saec.frame.verdicts import decide
from saec.station.cloud_models import CloudModels
from saec.station.line.edge_thread import assess_guarded, load_frame
from saec.station.line.guard import GuardError
from saec.station.line.opened_version import OpenedVersion, VersionKey, open_version, version_key
from saec.station.line.version_opener import CloudFor
from saec.station.line.version_store import VersionStore
from saec.station.recipes.recipe_book import RecipeBook, recipe_folder
from saec.station.recipes.recipe_settings import RecipeSettings
from saec.station.setup.station_settings import StationSettings
from saec.station.storage.records import SpooledFrame
from saec.station.storage.spool_reader import SpoolReader
from saec.texts import whole_number
from saec.types import CloudState, EdgeRecord, KindOpinion, Route, VerdictRecord

TOLERANCE = 1e-3
"""By how much of itself (of 1 where it is less) a score may differ between machines or runtimes and count as
the same: as much as the export's gate allows (``saec.edge.graph.SLIGHT``)."""

_OPEN = 4
"""Versions that are open at a time."""


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was recorded, and what it is now; ``same`` is None where it cannot be computed."""

    what: str
    recorded: str
    again: str
    same: bool | None


class FrameReplays:
    """Judges recorded frames of a station again, one after the other; versions that it has opened stay open.

    Use it in a ``with`` block.

    Args:
        settings: the settings of the station that judged them, which may be running.
        cloud_for: see ``Station``.

    Attributes:
        reader: the station's frames.

    Raises:
        SpoolError: there is no spool.
    """

    def __init__(self, settings: StationSettings, *, cloud_for: CloudFor | None = None) -> None:
        self.reader = SpoolReader.beside(settings.station.data)
        self._settings = settings
        self._cloud_for = cloud_for or CloudModels(settings.cloud, settings.station.data / "clouds")
        self._decoder = Decoder(Spares(spare=False))
        self._opened: dict[tuple[str, VersionKey], OpenedVersion] = {}

    def __enter__(self) -> FrameReplays:
        return self

    def __exit__(self, *_: object) -> None:
        self._decoder.close()
        self.reader.close()

    def replay(self, frame: SpooledFrame, verdicts: Mapping[str, VerdictRecord]) -> list[Check]:
        """Judge a frame again and compare.

        Args:
            frame: the frame.
            verdicts: its verdicts by state.

        Raises:
            SpoolError: its image is no longer kept.
            LineError: the version that judged it is gone or damaged.
        """
        path = self.reader.path(frame)
        checks = [_image(frame, path)]
        try:
            version = self._version(frame)
        except MachineError as e:  # no recipe judges it
            told = [(state, one.error.kind if one.error else "none") for state, one in verdicts.items()]
            return checks + [_same(f"{state}: error", kind, type(e).__name__) for state, kind in told]
        for state in ("provisional", "final"):
            if state in verdicts:
                checks += [
                    Check(f"{state}: {check.what}", check.recorded, check.again, check.same)
                    for check in _verdict(version, path, frame, verdicts[state], self._decoder)
                ]
        return checks

    def _version(self, frame: SpooledFrame) -> OpenedVersion:
        line = next((entry for entry in self._settings.line if entry.name == frame.line), None)
        if line is None:
            raise LineError(
                f"the settings have no product line {frame.line} ([[line]])",
                "give the settings that the frame was judged with",
            )
        store = VersionStore(self._settings.station.data / "lines" / line.name)
        key = version_key(self._judging_recipe(frame), store.state().current)
        key = key._replace(number=int(frame.version)) if frame.version else key
        if (line.name, key) not in self._opened:
            clouds = self._cloud_for(store.model(key.number)) if line.cloud else ()
            version = open_version(store.profile(key.number), key, line, clouds)
            if len(self._opened) >= _OPEN:
                self._opened.pop(next(iter(self._opened)))
            self._opened[line.name, key] = version
        return self._opened[line.name, key]

    def recipe_of(self, frame: SpooledFrame) -> RecipeSettings | None:
        """The recipe that judged a frame, as it was then; None where none did."""
        try:
            return self._judging_recipe(frame)
        except MachineError:
            return None

    def _judging_recipe(self, frame: SpooledFrame) -> RecipeSettings | None:
        return RecipeBook(recipe_folder(self._settings.station.data, frame.line)).recipe_of(frame)


def replay_frame(settings: StationSettings, id: str, *, cloud_for: CloudFor | None = None) -> list[Check]:
    """Judge a recorded frame again and compare.

    Args:
        settings: the settings of the station that judged it, which may be running.
        id: the frame's id.
        cloud_for: see ``Station``.

    Raises:
        SpoolError: no such frame, or its image is no longer kept.
        LineError: the version that judged it is gone or damaged.
    """
    with FrameReplays(settings, cloud_for=cloud_for) as replays:
        frame = find_frame(replays.reader, id)
        verdicts = replays.reader.verdicts(frame.seq)
        if not verdicts:
            raise SpoolError(f"{id} has no verdict yet", "wait for its verdict")
        return replays.replay(frame, verdicts)


def find_frame(reader: SpoolReader, id: str) -> SpooledFrame:
    """The frame of an id.

    Raises:
        SpoolError: there is none.
    """
    seq = whole_number(id.rpartition("-")[2])
    frame = None if seq is None else reader.frame(seq)
    if frame is None or frame.id != id:
        raise SpoolError(f"there is no frame {id}", "give the id that the page and the sinks show")
    return frame


def _image(frame: SpooledFrame, path: Path) -> Check:
    now = hashlib.sha256(path.read_bytes()).hexdigest()
    return Check("image", frame.sha256[:16], now[:16], now == frame.sha256)


def _verdict(
    version: OpenedVersion, path: Path, frame: SpooledFrame, verdict: VerdictRecord, decoder: Decoder
) -> list[Check]:
    try:
        decoded = load_frame(frame, path, 0.0, bits=version.judges.bits, decode=decoder.decode)
        _, seen = assess_guarded(decoded, version)
    except GuardError as e:
        return [_same("reason", verdict.reason, f"guard-{e.kind}-error")]
    except Exception as e:
        return [_same("error", verdict.error.kind if verdict.error else "none", type(e).__name__)]
    if verdict.edge is None:
        return [Check("error", verdict.error.message if verdict.error else "", "judged", False)]
    checks = [
        _close("score", verdict.edge.score, seen.opinion.score),
        _same("edge's label", verdict.edge.label, seen.opinion.label),
        _close("complexity", verdict.complexity, seen.complexity),
        *_kinds("edge's kind", verdict.edge.kind, seen.opinion.kind),
    ]
    if verdict.cloud_state is not None and verdict.route is not None:
        checks.append(_route(version, verdict, verdict.edge, verdict.route, verdict.cloud_state))
    rules = version.judges.rules_of("" if verdict.cloud is None else verdict.cloud.weights)
    decision = decide(verdict.edge, verdict.cloud, rules)
    checks.append(_same("label", verdict.label, decision.label))
    checks.append(_close("P(defect)", verdict.p_defect, decision.p_defect))
    return checks + _kinds("kind", _named(verdict), decision.kind)


def _named(verdict: VerdictRecord) -> KindOpinion | None:
    """The kind that a verdict states; a name without a confidence is one that never comes out again."""
    if verdict.kind is None:
        return None
    return KindOpinion(verdict.kind, -1.0 if verdict.kind_confidence is None else verdict.kind_confidence)


def _kinds(what: str, recorded: KindOpinion | None, again: KindOpinion | None) -> list[Check]:
    """The name, and where both name a kind the confidence; nothing where neither does."""
    if recorded is None or again is None:
        if recorded is again:
            return []
        return [_same(what, recorded and recorded.name, again and again.name)]
    near = _close(f"confidence in the {what}", recorded.confidence, again.confidence)
    return [_same(what, recorded.name, again.name), near]


def _route(
    version: OpenedVersion, verdict: VerdictRecord, edge: EdgeRecord, route: Route, state: CloudState
) -> Check:
    """The route from what was recorded, so that a score in its last digit does not make another one."""
    policy = version.judges.policy
    if not version.memoryless:
        return Check("route", _words(route), "depends on the frames before", None)
    told = logged_assessment(edge, verdict.complexity)
    return _same("route", _words(route), _words(route_frame(told, policy, state, verdict.time)))


def _words(route: Any) -> str:
    return f"{route.decision}: {route.reason}"


def _same(what: str, recorded: object, again: object) -> Check:
    return Check(what, str(recorded), str(again), recorded == again)


def _close(what: str, recorded: float | None, again: float | None) -> Check:
    if recorded is None or again is None:
        return Check(what, _number(recorded), _number(again), recorded is again)
    near = abs(recorded - again) <= TOLERANCE * max(1.0, abs(recorded))
    return Check(what, _number(recorded), _number(again), near)


def _number(value: float | None) -> str:
    return "none" if value is None else f"{value:.6g}"
