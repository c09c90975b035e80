"""Print what the tests ran of each room, and fail where a room that must be covered is not.

    python scripts/coverage_rooms.py             # after `pytest --cov`; `make coverage` does both
    python scripts/coverage_rooms.py --missing   # also the lines and branches of these rooms that nothing ran

Lines and branches are counted apart: a branch is one way out of a condition or a loop.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from coverage import Coverage

FLOORS = {"station": 90.0, "schedule": 90.0, "frame": 90.0}
"""Least percentage of a room's lines, and of its branches, that tests run."""


@dataclass
class RoomCount:
    """What there is in a room, and what was run of it.

    Attributes:
        lines, lines_run: statements of the room, and those that a test ran.
        branches, branches_run: the same of its branches.
    """

    lines: int = 0
    lines_run: int = 0
    branches: int = 0
    branches_run: int = 0

    def add(self, summary: Mapping[str, Any]) -> None:
        """Count one file, as coverage.py's JSON report sums it up."""
        self.lines += summary["num_statements"]
        self.lines_run += summary["covered_lines"]
        self.branches += summary["num_branches"]
        self.branches_run += summary["covered_branches"]

    @property
    def line_share(self) -> float:
        """Percentage of the lines that were run."""
        return 100 * self.lines_run / self.lines if self.lines else 100.0

    @property
    def branch_share(self) -> float:
        """Percentage of the branches that were run."""
        return 100 * self.branches_run / self.branches if self.branches else 100.0


def room_of(file: str) -> str:
    """The room of a source file: the first folder below the package, or the package's own modules."""
    package, *rest = Path(file).parts[Path(file).parts.index("src") + 1 :]
    if package != "saec":
        return package
    return rest[0] if len(rest) > 1 else "(top)"


def count_rooms(files: Mapping[str, Mapping[str, Any]]) -> dict[str, RoomCount]:
    """Each room with what was run of it, sorted by name; ``files`` are those of coverage.py's JSON report."""
    rooms: dict[str, RoomCount] = defaultdict(RoomCount)
    for name, file in files.items():
        rooms[room_of(name)].add(file["summary"])
    return dict(sorted(rooms.items()))


def table(rooms: Mapping[str, RoomCount]) -> Iterable[str]:
    """The lines of the table."""
    yield f"{'room':<14}{'lines':>8}{'run':>9}{'branches':>10}{'run':>9}{'at least':>10}"
    for name, room in rooms.items():
        floor = f"{FLOORS[name]:.0f} %" if name in FLOORS else ""
        yield (
            f"{name:<14}{room.lines:>8}{room.line_share:>7.1f} %{room.branches:>10}"
            f"{room.branch_share:>7.1f} %{floor:>10}"
        )


def too_little(rooms: Mapping[str, RoomCount]) -> list[str]:
    """A sentence for each room below its floor; a room that was not measured at all is one."""
    found = []
    for name, floor in FLOORS.items():
        room = rooms.get(name)
        if room is None:
            found.append(f"{name}: not measured")
        elif min(room.line_share, room.branch_share) < floor:
            found.append(
                f"{name}: {room.line_share:.1f} % of the lines, {room.branch_share:.1f} % of the branches; "
                f"{floor:.0f} % of each is asked"
            )
    return found


def missing(files: Mapping[str, Mapping[str, Any]]) -> Iterable[str]:
    """What nothing ran in the rooms with a floor: line numbers, and branches as "from->to"."""
    for name, file in sorted(files.items()):
        ways = [f"{a}->{b}" if b > 0 else f"{a}->end" for a, b in file["missing_branches"]]
        if room_of(name) in FLOORS and (file["missing_lines"] or ways):
            yield f"{name}: {' '.join([*map(str, file['missing_lines']), *ways])}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--missing", action="store_true", help="name what was not run")
    options = parser.parse_args()
    measured = Coverage()
    measured.load()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "coverage.json"
        measured.json_report(outfile=str(path))
        files = json.loads(path.read_text())["files"]
    rooms = count_rooms(files)
    print("\n".join(table(rooms)))
    if options.missing:
        print("\n".join(missing(files)))
    low = too_little(rooms)
    for sentence in low:
        print(f"error: {sentence}", file=sys.stderr)
    if low:
        print("remedy: scripts/coverage_rooms.py --missing names what no test runs", file=sys.stderr)
    return 1 if low else 0


if __name__ == "__main__":
    sys.exit(main())
