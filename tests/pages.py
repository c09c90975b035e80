"""The blocks of code of the pages, and the commands in them."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "benchmarks" / "README.md"]
PAGES += sorted((ROOT / "docs").rglob("*.md"))


@dataclass(frozen=True)
class Block:
    """One block: its page, the number of its first line, its language ("" where none is named), its text."""

    page: str
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def blocks() -> list[Block]:
    return [block for page in PAGES for block in _blocks(page)]


def _blocks(page: Path) -> Iterator[Block]:
    name = page.relative_to(ROOT).as_posix()
    lines = page.read_text("utf-8").split("\n")
    at = 0
    while at < len(lines):
        end = at + 1
        if fence := re.match(r"\s*```(\w*)", lines[at]):
            while not lines[end].strip().startswith("```"):
                end += 1
            yield Block(name, at + 2, fence[1], "\n".join(lines[at + 1 : end]))
            end += 1
        elif lines[at].startswith("    ") and not lines[at - 1].strip():
            while end < len(lines) and (lines[end].startswith("    ") or not lines[end].strip()):
                end += 1
            yield Block(name, at + 1, "", "\n".join(line[4:] for line in lines[at:end]).rstrip())
        at = end


def commands(block: Block) -> list[list[str]]:
    """The words of each command of a block: lines are joined at their end's backslash, chains are parted."""
    found = []
    text = re.sub(r"\\\n\s*", " ", re.sub(r"\$\([^)]*\)", "SUBSTITUTED", block.text))
    text = re.sub(r"\n {4,}(?=-)", " ", text)
    for line in text.split("\n"):
        lexer = shlex.shlex(line, posix=True, punctuation_chars="|&;<>")
        lexer.whitespace_split = True
        try:
            words = list(lexer)
        except ValueError:  # no shell: a sentence with an apostrophe
            continue
        chain: list[str] = []
        for word in [*words, "&&"]:
            if re.fullmatch(r"[|&;<>]+", word):
                found.append(chain)
                chain = ["file"] if word[0] in "<>" else []
            else:
                chain.append(word)
    return [_bare(chain) for chain in found if chain and chain[0] != "file"]


def _bare(words: list[str]) -> list[str]:
    """Without variables that are set before it, ``$``, ``sudo`` and the folder of the program."""
    while words and (re.fullmatch(r"\w+=.*|\$|sudo|nohup|exec", words[0])):
        words = words[1:]
    return [words[0].rsplit("/", 1)[-1] if words[0].endswith(("/saec", "/pytest", "/python")) else words[0],
            *words[1:]] if words else []  # fmt: skip


def inline() -> Iterator[tuple[str, list[str]]]:
    """The commands that stand within a sentence, between backquotes."""
    for page in PAGES:
        name = page.relative_to(ROOT).as_posix()
        for said in re.findall(r"`(saec [^`\n]+)`", page.read_text("utf-8")):
            for words in commands(Block(name, 0, "sh", said)):
                yield name, words
