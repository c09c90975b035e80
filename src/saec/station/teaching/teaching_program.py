"""Does one job: ``python -P -m saec.station.teaching.teaching_program``, begun by a ``JobRunner``.

Its standard input is one line: the station's settings, and the folder of the job. What it says goes into the
job's log. Where that input ends before, its runner has ended, and so does this program. It steps back behind
line and page, computes with one thread, and is the first that the system ends where memory runs out.
"""

from __future__ import annotations

import os
import resource
import sys
import threading
import traceback
from pathlib import Path
from typing import IO

import msgspec

from saec.errors import SaecError
from saec.profile import write_json
from saec.station.setup.handed_settings import read_handed
from saec.station.setup.station_settings import StationSettings
from saec.station.storage.database.schema import is_disk_full
from saec.station.storage.private_files import FilePermissions
from saec.station.teaching.compare_versions import compare_as_asked
from saec.station.teaching.fit_first import fit_first
from saec.station.teaching.job_desk import JobDesk
from saec.station.teaching.job_records import CompareJob, FitJob, Job, JobOutcome, TeachJob
from saec.station.teaching.job_runner import NO_ROOM
from saec.station.teaching.teach_candidate import teach_candidate
from saec.texts import read_json

NICE = 15
"""By how much it steps back behind the line, and behind the page."""

_FIRST_TO_GO = "1000"
_LOWER = Path("/proc/self/oom_score_adj")


class JobWish(msgspec.Struct, frozen=True, kw_only=True):
    """What is wished: the job of a folder, with the station's settings."""

    settings: StationSettings
    folder: Path


def main() -> None:
    """Do the job, and write what came of it."""
    os.nice(NICE)
    FilePermissions.close()
    if _LOWER.exists():
        _LOWER.write_text(_FIRST_TO_GO)
    wish = read_handed(sys.stdin.buffer.readline(), JobWish)
    threading.Thread(target=_follow, args=(sys.stdin.buffer,), name="saec-runner", daemon=True).start()
    write_json(wish.folder / "outcome.json", done_job(wish.settings, wish.folder))
    os._exit(0)  # the thread still waits for the runner's end


def done_job(settings: StationSettings, folder: Path) -> JobOutcome:
    """Do the job of a folder; one that was begun before goes on where it was.

    Raises:
        SaecError: the job's file is damaged.
    """
    job: Job = read_json(folder / "job.json", Job, error=SaecError, remedy="start it again")
    desk = JobDesk(settings, job, folder)
    desk.work.mkdir(exist_ok=True, mode=0o700)
    try:
        outcome = _done(desk, job)
    except SaecError as e:
        desk.say(str(e))
        outcome = JobOutcome(notes=tuple(desk.notes), problem=e.what, remedy=e.remedy or "")
    except Exception as e:
        traceback.print_exc()
        full = is_disk_full(e)
        problem, remedy = (NO_ROOM, "make room and start it again") if full else (repr(e)[:500], "")
        outcome = JobOutcome(notes=tuple(desk.notes), problem=problem, remedy=remedy)
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    return msgspec.structs.replace(outcome, memory_mb=used)


def _done(desk: JobDesk, job: Job) -> JobOutcome:
    match job.work:
        case TeachJob() as teach:
            return teach_candidate(desk, teach)
        case CompareJob() as compare:
            return compare_as_asked(desk, compare)
        case FitJob() as fit:
            return fit_first(desk, fit)


def _follow(runner: IO[bytes]) -> None:
    runner.read()
    os._exit(1)


if __name__ == "__main__":
    main()
