"""The list of work: every row on one page, done once, and the rest of it."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saec.bulk import work_list
from saec.bulk.work_list import WorkList, read_page


@given(
    rows=st.lists(st.binary(min_size=1, max_size=9).map(bytes.hex).map(str.encode), max_size=80),
    size=st.integers(1, 9),
    most=st.integers(1, 12),
    done=st.sets(st.integers(0, 79)),
)
def test_each_row_is_on_one_page(
    tmp_path_factory: pytest.TempPathFactory, rows: list[bytes], size: int, most: int, done: set[int]
) -> None:
    before, work_list.MOST_PAGES = work_list.MOST_PAGES, most
    try:
        with WorkList(tmp_path_factory.mktemp("work") / "list", size) as work:
            for row in rows:
                work.add(row)
            work.close()
            pages = work.pages()
            assert [row for page in pages for row in read_page(work.path, page)] == rows
            assert len(pages) <= max(1, most)
            sizes = [len(read_page(work.path, page)) for page in pages]
            assert all(n % size == 0 for n in sizes[:-1])
            done = {number for number in done if number < len(rows)}
            assert all(work.mark(number) for number in done)
            assert not any(work.mark(number) for number in done)
            assert work.left == len(rows) - len(done)
            rest = [row for number, row in enumerate(rows) if number not in done]
            assert [row for _, row in work.undone()] == rest
            assert [read_page(work.path, page) for page in work.rest()] == [[row] for row in rest]
            sample = work.sample(5)
            assert len(sample) == min(5, len(rows))
            assert len(work.sample(0)) == 0
        assert not work.path.exists()
    finally:
        work_list.MOST_PAGES = before


def test_a_sample_is_spread(tmp_path: Path) -> None:
    with WorkList(tmp_path / "list", 4) as work:
        for number in range(400):
            work.add(str(number).encode())
        work.close()
        sample = [int(row) for row in work.sample(16)]
    assert len(sample) == 16
    assert min(sample) < 50
    assert max(sample) > 350
