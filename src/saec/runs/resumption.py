"""What a run folder holds of earlier parts of its run, and whether the run may go on in it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec

from saec.data.input_images import Inputs
from saec.decoding import convert
from saec.errors import ConfigError, DataError
from saec.frame.judges import Judges
from saec.runs.first_pass import FIRST_PASS
from saec.runs.inspection import Observer, run_inspection
from saec.runs.metering.stage_spans import SpanLog
from saec.runs.run_record import RUN_FILE, VERDICTS_FILE, RunInfo, read_run
from saec.runs.verdict_log import mend_log, read_all, read_verdicts
from saec.settings import CloudConfig, RunConfig, identifying
from saec.types import VerdictRecord


@dataclass(frozen=True)
class EarlierParts:
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
    ) -> Iterator[VerdictRecord]:
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


def open_run_folder(out: Path, info: RunInfo, *, resume: bool, retry_errors: bool) -> EarlierParts:
    """Make the run folder, or go on with it.

    Args:
        out: the run folder.
        info: the description of the run that begins now.
        resume: go on with the run that the folder holds.
        retry_errors: judge its error and provisional frames again.

    Raises:
        ConfigError: the folder holds a run, and ``resume`` is not set or what judged it was another.
        DataError: its log or its settings cannot be read.
    """
    log = out / VERDICTS_FILE
    old = continued_run(out, info, resume=resume)
    if old is None:
        return EarlierParts([1])
    last = max((verdict.seq for verdict in read_all(log)), default=0)
    known, again = set(), set()
    for verdict in read_verdicts(log):
        if retry_errors and verdict.state != "final":
            again.add(verdict.id)
        else:
            known.add((verdict.path, verdict.sha256))
    return EarlierParts([*old.starts, last + 1], frozenset(known), frozenset(again))


def continued_run(out: Path, info: RunInfo, *, resume: bool) -> RunInfo | None:
    """Make the run folder, or mend the log of the run that goes on in it.

    Args:
        out: the run folder.
        info: the description of the run that begins now.
        resume: go on with the run that the folder holds.

    Returns:
        The description of the run that goes on; None where one begins.

    Raises:
        ConfigError, DataError: see ``open_run_folder``.
    """
    log = out / VERDICTS_FILE
    if not resume or not log.exists():
        check_free(out)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as e:
        raise ConfigError(
            f"the folder {out} cannot be made: {e.strerror or e}", "choose another folder for out"
        ) from e
    if not log.exists():
        return None
    old = read_run(out)
    _check_same(old, info, out)
    mend_log(log)
    return old


def check_free(out: Path) -> None:
    """Refuse a place where a new run cannot go.

    Raises:
        ConfigError: it holds a run or a line profile, or is a file.
    """
    if (out / VERDICTS_FILE).exists():
        raise ConfigError(
            f"{out} already holds a run",
            "choose another folder for out; on the command line you can also resume it",
        )
    if (out / "line.json").exists():
        raise ConfigError(f"{out} is a line profile, not a run folder", "choose another folder for out")
    if out.exists() and not out.is_dir():
        raise ConfigError(f"{out} is a file, not a folder", "choose another folder for out")


def _check_same(old: RunInfo, new: RunInfo, out: Path) -> None:
    """A resumed run is judged by what judged its first part: how fast may differ, labels may not."""
    before, now = _judged_by(old), _judged_by(new)
    if different := [name for name in before | now if before.get(name, ...) != now.get(name, ...)]:
        raise ConfigError(
            f"{out} was begun with {' and '.join(different)}",
            "choose another folder for out, or resume with the settings that it was begun with",
        )
    if old.dataset.root != new.dataset.root:
        raise ConfigError(
            f"{out} is a run on other images: {old.dataset.root}", "choose another folder for out"
        )


def _judged_by(run: RunInfo) -> dict[str, object]:
    """What the labels of a run depend on, by its name in a message."""
    cloud = run.cloud and (run.cloud.name, run.cloud.weights_hash, run.cloud.prompt, run.cloud.role)
    return {
        "another line": (run.line.name, run.line.hashes, run.line.kinds),
        "another calibration": (run.line.threshold, run.line.calibration, run.line.calibrated),
        "another policy": run.policy,
        "another cloud": cloud,
        **{f"other settings of {section}": config for section, config in _identifying(run).items()},
    }


def _identifying(run: RunInfo) -> dict[str, object]:
    """All settings of a run but those that change no label, and what was found instead of set."""
    config = {name: value for name, value in run.config.items() if name != FIRST_PASS}
    try:
        for name, kind in (("cloud", CloudConfig), ("run", RunConfig)):
            if name in config:
                config[name] = identifying(convert(config[name], kind))
    except msgspec.ValidationError as e:
        raise DataError(
            f"the settings in {RUN_FILE} cannot be read: {e}", "choose another folder for out"
        ) from e
    return config
