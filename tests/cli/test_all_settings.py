"""The one tree of settings: each default in one place, each option with help, each key on the page."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from pathlib import Path

import click
import msgspec
import pytest

from saec.cli import main
from saec.cli.options.all_settings import known_settings, settings_commands, station_sections
from saec.settings.setting_tree import flat_settings, unwrapped
from scripts.settings_page import PAGE, VARIABLES, page
from tests.sources import modules

EVERYDAY = 15

SAME_WORD = {
    "--ray-address": "the Ray cluster that is joined",
    "--replicas": "how many copies of a model answer",
    "--out": "where a command keeps what it makes",
    "--json": "a file of figures",
    "--csv": "a file of rows",
    "--seed": "the seed of what a command draws",
    "--force": "replace what an earlier call made",
    "--line": "the folder of a line",
    "--resume": "go on where an earlier call ended",
    "--verdicts": "a run, by its folder or its verdicts",
    "--goods": "a folder of good images",
    "--defects": "a folder of defects",
    "--bits": "significant bits of an image",
    "--references": "good images shown before the frame",
    "--batch": "images or questions that are computed at once",
    "--decoders": "what reads and decodes images",
    "--dtype": "arithmetic",
    "--device": "where a model is computed",
    "--adapter": "a LoRA adapter",
    "--cloud": "the cloud that is asked",
    "--listen": "the address at which a program listens",
    "--tokens-file": "the tokens that a program lets in",
    "--yolo": "the file of a YOLO classifier",
    "--side-px": "the side of the edge's input",
    "--data": "a folder of images",
    "--password-file": "the file that holds a person's password",
    "--link": "link images instead of copying them",
    "--cloud-model": "the model or adapter to ask at a service",
    "--exclude-holdout": "a manifest whose hold-out is not trained on",
    "--lists": "a folder for lists of what was taken",
    "--prevalence": "the share of defects",
    "--maps": "save pictures with the anomaly map",
    "--run": "the folder of a run",
    "--cloud-error": "the share of frames on which a simulated cloud is wrong",
    "--correlation": "the correlation of a simulated cloud's errors with the edge's",
    "--share": "a share of the frames that the cloud is asked about",
    "--llava": "the LLaVA-1.5 checkpoint",
    "--work": "where a benchmark keeps lines and runs",
    "--products": "how many products are drawn",
    "--overkill-rate": "the share of good images that the threshold may reject",
    "--escape-rate": "the share of defects that the threshold may miss",
    "--cost": "what an error costs",
    "--difficulty": "how hard drawn defects are to see",
    "--n-good": "good images of a set that is made",
    "--n-defect": "defects of a set that is made",
}
"""Options that stand in several sections, with the one thing that they mean in all."""

OTHER_THINGS = {
    ("name", "'image'"): "what an error calls an image",
    ("kind", "'refused'"): "what happened to a frame that a station was given",
    ("seed", "7"): "the images of an engine's self-check, and the products of a demonstration",
}
"""Defaults of parameters that are no setting, though one is named like them."""

COMMANDS = dict(settings_commands())


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_each_option_has_help(name: str) -> None:
    for parameter in COMMANDS[name].params:
        if isinstance(parameter, click.Option):
            assert parameter.help, f"{name} {parameter.opts[0]} has no help"
    for setting in COMMANDS[name].settings:
        assert setting.help, f"{name} {setting.key} has no help"


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_help_shows_the_everyday_options_and_help_all_the_others(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    words = name.split()[1:]
    assert main([*words, "--help"]) == 0
    short = set(re.findall(r"^  (?:-h, )?(--[a-z0-9-]+)", capsys.readouterr().out, re.MULTILINE))
    assert len(short) <= EVERYDAY
    assert main([*words, "--help-all"]) == 0
    everything = set(re.findall(r"^  (?:-h, )?(--[a-z0-9-]+)", capsys.readouterr().out, re.MULTILINE))
    flags = {setting.flag for setting in COMMANDS[name].settings if not setting.option.argument}
    assert flags <= everything
    assert short <= everything


def test_one_spelling_means_one_thing() -> None:
    meanings = defaultdict(set)
    for known in known_settings().values():
        if not known.setting.option.argument and not known.in_file_only:
            meanings[known.setting.flag].add(known.setting.key)
    several = {flag: keys for flag, keys in meanings.items() if len(keys) > 1}
    assert not {flag: keys for flag, keys in several.items() if flag not in SAME_WORD}


def test_each_option_stands_once_in_a_command() -> None:
    for name, command in COMMANDS.items():
        flags = [s.flag for s in command.settings if not s.option.argument]
        assert len(flags) == len(set(flags)), name


def _literal(node: ast.expr | None) -> bool:
    """Whether a default is a number or a text that says something."""
    if isinstance(node, ast.UnaryOp):
        node = node.operand
    return (
        isinstance(node, ast.Constant)
        and type(node.value) in (int, float, str)
        and node.value not in ("", 0, 1)
    )


def _defaults(path: Path) -> dict[tuple[str, str], list[str]]:
    """The literal defaults of a module's functions and classes, by (name, value)."""
    found = defaultdict(list)
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            positional = [*node.args.posonlyargs, *node.args.args]
            pairs = [
                *zip(positional[::-1], node.args.defaults[::-1], strict=False),
                *zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True),
            ]
            for argument, default in pairs:
                if default is not None and _literal(default):
                    found[argument.arg, ast.unparse(default)].append(f"{path.name}: {node.name}")
        if isinstance(node, ast.ClassDef):
            for one in node.body:
                if (
                    isinstance(one, ast.AnnAssign)
                    and isinstance(one.target, ast.Name)
                    and _literal(one.value)
                ):
                    assert one.value is not None
                    found[one.target.id, ast.unparse(one.value)].append(f"{path.name}: {node.name}")
    return found


def test_no_default_stands_in_two_places() -> None:
    """A default of a setting is a literal in its struct alone; whoever else needs it reads it from there."""
    names = {known.setting.keys[-1] for known in known_settings().values()}
    for section, hint in station_sections().items():
        kind, _ = unwrapped(hint)
        if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
            names |= {setting.keys[-1] for setting in flat_settings(section, kind)}
    places = defaultdict(list)
    for _, path in modules():
        for (name, value), where in _defaults(path).items():
            if name in names:
                places[name, value].extend(where)
    twice = {key: where for key, where in places.items() if len(where) > 1 and key not in OTHER_THINGS}
    assert not twice


def test_the_page_of_all_settings_is_as_the_code_says() -> None:
    assert PAGE.read_text("utf-8") == page(), "python scripts/settings_page.py --write"


NAMED_ELSEWHERE = {
    "VARIABLE": {"SAEC_PHASES"},
    "name": {"ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA"},
    "token_env": set(),
}
"""Variables that are read by a name of the code's: the name, and what it stands for."""


def test_each_environment_variable_is_on_the_page() -> None:
    read: set[str] = set()
    for _, path in modules():
        for said in re.findall(
            r"os\.(?:environ\.get\(|environ\[|getenv\()([^,)\]]+)", path.read_text("utf-8")
        ):
            name = said.strip().rpartition(".")[2]
            read |= {name.strip('"')} if '"' in name else NAMED_ELSEWHERE[name]
    assert read - {"PYTHONPATH"} <= set(VARIABLES)
