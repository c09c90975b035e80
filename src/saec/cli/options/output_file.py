"""Files that a command writes when it is done."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

STANDARD_OUTPUT = Path("-")


class NewFile(click.Path):
    """A file that can be written, looked at before the work whose result it is to hold; "-" is standard
    output."""

    def __init__(self) -> None:
        super().__init__(dir_okay=False, path_type=Path, allow_dash=True)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        path = Path(str(super().convert(value, param, ctx)))
        if not path.parent.is_dir():
            if path.parent.exists():
                self.fail(f"{path.parent} is a file, not a folder: name another place", param, ctx)
            self.fail(f"the folder {path.parent} does not exist: make it first", param, ctx)
        return path


def write_json_to(path: Path, value: object) -> None:
    """Write a value as JSON to a file, or to standard output."""
    from saec.profile import json_text, write_json

    if path == STANDARD_OUTPUT:
        click.echo(json_text(value), nl=False)
    else:
        write_json(path, value)
