"""Types are read first by many threads at once, and nothing else of the package gives msgspec a type."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

import saec
from saec.decoding import convert, decode, decoder, fault_of
from tests.sources import modules

ROOT = Path(saec.__file__).parent

RACE = """
import sys, threading
import msgspec
from saec.decoding import convert, decode, decoder, fault_of

sys.setswitchinterval(1e-6)
THREADS, ROUNDS = 4, 250
way = sys.argv[1]
inner = {f"i{n}": float(n) for n in range(20)}
plain = {"inner": inner, "kind": "b", **{f"o{n}": {"x": n} for n in range(20)}}
blob = msgspec.json.encode(plain)

def fresh():
    '''A type that no thread has read, with types in it, as a verdict has.'''
    inner = msgspec.defstruct("Inner", [(f"i{n}", float) for n in range(20)])
    fields = [(f"o{n}", dict[str, int]) for n in range(20)]
    return msgspec.defstruct("Outer", [("inner", inner), ("kind", str), *fields])

def reading():
    for round, kind in enumerate(kinds):
        gate.wait()
        if way == "decode":
            made = decode(blob, kind)
        elif way == "convert":
            made = convert(plain, kind)
        elif way == "hook":
            made = decode(blob, kind, hook=lambda kind, value: value)
        else:
            made = decoder(list[kind]).decode(b"[" + blob + b"]")[0]
        read[round] += made.inner.i3 == 3.0

kinds = [fresh() for _ in range(ROUNDS)]
read = [0] * ROUNDS
gate = threading.Barrier(THREADS)
threads = [threading.Thread(target=reading) for _ in range(THREADS)]
for t in threads: t.start()
for t in threads: t.join()
print(min(read))
"""


@pytest.mark.parametrize("way", ["decode", "convert", "hook", "nested"])
def test_threads_read_a_new_type_at_once(way: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", RACE, way], capture_output=True, text=True, timeout=100, check=False
    )
    assert (done.returncode, done.stdout.split()) == (0, ["4"]), done.stderr


def test_one_reader_serves_all() -> None:
    assert decoder(list[int]) is decoder(list[int])
    assert decode(b"[1]", list[int]) == [1]
    assert convert(["1"], list[int], strict=False) == [1]


def test_no_other_module_gives_msgspec_a_type_to_read() -> None:
    """A type that is learnt elsewhere is learnt outside the lock."""
    found = [
        f"{name}:{node.lineno}"
        for name, path in modules()
        if path.name != "decoding.py"
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Call | ast.ImportFrom | ast.Import) and _reads(node)
    ]
    assert not found, "call saec.decoding there"


@pytest.mark.parametrize(
    ("code", "reads"),
    [
        ("msgspec.json.decode(data, type=VerdictRecord)", True),
        ("msgspec.json.decode(data)", False),
        ("msgspec.json.Decoder(VerdictRecord)", True),
        ("msgspec.convert(value, VerdictRecord)", True),
        ("msgspec.toml.decode(data, type=Settings)", True),
        ("from msgspec.json import decode", True),
        ("from msgspec import Struct, convert", True),
        ("from msgspec import Struct", False),
        ("import msgspec.json as j", True),
        ("msgspec.json.encode(value).decode()", False),
    ],
)
def test_the_look_sees_them(code: str, reads: bool) -> None:
    assert any(_reads(node) for node in ast.walk(ast.parse(code))) is reads


def _reads(node: ast.AST) -> bool:
    match node:
        case ast.Call(func=ast.Attribute() as func):
            found = re.fullmatch(r"msgspec\.(?:\w+\.)*(decode|Decoder|convert)", ast.unparse(func))
            plain = len(node.args) == 1 and not node.keywords
            return found is not None and not (found[1] == "decode" and plain)
        case ast.ImportFrom(module=str(module)) if module.split(".")[0] == "msgspec":
            return module != "msgspec" or any(n.name in ("convert", "json", "msgpack") for n in node.names)
        case ast.Import():
            return any(
                (n.name == "msgspec" and n.asname) or n.name.startswith("msgspec.") for n in node.names
            )
    return False


@pytest.mark.parametrize(
    ("message", "words"),
    [
        ("Expected `int` >= 2", "must be a whole number of at least 2"),
        ("Expected `float` > 0.0", "must be a number above 0"),
        ("Expected `float` < 0.5", "must be a number below 0.5"),
        ("Expected `int | null`, got `str`", "must be a whole number, and is a text"),
        ("Expected `bool`, got `null`", "must be true or false, and is nothing"),
        ("Expected `str` matching regex '^a$'", "must be a text matching regex '^a$'"),
        ("Invalid enum value 'x'", "cannot be 'x'"),
        ("Object contains unknown field `fit.folds`", "is not a known key"),
        ("Object missing required field `name`", "lacks the key name"),
    ],
)
def test_a_fault_is_said_in_words(message: str, words: str) -> None:
    assert fault_of("fit.folds", message) == f"fit.folds {words}"


def test_a_fault_that_is_not_known_keeps_its_message() -> None:
    assert fault_of("fit.folds", "7 is not a path") == "fit.folds: 7 is not a path"
