"""What the pages tell a user to type is what the programs take."""

from __future__ import annotations

import ast
import importlib
import json
import re
import tomllib
from collections.abc import Iterator

import click
import pytest
import yaml

from saec.cli import root
from tests.pages import PAGES, ROOT, Block, blocks, commands, inline

BLOCKS = blocks()
_ANY = re.compile(r"[A-Z][A-Z0-9_]*|\.\.\.|…|<.*>|\[.*")
"""A word that stands for something: NAME, DATASET, ``...``."""


def _command(words: list[str]) -> tuple[click.Command, list[str], click.Context]:
    """The command that the words call, and what they give it."""
    command: click.Command = root
    ctx = click.Context(root, info_name="saec")
    rest = words[1:]
    while isinstance(command, click.Group) and rest and not rest[0].startswith("-"):
        name, *rest = rest
        found = command.get_command(ctx, name)
        if found is None and _ANY.fullmatch(name):
            return command, ["--help"], ctx
        if found is None and not command.invoke_without_command:
            raise click.UsageError(f"no command {name}")
        if found is None:
            return command, [name, *rest], ctx
        command = found
        ctx = click.Context(command, parent=ctx, info_name=name)
    return command, rest, ctx


def fault(words: list[str], *, whole: bool) -> str:
    """What click would say to the command, files apart; a part of one may lack what is required."""
    try:
        command, rest, ctx = _command([w.strip("[]") or w for w in words])
        if isinstance(command, click.Group) and not command.invoke_without_command:
            return "" if not whole or set(rest) & {"--help", "--version"} else "a command is missing"
        given, left, _ = command.make_parser(ctx).parse_args(list(rest))
        if left:
            return f"too many words: {' '.join(left)}"
        if "help" in given:
            return ""
        for parameter in command.params:
            value = given.get(parameter.name or "")
            value = None if repr(value).startswith("Sentinel") else value
            named = parameter.opts[0] if isinstance(parameter, click.Option) else parameter.name
            if value is None or value in ([], ()):
                if whole and parameter.required:
                    return f"{named} is missing"
                continue
            if not isinstance(parameter.type, click.Path | click.File) and not _stands_in(value):
                parameter.type_cast_value(ctx, value)
    except click.BadOptionUsage as e:
        return e.format_message() if whole or "requires" not in e.format_message() else ""
    except click.ClickException as e:
        return e.format_message()
    return ""


def _stands_in(value: object) -> bool:
    values = value if isinstance(value, list | tuple) else [value]
    return any(isinstance(v, list | tuple) or _ANY.fullmatch(str(v)) for v in values)


def _saec() -> Iterator[tuple[Block, list[str]]]:
    for block in BLOCKS:
        for words in commands(block):
            if words and words[0] == "saec":
                yield block, words


def test_every_command_of_a_block_is_taken() -> None:
    seen = list(_saec())
    assert len(seen) > 80
    faults = [
        f"{block}: {' '.join(words)}: {said}" for block, words in seen if (said := fault(words, whole=True))
    ]
    assert not faults


def test_every_command_within_a_sentence_exists() -> None:
    seen = list(inline())
    assert len(seen) > 60
    faults = [
        f"{page}: {' '.join(words)}: {said}" for page, words in seen if (said := fault(words, whole=False))
    ]
    assert not faults


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("saec fit gear --out lines/gear", ""),
        ("saec fit gear", "--out"),
        ("saec fit gear --out x --side-pxe 3", "No such option"),
        ("saec fit gear --out x --side-px three", "three"),
        ("saec fit gear --out x --side-px", "requires an argument"),
        ("saec inspect gear --line x --dtype half", "half"),
        ("saec data chek gear", "no command chek"),
        ("saec report", "runs"),
        ("saec evaluate lines/x DATASET --limit N", ""),
    ],
)
def test_the_look_sees_faults(line: str, said: str) -> None:
    found = fault(line.split(), whole=True)
    assert said.lower() in found.lower()
    assert bool(said) == bool(found)


def test_every_command_stands_on_a_page() -> None:
    """In a block, or in a sentence: a command that nobody is told of is not found."""
    told = {tuple(words) for _, words in [*_saec(), *inline()]}

    def is_told(path: tuple[str, ...]) -> bool:
        return any(words[: len(path)] == path for words in told)

    def missing(command: click.Command, path: tuple[str, ...]) -> Iterator[str]:
        if isinstance(command, click.Group):
            ctx = click.Context(command)
            for name in command.list_commands(ctx):
                inner = command.get_command(ctx, name)
                assert inner is not None
                yield from missing(inner, (*path, name))
        elif not is_told(path):
            yield " ".join(path)

    assert not list(missing(root, ("saec",)))


def test_every_program_of_a_block_is_there_with_its_options() -> None:
    faults = []
    for block in BLOCKS:
        for words in commands(block):
            program = next((w for w in words[:2] if re.fullmatch(r"[\w./-]+/[\w-]+\.(py|sh)", w)), None)
            if program is None or program.startswith(("/", "~", "../")):
                continue
            if not (ROOT / program).is_file():
                faults.append(f"{block}: no {program}")
                continue
            text = (ROOT / program).read_text("utf-8")
            if program.endswith(".py"):
                options = [w.split("=")[0] for w in words if w.startswith("--")]
                faults += [f"{block}: {program} has no {o}" for o in options if f'"{o}"' not in text]
    assert not faults


def test_every_target_of_make_is_there() -> None:
    made = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
    asked = {w[1] for block in BLOCKS for w in commands(block) if len(w) > 1 and w[0] == "make"}
    assert {"demo", "test", "station"} <= asked <= set(made)


@pytest.mark.parametrize(
    "block", [b for b in BLOCKS if b.language in ("toml", "json", "yaml", "python")], ids=str
)
def test_a_block_of_a_language_is_of_that_language(block: Block) -> None:
    if block.language == "toml":
        assert tomllib.loads(block.text)
    elif block.language == "json":
        assert json.loads(block.text)
    elif block.language == "yaml":
        assert yaml.safe_load(block.text)
    else:
        _imports(block.text)


@pytest.mark.parametrize(
    "block", [b for b in BLOCKS if not b.language and re.match(r"(from|import) \w", b.text)], ids=str
)
def test_what_python_of_a_page_imports_is_there(block: Block) -> None:
    _imports(block.text)


@pytest.mark.parametrize("page", ["docs/complexity.md", "docs/procedural.md"])
def test_python_of_a_page_runs(page: str) -> None:
    found = [b for b in BLOCKS if b.page == page and re.match(r"(from|import) \w", b.text)]
    assert found
    for block in found:
        exec(compile(block.text, str(block), "exec"), {})


def _imports(text: str) -> None:
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "saec":
            module = importlib.import_module(node.module or "")
            for name in node.names:
                assert hasattr(module, name.name), f"{node.module} has no {name.name}"


SHOWN = {
    "CONTRIBUTING.md": ("saec_research  ",),
    "docs/complexity.md": ("C = ",),
    "docs/metering.md": ("idle + ",),
    "docs/models.md": ("score = ",),
    "docs/quickstart.md": ("gear/\n",),
    "docs/risk.md": ("certified  with",),
    "docs/scheduling.md": ("expected cost = ", "value = ", "fused logit = "),
    "docs/spending.md": ("P(defect) = ",),
    "docs/study.md": ("parts/good/", "rater,part,"),
}
"""Blocks that show a formula, a folder or what is printed; nothing in them is typed."""

_TYPED = {"saec", "python", "python3.11", "make", "pip", "sh", "cd", "cp", "mv", "mkdir", "export", "curl"}
_TYPED |= {"vllm", "pytest", "useradd", "install", "systemctl", ".", "ruff", "mypy", "lint-imports"}
_TYPED |= {"pre-commit", "torchrun", "buildah", "openssl", "docker", "ray"}


@pytest.mark.parametrize("block", [b for b in BLOCKS if b.language in ("", "sh", "bash", "console")], ids=str)
def test_every_block_is_of_a_kind_that_is_checked(block: Block) -> None:
    if block.text.startswith(SHOWN.get(block.page, ())) or re.match(r"(from|import) \w", block.text):
        return
    programs = {words[0].rsplit("/", 1)[-1] for words in commands(block) if words and words[0][:1] != "#"}
    unknown = {p for p in programs if p not in _TYPED and not p.endswith(".sh")}
    assert not unknown, "say its language, or name it in SHOWN"


def test_every_page_is_looked_at() -> None:
    assert {p.name for p in PAGES} >= {"README.md", "quickstart.md", "station.md", "data.md"}
    diagrams = {"mermaid"}
    assert {b.language for b in BLOCKS} <= {
        "",
        "sh",
        "bash",
        "console",
        "toml",
        "json",
        "yaml",
        "python",
    } | diagrams
