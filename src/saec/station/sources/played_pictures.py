"""Pictures of a folder in an order, each with the part that it shows and the recipe that the part needs."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

import msgspec

from saec.data.images.file_names import is_picture, passed_over
from saec.errors import DataError
from saec.texts import read_table, whole_number

PartFrom = Literal["none", "name", "folder"]
PictureOrder = Literal["name", "random"]

PASS = "~"
"""Between a part's id and the number of the pass over the pictures, from the second pass on: "A17~2"."""

_COLUMNS = ("file", "part", "recipe")


class PlayedPicture(msgspec.Struct, frozen=True):
    """A file, the id of the part that it shows ("" unknown), and the recipe that the part needs."""

    path: Path
    part: str = ""
    recipe: int | None = None


def pictures_in(folder: Path, part_from: PartFrom = "none", table: Path | None = None) -> list[PlayedPicture]:
    """The pictures of a folder and its folders, by name; with a table those that it names, in its order.

    Args:
        part_from: "name": a part's id is the file's name without ending. "folder": it is the folder's name.
            The recipe is the name of the folder, or of one above it, that is a whole number.
        table: a CSV with the columns file (below the folder), part and recipe; the last two may be empty.

    Raises:
        DataError: the table cannot be used, a file that it names is missing, or there are no pictures.
    """
    if table is not None:
        found = [_row(folder, table, row) for row in read_table(table, _COLUMNS)]
    else:
        found = [_picture(folder, path, part_from) for path in _files(folder)]
    if not found:
        raise DataError(f"{folder} holds no pictures", "name a folder with image files")
    return found


def check_parts_differ(pictures: Sequence[PlayedPicture], folder: Path) -> None:
    """Refuse pictures of which two show one part: on a trigger for it only one of them would ever be played.

    Raises:
        DataError: names the part, two of its pictures, and the remedy.
    """
    first: dict[str, Path] = {}
    twice = []
    for one in pictures:
        if one.part in first:
            twice.append(one)
        elif one.part:
            first[one.part] = one.path
    if not twice:
        return
    path, part = twice[0].path, twice[0].part
    names = " and ".join(one.relative_to(folder).as_posix() for one in (first[part], path))
    others = len({one.part for one in twice}) - 1
    more = f", and {others} other part{'s are' if others > 1 else ' is'} repeated as well" if others else ""
    raise DataError(
        f"{folder}: {names} both show the part {part}{more}",
        "give each file a name of its own, or name its part in a `table` (columns file, part, recipe)",
    )


def _files(folder: Path) -> list[Path]:
    files = (path for path in sorted(folder.rglob("*")) if is_picture(path.name) and path.is_file())
    return [p for p in files if not any(passed_over(name) for name in p.relative_to(folder).parts[:-1])]


def _row(folder: Path, table: Path, row: dict[str, str]) -> PlayedPicture:
    path, recipe = folder / row["file"], whole_number(row["recipe"])
    if not path.is_file():
        raise DataError(f"{table}: there is no file {path}", "the column file is relative to the folder")
    if row["recipe"] and recipe is None:
        raise DataError(f"{table}: the recipe {row['recipe']!r} is no whole number", "give numbers")
    return PlayedPicture(path, row["part"], recipe)


def _picture(folder: Path, path: Path, part_from: PartFrom) -> PlayedPicture:
    above = path.relative_to(folder).parts[:-1]
    numbers = (whole_number(name) for name in reversed(above))
    recipe = next((number for number in numbers if number is not None), None)
    if part_from == "none":
        return PlayedPicture(path)
    own = path.stem if part_from == "name" else (above[-1] if above else "")
    return PlayedPicture(path, own, recipe)


class PlayedOrder:
    """Gives one picture after another.

    Args:
        pictures: one at least.
        order: "random" draws each pass anew.
        loop: begin again after the last one.
        seed: fixes what is drawn.
    """

    def __init__(
        self, pictures: list[PlayedPicture], order: PictureOrder = "name", *, loop: bool = True, seed: int = 0
    ) -> None:
        self._pictures, self._order, self._loop = pictures, order, loop
        self._chance = random.Random(seed)
        self._by_part = {one.part: one for one in pictures if one.part}

    def __len__(self) -> int:
        """The pictures of one pass."""
        return len(self._pictures)

    def __iter__(self) -> Iterator[PlayedPicture]:
        """Every picture in turn. From the second pass on a part's id says the pass, so none comes twice."""
        turn = 1
        while turn == 1 or self._loop:
            pictures = [*self._pictures]
            if self._order == "random":
                self._chance.shuffle(pictures)
            for one in pictures:
                again = turn > 1 and one.part
                yield msgspec.structs.replace(one, part=f"{one.part}{PASS}{turn}") if again else one
            turn += 1

    def of_part(self, part: str) -> PlayedPicture | None:
        """A picture of a part, in whatever pass; None for an unknown one."""
        return self._by_part.get(part) or self._by_part.get(part.rpartition(PASS)[0])
