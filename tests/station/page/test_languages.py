"""The page's texts in each language: complete, without dead ones, and with the names that they fill in."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saec.frame.reason_words import reason_sentences
from saec.station.page.words.languages import ENGLISH, LANGUAGES, asked_language, wording
from saec.station.page.words.page_terms import SAID, TERMS, reason_in, term
from saec.station.people import people_store
from saec.types import VerdictRecord
from scripts.catalogues import catalogue, texts, translated
from tests.station.test_docs import kinds_of_alarms

OTHERS = [language for language in LANGUAGES if language != ENGLISH]
FILLED = re.compile(r"%\((\w+)\)s|%%")


@pytest.mark.parametrize("language", OTHERS)
def test_a_catalogue_has_every_text_and_no_other(language: str) -> None:
    had = translated(catalogue(language))
    assert texts() - had == set(), "python scripts/catalogues.py --write, and translate"
    assert had - texts() == set(), "python scripts/catalogues.py --write"


@pytest.mark.parametrize("language", OTHERS)
def test_a_translation_fills_in_what_its_text_does(language: str) -> None:
    for message in catalogue(language):
        if not message.id:
            continue
        told = message.id if isinstance(message.id, str) else message.id[1]
        forms = message.string if isinstance(message.string, list | tuple) else [message.string]
        for form in forms:
            assert sorted(FILLED.findall(str(form))) == sorted(FILLED.findall(told)), message.id
            assert str(form).count("#") == told.count("#"), message.id


def test_every_kind_of_alarm_has_a_title() -> None:
    assert kinds_of_alarms() | {"edge", "page"} == set(TERMS["alarm"]) | {"page"}


def test_sentences_that_are_named_for_the_catalogues_are_still_said() -> None:
    folder = Path(people_store.__file__).parent
    said = "".join(path.read_text("utf-8") for path in folder.glob("*.py"))
    with_numbers = re.sub(r"\{[^}]*\}", "#", said)
    assert [text for text in SAID if text not in said and text not in with_numbers] == []


def test_a_sentence_of_the_station_keeps_its_numbers() -> None:
    told = "a password has 12 to 256 characters, and this one has 5"
    assert wording("en").sentence(told) == told
    assert wording("de").sentence(told) == "ein Passwort hat 12 bis 256 Zeichen, dieses hat 5"
    assert wording("de").sentence("nobody has said 5 such things") == "nobody has said 5 such things"


def because(reason: str) -> VerdictRecord:
    return VerdictRecord(id="cell-1", path="", sha256="", line="cell", time=0.0, seq=1, reason=reason)


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_language_says_reasons_and_terms_its_own_way(language: str) -> None:
    words = wording(language)
    for reason, sentence in reason_sentences().items():
        told = reason_in(words, because(reason))
        assert told
        assert (told == sentence) is (language == ENGLISH)
    assert reason_in(words, because("a-reason-of-nobody")) == "a-reason-of-nobody"
    assert term(words, "alarm", "a-kind-of-nobody") == "a-kind-of-nobody"


def test_numbers_and_times_are_those_of_the_language() -> None:
    moment = time.mktime((2026, 3, 4, 15, 6, 7, 0, 0, -1))
    assert wording("en").moment(moment) == "4 Mar 2026, 15:06:07"
    assert wording("de").moment(moment) == "04.03.2026, 15:06:07"
    assert wording("zh_Hans").moment(moment) == "2026年3月4日 15:06:07"
    assert [wording(code).number(1234.5, 2) for code in LANGUAGES] == ["1,234.50", "1.234,50", "1,234.50"]
    assert wording("de").percent(0.925, 1) == "92,5\xa0%"
    assert [wording("en").probability(p) for p in (0.0, 0.5, 1.0)] == ["< 0.1%", "50.0%", "> 99.9%"]
    assert wording("de").lasting(3 * 86400 + 7200) == "3 T. 2 Std."
    assert wording("en").lasting(59.9) == "59 s"
    for show in (wording("en").number, wording("en").percent, wording("en").moment, wording("en").lasting):
        assert show(None) == "–"


@pytest.mark.parametrize(
    ("chosen", "accepts", "expected"),
    [
        (None, "", "en"),
        (None, "de-AT,de;q=0.9,en;q=0.8", "de"),
        (None, "en;q=0.5, zh-CN", "zh_Hans"),
        (None, "zh-TW", "en"),
        (None, "fr", "en"),
        (None, "DE, EN;q=0.5", "de"),
        (None, "ZH-CN", "zh_Hans"),
        ("de", "zh-CN", "de"),
        ("xx", "zh-Hans", "zh_Hans"),
        (None, "de;q=0, en;q=0.1", "en"),
    ],
)
def test_the_person_chooses_the_language_and_else_the_browser(
    chosen: str | None, accepts: str, expected: str
) -> None:
    assert asked_language(chosen, accepts) == expected


@given(st.text(max_size=200))
def test_any_accept_language_gives_some_language(accepts: str) -> None:
    assert asked_language(None, accepts) in LANGUAGES
