"""Evidence: have a signed file made of a span of time, and take it away; for admins."""

from __future__ import annotations

import time
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from starlette.responses import FileResponse, Response

from saec.errors import SaecError
from saec.station.page.page_tools import PageTools, go_to
from saec.station.page.page_view import PageRoute
from saec.station.page.page_visit import Visit
from saec.station.page.words.languages import msgid
from saec.station.setup.handed_settings import handed_json

_LONGEST = 1000
"""Letters of a reason."""


def begin_evidence(tools: PageTools, visit: Visit) -> Response:
    """Begin to make a file; how far it is comes by events.

    Raises:
        SaecError: no span is given, or another file is being made.
    """
    form = visit.form
    since, until = moment_in(form.get("from", "")), moment_in(form.get("to", ""))
    if since is None or (until is not None and until <= since):
        raise SaecError(
            msgid("Evidence needs a span of time"), msgid("Give the time from which on, and a later end")
        )
    line = form.get("line", "")
    if line and line not in tools.lines:
        raise SaecError(msgid("This station has no such line"), msgid("Choose one under Lines"))
    wish = {
        "settings": tools.settings,
        "query": {"since": since, "until": until, "line": line or None, "lot": form.get("lot") or None},
        "actor": visit.shown,
        "role": "" if visit.role is None else visit.role.value,
        "reason": form.get("reason", "").strip()[:_LONGEST],
        "replay": form.get("replay") == "yes",
    }
    made = time.strftime("%Y-%m-%d-%H%M%S")
    name = f"evidence-{tools.settings.station.name}-{made}.zip"
    tools.evidence.start(name, visit.shown, partial(_encoded, wish))
    return go_to("/page/audit#evidence")


def take_evidence(tools: PageTools, visit: Visit) -> Response:
    """The file; that it was taken is a row of the audit.

    Raises:
        SaecError: it is not there any more, or not yet.
    """
    job = next((job for job in tools.evidence.all if job.id == visit.taken["id"]), None)
    if job is None or job.state != "done":
        raise SaecError(msgid("This file is not kept any more"), msgid("Export it again"))
    tools.note(visit)("evidence.download", job.name, None, {"size": job.size, "frames": job.frames})
    return FileResponse(tools.evidence.path(job.id), media_type="application/zip", filename=job.name)


def moment_in(text: str) -> float | None:
    """Seconds since the epoch of a moment as a browser's form says it, by the station's clock and zone."""
    try:
        return datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError, OSError):
        return None


def _encoded(wish: dict[str, Any], target: Path) -> bytes:
    return handed_json(wish | {"target": target})


EVIDENCE_ROUTES = (
    PageRoute("POST", "/page/audit/evidence", begin_evidence),
    PageRoute("GET", "/page/audit/evidence/{id}", take_evidence),
)
