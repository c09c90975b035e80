"""The shape of the house: names that mean one thing, folders and modules that can be read at once."""

from __future__ import annotations

import ast
import re
import statistics
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from tests import sources

ROOT = Path(__file__).parents[1]

TWICE = {
    "command": "what `saec` looks for in the module of each command",
    "main": "what a program calls: the command line, and the child process of a decoder",
}
"""Public names that mean several things, each with its reason; at most five."""

MODULES_IN_A_FOLDER, LINES, MEDIAN_LINES, FUNCTION_LINES = 15, 400, 200, 75

DANGLING = re.compile(
    r"^\s+[\w*]+(?:, [\w*]+)*: "
    r"(of|for|with|from|to|in|by|as|at|on|before|after|until|without|beside|between|under)\b",
    re.MULTILINE,
)
_ENDINGS = (
    *("ations", "ation", "ated", "ating", "ate", "ing", "ions", "ion", "ments", "ment"),
    *("ers", "er", "ors", "or", "ed", "es", "s", "e"),
)


def modules() -> list[Path]:
    return [path for _, path in sources.modules()]


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def named(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def stem(word: str) -> str:
    """The word without its ending: what is left of fit and fitting, of simulated and simulating is one."""
    for ending in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            word = word.removesuffix(ending)
            break
    return word[:-1] if len(word) > 3 and word[-1] == word[-2] else word


def public_names() -> dict[str, set[str]]:
    """Each public class and function at the top of a module, with the modules that define it."""
    found = defaultdict(set)
    for path in modules():
        for node in tree(path).body:
            if (
                isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
                and node.name[0] != "_"
            ):
                found[node.name].add(named(path))
    return found


def functions() -> Iterator[tuple[str, int]]:
    for path in modules():
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield f"{named(path)}: {node.name}", (node.end_lineno or 0) - node.lineno + 1


def test_a_public_name_means_one_thing() -> None:
    twice = {name: sorted(where) for name, where in public_names().items() if len(where) > 1}
    faults = {name: where for name, where in twice.items() if name not in TWICE}
    assert not faults, "\n".join(f"{name}: {where}" for name, where in sorted(faults.items()))
    assert set(TWICE) <= set(twice), "a reason for a name that is defined once"
    assert len(TWICE) <= 5


def test_module_names_differ_by_more_than_an_ending() -> None:
    alike = defaultdict(set)
    for path in modules():
        if path.stem.startswith("__") or "cli" in path.parts or "commands" in path.parts:
            continue  # a command's module has the command's name
        alike["_".join(map(stem, path.stem.split("_")))].add(named(path))
    twice = {name: sorted(where) for name, where in alike.items() if len(where) > 1}
    assert not twice, "\n".join(f"{name}: {where}" for name, where in sorted(twice.items()))


def test_no_folder_is_a_drawer() -> None:
    counts = {named(folder): 0 for folder in {path.parent for path in modules()}}
    for path in modules():
        counts[named(path.parent)] += 1
    assert {folder: n for folder, n in counts.items() if n > MODULES_IN_A_FOLDER} == {}


def test_modules_and_functions_can_be_read_at_once() -> None:
    lengths = {named(path): len(path.read_text(encoding="utf-8").splitlines()) for path in modules()}
    assert {path: n for path, n in lengths.items() if n > LINES} == {}
    assert statistics.median(lengths.values()) <= MEDIAN_LINES
    assert {name: n for name, n in functions() if n > FUNCTION_LINES} == {}


def test_what_a_docstring_describes_has_a_subject() -> None:
    """ "frames: the frames of the line", and not "frames: of the line"."""
    dangling = []
    for path in modules():
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                text = ast.get_docstring(node, clean=False) or ""
                dangling += [f"{named(path)}: {match[0].strip()}" for match in DANGLING.finditer(text)]
    assert dangling == []


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("fit", "fitting"),
        ("simulated", "simulating"),
        ("stage", "stages"),
        ("calibration", "calibrate"),
        ("serve", "served"),
        ("edition", "editions"),
    ],
)
def test_an_ending_makes_no_other_name(one: str, other: str) -> None:
    assert stem(one) == stem(other)
