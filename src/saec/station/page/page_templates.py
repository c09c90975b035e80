"""Templates of the page, one environment for each language; what they are given is text, never markup."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from saec.station.page.static_files import static_files
from saec.station.page.words.languages import LANGUAGES, NOTHING, Wording, wording
from saec.station.page.words.page_terms import label_key, reason_in, term
from saec.station.page.words.said_sentences import said
from saec.station.people.passwords import LEAST

FOLDER = Path(__file__).with_name("templates")


class PageTemplates:
    """All templates in all languages, compiled when first used.

    Args:
        shared: what every template sees, such as the station's name.
    """

    def __init__(self, **shared: Any) -> None:
        loader = FileSystemLoader(FOLDER)
        self._made = {language: _environment(loader, wording(language), shared) for language in LANGUAGES}

    def text(self, template: str, words: Wording, **shown: Any) -> str:
        """A template filled in."""
        return self._made[words.language].get_template(template).render(shown)


def _environment(loader: FileSystemLoader, words: Wording, shared: dict[str, Any]) -> Environment:
    made = Environment(
        loader=loader,
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
        extensions=["jinja2.ext.i18n"],
    )
    made.install_gettext_callables(words.gettext, words.ngettext, newstyle=True)  # type: ignore[attr-defined]
    made.globals.update(
        shared,
        words=words,
        languages=LANGUAGES,
        nothing=NOTHING,
        least_password=LEAST,
        static=static_files().address,
        term=partial(term, words),
        reason=partial(reason_in, words),
        said=partial(said, words),
        label_key=label_key,
    )
    made.filters.update(
        time=words.time,
        minute=words.minute,
        day=words.day,
        date=words.date,
        moment=words.moment,
        lately=words.lately,
        number=words.number,
        percent=words.percent,
        probability=words.probability,
        lasting=words.lasting,
        stamp=words.stamp,
        size=words.size,
    )
    return made
