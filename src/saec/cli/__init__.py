"""The command line: a module per command, imported when its command is called."""

from __future__ import annotations

import errno
import importlib
import os
import sys
from functools import cached_property
from typing import NamedTuple

import click

from saec.errors import SaecError
from saec.extensions import VERSION, extensions


class Command(NamedTuple):
    """A command of ``saec``.

    Attributes:
        module: where its click object ``command`` is; imported when the command is called.
        help: one line.
    """

    module: str
    help: str


GROUPS: dict[str, dict[str, Command]] = {
    "Make a line": {
        "fit": Command("saec.cli.lines.fit", "Make a line profile from good images."),
        "calibrate": Command(
            "saec.cli.lines.calibrate", "Make new thresholds and defect probabilities for a line."
        ),
        "teach": Command("saec.cli.lines.teach", "Teach a line new labelled images: its next version."),
        "forget": Command("saec.cli.lines.forget", "Make a line's next version without some images."),
        "demo": Command(
            "saec.cli.lines.demo", "Fit, inspect, evaluate and report, on procedural or your own images."
        ),
        "data": Command("saec.cli.data", "Read, check and build data sets."),
        "config": Command("saec.cli.config", "Show, check and describe settings files."),
    },
    "Judge frames": {
        "inspect": Command("saec.cli.runs.inspect", "Judge images and write verdicts."),
        "evaluate": Command("saec.cli.runs.evaluate", "Measure lines on labelled images."),
        "study": Command("saec.cli.runs.study", "Study how well a line and people repeat themselves."),
        "report": Command("saec.cli.runs.report", "Make one HTML page of a run."),
        "replay": Command("saec.cli.runs.replay", "Decide again, from the log of a run, and compare."),
        "simulate": Command("saec.cli.runs.simulate", "Simulate a line and its cloud."),
        "meter": Command("saec.cli.runs.meter", "Measure the time, energy and memory of a command."),
    },
    "Run at the line": {
        "station": Command("saec.cli.station", "Run a station at the line."),
        "export": Command(
            "saec.cli.labels.label_export", "Export frames, labels and masks of a station's review."
        ),
        "import": Command("saec.cli.labels.label_import", "Import labels given elsewhere."),
        "audit": Command("saec.cli.audit", "Verify and export who changed what; manage signing keys."),
    },
    "Ask a cloud": {
        "cloud": Command("saec.cli.clouds.cloud", "Serve a multimodal LLM to stations."),
        "worth": Command(
            "saec.cli.clouds.worth", "Say whether asking a cloud is worth it, on your labelled images."
        ),
        "plan": Command("saec.cli.clouds.plan", "Plan GPUs, bandwidth and energy for many stations."),
        "scoring": Command(
            "saec.cli.clouds.scoring", "Compare the --scoring methods of a model on labelled images."
        ),
        "tune": Command("saec.cli.clouds.tune", "Fine-tune a cloud's model on labelled images."),
        "models": Command("saec.cli.clouds.models", "Pull, verify and convert models."),
    },
}
"""The commands under the headings of ``saec --help``. A new command is a module and a line here."""


ELSEWHERE = {"baseline": "saec-research", "bench": "saec-research"}
"""Commands of distributions of ours that need not be installed, for whoever calls one that is not."""


def groups() -> dict[str, dict[str, Command]]:
    """``GROUPS``, and those of every distribution that adds some (entry points ``saec.commands``)."""
    found = dict(GROUPS)
    for extension in extensions("saec.commands"):
        found.update(extension.load())
    return found


_FILE_REMEDIES = {
    errno.EACCES: "allow it to be read and written, or name another place",
    errno.EPERM: "allow it to be read and written, or name another place",
    errno.EROFS: "name a place that can be written",
    errno.EEXIST: "a file stands where a folder is needed: name another place",
    errno.ENOTDIR: "a file stands where a folder is needed: name another place",
    errno.EISDIR: "name a file, not a folder",
    errno.ENOSPC: "make room on the disk, or name another place",
    errno.ENAMETOOLONG: "give a shorter name",
}
"""What to do about a file that the system refuses, by its error number."""


class _Lazy(click.Group):
    @cached_property
    def known(self) -> dict[str, Command]:
        """The commands by name."""
        return {name: command for group in groups().values() for name, command in group.items()}

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.known)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.known:
            return None
        command: click.Command = importlib.import_module(self.known[cmd_name].module).command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        width = max(map(len, self.known))
        for heading, commands in groups().items():
            with formatter.section(heading):
                formatter.write_dl([(f"{name:{width}}", one.help) for name, one in commands.items()])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.NoSuchCommand as e:  # click compares with commands that are imported already
            if e.command_name in ELSEWHERE and e.command_name not in self.known:
                remedy = f"pip install {ELSEWHERE[e.command_name]}"
                raise click.UsageError(f"{e.command_name} is not installed: {remedy}", ctx=ctx) from None
            raise click.NoSuchCommand(e.command_name, possibilities=self.known, ctx=ctx) from None


@click.group(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(VERSION, prog_name="saec")
def root() -> None:
    """Inspection that knows when to ask.

    A small detector at the line ("the edge") answers what it is sure of. A multimodal LLM ("the cloud")
    answers the rest.
    """


def main(argv: list[str] | None = None) -> int:
    """Run the command line; returns the exit status (0 fine, 1 failed, 2 bad input, 130 interrupted)."""
    try:
        status = root.main(args=argv, prog_name="saec", standalone_mode=False)
    except click.ClickException as e:
        e.show()
        return 2
    except click.exceptions.Exit as e:
        return e.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted", err=True)
        return 130
    except SaecError as e:
        click.echo(f"error: {e.what}", err=True)
        if e.remedy:
            click.echo(f"remedy: {e.remedy}", err=True)
        return 2
    except OSError as e:
        if e.errno == errno.EPIPE:  # the reader of our output has gone, as `| head` does
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 1
        if e.filename is None:  # not about a file that the user named
            raise
        click.echo(f"error: {os.fsdecode(e.filename)}: {e.strerror}", err=True)
        click.echo(f"remedy: {_FILE_REMEDIES.get(e.errno or 0, 'check the path and its folder')}", err=True)
        return 2
    return status if isinstance(status, int) else 0  # click returns what ctx.exit(status) was given


if __name__ == "__main__":
    sys.exit(main())
