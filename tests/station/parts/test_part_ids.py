"""What may be the id of a part, and where it is found in a name."""

from __future__ import annotations

import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saec.station.parts.part_ids import PATTERN_EXAMPLE, PartIdError, check_part, part_pattern, part_within
from saec.station.storage.records import LONGEST_PART


@given(st.text(max_size=2 * LONGEST_PART))
def test_an_id_is_short_and_printable_or_an_error_says_why(text: str) -> None:
    kept = unicodedata.normalize("NFC", text.strip())
    if 0 < len(kept) <= LONGEST_PART and kept.isprintable():
        assert check_part(text) == check_part(kept) == kept
    else:
        with pytest.raises(PartIdError, match="printable characters"):
            check_part(text)


def test_one_accented_id_is_one_however_it_is_encoded() -> None:
    assert check_part(" e\u0301tape ") == check_part("étape") == "étape"


@pytest.mark.parametrize(
    ("name", "part"),
    [("A1042_front.png", "A1042"), ("day/A1042_front.png", "A1042"), ("front.png", ""), ("\x07_.png", "")],
)
def test_a_pattern_finds_the_id_in_a_name(name: str, part: str) -> None:
    assert part_within(part_pattern(PATTERN_EXAMPLE), name) == part


def test_a_group_that_took_no_part_finds_nothing() -> None:
    assert part_within(re.compile("x|(?P<part>y)"), "x") == ""


@pytest.mark.parametrize("text", ["(", "no group", "(?P<id>x)"])
def test_a_pattern_that_can_find_none_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(PartIdError) as caught:
        part_pattern(text)
    assert "which finds A1042 in A1042_front.png" in (caught.value.remedy or "")
