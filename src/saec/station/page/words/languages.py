"""The page's words in the languages of people: texts, dates, times and numbers.

English stands in templates and code and is the key; ``catalogues/*.po`` hold the other languages and are read
as they are. Times are those of the station's clock and zone.
"""

from __future__ import annotations

import gettext
import io
import math
import re
import time
from collections.abc import Mapping
from datetime import datetime
from functools import cache
from pathlib import Path

from babel import Locale
from babel.core import negotiate_locale
from babel.dates import format_date, format_datetime, format_skeleton, format_time
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.numbers import format_decimal, format_percent

CATALOGUES = Path(__file__).parents[1] / "catalogues"
ENGLISH = "en"
LANGUAGES: Mapping[str, str] = {ENGLISH: "English", "de": "Deutsch", "zh_Hans": "简体中文"}
"""Each language's code and its own name."""

_LOCALES = {ENGLISH: "en_GB"}
"""Where the formats of a language differ by country: day before month, 24 hours."""

_CHINESE = {"zh": "zh_Hans", "zh_cn": "zh_Hans", "zh_sg": "zh_Hans", "zh_hans_cn": "zh_Hans"}
"""What browsers call simplified Chinese."""

NOTHING = "–"

_NUMBER = re.compile(r"\d+")

_SIZES = ("B", "kB", "MB", "GB", "TB", "PB")


def msgid(text: str) -> str:
    """Marks a text that is looked up in the catalogue where it is shown."""
    return text


class Wording:
    """One language.

    Args:
        language: one of ``LANGUAGES``.
    """

    def __init__(self, language: str) -> None:
        self.language = language
        self.locale = Locale.parse(_LOCALES.get(language, language))
        self._texts = _translations(language)

    @property
    def tag(self) -> str:
        """The language as HTML names it."""
        return self.language.replace("_", "-")

    def gettext(self, text: str) -> str:
        """A text in this language; itself where the catalogue lacks it."""
        return self._texts.gettext(text) if text else ""

    def ngettext(self, one: str, many: str, n: int) -> str:
        return self._texts.ngettext(one, many, n)

    def sentence(self, text: str) -> str:
        """A sentence of the station; the catalogue has "#" for each whole number in it.

        A sentence that the catalogue lacks stays as it is: it names what only the station knows.
        """
        if (known := self.gettext(text)) != text:
            return known
        plain = _NUMBER.sub("#", text)
        known = self.gettext(plain)
        numbers = iter(_NUMBER.findall(text))
        return text if known == plain else re.sub("#", lambda _: next(numbers), known)

    def number(self, value: float | None, digits: int | None = None) -> str:
        """A number; with ``digits`` so many behind the point."""
        if value is None:
            return NOTHING
        pattern = None if digits is None else f"#,##0.{'0' * digits}" if digits else "#,##0"
        return format_decimal(value, pattern, locale=self.locale)

    def percent(self, share: float | None, digits: int = 0) -> str:
        """A share of 0 to 1 as per cent."""
        if share is None:
            return NOTHING
        pattern = self.locale.percent_formats[None].pattern
        pattern = pattern.replace("##0", f"##0.{'0' * digits}") if digits else pattern
        return format_percent(share, pattern, locale=self.locale)

    def probability(self, p: float | None) -> str:
        """A probability as per cent, to a tenth; never as certain as 0 or 100."""
        if p is None or 0.001 <= p <= 0.999:
            return self.percent(p, 1)
        return f"> {self.percent(0.999, 1)}" if p > 0.5 else f"< {self.percent(0.001, 1)}"

    def time(self, seconds: float | None) -> str:
        """The time of day, to the second, of seconds since the epoch."""
        return NOTHING if seconds is None else format_time(_local(seconds), "medium", locale=self.locale)

    def date(self, seconds: float | None) -> str:
        return NOTHING if seconds is None else format_date(_local(seconds), "medium", locale=self.locale)

    def moment(self, seconds: float | None) -> str:
        """Date and time, to the second."""
        return NOTHING if seconds is None else format_datetime(_local(seconds), "medium", locale=self.locale)

    def minute(self, seconds: float) -> str:
        """The time of day, to the minute."""
        return format_time(_local(seconds), "short", locale=self.locale)

    def day(self, seconds: float) -> str:
        """The day and its month, without the year."""
        return format_skeleton("MMMd", _local(seconds), locale=self.locale)

    def lately(self, seconds: float | None) -> str:
        """The time of day of a moment of today; of any other the date as well."""
        today = seconds is not None and _local(seconds).date() == _local(time.time()).date()
        return self.time(seconds) if today else self.moment(seconds)

    def stamp(self, text: str) -> str:
        """Date and time of a moment that is written as in ISO 8601; any other text as it is."""
        try:
            return self.moment(datetime.fromisoformat(text).timestamp())
        except ValueError:
            return text or NOTHING

    def size(self, count: float | None) -> str:
        """Bytes in the unit of a thousand steps that suits them."""
        if count is None:
            return NOTHING
        unit = min(len(_SIZES) - 1, int(math.log(max(1.0, count), 1000)))
        return f"{self.number(count / 1000**unit, 1 if unit else 0)} {_SIZES[unit]}"

    def lasting(self, seconds: float | None) -> str:
        """A duration in its two largest units."""
        if seconds is None:
            return NOTHING
        minutes = int(seconds // 60)
        days, hours = minutes // 1440, minutes // 60 % 24
        if days:
            return self.gettext("%(days)s d %(hours)s h") % {"days": days, "hours": hours}
        if hours:
            return self.gettext("%(hours)s h %(minutes)s min") % {"hours": hours, "minutes": minutes % 60}
        if minutes:
            return self.gettext("%(minutes)s min") % {"minutes": minutes}
        return self.gettext("%(seconds)s s") % {"seconds": int(seconds)}


@cache
def wording(language: str) -> Wording:
    """The words of a language; English where it is not among ``LANGUAGES``."""
    return Wording(language if language in LANGUAGES else ENGLISH)


def asked_language(chosen: str | None, accepts: str) -> str:
    """The language of a page: the person's own choice, else what the browser asks for, else English.

    Args:
        chosen: what the person chose, or None.
        accepts: the header Accept-Language.
    """
    if chosen is not None and chosen in LANGUAGES:
        return chosen
    wanted = sorted(_weighted(accepts), key=lambda pair: -pair[1])
    names = [_CHINESE.get(name.lower(), name) for name, weight in wanted if weight > 0]
    found = (negotiate_locale(names, list(LANGUAGES)) or ENGLISH).lower()  # in the spelling that was asked
    return next(language for language in LANGUAGES if language.lower() == found)


def _weighted(accepts: str) -> list[tuple[str, float]]:
    """The languages of an Accept-Language with their weights; what is malformed is left out."""
    found = []
    for part in accepts[:500].split(","):
        name, _, weight = part.strip().partition(";q=")
        try:
            found.append((name.strip().replace("-", "_"), float(weight) if weight else 1.0))
        except ValueError:
            continue
    return [(name, weight) for name, weight in found if name.replace("_", "").isalnum()]


def _local(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds).astimezone()


def _translations(language: str) -> gettext.NullTranslations:
    if language == ENGLISH:
        return gettext.NullTranslations()
    compiled = io.BytesIO()
    with (CATALOGUES / f"{language}.po").open("rb") as f:
        write_mo(compiled, read_po(f, locale=language))
    compiled.seek(0)
    return gettext.GNUTranslations(compiled)
