"""The examples in the docstrings of the library are run, on a small drawn line."""

from __future__ import annotations

import doctest
import importlib
from pathlib import Path
from types import ModuleType

import pytest

import saec

MODULES = (
    "saec.errors",
    "saec.evaluation.metrics",
    "saec.frame.judges",
    "saec.decoding",
    "saec.api.line_making",
    "saec.settings.schedule_settings",
    "saec.api.product_line",
    "saec.api.verdict_view",
)


def run(module: ModuleType, names: dict[str, object]) -> tuple[int, int]:
    """Failed and tried examples of a module."""
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.IGNORE_EXCEPTION_DETAIL)
    for test in doctest.DocTestFinder().find(module, extraglobs=names):
        runner.run(test)
    return runner.failures, runner.tries


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_run(name: str, line: saec.Line, photo: Path, gears: Path, tmp_path: Path) -> None:
    names = {"saec": saec, "line": line, "photo": str(photo), "gears": gears, "folder": tmp_path}
    names["folder"] = line.folder if name.endswith("product_line") else tmp_path
    failed, tried = run(importlib.import_module(name), names)
    assert tried > 0
    assert failed == 0


def test_what_the_face_gives_has_an_example() -> None:
    for thing in (saec.Cloud, saec.Line, saec.Metrics, saec.Policy, saec.Verdict, saec.fit, saec.SaecError):
        assert ">>>" in (thing.__doc__ or ""), thing
