"""Whether a secret is one: who else of this machine may read or change its file."""

from __future__ import annotations

import stat
from collections.abc import Iterable, Iterator
from pathlib import Path


def readable_by_others(paths: Iterable[Path | None]) -> Iterator[str]:
    """A sentence for each secret that others of this machine may read."""
    for path in paths:
        try:
            mode = path.stat().st_mode if path is not None else 0
        except OSError:
            continue
        if mode & (stat.S_IRWXO | stat.S_IWGRP):  # a group may be meant to read it
            yield f"other users can read or change {path}: run chmod 600 {path}"
