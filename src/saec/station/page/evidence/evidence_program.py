"""Makes one file of evidence: ``python -m saec.station.page.evidence.evidence_program``, begun by the page.

Its standard input is one line that says what is wished; its standard output is one line that says what came
of it. Where that input ends before, the page has ended, and so does this program.
"""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path
from typing import IO

import msgspec

from saec.errors import SaecError
from saec.station.maintenance.evidence_export import EvidenceQuery, export_evidence
from saec.station.page.evidence.evidence_jobs import EvidenceOutcome
from saec.station.setup.handed_settings import read_handed
from saec.station.setup.station_settings import StationSettings
from saec.station.storage.private_files import FilePermissions

_POLITE = 10
"""By how much it steps back behind the line and the page."""


class EvidenceWish(msgspec.Struct, frozen=True, kw_only=True):
    """What is wished.

    Attributes:
        settings: the station's.
        query: which frames.
        target: the file to make.
        actor, role, reason: who wishes it, and why.
        replay: judge each frame again whose image is kept.
    """

    settings: StationSettings
    query: EvidenceQuery
    target: Path
    actor: str
    role: str
    reason: str
    replay: bool


def main() -> None:
    """Make the file, and say what came of it."""
    os.nice(_POLITE)
    FilePermissions.close()
    wish = read_handed(sys.stdin.buffer.readline(), EvidenceWish)
    threading.Thread(target=_follow, args=(sys.stdin.buffer,), name="saec-page", daemon=True).start()
    print(msgspec.json.encode(make_evidence(wish)).decode(), flush=True)
    os._exit(0)  # the thread still waits for the page's end


def make_evidence(wish: EvidenceWish) -> EvidenceOutcome:
    """Make the file of a wish."""
    try:
        made = export_evidence(
            wish.settings,
            wish.query,
            wish.target,
            wish.actor,
            wish.role,
            wish.reason,
            replay=wish.replay,
        )
    except SaecError as e:
        return EvidenceOutcome(problem=e.what, remedy=e.remedy or "")
    except OSError as e:
        return EvidenceOutcome(problem=str(e))
    return EvidenceOutcome(frames=made.frames, differing=made.replays.get("differs", 0))


def _follow(wishes: IO[bytes]) -> None:
    wishes.read()
    os._exit(1)


if __name__ == "__main__":
    main()
