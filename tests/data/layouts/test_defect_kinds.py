"""Kinds of labelled defects: by folder, by a table, and what is refused with its place and a remedy."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from saec.data.items import plain_name, stated_kind
from saec.data.layouts.defect_kinds import MOST_KINDS, check_kind, defect_kinds
from saec.errors import DataError
from saec.types import LONGEST_KIND, UNKNOWN_KIND


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "defects"


def put(folder: Path, name: str, content: str = "") -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content or name)
    return path


def write_table(folder: Path, *rows: str, head: str = "file,kind") -> Path:
    return put(folder.parent, "kinds.csv", "\n".join((head, *rows)) + "\n")


def test_folders_under_the_defects_are_kinds(folder: Path) -> None:
    scratch = put(folder, "scratch/1.png")
    dent = put(folder, "Big dent/deeper/1.png")
    held = put(folder, "test/images/hole/1.png")
    below = put(folder, "defective/crack/1.png")
    others = [
        put(folder, name)
        for name in ("1.png", "defect/1.png", "unknown/1.png", "images/1.png", "Unsorted/x.png")
    ]
    kinds = defect_kinds({folder: [scratch, dent, held, below, *others]})
    assert kinds == {scratch: "scratch", dent: "Big dent", held: "hole", below: "crack"}


def test_a_table_names_an_image_by_name_path_or_hash(folder: Path) -> None:
    by_name, by_path = put(folder, "a.png"), put(folder, "images/b.png")
    by_end, by_hash, copy = (
        put(folder, "images/img/c.png"),
        put(folder, "d.png", "d"),
        put(folder, "e.png", "d"),
    )
    unnamed, unknown = put(folder, "f.png"), put(folder, "g.png")
    put(folder, "data/c.png", "other")
    table = write_table(
        folder,
        "a.png,dent",
        f"{by_path},hole",
        "img\\c.png,dent",
        f"{hashlib.sha256(b'd').hexdigest().upper()},scratch",
        f"g.png,{UNKNOWN_KIND}",
        ",",
    )
    pictures = [by_name, by_path, by_end, by_hash, copy, unnamed, unknown, folder / "data/c.png"]
    assert defect_kinds({folder: pictures}, table=table) == {
        by_name: "dent",
        by_path: "hole",
        by_end: "dent",
        by_hash: "scratch",
        copy: "scratch",
    }


def test_a_table_may_repeat_the_folder_and_adds_to_it(folder: Path) -> None:
    one, two, three = put(folder, "dent/1.png"), put(folder, "dent/2.png"), put(folder, "3.png")
    table = write_table(folder, "1.png;dent", "2.png;defect", "3.png;hole", head="file;kind")
    assert defect_kinds({folder: [one, two, three]}, table=table) == {one: "dent", two: "dent", three: "hole"}


@pytest.mark.parametrize(
    ("rows", "said", "remedy"),
    [
        (["x.png,dent"], r"row 2: no image among the defects is 'x\.png'", "remove the row"),
        (["0" * 64 + ",dent"], "row 2: no image among the defects is '000", "sha256"),
        (["1.png,dent"], r"row 2: '1\.png' could be .*a/1\.png or .*b/1\.png", "write more of the path"),
        (["a/1.png,dent", "2.png,dent", "a/1.png,dent"], "row 4: .*a/1.png has a kind by .*row 2", "keep"),
        (["2.png,dent", "c/2.png,hole"], "row 3: .*c/2.png has a kind by .*row 2 already", "keep one"),
        ([",dent"], "row 2 has a kind and no file", "name the image"),
        (["2.png,good"], "row 2: the kind 'good' means no defect", "take good images out"),
        (["2.png,OK"], "row 2: the kind 'OK' means no defect", "another name"),
        (["2.png,judged good"], "row 2: the kind 'judged good' means no defect", "another name"),
        (['2.png,"a\nb"'], r"row 2: the kind 'a\\nb' holds line ends", "rename"),
        (["2.png,--"], "row 2: the kind '--' holds no letter", "rename"),
        ([f"2.png,{'x' * 65}"], "row 2: the kind 'x{64}'... has more than 64", "shorten"),
        (["2.png,dent", "a/1.png,Dent"], "spelt 'Dent' in .*row 3 and 'dent' in .*row 2", "write it alike"),
        (["a/1.png,dent", "b/1.png,hole"], "b/1.png, a copy of .*a/1.png, is 'dent' .* 'hole'", "keep one"),
        (["2.png,scratch"], "c/2.png is 'c' by the folder .*/c and 'scratch' by .*row 2", "keep one"),
    ],
)  # fmt: skip
def test_a_row_that_is_wrong_is_named_with_a_remedy(
    folder: Path, rows: list[str], said: str, remedy: str
) -> None:
    pictures = [put(folder, "a/1.png", "same"), put(folder, "b/1.png", "same"), put(folder, "c/2.png")]
    root = folder if said.startswith("c/2.png is 'c'") else folder / "elsewhere"
    with pytest.raises(DataError, match=said) as error:
        defect_kinds({root: pictures}, table=write_table(folder, *rows))
    assert remedy in error.value.remedy


def test_a_table_without_the_columns_is_named(folder: Path) -> None:
    picture = put(folder, "1.png")
    with pytest.raises(DataError, match=r"kinds.csv has no column file"):
        defect_kinds({folder: [picture]}, table=write_table(folder, "1.png,dent", head="path,kind"))


@pytest.mark.parametrize("name", ["good", "OK", "normal images", "judged_good"])
def test_a_folder_that_means_good_is_no_kind(folder: Path, name: str) -> None:
    picture = put(folder, f"{name}/1.png")
    with pytest.raises(DataError, match=f"the folder .*{name}: the kind '{name}' means no defect"):
        defect_kinds({folder: [picture]})


def test_copies_in_two_folders_have_one_kind(folder: Path) -> None:
    one, two = put(folder, "dent/1.png", "same"), put(folder, "hole/1.png", "same")
    with pytest.raises(DataError, match="a copy of"):
        defect_kinds({folder: [one, two]})
    assert defect_kinds({folder: [one, two]}, hashes={one: "a", two: "b"}) == {one: "dent", two: "hole"}


def test_the_kinds_of_the_line_are_spelt_as_before_and_are_not_too_many(folder: Path) -> None:
    picture = put(folder, "big_dent/1.png")
    with pytest.raises(DataError, match="spelt 'Big dent' in the line and 'big_dent' in the folder"):
        defect_kinds({folder: [picture]}, known=("Big dent",))
    known = tuple(f"kind {i}" for i in range(MOST_KINDS))
    with pytest.raises(
        DataError, match=f"{MOST_KINDS + 1} kinds; a line knows at most {MOST_KINDS}"
    ) as error:
        defect_kinds({folder: [picture]}, known=known)
    assert "--kinds" in error.value.remedy
    assert defect_kinds({folder: [picture]}, known=known[1:]) == {picture: "big_dent"}


@given(st.text(st.characters(), max_size=100))
@example("<script>alert(1)</script>")
@example("=cmd|' /c calc'!A0")
@example("a\u202eb")
@example("\ud800x")
@example("e\u0301clat")
def test_a_name_is_bounded_printable_text_or_refused_with_a_remedy(name: str) -> None:
    kind, refused = checked(name)
    if refused is not None:
        assert refused.remedy
        assert refused.what.startswith("kinds.csv, row 2")
        assert refused.what.isprintable()
        assert len(refused.what) < 1000
        return
    assert kind == kind.strip()
    assert plain_name(kind) != UNKNOWN_KIND
    assert checked(kind) == (kind, None)
    assert stated_kind(kind) == kind
    assert_can_be_shown(kind)


@given(st.text(st.characters(), max_size=100))
def test_what_a_data_set_states_can_always_be_shown(name: str) -> None:
    kind = stated_kind(name)
    assume(kind)
    assert_can_be_shown(kind)


def checked(name: str) -> tuple[str, DataError | None]:
    try:
        return check_kind(name, "kinds.csv, row 2"), None
    except DataError as error:
        return "", error


def assert_can_be_shown(kind: str) -> None:
    assert len(kind) <= LONGEST_KIND
    assert kind.isprintable()
    kind.encode()
