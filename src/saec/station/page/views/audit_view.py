"""Audit: who changed what, when and why, and whether the record is what was written."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlencode

from starlette.responses import Response

from saec.errors import SaecError
from saec.station.audit.audit_rows import AuditError, AuditRow
from saec.station.page.facts.action_words import said_action
from saec.station.page.page_tools import PageTools, ViewWords, go_to
from saec.station.page.page_view import PageRoute, PageView
from saec.station.page.page_visit import Visit
from saec.station.page.views.evidence_routes import EVIDENCE_ROUTES, moment_in
from saec.station.page.words.languages import msgid
from saec.station.page.words.page_terms import TERMS
from saec.station.people.roles import Role

SHOWN = 50
"""Rows of one page."""

_FILTERS = ("actor", "what", "about", "since", "until")
_HEAD = re.compile(r"(\d{1,18}):([0-9a-fA-F]{64})")
_LAST = 2**63 - 1
"""The largest number that the database holds."""


def show_audit(tools: PageTools, visit: Visit) -> Response:
    """The rows that the filters mean, newest first."""
    asked = {name: visit.form.get(name, "").strip() for name in _FILTERS}
    rows, problem = [], None
    try:
        rows = _rows(tools, visit, asked)
    except AuditError as e:
        problem = e
    shown = rows[:SHOWN]
    kept = {name: value for name, value in asked.items() if value}
    older = urlencode({**kept, "before": shown[-1].n}) if len(rows) > SHOWN else ""
    return tools.page(
        "audit",
        visit,
        rows=[said_action(visit.wording, row) for row in shown],
        problem=problem,
        asked=asked,
        filtered=bool(kept),
        older=older,
        newest="before" not in visit.form,
        actions=_actions(),
        people=sorted({person.shown for person in tools.people.all()} | {row.actor for row in shown}),
        check=tools.checks.state,
        may_export=visit.role is not None and visit.role.allows(Role.ADMIN),
        files=tools.evidence.all,
        lines=tools.lines,
    )


def begin_check(tools: PageTools, visit: Visit) -> Response:
    """Begin to check the chain; what it finds comes by events.

    Raises:
        SaecError: what was given is no head of a chain.
    """
    given = visit.form.get("head", "").strip()
    head = _HEAD.fullmatch(given)
    if given and head is None:
        raise SaecError(
            msgid("This is no hash of a row"), msgid("Give the number of the row, a colon and its hash")
        )
    tools.checks.start({} if head is None else {int(head[1]): frozenset({head[2].lower()})})
    return go_to("/page/audit")


def _rows(tools: PageTools, visit: Visit, asked: dict[str, str]) -> list[AuditRow]:
    before = visit.form.get("before", "")
    limits: dict[str, Any] = {name: asked[name] or None for name in ("actor", "what", "about")}
    return tools.audit.rows(
        min(int(before), _LAST) if before.isascii() and before.isdecimal() else None,
        SHOWN + 1,
        since=moment_in(asked["since"]),
        until=moment_in(asked["until"]),
        **limits,
    )


def _actions() -> dict[str, list[str]]:
    """The kinds of actions by the group that their names begin with."""
    groups: dict[str, list[str]] = {}
    for what in TERMS["action"]:
        groups.setdefault(what.partition(".")[0], []).append(what)
    return groups


AUDIT = PageView(
    "audit",
    ViewWords(
        msgid("Audit"),
        msgid("See who changed what, when and why, and check that nobody has changed the record."),
        msgid(
            "Each change is a row, and each row holds the hash of the row before it. The check reads the "
            "whole chain and names the first row that was changed, removed or moved. A cut end or a chain "
            "that was made anew shows only against a hash that left this machine: write the last hash "
            "down, or export evidence."
        ),
    ),
    (
        PageRoute("GET", "/page/audit", show_audit),
        PageRoute("POST", "/page/audit/verify", begin_check),
        *EVIDENCE_ROUTES,
    ),
)
