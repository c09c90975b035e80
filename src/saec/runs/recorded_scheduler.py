"""The scheduler of an earlier run, put together again from its run folder and the line that judged it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from saec.decoding import convert
from saec.errors import ConfigError, DataError
from saec.frame.judges import PolicyName, open_policy
from saec.frame.verdicts import Role, Rules
from saec.profile import Calibration, CloudTrust, LineProfile
from saec.research.seed.policy import SeedPolicy
from saec.runs.route_replay import Replayed, replay
from saec.runs.run_record import VERDICTS_FILE, RunInfo, judged_by, read_run
from saec.runs.verdict_log import read_all
from saec.schedule.policies.contract import Policy
from saec.settings import BudgetConfig, CostConfig, GateConfig, SeedConfig


@dataclass(frozen=True, slots=True)
class Scheduler:
    """What decided and judged in a run.

    Attributes:
        run: its ``run.json``.
        calibration: that was the line's then.
        trust: how far its cloud was trusted, or None.
    """

    run: RunInfo
    calibration: Calibration
    trust: CloudTrust | None

    def policy(self) -> Policy:
        """The run's policy as it was when it began."""
        config = self.run.config
        if self.run.policy == "seed":
            cut = config.get("seed_cut", math.nan)
            if cut is not None and math.isnan(cut):
                raise DataError(
                    "the run does not say where the seed's policy cut", "it was stopped in its first pass"
                )
            seed = convert(config["seed"], SeedConfig)
            return SeedPolicy(seed, math.inf if cut is None else cut)
        return open_policy(
            convert(self.run.policy, PolicyName),
            self.calibration,
            self.trust,
            gate=convert(config.get("gate", {}), GateConfig),
            costs=convert(config.get("costs", {}), CostConfig),
            budget=convert(config.get("budget", {}), BudgetConfig),
        )

    def rules(self) -> Rules:
        """What turned opinions into labels; a cloud that was not asked is advisory."""
        cloud = self.run.cloud
        role: Role = "advisory" if cloud is None or cloud.role == "unasked" else cloud.role
        threshold = self.run.config["seed"]["qwen_thr"] if self.run.policy == "seed" else 0.5
        return Rules(self.run.line.name, self.calibration, role, self.trust, threshold)


def scheduler_of(folder: Path, line: Path | None = None) -> Scheduler:
    """The scheduler of a run.

    Args:
        folder: the run folder.
        line: the line profile that judged it; None looks where it lay then. A simulated run holds what
            judged it itself.

    Raises:
        ConfigError: another line.
        LineError: no line profile there, or its calibration of then is gone.
    """
    run = read_run(folder)
    if (simulated := judged_by(run)) is not None:
        return Scheduler(run, *simulated)
    profile = LineProfile.open(line or Path(run.line.folder))
    if profile.line.detector.files != run.line.hashes:
        raise ConfigError(
            f"{profile.folder} is not the line that judged {folder}", "name the line of that run"
        )
    calibration = profile.at(run.line.calibration).calibration
    if calibration.created != run.line.calibrated:
        raise ConfigError(
            f"calibration {calibration.version} of {profile.folder} was made anew since {folder}",
            "name the line as it was, or inspect again",
        )
    trust = calibration.clouds.get(run.cloud.key) if run.cloud is not None else None
    return Scheduler(run, calibration, trust)


def replay_run(folder: Path, line: Path | None = None) -> Replayed:
    """Route every frame of a run again and stop at the first difference; see ``scheduler_of``.

    Raises:
        DataError: the log does not hold what its routes were made of.
    """
    scheduler = scheduler_of(folder, line)
    verdicts = read_all(folder / VERDICTS_FILE)
    return replay(verdicts, scheduler.policy, scheduler.run.starts or [1])
