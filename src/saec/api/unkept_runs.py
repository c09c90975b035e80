"""Judging without a run folder: one image at once, or many as a stream of verdicts."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Iterable, Iterator

from saec import edge
from saec.contracts import EdgeDetector
from saec.edge.detector_kinds import on_device
from saec.errors import ConfigError
from saec.frame.assessment import DecodedFrame, assess, decide_frame, measure_complexity
from saec.frame.judges import Cloud, Judges, open_judges
from saec.frame.verdicts import edge_verdict
from saec.profile import LineProfile
from saec.runs.first_pass import after_first_pass
from saec.runs.inspection import run_inspection
from saec.runs.run_folder import Options
from saec.schedule.link.dispatch import Dispatch
from saec.schedule.policies import policy_kind
from saec.types import EdgeOpinion, Image, Pending, Source, VerdictRecord

_KEPT = 2048
"""Opinions that are kept until their verdicts come. A map has about 12 kB, so this is some 25 MB."""


class LaterDetector:
    """A line's detector, opened when the first image comes; several threads may ask it, one after another.

    Args:
        profile: the line.
    """

    def __init__(self, profile: LineProfile) -> None:
        self._profile = profile
        self._detector: EdgeDetector | None = None
        self._lock = threading.Lock()  # the graph has one request

    def inspect(self, images: list[Image]) -> list[EdgeOpinion]:
        """See ``EdgeDetector.inspect``.

        Raises:
            LineError: the line has no detector, or one that cannot be opened.
        """
        with self._lock:
            return self._opened().inspect(images)

    def make_ready(self) -> None:
        """Open the detector now, if it is not open yet.

        Raises:
            LineError: the line has no detector, or one that cannot be opened.
        """
        with self._lock:
            self._opened()

    def _opened(self) -> EdgeDetector:
        if self._detector is None:
            self._detector = edge.open_detector(self._profile)
        return self._detector

    def __reduce__(self) -> tuple[type[LaterDetector], tuple[LineProfile]]:
        return LaterDetector, (self._profile,)  # a copy opens its own


class RecentOpinions:
    """The edge's opinions on the frames that were seen last; older ones are given up."""

    def __init__(self, most: int = _KEPT) -> None:
        self._most = most
        self._kept: OrderedDict[str, EdgeOpinion] = OrderedDict()
        self._lock = threading.Lock()

    def keep(self, source: Source, image: Image, opinion: EdgeOpinion) -> None:
        """Keep an opinion until ``take`` asks for it."""
        with self._lock:
            self._kept[source.id] = opinion
            if len(self._kept) > self._most:
                self._kept.popitem(last=False)

    def take(self, id: str) -> EdgeOpinion | None:
        """The opinion on a frame, handed out once; None where it was given up."""
        with self._lock:
            return self._kept.pop(id, None)


def judge_alone(frame: DecodedFrame, judges: Judges, *, seq: int = 0) -> tuple[VerdictRecord, EdgeOpinion]:
    """The edge's verdict on one frame, the same that a run without a cloud gives.

    Raises:
        SaecError: the frame cannot be judged.
    """
    frame = measure_complexity(frame, judges.complexity)
    seen = assess(frame, judges.detector, judges.rules)
    state = Dispatch[Pending](batch=1, connected=False).state(time.perf_counter(), frame.begun)
    pending = decide_frame(frame, seen, judges.policy, state, seq)
    return edge_verdict(pending, judges.rules), seen.opinion


def profile_under(profile: LineProfile, options: Options) -> LineProfile:
    """The line as a run has it: on its device, and under its policy's own thresholds; or as it is."""
    kind, profile = policy_kind(options.policy), on_device(profile, options.config.edge_device)
    return profile if kind.line is None else kind.line(profile, kind.own(options))


def line_judges(
    profile: LineProfile, cloud: Cloud | None, options: Options, detector: EdgeDetector
) -> Judges:
    """What judges a line's frames under the options, with a detector that is open already."""
    under = profile_under(profile, options)
    if under is not profile:
        detector = LaterDetector(under)  # other thresholds may be the detector's, too; so is the device
    return open_judges(under, cloud, policy=options.policy, settings=options, detector=detector)


def stream_verdicts(
    sources: Iterable[Source],
    judges: Judges,
    options: Options,
    recent: RecentOpinions,
) -> Iterator[VerdictRecord]:
    """Verdicts as they come, by the loop of a run; nothing stays on disk.

    Args:
        sources: the frames' files; a list where the policy must see all before the first.
        judges: what ``line_judges`` gives.
        options: how the run goes.
        recent: is given the edge's opinions.

    Raises:
        ConfigError: the policy must see all frames first, and they come one by one.
    """
    first = policy_kind(options.policy).first_pass
    if first is not None:
        if not isinstance(sources, list):
            raise ConfigError(
                f"policy {options.policy} needs all frames in advance",
                "give a folder or a list of paths",
            )
        judges = after_first_pass(judges, sources, first, policy_kind(options.policy).own(options))
    yield from run_inspection(sources, judges, options.config, observe=recent.keep)
