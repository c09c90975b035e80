"""What the documents tell a user to write is what the station reads."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from click.testing import CliRunner

from saec.cli.station import command
from saec.station.setup.settings_file import read_settings
from saec.station.setup.station_section import STATION_SECTIONS
from tests.pairs import make_pair

DOCS = Path(__file__).parents[2] / "docs"
SOURCES = Path(__file__).parents[2] / "src" / "saec"
RAISES = {"alarm", "_alarm", "tell", "_tell", "raise_alarm"}
"""Functions that take the kind of an alarm."""

PLAIN = re.compile(r"[a-z]+(-[a-z]+)*")


def test_the_settings_of_the_document_are_sound_with_every_section(tmp_path: Path) -> None:
    text = (DOCS / "station.md").read_text("utf-8")
    (toml,) = re.findall(r"```toml\n(.*?)```", text, re.DOTALL)
    (tmp_path / "lines" / "leather").mkdir(parents=True)
    (tmp_path / "lines" / "leather" / "line.json").write_text("{}")
    make_pair(tmp_path, "tls")
    whole = re.sub(r"^# (\[\[|[\w.]+ = )", r"\1", toml, flags=re.MULTILINE)
    assert whole != toml
    path = tmp_path / "station.toml"
    path.write_text(whole)
    settings = read_settings(path)
    assert [source.name for source in settings.source] == ["in", "camera-1", "camera-2", "recording"]
    assert [sink.name for sink in settings.sink] == ["log", "mes", "plc"]
    assert (settings.line[0].parts.views, settings.line[0].code.formats) == (2, ("datamatrix",))
    ones = [*settings.plc, *settings.coupler, *settings.output, *settings.input, *settings.recipe]
    assert [one.name for one in ones] == ["press", "io", "gate", "belt", "brown leather"]
    assert settings.station.tokens_file == tmp_path / "tokens"
    assert settings.http.tls_key == tmp_path / "tls.key"
    assert settings.http.plain_http
    path.write_text(toml)
    assert len(read_settings(path).source) == 1


def test_the_example_names_every_section_of_a_station() -> None:
    text = (SOURCES / "station" / "example.toml").read_text("utf-8")
    named = set(re.findall(r"^(?:# )?\[+(\w+)\]", text, flags=re.MULTILINE))
    assert named == set(STATION_SECTIONS)


def test_the_example_that_is_printed_is_the_document_s() -> None:
    (toml,) = re.findall(r"```toml\n(.*?)```", (DOCS / "station.md").read_text("utf-8"), re.DOTALL)
    assert CliRunner().invoke(command, ["example"]).output == toml


def kinds_of_alarms() -> set[str]:
    """Every kind that the code raises, wherever it says so."""
    found = set()
    for quota in ("station", "web"):
        for path in (SOURCES / quota).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                found |= set(_kinds(node))
    return found


def _kinds(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Call):
        name = getattr(node.func, "attr", getattr(node.func, "id", ""))
        first = next((a for a in node.args if isinstance(a, ast.Constant) and isinstance(a.value, str)), None)
        if name in RAISES and first is not None:
            yield str(first.value)
        elif name == "GuardError":
            assert first is not None, "the guard names its kind in words"
            yield f"guard-{first.value!s}"
        for keyword in node.keywords:
            yield from _pairs(keyword.value) if keyword.arg == "alarms" else ()
    elif isinstance(node, ast.FunctionDef):
        pairs = zip(reversed(node.args.args), reversed(node.args.defaults), strict=False)
        for given, default in pairs:
            if given.arg == "kind" and isinstance(default, ast.Constant) and default.value:
                yield str(default.value)
    elif isinstance(node, ast.Return | ast.Yield) and node.value is not None:
        yield from _pairs(node.value)


def _pairs(value: ast.AST) -> Iterator[str]:
    """The kinds among pairs of a kind and a sentence."""
    listed = value.elts if isinstance(value, ast.List) else [value]
    for pair in listed:
        if isinstance(pair, ast.Tuple) and len(pair.elts) == 2 and isinstance(pair.elts[0], ast.Constant):
            kind, text = str(pair.elts[0].value), pair.elts[1]
            if isinstance(text, ast.JoinedStr | ast.Name | ast.Attribute) and PLAIN.fullmatch(kind):
                yield kind


def test_the_runbook_says_of_each_alarm_what_to_do_and_of_no_other() -> None:
    rows = [row.split("|") for row in (DOCS / "runbook.md").read_text("utf-8").splitlines()]
    told = {
        kind
        for cells in rows
        if len(cells) == 5
        for named in re.findall(r"alarms? ((?:`[a-z-]+`(?:, | and )?)+)", cells[1])
        for kind in re.findall(r"`([a-z-]+)`", named)
    }
    kinds = kinds_of_alarms()
    assert {"edge", "disagreement", "guard-dark", "certificate", "sink-refused", "clock"} <= kinds | {"edge"}
    assert told == kinds | {"edge"}, "a file that is no image is of the kind of its stage"
