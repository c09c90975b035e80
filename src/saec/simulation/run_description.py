"""``run.json`` of a simulated run: it says that it is one, and holds what judged it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from saec.extensions import VERSION
from saec.runs.description import library_versions, machine, now
from saec.runs.first_pass import FIRST_PASS
from saec.runs.run_folder import settings_of
from saec.runs.run_record import SIMULATED, VERDICTS_FILE, CloudInfo, DatasetInfo, RunInfo
from saec.runs.standing_counts import StandingCounts
from saec.schedule.policies import policy_kind
from saec.simulation.outcomes import MODEL
from saec.simulation.scenario import Cast, Scene


def describe_simulation(cast: Cast, scene: Scene, *, model: Mapping[str, Any], command: str = "") -> RunInfo:
    """The ``RunInfo`` of a simulation that starts now.

    Args:
        cast, scene: what is simulated.
        model: what the opinions are drawn from.
        command: the command line.
    """
    rules = cast.rules
    config = settings_of(None, cast.options)
    config["run"]["deadline_s"] = scene.deadline_s
    first = policy_kind(cast.options.policy).first_pass
    if first is not None:
        config[FIRST_PASS] = first.remember(cast.policy)
    config[SIMULATED] = {
        "calibration": msgspec.to_builtins(rules.calibration),
        "trust": msgspec.to_builtins(rules.trust),
        "scene": msgspec.to_builtins(scene),
        "opinions": dict(model),
    }
    return RunInfo(
        saec=VERSION,
        line=cast.line,
        dataset=DatasetInfo(root=cast.note, layout=SIMULATED),
        cloud=_cloud(cast),
        policy=cast.options.policy,
        command=command,
        started=now(),
        starts=[1],
        machine=machine(),
        versions=library_versions(),
        config=config,
        notes=[f"Simulated: no image was judged. {cast.note}"],
    )


def ended(info: RunInfo, folder: Path, scene: Scene) -> RunInfo:
    """The run with its counts, once its log is written."""
    counts = StandingCounts.of(folder / VERDICTS_FILE, frozenset(), scene.deadline_s).counts
    return msgspec.structs.replace(info, counts=counts, ended=now())


def _cloud(cast: Cast) -> CloudInfo:
    trust, role = cast.rules.trust, cast.rules.role
    unasked = role == "advisory" and trust is not None and trust.mode == "unasked"
    return CloudInfo(
        name=MODEL,
        role="unasked" if unasked else role,
        auroc=trust.auroc if trust else None,
        auroc_low=trust.auroc_low if trust else None,
        n_good=trust.n_good if trust else None,
        n_defect=trust.n_defect if trust else None,
        reason="a simulated cloud answers",
    )
