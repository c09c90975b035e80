"""The job that fits a line's first version on good images."""

from __future__ import annotations

from saec.api.line_making import fit_images
from saec.data.user_folders import goods_set
from saec.lines.fit_sentences import threshold_sentences
from saec.profile import LineProfile
from saec.settings import FitConfig
from saec.station.audit.audit_log import AuditLog
from saec.station.maintenance.audited_versions import add_version
from saec.station.teaching.job_desk import JobDesk
from saec.station.teaching.job_records import FitJob, JobOutcome


def fit_first(desk: JobDesk, work: FitJob) -> JobOutcome:
    """Fit a line on the images in the job's folder ``given``, and add it; the first version is current.

    Raises:
        ExtraError: ``saec[fit]`` is not installed.
        DataError: there are too few images, or one cannot be read.
        LineError: the folder of the versions is no sound one.
    """
    target = desk.work / "fitted" / desk.job.line
    if not (target / "line.json").is_file():
        with desk.step("fit"):
            target.parent.mkdir(exist_ok=True)
            images = goods_set([desk.folder / "given"])
            fit_images(images, target, _settings(work), progress=desk.progress)
    for sentence in threshold_sentences(LineProfile.open(target)):
        desk.note(sentence)
    with desk.step("add"):
        job, log = desk.job, AuditLog(desk.data)
        number = add_version(desk.versions, log, job.actor, job.role, target, reason=job.reason)
    return JobOutcome(version=number, notes=tuple(desk.notes))


def _settings(work: FitJob) -> FitConfig:
    return FitConfig() if work.overkill_rate is None else FitConfig(overkill_rate=work.overkill_rate)
