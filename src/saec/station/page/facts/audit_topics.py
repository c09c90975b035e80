"""What the view Audit shows without a press: the check of the chain, and the files of evidence."""

from __future__ import annotations

from saec.station.page.evidence.evidence_jobs import EvidenceJobs
from saec.station.page.facts.chain_checks import ChainChecks
from saec.station.page.page_templates import PageTemplates
from saec.station.page.words.languages import Wording
from saec.station.people.roles import Role

_CHECK, _FILES = "audit-check", "audit-evidence"


class AuditTopics:
    """The topics ``audit-check`` and ``audit-evidence``; each is empty for who may not see it."""

    def __init__(self, checks: ChainChecks, evidence: EvidenceJobs, templates: PageTemplates) -> None:
        self._checks, self._evidence, self._templates = checks, evidence, templates
        self._seen: dict[str, object] = {}

    def every(self) -> list[str]:
        return [_CHECK, _FILES]

    def changed(self) -> list[str]:
        before, self._seen = self._seen, {_CHECK: self._checks.state, _FILES: self._evidence.all}
        return [name for name, seen in self._seen.items() if before.get(name) is not seen]

    def text(self, name: str, words: Wording, role: Role) -> str:
        if name == _CHECK and role.allows(Role.ENGINEER):
            return self._templates.text("audit_check.html", words, check=self._checks.state)
        if name == _FILES and role.allows(Role.ADMIN):
            return self._templates.text("evidence_files.html", words, files=self._evidence.all)
        return ""
