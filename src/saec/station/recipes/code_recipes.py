"""The recipe of a frame, chosen by the code in its picture: the part that the code names decides."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from saec.errors import MachineError
from saec.station.parts.code_reader import CodeReader
from saec.station.recipes.recipe_book import RecipeBook
from saec.station.storage.records import SpooledFrame
from saec.types import Image


class CodeRecipes:
    """Chooses the recipes of one line's frames by the codes in their pictures; for one thread.

    Args:
        codes: reads them.
        book: the recipes of the line.
        keep: writes the recipe (the second argument) into the row of a frame (the first).
    """

    def __init__(self, codes: CodeReader, book: RecipeBook, keep: Callable[[int, int], None]) -> None:
        self._codes, self._book, self._keep = codes, book, keep

    def decide(self, frame: SpooledFrame) -> bool:
        """Whether the code is asked: not where the source knows the part, or a trigger fixed the recipe."""
        triggered = frame.capture is not None and frame.capture.trigger is not None
        return bool(self._book.newest) and not frame.part and not triggered

    def chosen(self, frame: SpooledFrame, image: Image) -> SpooledFrame:
        """A frame with its part's id, and with the recipe whose pattern the id matches.

        An id that no pattern matches leaves the recipe that was in force when the picture came.

        Args:
            frame: its row; the recipe is kept in it.
            image: H x W x 3 uint8, RGB; the whole picture.

        Raises:
            MachineError: the code was not read, or several recipes match.
        """
        read = self._codes.read(image)
        if not read.part:
            raise MachineError(
                f"the code that chooses the recipe was not read: {read.problem}",
                "clean the code or the lens, give [line.code] its region, or take out recipe = true",
            )
        recipe = self._book.of_part(read.part)
        number = frame.recipe if recipe is None else recipe.number
        if number is not None and number != frame.recipe:
            self._keep(frame.seq, number)
        return msgspec.structs.replace(frame, part=read.part, recipe=number)
