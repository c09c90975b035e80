"""The modules of the project: of the line's distribution and of the researchers'."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import saec
import saec_research

PACKAGES = [Path(package.__file__ or "").parent for package in (saec, saec_research)]


def modules() -> Iterator[tuple[str, Path]]:
    """Each module's path within its package (the researchers' with the package's name before it)."""
    for package in PACKAGES:
        prefix = "" if package.name == "saec" else f"{package.name}/"
        for path in sorted(package.rglob("*.py")):
            yield prefix + path.relative_to(package).as_posix(), path
