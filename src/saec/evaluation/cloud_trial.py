"""What a cloud would add on a line, measured on a user's own labelled images."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from saec.data.folds import group_ids
from saec.data.input_images import Inputs
from saec.decoding import convert
from saec.errors import DataError
from saec.evaluation.cloud_benefit import (
    SHARES,
    BenefitConclusion,
    BenefitRow,
    LabelErrors,
    conclude_benefit,
    count_errors,
    worth_rows,
)
from saec.evaluation.line_evaluation import labelled
from saec.evaluation.shown_table import table_html, table_text
from saec.frame.judges import Cloud
from saec.lines.leaks import check_leaks, held_out
from saec.meter import PhaseReading, energy_of
from saec.profile import Calibration, CloudTrust, LineProfile
from saec.runs.run_folder import Options, Progress, run_line, verdicts_of
from saec.runs.run_record import RunInfo
from saec.runs.verdict_log import read_verdicts
from saec.schedule.calibration.cross_fit import (
    FOLDS,
    Labels,
    Opinions,
    cross_fitted_labels,
    edge_labels,
    line_labels,
    recalibrated_labels,
)
from saec.settings import MeterConfig, RunConfig
from saec.types import DEFECT, VerdictRecord

_HEADS = ("asked", "images", "accuracy", "gain in points", "p")
"""The heads of the table of a trial."""


class CloudTrial(msgspec.Struct, frozen=True, kw_only=True):
    """The answer of ``saec worth`` and ``Line.worth``: printed, a table. What was not measured is None.

    Attributes:
        line, dataset, cloud: names of what was measured.
        cross_domain: says so where something was made on another data set.
        n_good, n_defect: judged images; ``n_error`` further ones have no label, on ``n_failed`` the cloud
            failed and the edge's label stands.
        fusion: where the weights of the fusion come from: "line", "cross-fitted" on these images, or "" with
            too few; ``fusion_reason`` says it in a sentence.
        edge: the edge alone at the line's threshold.
        recalibrated: the control, the edge alone with a threshold fitted (cross-fitted) on these labels for
            accuracy; None with too few images.
        ms_per_asked, j_per_asked: time and energy of the cloud per frame that it is asked about.
        rows, conclusion: see ``saec.evaluation.cloud_benefit``.
        notes: what a reader must know of the costs.
    """

    line: str
    dataset: str
    cloud: str
    cross_domain: str | None
    n_good: int
    n_defect: int
    n_error: int
    n_failed: int
    fusion: str
    fusion_reason: str
    edge: LabelErrors
    recalibrated: LabelErrors | None
    ms_per_asked: float | None
    j_per_asked: float | None
    rows: list[BenefitRow]
    conclusion: BenefitConclusion
    notes: list[str]

    def to_dict(self) -> dict[str, Any]:
        """The figures by their names, as plain values."""
        plain: dict[str, Any] = msgspec.to_builtins(self)
        return plain

    def __repr__(self) -> str:
        return table_text(self._title, self._rows(), self._sentences())

    def _repr_html_(self) -> str:
        return table_html(self._title, self._rows(), self._sentences())

    @property
    def _title(self) -> str:
        return f"{self.cloud} on the line {self.line}: {self.n_good} good and {self.n_defect} defect images"

    def _rows(self) -> list[tuple[str, ...]]:
        alone = ("0 %", "0", f"{100 * self.edge.accuracy:.1f} %", "", "")
        return [_HEADS, alone, *map(_cells, self.rows)]

    def _sentences(self) -> list[str]:
        said = [self.fusion_reason, *self.notes]
        if self.cross_domain:
            said.append(f"cross-domain: {self.cross_domain}")
        return [*said, self.conclusion.sentence]


def measure_worth(
    profile: LineProfile,
    inputs: Inputs,
    cloud: Cloud,
    out: Path,
    *,
    shares: Sequence[float] = SHARES,
    gpu: int | None = None,
    command: str = "",
    progress: Progress | None = None,
    stop: threading.Event | None = None,
) -> CloudTrial | None:
    """Let edge and cloud judge every labelled image and say what asking adds at each share.

    The cloud is asked about every image once; who is asked about at a share is worked out afterwards.

    Args:
        profile: the line.
        inputs: images; those of unknown truth are left out.
        cloud: the model.
        out: folder for the run of both; where energy is measured also for one of the edge alone.
        shares: shares of the frames, in (0, 1].
        gpu: which GPU the meter reads.
        progress, stop: see ``run_line``.

    Returns:
        None where ``stop`` was set: half of the images would be taken for all.

    Raises:
        LeakError: an image was used to fit or calibrate the line, or to tune the cloud.
        DataError: no image of known truth, or none that could be judged.
        ConfigError: a share outside (0, 1].
    """
    inputs = held_out(profile, labelled(inputs))
    check_leaks(profile, inputs.sources, cloud.config)

    def run(name: str, engine: Cloud | None) -> RunInfo:
        options = Options(
            policy="cloud" if engine else "edge",
            config=RunConfig(maps=False, explain=False),
            metering=MeterConfig(gpu=gpu),
            command=command,
        )
        return run_line(
            profile, inputs, out / name, cloud=engine, options=options, progress=progress, stop=stop
        )

    info = run("both", cloud)
    alone = run("edge", None) if _energy(info) is not None else None
    if stop is not None and stop.is_set():
        return None
    log = read_verdicts(verdicts_of(out / "both"))
    verdicts = sorted((v for v in log if v.edge is not None), key=lambda v: v.id)
    if not verdicts:
        raise DataError(f"{inputs.root}: no image could be judged", "check the images with `saec data check`")
    return _worth(profile, inputs, cloud, info, verdicts, shares, _joules(info, alone, len(verdicts)))


def _worth(
    profile: LineProfile,
    inputs: Inputs,
    cloud: Cloud,
    info: RunInfo,
    verdicts: list[VerdictRecord],
    shares: Sequence[float],
    joules: float | None,
) -> CloudTrial:
    calibration, opinions = profile.calibration, _opinions(verdicts, inputs)
    labels, fusion, reason = _fused(calibration, cloud, opinions)
    milliseconds = _milliseconds(verdicts)
    rows = (
        []
        if labels is None
        else worth_rows(calibration, opinions, labels, shares, ms_per_asked=milliseconds, j_per_asked=joules)
    )
    edge = count_errors(opinions.truth, edge_labels(calibration, opinions.score))
    control = recalibrated_labels(opinions)
    n_defect = int((opinions.truth == DEFECT).sum())
    return CloudTrial(
        line=profile.line.name,
        dataset=inputs.root,
        cloud=cloud.engine.name,
        cross_domain=info.cross_domain,
        n_good=len(verdicts) - n_defect,
        n_defect=n_defect,
        n_error=info.counts.get("error", 0),
        n_failed=int(np.isnan(opinions.cloud).sum()),
        fusion=fusion,
        fusion_reason=reason,
        edge=edge,
        recalibrated=None if control is None else count_errors(opinions.truth, control),
        ms_per_asked=milliseconds,
        j_per_asked=joules,
        rows=rows,
        conclusion=conclude_benefit(rows, edge, len(verdicts)),
        notes=_notes(info, joules),
    )


def _opinions(verdicts: Sequence[VerdictRecord], inputs: Inputs) -> Opinions:
    """Both opinions of each judged image; copies of one file are one part."""
    part = {source.id: source.part for source in inputs.sources}
    return Opinions(
        truth=np.array([int(v.truth == DEFECT) for v in verdicts]),
        score=np.array([v.edge.score for v in verdicts if v.edge is not None]),
        cloud=np.array([v.cloud.p_defect if v.cloud else np.nan for v in verdicts]),
        parts=group_ids([part.get(v.id, "") for v in verdicts], [v.sha256 for v in verdicts]),
    )


def _fused(calibration: Calibration, cloud: Cloud, opinions: Opinions) -> tuple[Labels | None, str, str]:
    """Labels if asked, whose fusion gave them, and the sentence that says so."""
    trust: CloudTrust | None = calibration.clouds.get(cloud.key)
    if trust is not None and trust.mode == "fused":
        said = (
            f"labels by the line's own combination of edge and cloud, from {trust.n_good} good images and "
            f"{trust.n_defect} defects of its"
        )
        return line_labels(calibration, trust, opinions), "line", f"{said} calibration"
    why = {
        None: "the line has not been calibrated with this cloud",
        "advisory": "the line's calibration had too few labelled images to trust this cloud",
        "unasked": "on the line's calibration images this cloud adds nothing, so the line would not ask it",
    }[None if trust is None else trust.mode]
    fitted = cross_fitted_labels(calibration, opinions)
    if fitted is None:
        return None, "", f"{why}, and these images are too few to combine edge and cloud"
    earned = f"in {fitted[1]} of {FOLDS} folds the cloud adds to the edge"
    return (
        fitted[0],
        "cross-fitted",
        f"{why}; the labels combine edge and cloud by cross-validation on these images ({earned})",
    )


def _milliseconds(verdicts: Sequence[VerdictRecord]) -> float | None:
    """The cloud's time per frame that it was asked about."""
    asked = [v.ms["cloud"] for v in verdicts if "cloud" in v.ms]
    return sum(asked) / len(asked) if asked else None


def _energy(info: RunInfo) -> tuple[tuple[str, ...], float] | None:
    """Whose joules were measured in the run, and how many."""
    reading = next(convert(r, PhaseReading) for r in info.meter if r["phase"] == "run")
    measured = energy_of(reading)
    if not measured:
        return None
    return measured, (reading.gpu_energy_j or 0.0) + (reading.cpu_energy_j or 0.0)


def _joules(both: RunInfo, edge: RunInfo | None, frames: int) -> float | None:
    """What asking about every frame took beyond the edge alone, per frame."""
    with_cloud, without = _energy(both), _energy(edge) if edge is not None else None
    if with_cloud is None or without is None or with_cloud[0] != without[0]:
        return None
    return (with_cloud[1] - without[1]) / frames


def _notes(info: RunInfo, joules: float | None) -> list[str]:
    energy = _energy(info)
    if joules is None or energy is None:
        return ["The energy is unknown: this machine has no counter that could be read for both runs."]
    return [
        f"The energy in J is that of {' and '.join(energy[0])} with idle power: the run with the "
        "cloud minus the run without it."
    ]


def _cells(row: BenefitRow) -> tuple[str, ...]:
    low, high = row.gain_interval
    return (
        f"{100 * row.share:.3g} %",
        str(row.asked),
        f"{100 * row.accuracy:.1f} %",
        f"{100 * row.gain:+.1f} ({100 * low:.1f} to {100 * high:.1f})",
        f"{row.mcnemar_p:.3f}",
    )
