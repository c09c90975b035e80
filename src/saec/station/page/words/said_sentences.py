"""Sentences of the station with names in them, in the languages of people.

An error's text is English and has its values filled in. Here stand the ones that a person may see in a form,
with the places of their values, so that they are found again and said in another language.
"""

from __future__ import annotations

import re
from functools import cache

from saec.station.page.words.languages import Wording, msgid

SHAPES = (
    msgid("%(name)s cannot be a name"),
    msgid("%(name)s looks like a pseudonym"),
    msgid("do not begin it with %(start)s"),
    msgid("there is a person named %(name)s already"),
    msgid("there is no person named %(name)s"),
    msgid("%(person)s is the only admin"),
    msgid("%(person)s may not log in"),
    msgid("%(person)s logs in at the provider of OpenID Connect"),
    msgid("you have answered %(frame)s already"),
    msgid("somebody else has %(frame)s now"),
    msgid("the picture of %(frame)s is not kept any more"),
)
"""The sentences that are told apart by what stands around their values."""

WHOLE = (
    msgid("choose another name"),
    msgid("`saec station people list` shows all"),
    msgid("add another admin first"),
    msgid("ask an admin"),
    msgid("change the password there"),
    msgid("too many people log in at this moment"),
    msgid("try again in a few seconds"),
    msgid("take that answer back first"),
    msgid("go on with the next frame"),
    msgid("go on with another frame"),
    msgid("load the page again"),
    msgid("mark the place again"),
    msgid("mark the place with fewer strokes"),
    msgid("a box is empty or lies outside the picture"),
    msgid("a stroke lies outside the picture"),
    msgid("a mark has a number that is not finite"),
    msgid("a brush is wider than the picture, or has no width"),
    msgid("a frame has at most # boxes, # strokes and # points"),
    msgid("the frame # is not in the review"),
)
"""Sentences without values."""

_PLACE = re.compile(r"%\((\w+)\)s")


def said(wording: Wording, text: str) -> str:
    """A sentence of the station in a language; itself where it is not known."""
    for shape in SHAPES:
        if (found := _pattern(shape).fullmatch(text)) is not None:
            return wording.gettext(shape) % found.groupdict()
    return wording.sentence(text)


@cache
def _pattern(shape: str) -> re.Pattern[str]:
    parts = _PLACE.split(shape)  # text, name of a value, text, ...
    found = [re.escape(parts[0])]
    for name, text in zip(parts[1::2], parts[2::2], strict=True):
        found += [f"(?P<{name}>.+?)", re.escape(text)]
    return re.compile("".join(found), re.DOTALL)
