"""A frame is judged in one place: nobody else routes it, finds its hottest place or makes its record."""

from __future__ import annotations

import ast

import pytest

from tests.sources import modules

CORE = "frame/assessment.py"
ONLY_THERE = {
    "route": {CORE},
    "Pending": {CORE},
    "hottest_box": {CORE},
    # A good that the line was fitted on: its cross-fitted score stands in for the detector's.
    "unusual_place": {CORE, "lines/calibrating/trust_questions.py"},
}
"""Each call, and the modules that may make it."""


def calls(text: str) -> set[str]:
    """The names that are called: functions, and methods of objects other than a policy within a policy."""
    found = set()
    for node in ast.walk(ast.parse(text)):
        if not isinstance(node, ast.Call):
            continue
        if isinstance(node.func, ast.Name):
            found.add(node.func.id)
        elif isinstance(node.func, ast.Attribute) and ast.unparse(node.func.value) != "self.inner":
            found.add(node.func.attr)
    return found


def bypasses(name: str, text: str) -> list[str]:
    return [called for called in sorted(calls(text) & set(ONLY_THERE)) if name not in ONLY_THERE[called]]


def test_nobody_goes_past_the_core() -> None:
    found = {}
    for name, path in modules():
        if wrong := bypasses(name, path.read_text(encoding="utf-8")):
            found[name] = wrong
    assert found == {}


@pytest.mark.parametrize(
    "text",
    [
        "route = self.judges.policy.route(complexity, opinion, state, now)",
        "pending = types.Pending(source=source)",
        "focus = hottest_box(opinion, threshold)",
        "hottest = hottest_place.unusual_place(opinion, calibration)",
    ],
)
def test_a_caller_that_does_is_found(text: str) -> None:
    assert bypasses("runs/inspection.py", text)
    assert not bypasses(CORE, text)
