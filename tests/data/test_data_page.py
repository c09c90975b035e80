"""The tables of docs/data.md are what the command prints now."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

from saec.data.dataset import LAYOUTS

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "data.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def command() -> ModuleType:
    spec = importlib.util.spec_from_file_location("data_tables", ROOT / "scripts" / "data_tables.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("table", ["layouts", "masks", "formats"])
def test_the_tables_are_up_to_date(command: ModuleType, table: str) -> None:
    missing = [line for line in getattr(command, table)() if line not in PAGE]
    assert missing == []


def test_every_layout_has_a_tree(command: ModuleType) -> None:
    shown = {line.split("|")[2].strip() for line in command.layouts()}
    assert set(LAYOUTS) - {"auto", "images"} <= shown
