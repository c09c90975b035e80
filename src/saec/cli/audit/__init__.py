"""saec audit: who changed what at a station, verified and exported; the keys that sign."""

from __future__ import annotations

import click

from saec.cli.audit.audit_verify import verify_audit
from saec.cli.audit.evidence_export import export
from saec.cli.audit.signing_keys import keys, revoke_key, rotate_keys


@click.group(context_settings={"help_option_names": ["-h", "--help", "--help-all"]})
def command() -> None:
    """Verify and export who changed what at a station.

    Each change by page, API or command line is a row of a chain: a changed or removed row is found.

    \b
    saec audit verify --config station.toml --against verdicts-2026-11-30.jsonl
    saec audit export --config station.toml --since 2026-11-30 --out monday.zip
    saec audit keys --config station.toml
    """


for _name, _command in {
    "verify": verify_audit,
    "export": export,
    "keys": keys,
    "rotate": rotate_keys,
    "revoke": revoke_key,
}.items():
    command.add_command(_command, _name)
