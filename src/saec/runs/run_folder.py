"""Judge a line's inputs into a run folder: verdicts as they are made, pictures, and run.json around them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, fields
from pathlib import Path, PurePosixPath
from typing import Any

import msgspec

from saec.data.holdout import makers
from saec.data.input_images import Inputs
from saec.data.manifest import Manifest
from saec.decoding import convert
from saec.errors import ConfigError, DataError
from saec.frame.judges import Cloud, Judges, open_judges, warm_up
from saec.frame.pictures import save_picture
from saec.meter import Meter
from saec.profile import LineProfile
from saec.runs.description import describe, now
from saec.runs.first_pass import FIRST_PASS, after_first_pass
from saec.runs.inspection import Observer, run_inspection
from saec.runs.question_costs import SpentTally
from saec.runs.run_meter import Metering, RunMeter
from saec.runs.run_record import (
    MAPS_FOLDER,
    RUN_FILE,
    VERDICTS_FILE,
    RunInfo,
    read_run,
    write_run,
)
from saec.runs.stage_spans import SpanLog
from saec.runs.verdict_log import VerdictLog, mend, read_all, read_verdicts
from saec.schedule.calibration.drift import DriftMonitor
from saec.schedule.policies import DEFAULT_POLICY, policy_kind
from saec.schedule.policies.contract import PolicySettings
from saec.settings import BudgetConfig, CloudConfig, CostConfig, GateConfig, RunConfig, identifying
from saec.types import DEFECT, EdgeOpinion, Image, Source, Verdict

Progress = Callable[[Verdict], None]
Look = Callable[[Source, Image, EdgeOpinion], None]
"""Is shown each frame with the edge's opinion, beside the pictures (pixel metrics read the maps here)."""


_POLICY_SETTINGS = tuple(field.name for field in fields(PolicySettings))
"""Keys of run.json's settings that say how a policy decides; each run has those that its policy reads."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """How a line is run.

    Attributes:
        policy: the name of the policy that decides who answers.
        gate, costs, budget, own: the settings of policies (``PolicySettings``); each reads its own.
        config: queue lengths, pictures, explanations.
        metering: what of the run is measured.
        resume: go on with a run folder; ``retry_errors`` judges its error and provisional frames again.
        command: the command line, for run.json.
    """

    policy: str = DEFAULT_POLICY
    gate: GateConfig = field(default_factory=GateConfig)
    costs: CostConfig = field(default_factory=CostConfig)
    budget: BudgetConfig = field(default_factory=BudgetConfig)
    own: msgspec.Struct | None = None
    config: RunConfig = field(default_factory=RunConfig)
    metering: Metering = field(default_factory=Metering)
    resume: bool = False
    retry_errors: bool = False
    command: str = ""

    @property
    def scheduling(self) -> PolicySettings:
        """The settings of its policy."""
        return PolicySettings(**{name: getattr(self, name) for name in _POLICY_SETTINGS})


@dataclass
class Tally:
    """Counts over the standing verdicts of a run, and what its questions took; ``used`` are the hashes that
    made the line."""

    used: frozenset[str] = frozenset()
    counts: dict[str, int] = field(default_factory=dict)
    spent: SpentTally = field(default_factory=SpentTally)

    @classmethod
    def of(cls, log: Path, used: frozenset[str], deadline: float | None) -> Tally:
        """The counts of a log; ``late`` are frames whose first verdict came after the deadline."""
        tally = cls(used)
        for verdict in read_verdicts(log):
            tally.add(verdict)
        if deadline is not None:
            tally.counts["late"] = sum(
                not verdict.replaces and verdict.ms.get("answer", 0.0) > deadline * 1e3
                for verdict in read_all(log)
            )
        return tally

    def add(self, verdict: Verdict) -> None:
        self.spent.add(verdict)
        cloud = verdict.route is not None and verdict.route.decision == "cloud"
        for name, happened in (
            ("frames", True),
            ("good", verdict.label is not None and verdict.label != DEFECT),
            ("defect", verdict.label == DEFECT),
            ("error", verdict.state == "error"),
            ("provisional", verdict.state == "provisional"),
            ("escalated", cloud),
            ("explained", verdict.explanation is not None),
            ("problems", verdict.state == "final" and verdict.error is not None),
            ("odd", bool(verdict.note)),
            ("labelled", verdict.truth is not None),
            ("correct", verdict.truth is not None and verdict.label == verdict.truth),
            ("used_for_the_line", verdict.sha256 in self.used),
        ):
            self.counts[name] = self.counts.get(name, 0) + happened

    def notes(self) -> list[str]:
        """What a reader of the results must know."""
        sentences = {
            "used_for_the_line": "Frames that were used to fit or calibrate the line, which they flatter",
            "error": "Frames with an error and no label",
            "provisional": "Frames with the edge's provisional answer because the cloud gave none in time",
            "late": "Frames whose first verdict came after the deadline",
            "odd": "Frames whose aspect is not the line's (each verdict says so)",
            "problems": "Verdicts without their picture or explanation (each says why)",
        }
        total = self.counts.get("frames", 0)
        return [
            f"{text}: {self.counts[name]} of {total}."
            for name, text in sentences.items()
            if self.counts.get(name, 0)
        ]


def run_line(
    profile: LineProfile,
    inputs: Inputs,
    out: Path,
    *,
    cloud: Cloud | None = None,
    options: Options | None = None,
    progress: Progress | None = None,
    look: Look | None = None,
    stop: threading.Event | None = None,
) -> RunInfo:
    """Judge the inputs and write the run folder.

    Args:
        profile: the line.
        inputs: what to judge.
        out: the run folder; made, or gone on with under ``options.resume``.
        cloud: the cloud model, or None for the edge alone.
        progress: called with each verdict after it is written.
        look: shown each frame with its anomaly map.
        stop: set it to end the run early; the folder can be resumed.

    Raises:
        ConfigError: ``out`` holds another run, or the policy needs a cloud.
        SaecError: a model cannot be loaded.
    """
    options = options or Options()
    kind = policy_kind(options.policy)
    own = kind.own(options.scheduling)
    if kind.line is not None:
        profile = kind.line(profile, own)
    course = RunMeter(options.metering, out)
    with course.open() as meter:
        with meter.phase("loading"):
            judges, info = _loaded(profile, inputs, cloud, options)
        past = _open_folder(out, info, options)
        info = msgspec.structs.replace(info, starts=past.starts)
        with meter.phase("warm-up"):
            warm_up(judges)
        write_run(out, info)
        course.rest(meter, stop)
        # Under a policy's own thresholds scores have another scale than the calibration's goods.
        drift = DriftMonitor(profile.calibration.goods if kind.line is None else [])
        with meter.phase("run"), VerdictLog(out / VERDICTS_FILE) as log:
            if kind.first_pass is not None:
                judges = after_first_pass(judges, inputs.sources, kind.first_pass, own)
                found = kind.first_pass.remember(judges.policy)
                info = msgspec.structs.replace(info, config={**info.config, FIRST_PASS: found})
            observe = _observer(out, judges, options.config.maps, look, drift)
            spans = course.begin(resumed=bool(past.known))
            for verdict in past.rest(inputs, judges, options.config, observe, stop, out, spans):
                log.append(verdict)
                if progress is not None:
                    progress(verdict)
    course.finish(meter, out / VERDICTS_FILE, cloud)
    readings = _readings(meter, resumed=bool(past.known))
    ended = "" if stop is not None and stop.is_set() else now()
    info = msgspec.structs.replace(info, ended=ended, meter=readings)
    info = _counted(info, Tally.of(out / VERDICTS_FILE, _used(profile), options.config.deadline), drift)
    write_run(out, info)
    return info


def _loaded(
    profile: LineProfile, inputs: Inputs, cloud: Cloud | None, options: Options
) -> tuple[Judges, RunInfo]:
    """What judges, and the description of the run that it begins."""
    judges = open_judges(
        profile,
        cloud,
        policy=options.policy,
        settings=options.scheduling,
    )
    info = describe(
        profile,
        inputs,
        cloud,
        policy=options.policy,
        config=settings_of(cloud, options),
        command=options.command,
    )
    return judges, info


def _counted(info: RunInfo, tally: Tally, drift: DriftMonitor) -> RunInfo:
    notes = [*info.notes, *tally.notes()]
    if drift.state.alarm is not None:
        tally.counts["drift"] = drift.state.alarm
        notes.append(drift.state.sentence())
    return msgspec.structs.replace(info, counts=tally.counts, spent=tally.spent.means(), notes=notes)


_PHASES = ("loading", "warm-up", "idle", "run")


def _readings(meter: Meter, *, resumed: bool) -> list[dict[str, Any]]:
    """The phases that there were, for run.json."""
    return [_reading(meter, phase, resumed=resumed) for phase in _PHASES if phase in meter.phases]


def _reading(meter: Meter, phase: str, *, resumed: bool) -> dict[str, Any]:
    """A phase for run.json. What a resumed run used before it was resumed is not known, so no energy is
    stated that would be divided by all of its frames."""
    reading = meter.reading(phase)
    if resumed:
        notes = (*reading.notes, "resumed: time is of the last part, energy of the whole is unknown")
        reading = msgspec.structs.replace(reading, gpu_energy_j=None, cpu_energy_j=None, notes=notes)
    plain: dict[str, Any] = msgspec.to_builtins(reading)
    return plain


def map_name(id: str) -> str:
    """The picture of a frame inside the run folder; an id never leads out of it."""
    parts = [part for part in PurePosixPath(id).parts if part not in ("/", "..", ".")]
    return "/".join([MAPS_FOLDER, *parts]) + ".jpg"


def _observer(
    out: Path, judges: Judges, maps: bool, look: Look | None, drift: DriftMonitor
) -> Callable[[Source, Image, EdgeOpinion], str | None]:
    threshold = judges.rules.calibration.threshold

    def observe(source: Source, image: Image, opinion: EdgeOpinion) -> str | None:
        if source.truth != DEFECT:  # drift is of the goods; where the truth is unknown its test sees to it
            drift.update(opinion.score)
        if look is not None:
            look(source, image, opinion)
        if not maps:
            return None
        name = map_name(source.id)
        save_picture(out / name, image, opinion, threshold)
        return name

    return observe


@dataclass(frozen=True)
class _Past:
    """What a run folder holds from earlier parts of its run.

    Attributes:
        starts: number of the first frame of each part, this one's included.
        known: path and hash of the files that need no verdict any more.
        again: ids of the frames that have a verdict and are judged again.
    """

    starts: list[int]
    known: frozenset[tuple[str, str]] = frozenset()
    again: frozenset[str] = frozenset()

    def rest(
        self,
        inputs: Inputs,
        judges: Judges,
        config: RunConfig,
        observe: Observer,
        stop: threading.Event | None,
        out: Path,
        spans: SpanLog | None,
    ) -> Iterator[Verdict]:
        """The verdicts that are still to be made, each saying whether it replaces an earlier one."""
        for verdict in run_inspection(
            inputs.sources,
            judges,
            config,
            known=self.known,
            observe=observe,
            stop=stop,
            spill=out,
            first=self.starts[-1],
            spans=spans,
        ):
            yield msgspec.structs.replace(verdict, replaces=True) if verdict.id in self.again else verdict


def _open_folder(out: Path, info: RunInfo, options: Options) -> _Past:
    """Make or reopen the run folder."""
    log = out / VERDICTS_FILE
    if log.exists() and not options.resume:
        raise ConfigError(f"{out} already holds a run", "go on with --resume, or name another --out")
    out.mkdir(parents=True, exist_ok=True)
    if not log.exists():
        return _Past([1])
    old = read_run(out)
    _check_same(old, info, out)
    mend(log)
    last = max((verdict.seq for verdict in read_all(log)), default=0)
    known, again = set(), set()
    for verdict in read_verdicts(log):
        if options.retry_errors and verdict.state != "final":
            again.add(verdict.id)
        else:
            known.add((verdict.path, verdict.sha256))
    return _Past([*old.starts, last + 1], frozenset(known), frozenset(again))


def _check_same(old: RunInfo, new: RunInfo, out: Path) -> None:
    """A resumed run is judged by what judged its first part: how fast may differ, labels may not."""

    def judged_by(run: RunInfo) -> tuple[object, ...]:
        cloud = run.cloud and (run.cloud.name, run.cloud.weights_hash, run.cloud.prompt, run.cloud.role)
        line = run.line.name, run.line.hashes, run.line.threshold, run.line.calibration, run.line.calibrated
        return *line, run.policy, cloud, _identifying(run)

    if judged_by(old) != judged_by(new):
        raise ConfigError(
            f"{out} was judged by another line, calibration, policy or cloud, or with other settings of them",
            "name another --out, or resume with the options that it was begun with",
        )
    if old.dataset.root != new.dataset.root:
        raise ConfigError(f"{out} is a run on {old.dataset.root}", "name another --out for other images")


def _identifying(run: RunInfo) -> dict[str, object]:
    """All settings of a run but those that change no label, and what was found instead of set."""
    config = {name: value for name, value in run.config.items() if name != FIRST_PASS}
    try:
        for name, kind in (("cloud", CloudConfig), ("run", RunConfig)):
            if name in config:
                config[name] = identifying(convert(config[name], kind))
    except msgspec.ValidationError as e:
        raise DataError(f"the settings in {RUN_FILE} cannot be read: {e}", "name another --out") from e
    return config


def settings_of(cloud: Cloud | None, options: Options) -> dict[str, Any]:
    """Every setting of a run, as run.json keeps it."""
    kind = policy_kind(options.policy)
    settings: dict[str, Any] = {"run": options.config}
    settings |= {name: getattr(options, name) for name in kind.reads}
    if (own := kind.own(options.scheduling)) is not None:
        settings["own"] = own
    return {name: msgspec.to_builtins(value) for name, value in settings.items()} | (
        {"cloud": msgspec.to_builtins(cloud.config)} if cloud else {}
    )


def _used(profile: LineProfile) -> frozenset[str]:
    path = profile.folder / "manifest.json"
    return frozenset(makers(Manifest.read(path))) if path.is_file() else frozenset()


def verdicts_of(run: Path) -> Path:
    """The verdict log that a path names: itself, or that of the run folder.

    Raises:
        DataError: there is none.
    """
    path = run / VERDICTS_FILE if run.is_dir() else run
    if not path.is_file():
        raise DataError(f"{run}: no verdict log", f"name a run folder or its {VERDICTS_FILE}")
    return path
