"""Judge a line's inputs into a run folder: verdicts as they are made, pictures, and run.json around them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import msgspec

from saec.data.holdout import makers
from saec.data.input_images import Inputs
from saec.data.manifest import Manifest
from saec.edge.detector_kinds import device_note, on_device
from saec.errors import DataError
from saec.frame.judges import Cloud, Judges, open_judges, warm_up
from saec.frame.map_pictures import save_picture
from saec.profile import LineProfile
from saec.runs.description import asked_where, describe, now
from saec.runs.first_pass import FIRST_PASS, after_first_pass
from saec.runs.metering.run_meter import RunMeter, phase_readings
from saec.runs.resumption import open_run_folder
from saec.runs.run_record import (
    MAPS_FOLDER,
    VERDICTS_FILE,
    RunInfo,
    write_run,
)
from saec.runs.standing_counts import StandingCounts
from saec.runs.verdict_log import VerdictLog
from saec.schedule.calibration.drift import DriftMonitor
from saec.schedule.policies import DEFAULT_POLICY, policy_kind
from saec.schedule.policies.policy_contract import PolicySettings
from saec.settings import MeterConfig, RunConfig
from saec.types import DEFECT, EdgeOpinion, Image, Source, VerdictRecord

Progress = Callable[[VerdictRecord], None]
Look = Callable[[Source, Image, EdgeOpinion], None]
"""Is shown each frame with the edge's opinion, beside the pictures (pixel metrics read the maps here)."""


@dataclass(frozen=True, kw_only=True)
class Options(PolicySettings):
    """How a line is run: the settings of its policy, and the rest.

    Attributes:
        policy: the name of the policy that decides who answers.
        config: queue lengths, pictures, explanations.
        metering: what of the run is measured.
        resume: go on with a run folder; ``retry_errors`` judges its error and provisional frames again.
        command: the command line, for run.json.
    """

    policy: str = DEFAULT_POLICY
    config: RunConfig = field(default_factory=RunConfig)
    metering: MeterConfig = field(default_factory=MeterConfig)
    resume: bool = False
    retry_errors: bool = False
    command: str = ""


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
    """Judge the inputs and write the run folder: ``judge_into`` to its end.

    Args:
        progress: called with each verdict after it is written.
        See ``judge_into`` for the others and for what it raises.
    """
    run = judge_into(profile, inputs, out, cloud=cloud, options=options, look=look, stop=stop)
    return finished(run, progress)


def finished(run: Generator[VerdictRecord, None, RunInfo], progress: Progress | None = None) -> RunInfo:
    """A run to its end; ``progress`` is called with each verdict."""
    with closing(run):
        while True:
            try:
                verdict = next(run)
            except StopIteration as end:
                info: RunInfo = end.value
                return info
            if progress is not None:
                progress(verdict)


def judge_into(
    profile: LineProfile,
    inputs: Inputs,
    out: Path,
    *,
    cloud: Cloud | None = None,
    options: Options | None = None,
    look: Look | None = None,
    stop: threading.Event | None = None,
) -> Generator[VerdictRecord, None, RunInfo]:
    """Judge the inputs into a run folder; yields each verdict after it is written, returns ``run.json``.

    Args:
        profile: the line.
        inputs: what to judge.
        out: the run folder; made, or gone on with under ``options.resume``.
        cloud: the cloud model, or None for the edge alone.
        look: shown each frame with its anomaly map.
        stop: set it to end the run early; the folder can be resumed.

    Raises:
        ConfigError: ``out`` holds another run, or the policy needs a cloud.
        SaecError: a model cannot be loaded.
    """
    options = options or Options()
    kind = policy_kind(options.policy)
    profile, notes = line_of_run(profile, options)
    course = RunMeter(options.metering, out)
    with course.open() as meter:
        with meter.phase("loading"):
            judges, info = loaded_run(profile, inputs, cloud, options, notes)
        past = open_run_folder(out, info, resume=options.resume, retry_errors=options.retry_errors)
        info = msgspec.structs.replace(info, starts=past.starts)
        with meter.phase("warm-up"):
            warm_up(judges)
        write_run(out, info)
        course.rest(meter, stop)
        # Under a policy's own thresholds scores have another scale than those of the calibration's goods.
        drift = DriftMonitor(profile.calibration.goods if kind.line is None else [])
        with meter.phase("run"), VerdictLog(out / VERDICTS_FILE) as log:
            if kind.first_pass is not None:
                judges = after_first_pass(judges, inputs.sources, kind.first_pass, kind.own(options))
                found = kind.first_pass.remember(judges.policy)
                info = msgspec.structs.replace(info, config={**info.config, FIRST_PASS: found})
            observe = _observer(out, judges, options.config.maps, look, drift)
            spans = course.begin(resumed=bool(past.known))
            for verdict in past.rest(inputs, judges, options.config, observe, stop, out, spans):
                log.append(verdict)
                yield verdict
    course.finish(meter, out / VERDICTS_FILE, cloud)
    readings = phase_readings(meter, resumed=bool(past.known))
    ended = "" if stop is not None and stop.is_set() else now()
    info = msgspec.structs.replace(info, ended=ended, meter=readings, cloud=asked_where(info.cloud, cloud))
    used = images_of_line(profile)
    info = counted(info, StandingCounts.of(out / VERDICTS_FILE, used, options.config.deadline_s))
    info = _with_drift(info, drift)
    write_run(out, info)
    return info


def line_of_run(profile: LineProfile, options: Options) -> tuple[LineProfile, list[str]]:
    """The line as the policy and the edge's device have it, and what is to be said of that device."""
    kind = policy_kind(options.policy)
    if kind.line is not None:
        profile = kind.line(profile, kind.own(options))
    note = device_note(profile, options.config.edge_device)
    return on_device(profile, options.config.edge_device), [] if note is None else [note]


def loaded_run(
    profile: LineProfile, inputs: Inputs, cloud: Cloud | None, options: Options, notes: Sequence[str]
) -> tuple[Judges, RunInfo]:
    """What judges, and the description of the run that it begins.

    Args:
        profile: the line as ``line_of_run`` gives it.
        inputs: what is judged, plain or an archive.
        cloud: the cloud model, or None for the edge alone.
        notes: what the description says beside what is known of the inputs.

    Raises:
        SaecError: a model cannot be loaded.
    """
    judges = open_judges(profile, cloud, policy=options.policy, settings=options)
    info = describe(
        profile,
        inputs,
        cloud,
        policy=options.policy,
        config=settings_of(cloud, options),
        command=options.command,
        notes=notes,
    )
    return judges, info


def counted(info: RunInfo, standing: StandingCounts) -> RunInfo:
    """The description of a run, with what was counted of its verdicts."""
    notes = [*info.notes, *standing.notes()]
    return msgspec.structs.replace(info, counts=standing.counts, spent=standing.spent.means(), notes=notes)


def _with_drift(info: RunInfo, drift: DriftMonitor) -> RunInfo:
    if drift.state.alarm is None:
        return info
    counts = {**info.counts, "drift": drift.state.alarm}
    return msgspec.structs.replace(info, counts=counts, notes=[*info.notes, drift.state.sentence()])


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


def settings_of(cloud: Cloud | None, options: Options) -> dict[str, Any]:
    """Every setting of a run, as run.json keeps it."""
    kind = policy_kind(options.policy)
    settings: dict[str, Any] = {"run": options.config}
    settings |= {name: getattr(options, name) for name in kind.reads}
    if (own := kind.own(options)) is not None:
        settings["own"] = own
    return {name: msgspec.to_builtins(value) for name, value in settings.items()} | (
        {"cloud": msgspec.to_builtins(cloud.config)} if cloud else {}
    )


def images_of_line(profile: LineProfile) -> frozenset[str]:
    """Hashes of the images that made the line; none where it has no manifest."""
    path = profile.folder / "manifest.json"
    return frozenset(makers(Manifest.read(path))) if path.is_file() else frozenset()


def verdicts_of(run: Path) -> Path:
    """The verdict log that a path names: itself, or that of the run folder.

    Raises:
        DataError: there is none.
    """
    path = run / VERDICTS_FILE if run.is_dir() else run
    if not path.is_file():
        raise DataError(f"{run} holds no {VERDICTS_FILE}", f"name a run folder or its {VERDICTS_FILE}")
    return path
