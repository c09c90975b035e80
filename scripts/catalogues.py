"""Bring the catalogues of the station's page up to the texts of its templates and code.

python scripts/catalogues.py            print what each catalogue lacks, and what no text needs any more
python scripts/catalogues.py --write    add new texts, still to be translated, and take dead ones out
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from io import BytesIO

from babel.messages.catalog import Catalog
from babel.messages.extract import extract
from babel.messages.pofile import read_po, write_po

from saec.frame.reason_words import reason_sentences
from saec.station.page.words.languages import CATALOGUES, ENGLISH, LANGUAGES

PAGE = CATALOGUES.parent

_KEYWORDS = {"_": None, "gettext": None, "ngettext": (1, 2), "msgid": None}
_HEAD = """# The texts of the station's page: {name}. `python scripts/catalogues.py --write` adds new ones.
msgid ""
msgstr ""
"Language: {language}\\n"
"Content-Type: text/plain; charset=utf-8\\n"
"Content-Transfer-Encoding: 8bit\\n"
"Plural-Forms: {plurals}\\n"

"""

Text = str | tuple[str, str]
"""A text, or its singular and plural."""


def texts() -> set[Text]:
    """Every English text that the page may show."""
    return {*_in_files(), *reason_sentences().values()}


def catalogue(language: str) -> Catalog:
    """The catalogue of a language as it lies in the package."""
    with (CATALOGUES / f"{language}.po").open("rb") as f:
        return read_po(f, locale=language)


def translated(catalogue: Catalog) -> set[Text]:
    """The texts for which a catalogue has every form."""
    return {
        message.id if isinstance(message.id, str) else (message.id[0], message.id[1])
        for message in catalogue
        if message.id
        and all(message.string if isinstance(message.string, list | tuple) else [message.string])
    }


def brought_up(language: str) -> Catalog:
    """A catalogue with an entry for each text and no other; what it had stays."""
    had, made = catalogue(language), Catalog(locale=language, fuzzy=False)
    for text in sorted(texts(), key=lambda text: text if isinstance(text, str) else text[0]):
        known = had.get(text if isinstance(text, str) else text[0])
        made.add(text, "" if known is None else known.string)
    return made


def save(language: str, made: Catalog) -> None:
    """Write a catalogue."""
    out = BytesIO()
    head = _HEAD.format(name=LANGUAGES[language], language=language, plurals=made.plural_forms)
    write_po(out, made, width=100, omit_header=True)
    (CATALOGUES / f"{language}.po").write_bytes(head.encode() + out.getvalue().lstrip())


def _in_files() -> Iterator[Text]:
    for path in sorted([*PAGE.rglob("*.html"), *PAGE.rglob("*.py")]):
        method = "jinja2.ext:babel_extract" if path.suffix == ".html" else "python"
        options = {"silent": "false", "trimmed": "true"} if path.suffix == ".html" else {}
        for _, found, _, _ in extract(method, BytesIO(path.read_bytes()), _KEYWORDS, options=options):
            yield found if isinstance(found, str) else (found[0], found[1])


def main(write: bool) -> int:
    """Print the differences, or write them; 1 where a catalogue is not complete."""
    incomplete = False
    for language in LANGUAGES:
        if language == ENGLISH:
            continue
        if write:
            save(language, brought_up(language))
        had = translated(catalogue(language))
        for text in sorted(texts() - had, key=str):
            print(f"{language} lacks {text!r}")
            incomplete = True
        for text in sorted(had - texts(), key=str):
            print(f"{language} has the dead {text!r}")
            incomplete = True
    return int(incomplete)


if __name__ == "__main__":
    sys.exit(main("--write" in sys.argv[1:]))
