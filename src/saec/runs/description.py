"""What a run was made with: line, data, cloud, machine and versions, as ``run.json`` states them."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import msgspec

from saec.data.input_images import Inputs
from saec.extensions import VERSION
from saec.frame.judges import Cloud, standing
from saec.profile import LineProfile
from saec.runs.domain import ADAPTER_FILE, adapter_origin, cross_domain
from saec.runs.run_record import CloudInfo, DatasetInfo, LineInfo, Machine, RunInfo
from saec.schedule.calibration.rule_words import rule_words
from saec.schedule.policies import policy_kind

LIBRARIES = ("numpy", "opencv-python-headless", "openvino", "torch", "transformers")


def now() -> str:
    """ISO 8601 with offset, to the second."""
    return datetime.now(UTC).astimezone().isoformat(timespec="seconds")


def describe(
    profile: LineProfile,
    inputs: Inputs,
    cloud: Cloud | None,
    *,
    policy: str,
    config: dict[str, Any],
    command: str = "",
    notes: Sequence[str] = (),
) -> RunInfo:
    """The ``RunInfo`` of a run that starts now."""
    line, calibration = profile.line, profile.calibration
    adapter = cloud.config.adapter if cloud else None
    return RunInfo(
        saec=VERSION,
        line=LineInfo(
            name=line.name,
            folder=str(profile.folder.absolute()),
            detector=line.detector.kind,
            backbone=line.detector.backbone,
            precision=line.detector.precision,
            device=line.detector.device,
            hashes=line.detector.files,
            input_size=(line.preparation.height, line.preparation.width),
            threshold=calibration.threshold,
            calibration=calibration.version,
            calibrated=calibration.created,
            gate=calibration.gate if policy_kind(policy).shows_gate else None,
            overkill=calibration.overkill,
            rule=rule_words(calibration),
            prevalence=calibration.prevalence,
            has_p_defect=calibration.p_defect is not None,
            n_goods=len(calibration.goods),
            n_defects=len(calibration.defects),
            kinds=line.kinds,
            roi=line.preparation.roi,
            bits=line.preparation.bits,
        ),
        dataset=DatasetInfo(
            root=inputs.root, layout=inputs.layout, split=inputs.split, procedural=inputs.procedural
        ),
        cloud=_cloud_info(cloud, profile, policy) if cloud else None,
        cross_domain=cross_domain(profile, inputs, adapter),
        policy=policy if cloud else "edge",
        command=command,
        started=now(),
        machine=machine(),
        versions=library_versions(),
        config=config,
        notes=[*inputs.notes, *_unnamed(adapter), *notes],
    )


def _unnamed(adapter: str | None) -> list[str]:
    if adapter is None or adapter_origin(adapter) is not None:
        return []
    return [f"It is unknown what the adapter was tuned on: it has no {ADAPTER_FILE}."]


def _cloud_info(cloud: Cloud, profile: LineProfile, policy: str) -> CloudInfo:
    place = standing(cloud, profile.calibration, policy)
    trust = place.trust
    return CloudInfo(
        name=cloud.engine.name,
        role=place.role,
        key=cloud.key,
        weights_hash=cloud.engine.weights_hash,
        adapter=cloud.config.adapter,
        demonstration=cloud.engine.demonstration,
        prompt=cloud.engine.prompt,
        auroc=trust.auroc if trust else None,
        auroc_low=trust.auroc_low if trust else None,
        n_good=trust.n_good if trust else None,
        n_defect=trust.n_defect if trust else None,
        reason=place.reason,
    )


def asked_where(info: CloudInfo | None, cloud: Cloud | None) -> CloudInfo | None:
    """The description of a cloud with what became of each address of its service."""
    if info is None or cloud is None or not cloud.config.remote.url:
        return info
    from saec.cloud.remote.engine import RemoteEngine

    engine = cloud.engine
    return (
        msgspec.structs.replace(info, addresses=engine.addresses)
        if isinstance(engine, RemoteEngine)
        else info
    )


def machine() -> Machine:
    """Where this process runs."""
    cpu = platform.processor()
    info = Path("/proc/cpuinfo")
    if info.is_file():
        names = (
            line.split(":", 1)[1].strip()
            for line in info.read_text().splitlines()
            if line.startswith("model name")
        )
        cpu = next(names, cpu)
    return Machine(
        cpu=cpu, cores=os.cpu_count(), platform=platform.platform(), python=platform.python_version()
    )


def library_versions(names: Sequence[str] = LIBRARIES) -> dict[str, str]:
    """The versions of those that are installed."""
    found = {}
    for name in names:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found
