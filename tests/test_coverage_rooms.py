"""What ``make coverage`` counts and when it fails."""

from __future__ import annotations

from typing import Any

import pytest

from scripts.coverage_rooms import FLOORS, count_rooms, missing, room_of, table, too_little


def file(lines: int, run: int, branches: int, ways: int) -> dict[str, Any]:
    return {
        "summary": {
            "num_statements": lines,
            "covered_lines": run,
            "num_branches": branches,
            "covered_branches": ways,
        },
        "missing_lines": list(range(1, lines - run + 1)),
        "missing_branches": [[9, -1]] * (branches - ways),
    }


@pytest.mark.parametrize(
    ("path", "room"),
    [
        ("src/saec/station/storage/spool.py", "station"),
        ("src/saec/texts.py", "(top)"),
        ("/elsewhere/src/saec/frame/__init__.py", "frame"),
        ("research/src/saec_research/seed/policy.py", "saec_research"),
    ],
)
def test_a_file_counts_for_its_room(path: str, room: str) -> None:
    assert room_of(path) == room


def covered(**changed: dict[str, Any]) -> dict[str, dict[str, Any]]:
    files = {f"src/saec/{room}/a.py": file(50, 50, 10, 10) for room in FLOORS}
    return files | {f"src/saec/{room}/b.py": summary for room, summary in changed.items()}


def test_rooms_are_sums_of_their_files() -> None:
    rooms = count_rooms(covered(frame=file(50, 40, 10, 8)))
    assert (rooms["frame"].line_share, rooms["frame"].branch_share) == (90.0, 90.0)
    assert too_little(rooms) == []
    assert any("frame" in line and "90.0 %" in line for line in table(rooms))


@pytest.mark.parametrize("low", [file(50, 39, 10, 10), file(50, 50, 10, 7)])
def test_lines_or_branches_below_the_floor_fail(low: dict[str, Any]) -> None:
    (said,) = too_little(count_rooms(covered(schedule=low)))
    assert said.startswith("schedule: ")
    assert "90 % of each is asked" in said


def test_a_room_that_was_not_measured_fails() -> None:
    files = covered()
    del files["src/saec/station/a.py"]
    assert too_little(count_rooms(files)) == ["station: not measured"]


def test_what_nothing_ran_is_named() -> None:
    files = covered(frame=file(3, 1, 1, 0)) | {"src/saec/cli/a.py": file(3, 0, 0, 0)}
    assert list(missing(files)) == ["src/saec/frame/b.py: 1 2 9->end"]
