"""Recorded opinions for the bench: lines fitted on data sets, and runs of them that are used again."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from saec.data.procedural import HELD_OUT, write_dataset
from saec.errors import ConfigError
from saec.evaluation.evaluation_tasks import EvaluationTask
from saec.evaluation.line_evaluation import evaluate_line
from saec.frame.judges import Cloud
from saec.profile import LineProfile
from saec.runs.run_folder import Options
from saec.runs.run_record import RUN_FILE, read_run
from saec.settings import CloudConfig, DrawingConfig, FitConfig, RunConfig
from saec_research.baselines import BASELINES, BaselineSetup, FitProgress, prepare_baseline
from saec_research.tables.bench_settings import Drawing

FIRST_SEED = 2**31 + 2_000_000
"""Of the bench's products; training draws them below 2^31, other benchmarks below this."""

DIFFICULTY = 0.6


def draw_products(folder: Path, number: int, drawing: Drawing, first: int = FIRST_SEED) -> Path:
    """The data set of product ``number``: the families that no checkpoint was trained on take turns.

    One that was drawn before is used again.
    """
    turn, at = divmod(number, len(HELD_OUT))
    name = f"{HELD_OUT[at]}-{first + turn}"
    sizes = (drawing.size, drawing.train, drawing.train_defect, drawing.good, drawing.defect)
    out = folder / "-".join(map(str, sizes)) / name
    if not out.is_dir():
        write_dataset(
            out,
            HELD_OUT[at],
            DrawingConfig(
                seed=first + turn,
                n_train=drawing.train,
                n_train_defect=drawing.train_defect,
                n_good=drawing.good,
                n_defect=drawing.defect,
                difficulty=DIFFICULTY,
                size_px=drawing.size,
            ),
        )
    return out


@dataclass(frozen=True, kw_only=True)
class Recorder:
    """Makes runs and keeps them in a folder.

    Attributes:
        store: the folder.
        fit: how lines are made.
        say: told what is done.
    """

    store: Path
    fit: FitConfig
    command: str = ""
    say: Callable[[str], None] = lambda sentence: None

    def record(
        self, dataset: Path, cloud: Cloud | None, progress: FitProgress = lambda what, done, of: None
    ) -> Path:
        """The run folder of the data set's hold-out, judged by a line that is fitted on its train goods.

        With a cloud the line is calibrated with it and every frame is asked about; else the edge judges
        alone.

        Raises:
            SaecError: whatever a fit or a run raises.
        """
        config: dict[str, CloudConfig] = {} if cloud is None else {"saec": cloud.config}
        work = BaselineSetup(
            dataset=dataset,
            store=self.store / "lines",
            clouds=config,
            fit=self.fit,
            command=self.command,
            say=self.say,
        )
        name = "edge" if cloud is None else "saec"
        line = prepare_baseline(BASELINES[name], work, progress, cloud).line
        out = self.store / "runs" / f"{line.folder.name}-{_digest(line, cloud)}"
        if (out / RUN_FILE).is_file():
            if not read_run(out).ended:
                raise ConfigError(f"the run {out} was interrupted", "remove this folder")
            self.say(f"run {out}, recorded before")
            return out
        evaluate_line(
            EvaluationTask(line.folder, dataset, line.line.name),
            cloud=cloud,
            options=Options(
                policy="edge" if cloud is None else "cloud",
                config=RunConfig(maps=False, explain=False),
                command=self.command,
            ),
            out=out,
        )
        return out


def record_procedural(
    recorder: Recorder, lines: int, cloud: Cloud, drawing: Drawing, progress: FitProgress
) -> Sequence[tuple[Path, str]]:
    """Runs of so many procedural lines with the cloud's true opinions, each with its product's name."""
    drawn = [draw_products(recorder.store / "procedural", n, drawing) for n in range(lines)]
    return [(recorder.record(folder, cloud, progress), folder.name) for folder in drawn]


def _digest(line: LineProfile, cloud: Cloud | None) -> str:
    """Of what judges beside the detector, which the line's folder names."""
    judged_by = f"{line.calibration.version} {line.calibration.created} {cloud.key if cloud else ''}"
    return hashlib.sha256(judged_by.encode()).hexdigest()[:8]
