"""The scheduler of an earlier run, put together again from its run folder and the line that judged it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from saec.decoding import convert
from saec.errors import ConfigError
from saec.frame.judges import open_policy
from saec.frame.verdicts import Role, Rules
from saec.profile import Calibration, CloudTrust, LineProfile
from saec.runs.first_pass import FIRST_PASS
from saec.runs.route_replay import Replayed, replay
from saec.runs.run_record import VERDICTS_FILE, RunInfo, judged_by, read_run
from saec.runs.verdict_log import read_all
from saec.schedule.policies import policy_kind
from saec.schedule.policies.policy_contract import PolicySettings, Scheduler
from saec.settings import BudgetConfig, CostConfig, GateConfig


@dataclass(frozen=True, slots=True)
class RecordedScheduler:
    """What decided and judged in a run.

    Attributes:
        run: its ``run.json``.
        calibration: the calibration that the line had at that time.
        trust: how far its cloud was trusted, or None.
    """

    run: RunInfo
    calibration: Calibration
    trust: CloudTrust | None

    def settings(self) -> PolicySettings:
        """The settings of the run's policy."""
        config, kind = self.run.config, policy_kind(self.run.policy)
        return PolicySettings(
            gate=convert(config.get("gate", {}), GateConfig),
            costs=convert(config.get("costs", {}), CostConfig),
            budget=convert(config.get("budget", {}), BudgetConfig),
            own=None if kind.parameters is None else convert(config.get("own", {}), kind.parameters),
        )

    def policy(self) -> Scheduler:
        """The run's policy as it was when it began.

        Raises:
            DataError: the run does not say what its policy found in its first pass.
        """
        kind, settings = policy_kind(self.run.policy), self.settings()
        if kind.first_pass is not None:
            return kind.first_pass.reopen(kind.own(settings), self.run.config.get(FIRST_PASS, {}))
        return open_policy(self.run.policy, self.calibration, self.trust, settings)

    def rules(self) -> Rules:
        """What turned opinions into labels; a cloud that was not asked is advisory."""
        cloud, kind = self.run.cloud, policy_kind(self.run.policy)
        role: Role = "advisory" if cloud is None or cloud.role == "unasked" else cloud.role
        threshold = kind.cloud_threshold(kind.own(self.settings()))
        return Rules(self.run.line.name, self.calibration, role, self.trust, threshold)


def scheduler_of(folder: Path, line: Path | None = None) -> RecordedScheduler:
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
        return RecordedScheduler(run, *simulated)
    profile = LineProfile.open(line or Path(run.line.folder))
    if profile.line.detector.files != run.line.hashes:
        raise ConfigError(
            f"{profile.folder} is not the line that judged {folder}", "name the line of that run"
        )
    calibration = profile.at(run.line.calibration).calibration
    if calibration.created != run.line.calibrated:
        raise ConfigError(
            f"the line {profile.folder} was calibrated again ({calibration.version}) after the run {folder}",
            "give the line as it was with --line (a copy of its folder), or inspect again",
        )
    trust = calibration.clouds.get(run.cloud.key) if run.cloud is not None else None
    return RecordedScheduler(run, calibration, trust)


def replay_run(folder: Path, line: Path | None = None) -> Replayed:
    """Route every frame of a run again and stop at the first difference; see ``scheduler_of``.

    Raises:
        DataError: the log does not hold what its routes were made of.
    """
    scheduler = scheduler_of(folder, line)
    verdicts = read_all(folder / VERDICTS_FILE)
    return replay(verdicts, scheduler.policy, scheduler.run.starts or [1])
