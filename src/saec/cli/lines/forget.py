"""saec forget: make the next version of a line without images that were labelled wrongly."""

from __future__ import annotations

from pathlib import Path

import click
import msgspec

from saec.cli.options.progress_bar import bar
from saec.cli.options.settings_command import settings_command
from saec.settings.setting_fields import Argument, Everyday, ExistingFolder


class ForgetSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The section [forget]: the line, and the images that it forgets.

    Attributes:
        line: The folder of the line. It is not changed.
        hashes: The sha256 of each image, or the first digits of it. manifest.json has them.
        out: Make the next version in this folder. Default: beside the line, as LINE-v2, LINE-v3 and so on.
    """

    line: Argument[ExistingFolder]
    hashes: Argument[tuple[str, ...]]
    out: Everyday[Path | None] = None


@settings_command()
def command(forget: ForgetSettings) -> None:
    """Make the next version of LINE without images that were labelled wrongly.

    The next version is what it would be had the images never been taught. LINE itself is not changed. If an
    image had only the wrong label, teach it again with the right one.

    \b
    saec forget lines/bottle 3f9a2c
    """
    from saec.api.line_teaching import forgotten
    from saec.profile import LineProfile

    with bar() as progress:
        _, notes = forgotten(LineProfile.open(forget.line), forget.hashes, out=forget.out, progress=progress)
    for sentence in notes:
        click.echo(sentence)
