"""What a message says to type can be typed: every option that it names is one of a command's."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

import click

from saec.cli import root
from tests.pages import ROOT

SOURCES = (ROOT / "src" / "saec", ROOT / "research" / "src" / "saec_research")
OF_OTHERS = {"--head", "--no-build-isolation", "--no-pager"}
"""Options of `ray start`, pip and journalctl."""

_COMMAND = re.compile(r"`saec ((?:[a-z][a-z-]*(?: |(?=`)))+)")
_OPTION = re.compile(r"(?<![\w-])--[a-z][a-z0-9]*(?:-[a-z0-9]+)*(?![\w{-])")


def options(command: click.Command, parent: click.Context | None = None) -> Iterator[str]:
    """Those of a command and of all below it."""
    ctx = click.Context(command, parent=parent)
    for parameter in command.get_params(ctx):
        yield from (name for name in (*parameter.opts, *parameter.secondary_opts) if name.startswith("--"))
    if isinstance(command, click.Group):
        for name in command.list_commands(ctx):
            if (below := command.get_command(ctx, name)) is not None:
                yield from options(below, ctx)


def texts(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """The strings of a module but its docstrings, with their lines."""
    docs = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docs:
            yield node.lineno, node.value


def named(what: re.Pattern[str]) -> Iterator[tuple[str, str]]:
    """What the strings of the sources name, with its place."""
    for source in SOURCES:
        for path in sorted(source.rglob("*.py")):
            for line, text in texts(ast.parse(path.read_text("utf-8"))):
                for name in what.findall(text):
                    yield f"{path.relative_to(ROOT)}:{line}", name


def is_command(words: list[str]) -> bool:
    """Whether the words lead from the root to a command; what follows it are its arguments."""
    command: click.Command = root
    for word in words:
        if not isinstance(command, click.Group):
            return True
        found = command.get_command(click.Context(command), word)
        if found is None:
            return False
        command = found
    return True


def test_every_option_that_a_message_names_exists() -> None:
    known = {*options(root), *OF_OTHERS}
    assert [f"{place}: {option}" for place, option in named(_OPTION) if option not in known] == []


def test_every_command_that_a_message_names_exists() -> None:
    assert [f"{place}: saec {name}" for place, name in named(_COMMAND) if not is_command(name.split())] == []


def test_the_search_sees_a_name_alone_in_a_sentence_and_before_a_value() -> None:
    assert _OPTION.findall("give --config or --log-level=info; not a--b, --{name}, --http-{name} or ---") == [
        "--config",
        "--log-level",
    ]
    assert _COMMAND.findall("run `saec fit DATASET` or `saec station letters`, see saec none") == [
        "fit ",
        "station letters",
    ]
