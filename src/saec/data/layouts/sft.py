"""Instruction data as `saec data sft` writes it: ``train.jsonl`` and ``val.jsonl`` name the images."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec

from saec.data.items import Item, Split
from saec.data.layouts.layout_reading import Choice, LayoutReading
from saec.decoding import decode
from saec.errors import DataError
from saec.texts import read_text
from saec.types import DEFECT, GOOD

FILES: dict[Split, str] = {"train": "train.jsonl", "val": "val.jsonl"}
_MOST = 1 << 30


class _Line(msgspec.Struct):
    image: str
    label: int
    kind: str = ""
    part: str = ""


class Sft:
    """Images with the split that fine-tuning gives them; val is what is judged."""

    name = "sft"
    looks = "train.jsonl and val.jsonl, as `saec data sft` writes them"
    listed = True

    def found(self, root: Path) -> bool:
        return all((root / name).is_file() for name in FILES.values())

    def read(self, root: Path, choice: Choice) -> LayoutReading:
        """Items of both files.

        Raises:
            DataError: one is missing, or a line is not of its form.
        """
        items = [item for split, name in FILES.items() for item in _items(root / name, split)]
        return LayoutReading(items=sorted(items, key=lambda i: (i.split, i.path.as_posix())))

    def sets(self, root: Path) -> list[Path]:
        return [root] if self.found(root) else []


def _items(path: Path, split: Split) -> Iterator[Item]:
    text = read_text(path, error=DataError, most=_MOST)
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            said = decode(line, _Line)
        except msgspec.DecodeError as e:
            raise DataError(f"{path}:{number}: {e}", "make it again with `saec data sft`") from e
        if said.label not in (GOOD, DEFECT):
            raise DataError(
                f"{path}:{number} has the label {said.label}", "use the labels 0 (good) and 1 (defect)"
            )
        kind = "good" if said.label == GOOD else said.kind
        yield Item(path=path.parent / said.image, label=said.label, split=split, kind=kind, part=said.part)
