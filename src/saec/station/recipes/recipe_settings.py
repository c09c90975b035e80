"""A recipe: what a line runs for one product, as a section of the settings file says it."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Annotated

import msgspec

from saec.settings.settings_text import suggestion
from saec.station.section_types import FieldFault, Name, Section
from saec.types import Box

Feature = bool | int | float | str
"""The value of one feature of a camera, by the GenICam name of the feature."""

LARGEST_RECIPE = 65_535
"""The largest number of a recipe: a PLC tells it in one register."""


class RecipeSettings(Section, frozen=True, kw_only=True):
    """A section [[recipe]]: what a line runs for one product.

    Attributes:
        number: The recipe's number, from 1 to 65535, by which a PLC chooses it. A line has each number once.
        name: What people call it.
        line: The name of the line that runs it.
        version: The version of the line that judges. Default: the current one, so that the recipe follows
            promotions.
        region: The part of the picture that is judged: left, top, right and bottom in pixels. The right and
            the bottom are the first pixels outside. Default: the whole picture.
        threshold: Scores at or above it are labelled defect. Default: the version's own threshold.
        parts: A pattern of part ids, as a regular expression. A frame whose part matches is judged by this
            recipe, whichever is chosen. Default: the chosen recipe alone counts.
        camera: Features that cameras must have, by the name of their [[source]]. All recipes of a line name
            the same features.
    """

    number: Annotated[int, msgspec.Meta(ge=1, le=LARGEST_RECIPE)]
    name: Annotated[str, msgspec.Meta(min_length=1, max_length=60)]
    line: Name
    version: Annotated[int, msgspec.Meta(ge=1)] | None = None
    region: Box | None = None
    threshold: float | None = None
    parts: Annotated[str, msgspec.Meta(min_length=1, max_length=200)] | None = None
    camera: dict[Name, dict[str, Feature]] = msgspec.field(default_factory=dict)

    def faults(self) -> Iterator[FieldFault]:
        """What its types cannot say."""
        if not self.name.isprintable():
            yield "name", "the name has characters that cannot be shown", "use letters, digits and spaces"
        if self.region is not None:
            left, top, right, bottom = self.region
            if not (0 <= left < right and 0 <= top < bottom):
                what = f"the region {list(self.region)} has no pixels, or begins outside the picture"
                yield (
                    "region",
                    what,
                    "give left, top, right and bottom with 0 <= left < right, 0 <= top < bottom",
                )
        if self.threshold is not None and not math.isfinite(self.threshold):
            yield "threshold", f"the threshold is {self.threshold}", "give a finite score"
        if self.parts is not None:
            try:
                re.compile(self.parts)
            except re.error as e:
                yield "parts", f"the pattern is no regular expression: {e}", "give one such as A7-[0-9]+"


RecipeFault = tuple[int, str, str, str]
"""A fault of a list of recipes: the index, the key of the field, what is wrong, and the remedy."""


def recipe_faults(
    recipes: Sequence[RecipeSettings], lines: Collection[str], sources: Mapping[str, str]
) -> Iterator[RecipeFault]:
    """Every fault of the recipes of a settings file.

    Args:
        recipes: those of the file, in its order.
        lines: names of the lines.
        sources: the line of each source, by the source's name.
    """
    features: dict[str, set[tuple[str, str]]] = {}
    seen: set[tuple[str, int]] = set()
    for i, recipe in enumerate(recipes):
        for key, what, remedy in recipe.faults():
            yield i, key, what, remedy
        if recipe.line not in lines:
            remedy = suggestion(recipe.line, sorted(lines))
            yield i, "line", f"there is no [[line]] named {recipe.line}", remedy
        if (recipe.line, recipe.number) in seen:
            what = f"the line {recipe.line} has two recipes with the number {recipe.number}"
            yield i, "number", what, "give each its own number"
        seen.add((recipe.line, recipe.number))
        for source in recipe.camera:
            if sources.get(source) != recipe.line:
                what = f"the line {recipe.line} has no [[source]] named {source}"
                yield i, "camera", what, "name a source of this line"
        mine = {(source, feature) for source, values in recipe.camera.items() for feature in values}
        first = features.setdefault(recipe.line, mine)
        if mine != first:
            source, feature = min(mine ^ first)
            what = (
                f"not every recipe of the line {recipe.line} names {feature} of {source}: "
                "what one recipe sets would stay for the next"
            )
            yield i, "camera", what, "name the same features in all recipes of the line"
