"""A page is read once: its lines are short, and so are its sentences."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.pages import ROOT

COLUMNS, WORDS = 100, 30
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "benchmarks" / "README.md"]
PAGES += sorted((ROOT / "docs").glob("*.md"))

_LINK = re.compile(r"!?\[([^\]]*)\]\([^)]*\)")
_CODE = re.compile(r"`[^`]+`")


def prose(text: str) -> Iterator[tuple[int, str]]:
    """The lines that are neither code nor an HTML comment, with their numbers; tables are among them."""
    fenced, before = False, ""
    for number, line in enumerate(text.split("\n"), 1):
        if line.lstrip().startswith("```"):
            fenced = not fenced
        elif not fenced and not line.startswith("<!--"):
            indented = line.startswith("    ") and (not before.strip() or before.startswith("    "))
            if not indented:
                yield number, line
        before = line


def long_lines(text: str) -> list[int]:
    """The numbers of the lines over 100 columns; a table's row and a line of one link cannot be broken."""
    return [n for n, line in prose(text) if len(line) > COLUMNS and line[:1] != "|" and " " in line.strip()]


def sentences(text: str) -> Iterator[str]:
    """Each sentence; a paragraph, an item of a list and a table's cell end one, a full stop does."""
    block: list[str] = []
    for _, line in [*prose(text), (0, "")]:
        ends = not line.strip() or line[:1] in "|#" or re.match(r"\s*([-*]|\d+\.)\s", line)
        if ends and block:
            yield from _split(" ".join(block))
            block = []
        if line[:1] == "|":
            for cell in re.split(r"(?<!\\)\|", line):
                yield from _split(cell)
        elif line.strip():
            block.append(line.strip())


def _split(block: str) -> Iterator[str]:
    plain = _CODE.sub("CODE", _LINK.sub(r"\1", block))
    yield from re.split(r"(?<=[.!?])[)\"'*]*\s+(?=[(*\[]*[A-Z0-9\"'])", plain)


def words(sentence: str) -> int:
    return len([word for word in sentence.split() if re.search(r"\w", word)])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_lines_and_sentences_are_short(page: Path) -> None:
    text = page.read_text("utf-8")
    assert long_lines(text) == []
    assert [sentence for sentence in sentences(text) if words(sentence) > WORDS] == []


def test_long_lines_and_sentences_are_found() -> None:
    long = " ".join(["Word", *["word"] * 30])
    text = f"Short. {long}. Short again.\n\n    {long}\n\n| a cell | {long} |\n- {long}"
    assert long_lines(text) == [1, 6]
    assert [n for said in sentences(text) if (n := words(said))] == [1, 31, 2, 2, 31, 31]
    text = "It takes 1.5 s (`saec fit --side 3`). Read [one page](a b)."
    assert [words(said) for said in sentences(text)] == [5, 3]
