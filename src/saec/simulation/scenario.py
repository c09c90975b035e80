"""What is simulated: random frames on a line that is stated in numbers, or the frames of a recorded run."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np

from saec.errors import ConfigError, DataError
from saec.frame.judges import open_policy
from saec.frame.verdicts import Rules
from saec.profile import Calibration, CloudTrust
from saec.runs.recorded_scheduler import scheduler_of
from saec.runs.run_folder import Options
from saec.runs.run_record import VERDICTS_FILE, LineInfo
from saec.runs.verdict_log import read_verdicts
from saec.schedule.calibration.rule_words import rule_words
from saec.schedule.calibration.score_calibration import calibrate
from saec.schedule.calibration.trust import trust_cloud
from saec.schedule.link.dispatch import Dispatch
from saec.schedule.policies import policy_kind
from saec.schedule.policies.expected_value import measure_mending
from saec.schedule.policies.policy_contract import Scheduler
from saec.settings import CloudConfig, FitConfig, RunConfig
from saec.settings.threshold_rule import GOODS_ALONE, ThresholdRule
from saec.simulation.events import LoneCloud, Passing, Simulation
from saec.simulation.opinion_source import (
    SimulatedFrame,
    again,
    cloud_answers,
    draw,
    sample,
    with_answers,
)
from saec.simulation.outcomes import MODEL, Figures, Referee
from saec.simulation.simulation_settings import CloudModel, OpinionModel, Pace, SimulationConfig
from saec.types import UNBOUNDED, VerdictRecord

GOODS, DEFECTS = 200, 60
"""Calibration images of a stated line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """How a simulated line runs.

    Attributes:
        pace, cloud: how frames come and how the cloud answers.
        batch: frames that a request takes at most; see ``CloudConfig``.
        waiting, deadline_s: see ``RunConfig``.
        seed: the seed of the latencies.
    """

    pace: Pace
    cloud: CloudModel
    batch: int = CloudConfig().batch
    waiting: int | None = RunConfig().waiting
    deadline_s: float | None = RunConfig().deadline_s
    seed: int = SimulationConfig().seed


def simulate(cast: Cast, scene: Scene, write: Callable[[VerdictRecord], None] | None = None) -> Figures:
    """Let frames pass a simulated line.

    Args:
        cast: the frames and who judges them.
        scene: the rest of the line.
        write: takes each verdict, as a live run would write it.
    """
    referee = Referee(cast.rules, scene.deadline_s, write)
    dispatch: Dispatch[Passing] = Dispatch(
        batch=scene.batch,
        capacity=UNBOUNDED if scene.waiting is None else scene.waiting,
        deadline=scene.deadline_s,
    )
    rng = np.random.default_rng(scene.seed)
    run = Simulation(cast.policy, dispatch, referee, scene.pace, LoneCloud(scene.cloud, rng))
    frames = run.run(cast.samples)
    return referee.figures(frames, peak=run.peak, requests=run.requests, lost=run.lost, seconds=run.now)


@dataclass(frozen=True, slots=True)
class Cast:
    """Who plays in a simulation.

    Attributes:
        samples: the frames' opinions; read once.
        policy: a fresh one.
        rules: turn opinions into labels.
        line: who judges, as run.json says it.
        options: say who answers.
        note: one sentence that says what this is.
    """

    samples: Iterable[SimulatedFrame]
    policy: Scheduler
    rules: Rules
    line: LineInfo
    options: Options
    note: str


def stated(model: OpinionModel, options: Options, frames: int, rng: np.random.Generator) -> Cast:
    """Random frames, on a line that is calibrated on other random frames.

    Args:
        model: what edge and cloud think of the frames.
        options: say who answers; a run's other options are not looked at.
        frames: their number.
        rng: draws the frames.

    Raises:
        ConfigError: a policy with thresholds of its own, which random scores do not have.
    """
    if policy_kind(options.policy).line is not None:
        raise ConfigError(
            f"policy {options.policy} needs recorded frames, because it has thresholds of its own",
            f"give --run with a run made with --policy {options.policy}",
        )
    truth = np.r_[np.zeros(GOODS, bool), np.ones(DEFECTS, bool)]
    scores = model.scores(truth, rng)
    calibration = calibrate(
        {f"{i}": score for i, score in enumerate(scores[~truth].tolist())},
        scores[truth].tolist(),
        rule=ThresholdRule(overkill_rate=GOODS_ALONE),
        gate=options.gate,
        prevalence=FitConfig().prevalence,
        created="stated",
    )
    trust = stated_trust(calibration, model.cloud_error, model.correlation, rng)
    line = _stated_line(calibration, options)
    rules = _rules(line.name, calibration, trust, options)
    note = f"Assumed: an edge of AUROC {model.auroc:g}, and a cloud that errs on {model.cloud_error:.1%}."
    policy = _policy(calibration, trust, options)
    return Cast(draw(model, calibration, frames, rng), policy, rules, line, options, note)


def recorded(
    run: Path,
    line: Path | None,
    options: Options,
    rng: np.random.Generator,
    *,
    frames: int | None = None,
    cloud_error: float | None = None,
    correlation: float = OpinionModel().correlation,
) -> Cast:
    """The frames of a run under a policy of choice.

    Args:
        run: the run folder.
        line: the line that judged it; None takes the path that the run recorded.
        options: say who answers now, whatever decided then.
        frames: so many, drawn with replacement; None is each once, in the order of the log.
        cloud_error: a stated cloud answers, wrong on this share of frames; None takes the recorded answers.
        correlation: the correlation of its errors with the edge's.

    Raises:
        DataError: the run does not hold what is needed of its frames.
        ConfigError: a policy with thresholds of its own, on frames that were not judged under it.
    """
    scheduler = scheduler_of(run, line)
    calibration, verdicts = scheduler.calibration, _judged(run / VERDICTS_FILE)
    if cloud_error is None:
        samples, trust, who = _with_their_answers(run, verdicts), scheduler.trust, "the recorded cloud"
    else:
        samples = _with_stated_answers(run, verdicts, cloud_error, correlation, rng)
        trust = stated_trust(calibration, cloud_error, correlation, rng)
        who = f"an assumed cloud that errs on {cloud_error:.1%}"
    if policy_kind(options.policy).line is not None and scheduler.run.policy != options.policy:
        raise ConfigError(
            f"the run was not made with policy {options.policy}, which has thresholds of its own",
            f"give a run made with --policy {options.policy}",
        )
    policy = _prepared(_policy(calibration, trust, options), samples, options)
    rules = _rules(scheduler.run.line.name, calibration, trust, options)
    played = samples if frames is None else again(samples, frames, rng)
    note = f"Recorded: {len(samples)} frames of {run}; {who} is {rules.role}."
    return Cast(played, policy, rules, scheduler.run.line, options, note)


def _stated_line(calibration: Calibration, options: Options) -> LineInfo:
    return LineInfo(
        name="stated",
        folder="",
        detector="stated",
        threshold=calibration.threshold,
        calibration=calibration.version,
        calibrated=calibration.created,
        gate=calibration.gate if policy_kind(options.policy).shows_gate else None,
        overkill=calibration.overkill,
        rule=rule_words(calibration),
        prevalence=calibration.prevalence,
        has_p_defect=calibration.p_defect is not None,
        n_goods=len(calibration.goods),
        n_defects=len(calibration.defects),
    )


def _policy(calibration: Calibration, trust: CloudTrust | None, options: Options) -> Scheduler:
    return open_policy(options.policy, calibration, trust, options)


def _prepared(policy: Scheduler, samples: Sequence[SimulatedFrame], options: Options) -> Scheduler:
    """The policy after its first pass, where it needs one: over the complexities that were recorded."""
    first = policy_kind(options.policy).first_pass
    if first is None:
        return policy
    return first.prepare(policy, [s.complexity for s in samples if s.complexity is not None])


def _rules(line: str, calibration: Calibration, trust: CloudTrust | None, options: Options) -> Rules:
    """As in a live run: the cloud decides alone where the policy says so, else as far as it is trusted."""
    kind = policy_kind(options.policy)
    if kind.cloud == "alone":
        threshold = kind.cloud_threshold(kind.own(options))
        return Rules(line, calibration, "alone", trust, threshold)
    fused = trust is not None and trust.mode == "fused"
    return Rules(line, calibration, "fused" if fused else "advisory", trust)


def stated_trust(
    calibration: Calibration, cloud_error: float, correlation: float, rng: np.random.Generator
) -> CloudTrust:
    """How far a cloud of a stated error is trusted, from its answers on the line's calibration images."""
    scores = np.array([*calibration.goods, *calibration.defects])
    truth = np.arange(len(scores)) >= len(calibration.goods)
    wrong = (scores >= calibration.threshold) != truth
    answers = cloud_answers(truth, wrong, float(wrong.mean()), cloud_error, correlation, rng)
    opinions = scores[~truth], scores[truth], answers[~truth], answers[truth]
    trust = trust_cloud(MODEL, "", *opinions, calibration)
    return msgspec.structs.replace(trust, mending=measure_mending(calibration, trust, *opinions))


def _judged(log: Path) -> list[VerdictRecord]:
    verdicts = [verdict for verdict in read_verdicts(log) if verdict.edge is not None]
    if not verdicts:
        raise DataError(f"{log}: no frame has an opinion of the edge", "name another run")
    return verdicts


def _with_their_answers(run: Path, verdicts: Sequence[VerdictRecord]) -> list[SimulatedFrame]:
    asked = [(v, v.edge, v.cloud) for v in verdicts]
    unasked = sum(cloud is None for _, _, cloud in asked)
    if unasked:
        raise DataError(
            f"{run}: {unasked} of {len(verdicts)} frames have no answer of a cloud",
            "inspect with --policy cloud, or simulate the cloud's answers with --cloud-error",
        )
    return [sample(edge, v.complexity, cloud.p_defect, v.truth) for v, edge, cloud in asked if edge and cloud]


def _with_stated_answers(
    run: Path,
    verdicts: Sequence[VerdictRecord],
    cloud_error: float,
    correlation: float,
    rng: np.random.Generator,
) -> list[SimulatedFrame]:
    known = [(v.edge, v.complexity, v.truth) for v in verdicts]
    frames = [(edge, complexity, truth) for edge, complexity, truth in known if edge and truth is not None]
    if len(frames) < len(known):
        raise DataError(
            f"{run}: the true label of {len(known) - len(frames)} frames is not known",
            "give a run on a labelled data set, or leave out --cloud-error",
        )
    return with_answers(frames, cloud_error, correlation, rng)
