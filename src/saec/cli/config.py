"""saec config: show, check and describe settings files."""

from __future__ import annotations

from pathlib import Path

import click
import msgspec

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.group(context_settings={"help_option_names": ["-h", "--help", "--help-all"]})
def command() -> None:
    """Show, check and describe settings files.

    A settings file is TOML. Every command takes it with --config. An option of the command line beats the
    file; the file beats the default. docs/settings.md lists every key.

    \b
    saec config show --config saec.toml
    saec config check --config saec.toml
    saec config schema > saec.schema.json
    """


@command.command("show")
@click.option("--config", "path", type=_FILE, help="The settings file. Without it you see the defaults.")
def show_settings(path: Path | None) -> None:
    """Print all settings, and where each value comes from."""
    from saec.cli.options.effective_settings import effective_toml

    click.echo(effective_toml(path), nl=False)


@command.command("check")
@click.option("--config", "path", type=_FILE, required=True, help="The settings file.")
def check_settings(path: Path) -> None:
    """Check a settings file, and start nothing.

    The keys are checked, their types and ranges, and what a station needs. An error names the line of the
    file and the remedy.
    """
    from saec.cli.options.effective_settings import check_file

    for line in check_file(path):
        click.echo(line)
    click.echo(f"{path}: the settings are sound")


@command.command("schema")
@click.argument("of", type=click.Choice(["settings", "verdict"]), default="settings")
def print_schema(of: str) -> None:
    """Print a JSON Schema.

    "settings" (the default) is that of a settings file. "verdict" is that of one line of verdicts.jsonl.
    """
    from saec.cli.options.effective_settings import settings_schema
    from saec.runs.verdict_log import schema as verdict_schema

    found = verdict_schema() if of == "verdict" else settings_schema()
    click.echo(msgspec.json.format(msgspec.json.encode(found), indent=1).decode())
