"""``run.json``: what a run folder says of itself, so that its verdicts can be read without the line.

RUN/
  run.json             this module's ``RunInfo``
  verdicts.jsonl       one ``saec.types.VerdictRecord`` per line, in the order in which they were made
  metrics.json         after an evaluation
  maps/ID.jpg          frames with their anomaly map on the scale of the line's threshold
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import msgspec

from saec.cloud.remote.address_pool import AddressFigures
from saec.decoding import convert
from saec.errors import DataError
from saec.profile import Calibration, CloudTrust, Gate, write_json
from saec.runs.question_costs import SpentMeans
from saec.settings import FitConfig
from saec.texts import read_json
from saec.types import Box

SCHEMA = 1
RUN_FILE = "run.json"
VERDICTS_FILE = "verdicts.jsonl"
METRICS_FILE = "metrics.json"
MAPS_FOLDER = "maps"
SIMULATED = "simulated"
"""Key of a simulated run's ``config``: what judged it, and what was simulated; and its data set's layout."""


class LineInfo(msgspec.Struct, frozen=True, kw_only=True):
    """The line profile that judged, as it was then.

    Attributes:
        name: the product's name.
        folder: where the profile lay.
        detector, backbone, precision: what the graph at the line is made of.
        device: where it ran, such as CPU; "" in an older log.
        hashes: sha256 of the profile's files by name.
        input_size: height and width of the graph's input in pixels, or None when not stated.
        calibration: version of the calibration; ``calibrated`` is when it was made.
        threshold: scores at or above it are labelled defect.
        gate: the two scores between which the edge is not sure, or None for a policy without one.
        overkill: the overkill rate that was asked of goods, or is expected of them.
        rule: what the threshold was chosen by, in words; "" in an older log.
        prevalence: share of defects at which P(defect) is stated.
        has_p_defect: whether scores are mapped to P(defect) (labelled defects were given).
        n_goods, n_defects: calibration images.
        kinds: the kinds of defect that the edge tells apart.
        roi: the judged rectangle of the frame, or None for all of it.
        bits: significant bits of 16-bit sources.
    """

    name: str
    folder: str
    detector: str
    threshold: float
    calibration: int
    backbone: str = ""
    precision: str = ""
    device: str = ""
    hashes: dict[str, str] = {}
    input_size: tuple[int, int] | None = None
    calibrated: str = ""
    gate: Gate | None = None
    overkill: float | None = None
    rule: str = ""
    prevalence: float = FitConfig().prevalence
    has_p_defect: bool = False
    n_goods: int | None = None
    n_defects: int | None = None
    kinds: tuple[str, ...] = ()
    roi: Box | None = None
    bits: int = FitConfig().bits


class DatasetInfo(msgspec.Struct, frozen=True, kw_only=True):
    """What was judged; ``procedural`` marks images that our own generator drew."""

    root: str
    layout: str = ""
    split: str = ""
    procedural: bool = False


class CloudInfo(msgspec.Struct, frozen=True, kw_only=True):
    """The cloud model of the run.

    Attributes:
        role: "fused", "advisory", "unasked" (as trusted on this line) or "alone" (the cloud decides).
        key: the key under which the line keeps its trust in this cloud.
        demonstration: True for the small checkpoint that ships with the project.
        auroc, auroc_low: its AUROC on the line's labelled calibration images, with the lower end of its 95 %
            interval; None without defects there.
        reason: one sentence that says why it has this role.
        addresses: where a service was asked, and how often since the run was begun or resumed last, by
            address; the addresses do not identify a run.
    """

    name: str
    role: Literal["fused", "advisory", "unasked", "alone"]
    key: str = ""
    weights_hash: str = ""
    adapter: str | None = None
    demonstration: bool = False
    prompt: str = ""
    auroc: float | None = None
    auroc_low: float | None = None
    n_good: int | None = None
    n_defect: int | None = None
    reason: str = ""
    addresses: dict[str, AddressFigures] = {}


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    """Where it ran; an unknown thing is ""  or None, never a guess."""

    cpu: str = ""
    cores: int | None = None
    gpu: str = ""
    platform: str = ""
    python: str = ""


class RunInfo(msgspec.Struct, frozen=True, kw_only=True):
    """``run.json``; written when a run starts and again when it ends.

    Attributes:
        saec: version of this program; ``versions`` those of the libraries that judged.
        cross_domain: says so where line, thresholds or adapter come from another data set
            (``saec.runs.domain``), else None.
        policy: name of the scheduler's policy.
        command: the command line as it was given.
        started, ended: ISO 8601 with offset; ``ended`` is "" while it runs or when it was killed.
        starts: ``VerdictRecord.seq`` of the first frame of each part: one for the run and one for each time
            that it was resumed. A policy with a memory begins anew with each.
        counts: frames by outcome ("frames", "good", "defect", "error", "escalated", ...).
        spent: tokens and bytes of the questions to the cloud; None where it was asked about nothing.
        meter: one mapping per phase (key "phase": loading, warm-up, run) of the meter's figures; None
            is unknown.
        config: every setting that the run used.
        notes: warnings that a reader of the results must see, one sentence each.
    """

    schema: int = SCHEMA
    saec: str
    line: LineInfo
    dataset: DatasetInfo
    cloud: CloudInfo | None = None
    cross_domain: str | None = None
    policy: str = "edge"
    command: str = ""
    started: str = ""
    ended: str = ""
    starts: list[int] = []
    counts: dict[str, int] = {}
    spent: SpentMeans | None = None
    meter: list[dict[str, Any]] = []
    machine: Machine = Machine()
    versions: dict[str, str] = {}
    config: dict[str, Any] = {}
    notes: list[str] = []


def write_run(folder: Path, run: RunInfo) -> None:
    """Write ``run.json`` atomically: a reader sees the old file or the new one."""
    write_json(folder / RUN_FILE, run)


def read_run(folder: Path) -> RunInfo:
    """Read the ``run.json`` of a run folder.

    Raises:
        DataError: there is none, it is damaged, or it has another schema.
    """
    path = folder / RUN_FILE
    missing = DataError(
        f"{folder} is not a run folder: no {RUN_FILE}", "make one with `saec inspect INPUT --line LINE`"
    )
    run = read_json(path, RunInfo, error=DataError, remedy="inspect again", missing=missing)
    if run.schema != SCHEMA:
        raise DataError(
            f"{path} was written by another version of saec (format {run.schema}, this "
            f"version reads {SCHEMA})",
            "inspect again",
        )
    return run


def judged_by(run: RunInfo) -> tuple[Calibration, CloudTrust | None] | None:
    """Calibration and trust in the cloud that a simulated run holds itself; None for any other run.

    Raises:
        DataError: they are damaged.
    """
    held = run.config.get(SIMULATED)
    if held is None:
        return None
    try:
        trust = convert(held["trust"], CloudTrust | None)
        return convert(held["calibration"], Calibration), trust
    except (KeyError, TypeError, msgspec.ValidationError) as e:
        raise DataError(f"{RUN_FILE} of a simulated run is damaged: {e}", "simulate again") from e
