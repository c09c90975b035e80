"""The job that teaches: labels -> a profile -> trust in the cloud -> a candidate version -> a comparison.

Each step leaves a whole thing in the job's folder, or a version that has its number by its content. So a job
that is begun again goes on, and ends with the same candidate. The line judges on by its current version.
"""

from __future__ import annotations

import shutil
from contextlib import closing
from pathlib import Path

from saec.data.dataset import Dataset, open_dataset
from saec.data.items import Item
from saec.data.manifest import Manifest
from saec.errors import SaecError
from saec.frame.judges import Cloud
from saec.lines.calibrating.recalibration import recalibrate
from saec.lines.calibrating.requested_calibration import RecalibrationRequest
from saec.lines.fit_sentences import threshold_sentences
from saec.lines.line_fit import whole
from saec.lines.teaching import teach_line
from saec.profile import LineProfile
from saec.station.audit.audit_log import AuditLog
from saec.station.cloud_models import CloudModels
from saec.station.maintenance.audited_versions import add_version
from saec.station.review.review_store import ReviewStore
from saec.station.teaching.compare_versions import compare_versions
from saec.station.teaching.job_desk import JobDesk
from saec.station.teaching.job_records import JobOutcome, TeachJob
from saec.station.teaching.line_base import recipe_base
from saec.station.teaching.taught_material import labels_changed, taught_items
from saec.texts import read_text
from saec.types import DEFECT, GOOD


def teach_candidate(desk: JobDesk, work: TeachJob) -> JobOutcome:
    """Do the job.

    Raises:
        DataError: nothing is new, or an image cannot be read.
        LineError: the line cannot be taught.
        LeakError: an image is held out.
    """
    job = desk.job
    with closing(ReviewStore(desk.data)) as reviews:
        base = desk.versions.profile(work.base)
        with desk.step("labels"):
            items = taught_items(desk, work, reviews, base.line.preparation.bits)
        with desk.step("teach"):
            profile = _taught(desk, base, items)
        if work.cloud:
            with desk.step("cloud"):
                profile = _with_cloud(desk, work, profile, items)
        with desk.step("add"):
            log, model = AuditLog(desk.data), desk.versions.model(work.base)
            number = add_version(
                desk.versions, log, job.actor, job.role, profile, model, job.reason or f"job {job.id}"
            )
        with desk.step("compare"):
            changed = labels_changed(desk, reviews)
            if changed:
                desk.note(f"taken back or changed while they were taught: {changed} labels; teach again")
            against = recipe_base(desk.data, job.line, work.recipe)
            compare_versions(desk, reviews, against, number, labels_changed=changed)
    return JobOutcome(version=number, notes=tuple(desk.notes), compared=True)


def _taught(desk: JobDesk, base: LineProfile, items: list[Item]) -> Path:
    target = desk.work / "taught"
    if not target.is_dir():
        _, summary = teach_line(
            base,
            target,
            goods=[item for item in items if item.label == GOOD],
            defects=[item for item in items if item.label == DEFECT],
            created=desk.created,
            progress=desk.progress,
        )
        left = f", {summary.known} were known before" if summary.known else ""
        lines = [f"taught {summary.goods} good images and {summary.defects} defects{left}", *summary.notes]
        (target.parent / "taught.txt").write_text("\n".join(lines), "utf-8")
    said = target.parent / "taught.txt"
    for sentence in read_text(said).splitlines() if said.is_file() else []:
        desk.note(sentence)
    for sentence in threshold_sentences(LineProfile.open(target)):
        desk.note(sentence)
    return target


def _with_cloud(desk: JobDesk, work: TeachJob, taught: Path, items: list[Item]) -> Path:
    """The candidate with its trust in the line's cloud; without it where the cloud cannot be asked."""
    target = desk.work / "with-cloud"
    try:
        if not target.is_dir():
            cloud = _cloud(desk, work)
            if cloud is None:
                desk.note("this station asks no cloud, so the candidate trusts none")
                return taught
            with whole(target) as partial:
                shutil.copytree(taught, partial, dirs_exist_ok=True)
                recalibrate(
                    LineProfile.open(partial),
                    RecalibrationRequest(),
                    created=desk.created,
                    goods=[item.path for item in items if item.label == GOOD],
                    defects=[item.path for item in items if item.label == DEFECT],
                    dataset=_own_dataset(taught),
                    cloud=cloud,
                    step=desk.say,
                )
    except SaecError as e:
        desk.note(f"the candidate does not trust the cloud, which could not be measured: {e}")
        return taught
    for trust in LineProfile.open(target).calibration.clouds.values():
        desk.note(f"the cloud {trust.model} was measured on the candidate: it is {trust.mode}")
    return target


def _cloud(desk: JobDesk, work: TeachJob) -> Cloud | None:
    models = CloudModels(desk.settings.cloud, desk.data / "clouds")
    name = desk.versions.model(work.base)
    if not models(name):
        return None
    models.identify()
    return models(name)[0]


def _own_dataset(profile: Path) -> Dataset | None:
    """The data set that the line was fitted on; the cloud is asked about its goods. None where it is gone."""
    root = LineProfile.open(profile).line.dataset
    if not root or not Path(root).is_dir():
        return None
    try:
        layout = str(Manifest.read(profile).about.get("layout", "auto"))
        return open_dataset(Path(root), layout=layout, strict=False)
    except SaecError:
        return None
