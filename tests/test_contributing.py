"""The pages for who changes the code name files that are there."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from saec.evaluation.metrics import Metrics
from saec.schedule.policies import POLICIES, policy_kind
from saec.station.setup.station_settings import LineSettings

ROOT = Path(__file__).parents[1]
BASES = (ROOT, ROOT / "src" / "saec", ROOT / "research" / "src")
_PATH = re.compile(r"[\w.-]+(/[\w.-]+)*/?")
_FILE = re.compile(r".*\.(py|md|toml|sh|txt)")


def named_paths(text: str) -> list[str]:
    """What stands in backticks and is a path: it has a slash, or the ending of a file."""
    words = re.findall(r"`([^`\n]+)`", text)
    return [w for w in words if _PATH.fullmatch(w) and ("/" in w or _FILE.fullmatch(w))]


def is_there(path: str) -> bool:
    return any((base / path).exists() for base in BASES)


@pytest.mark.parametrize(("page", "at_least"), [("CONTRIBUTING.md", 60), ("docs/architecture.md", 12)])
def test_every_path_that_a_page_names_is_there(page: str, at_least: int) -> None:
    paths = named_paths((ROOT / page).read_text("utf-8"))
    assert len(paths) >= at_least
    assert [path for path in paths if not is_there(path)] == []


def test_contributing_is_read_in_one_sitting() -> None:
    lines = (ROOT / "CONTRIBUTING.md").read_text("utf-8").splitlines()
    assert len(lines) < 150
    assert [line for line in lines if len(line) > 100 and not line.startswith("|")] == []


def test_a_path_that_is_not_there_is_found() -> None:
    paths = named_paths("see `prompts.py`, `nowhere/to_be_found.py`, `Cloud.key` and `saec fit`")
    assert paths == ["prompts.py", "nowhere/to_be_found.py"]
    assert [is_there(path) for path in paths] == [True, False]


def test_what_is_added_stands_on_its_page() -> None:
    """Each reason of a policy, each metric, and the defaults that the station's example states."""
    scheduling, metrics = (
        (ROOT / "docs" / page).read_text("utf-8") for page in ("scheduling.md", "metrics.md")
    )
    told = {reason for name in POLICIES for reason in policy_kind(name).reasons}
    assert [reason for reason in sorted(told) if f"`{reason}`" not in scheduling] == []
    assert [key for key in Metrics.__struct_fields__ if f"`{key}`" not in metrics] == []
    example = tomllib.loads((ROOT / "src" / "saec" / "station" / "example.toml").read_text("utf-8"))
    assert [line["deadline_s"] for line in example["line"]] == [
        LineSettings(name="any", profile=Path("any")).deadline_s
    ]
