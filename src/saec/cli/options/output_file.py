"""The parameter type of files that a command writes when it is done."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click


class NewFile(click.Path):
    """A file that can be written, looked at before the work whose result it is to hold."""

    def __init__(self) -> None:
        super().__init__(dir_okay=False, path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        path = Path(str(super().convert(value, param, ctx)))
        if not path.parent.is_dir():
            self.fail(f"{path.parent} is no folder: make it first", param, ctx)
        return path
