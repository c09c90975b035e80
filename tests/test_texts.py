"""A small text file is read as what its author saw, whatever the editor put around it."""

from __future__ import annotations

import codecs
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import saec
from saec.errors import ConfigError, DataError
from saec.texts import (
    decoded,
    read_json,
    read_lines,
    read_secret,
    read_table,
    read_text,
    read_token,
    whole_number,
)


@given(st.text(st.characters(exclude_characters="\ufeff", exclude_categories=["Cs"])))
def test_a_text_is_the_same_under_every_mark(text: str) -> None:
    for data in (text.encode(), codecs.BOM_UTF8 + text.encode(), text.encode("utf-16")):
        assert decoded(data, "x") == text


@given(st.binary(max_size=40))
def test_any_bytes_are_a_text_or_an_error_that_names_the_file(data: bytes) -> None:
    refused: DataError | None = None
    try:
        decoded(data, "list.csv", error=DataError)
    except DataError as e:
        refused = e
    assert refused is None or ("list.csv" in refused.what and "UTF-8" in refused.remedy)


def test_what_cannot_be_read_is_named_with_the_byte_or_the_reason(tmp_path: Path) -> None:
    path = tmp_path / "settings"
    path.write_bytes("eins\nGehäuse".encode("latin-1"))
    with pytest.raises(ConfigError, match="settings is not UTF-8: byte 0xE4 in line 2"):
        read_text(path)
    path.write_bytes(codecs.BOM_UTF16_LE + b"x")
    with pytest.raises(ConfigError, match="UTF-16"):
        read_text(path)
    with pytest.raises(ConfigError, match="larger than 2 bytes"):
        read_text(path, most=2)
    with pytest.raises(DataError, match="gone cannot be read: No such file"):
        read_text(tmp_path / "gone", error=DataError)
    with pytest.raises(ConfigError, match="cannot be read"):
        read_text(tmp_path / "a\0b")


@pytest.mark.parametrize(
    "data",
    [
        b"secret",
        b"secret\n",
        b"secret\r\n",
        b"  secret \n\n",
        codecs.BOM_UTF8 + b"secret\r\n",
        "secret\r\n".encode("utf-16"),
    ],
)
def test_a_token_is_its_word_alone(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "token"
    path.write_bytes(data)
    assert read_token(path) == read_secret(path) == "secret"


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"", "is empty"),
        (codecs.BOM_UTF8 + b"\r\n", "is empty"),
        ("gehäuse".encode(), "holds no token"),
        ("gehäuse".encode("latin-1"), "not UTF-8"),
        (b"two words", "holds no token"),
        (b"two\nlines", "more than one line"),
        (b"a\x00b", "more than one line"),
    ],
)
def test_what_a_header_cannot_carry_is_refused_and_never_shown(
    tmp_path: Path, data: bytes, what: str
) -> None:
    path = tmp_path / "token"
    path.write_bytes(data)
    with pytest.raises(ConfigError, match=what) as e:
        read_token(path)
    assert "token" in e.value.what
    assert all(word not in str(e.value) for word in ("gehäuse", "words", "lines "))


def test_a_password_may_be_a_phrase_in_any_letters(tmp_path: Path) -> None:
    path = tmp_path / "password"
    path.write_text("Gehäuse 4\n", "utf-8")
    assert read_secret(path) == "Gehäuse 4"


@pytest.mark.parametrize("parted", [",", ";", "\t"])
def test_a_spreadsheet_s_table_is_read_however_its_columns_are_parted(tmp_path: Path, parted: str) -> None:
    path = tmp_path / "table.csv"
    path.write_bytes("path,part\r\nä;b,1\r\n".replace(",", parted).replace("ä;b", '"ä;b"').encode("utf-16"))
    assert read_table(path, ("path", "part")) == [{"path": "ä;b", "part": "1"}]


def test_a_table_that_lacks_a_column_or_a_cell(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text("path,part\na\n")
    assert read_table(path, ("path", "part")) == [{"path": "a", "part": ""}]
    with pytest.raises(DataError, match="no column lot") as e:
        read_table(path, ("path", "lot"))
    assert "path,lot" in e.value.remedy


def test_json_that_is_none_is_named_with_what_it_should_be(tmp_path: Path) -> None:
    path = tmp_path / "card.json"
    gone = ConfigError("no card", "make one")
    with pytest.raises(ConfigError, match="no card"):
        read_json(path, dict[str, int], error=DataError, remedy="mend it", missing=gone)
    with pytest.raises(DataError, match="cannot be read: No such file"):
        read_json(path, dict[str, int], error=DataError, remedy="mend it")
    for text in ('{"a": "b"}', "{", "[" * 10**5, ""):
        path.write_text(text)
        with pytest.raises(DataError, match=r"card\.json is damaged") as e:
            read_json(path, dict[str, int], error=DataError, remedy="mend it")
        assert e.value.remedy == "mend it"


@given(st.lists(st.text(st.characters(exclude_characters="\ufeff\n\r", exclude_categories=["Cs"]))))
def test_lines_are_those_between_newlines_under_every_mark(tmp_path_factory: Any, lines: list[str]) -> None:
    path = tmp_path_factory.getbasetemp() / "lines"
    text = "".join(line + "\n" for line in lines) + "torn"
    for data in (text.encode(), codecs.BOM_UTF8 + text.encode(), text.encode("utf-16")):
        path.write_bytes(data)
        assert [line.decode() for line in read_lines(path)] == [*(line + "\n" for line in lines), "torn"]


@given(st.one_of(st.text(st.characters(categories=["Nd", "No"])), st.text()))
def test_a_whole_number_is_what_a_database_holds_or_none(text: str) -> None:
    number = whole_number(text)
    assert number is None or (str(number) == text.lstrip("0") or number == 0)
    assert number is None or number < 2**63


def test_digits_of_other_scripts_and_endless_ones_are_no_number() -> None:
    assert [whole_number(text) for text in ("42", "007")] == [42, 7]
    assert {whole_number(text) for text in ("", "²", "٣", "-1", "+1", "1_0", " 1", "9" * 19)} == {None}


def test_nothing_else_looks_for_digits() -> None:
    sources = {path.name: path.read_text("utf-8") for path in Path(saec.__file__).parent.rglob("*.py")}
    found = [name for name, text in sources.items() if re.search(r"\.is(digit|numeric)\(", text)]
    assert found == ["texts.py"]
