"""Numbers: a window's figures are those of its frames, its stretches cover it, and it is told of changes."""

from __future__ import annotations

import csv
import io
import random
import re
import time
from collections.abc import Iterator
from datetime import datetime
from functools import partial
from itertools import pairwise
from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.testclient import TestClient

from saec.station.page.numbers.counts_topic import CountsTopic
from saec.station.page.numbers.time_plots import (
    PLOT_HEIGHT,
    PLOT_WIDTH,
    deciders_plot,
    frames_plot,
    rate_plot,
)
from saec.station.page.numbers.time_window import CHOSEN, WINDOWS, read_window
from saec.station.page.numbers.window_figures import window_figures
from saec.station.page.search.search_form import moment_text
from saec.station.page.words.languages import wording
from saec.station.people.roles import Role
from saec.station.storage.frame_search import FrameQuery
from saec.types import DecidedBy
from tests.station.page.page_fakes import PageBench, as_role

NOW = datetime(2026, 3, 29, 17, 23, 45).timestamp()
DECIDERS: tuple[DecidedBy, ...] = ("edge", "cloud", "edge-fallback")
LINES = ["bottle", "leather"]


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PageBench]:
    """Frames of four days, the last ones of the last hour; the tests only read them."""
    draw, bench = random.Random(5), PageBench(tmp_path_factory.mktemp("judged"))
    for n in range(150):
        moment = NOW - (draw.uniform(0, 3500) if n > 75 else draw.uniform(0, 4 * 86400))
        bench.spool._clock = partial(float, moment)
        joules, ms = draw.choice((None, 1.5)), draw.choice(({}, {"answer": 80.0}))
        label = draw.choice((0, 0, 1, None))
        by: DecidedBy = draw.choice(DECIDERS)
        bench.judge(draw.choice(LINES), label, drawn=False, decided_by=by, energy_j=joules, ms=ms)
    yield bench
    bench.close()


@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize("line", [None, "leather"])
def test_figures_are_those_of_the_frames_in_the_window(
    judged: PageBench, window: str, line: str | None
) -> None:
    asked = read_window({"window": window, "line": line or ""}, LINES, NOW)
    figures = window_figures(judged.spool, asked)
    query = FrameQuery(since=asked.since, until=asked.until, line=line)
    found = judged.spool.search(query, 1000)
    assert found
    sums = figures.sums
    assert sums.frames == len(found)
    assert sums.defects == sum(frame.label == 1 for frame in found)
    assert sums.errors == sum(frame.state == "error" for frame in found)
    assert sums.nobody == sum(frame.decided_by == "none" for frame in found)
    assert sums.cloud == sum(frame.decided_by == "cloud" for frame in found)
    assert sums.metered == sum(frame.joules is not None for frame in found)
    assert sums.joules == pytest.approx(1.5 * sums.metered)
    assert sums.joules_each in (None, pytest.approx(1.5))
    assert sums.seconds_each in (None, pytest.approx(0.08))
    for one in figures.stretches:
        inside = [frame for frame in found if one.begin <= frame.time < one.end]
        assert one.sums.frames == len(inside)


ENDS = st.floats(0, 4e9)


@given(since=ENDS, span=st.floats(1, 30 * 365 * 86400))
def test_stretches_cover_a_window_without_a_gap_and_are_not_too_many(since: float, span: float) -> None:
    form = {"window": CHOSEN, "since": datetime.fromtimestamp(since).isoformat()}
    form["until"] = datetime.fromtimestamp(since + span).isoformat()
    window = read_window(form, LINES, NOW)
    if window.wrong:
        assert span < 1e-5
        return
    edges = window.edges
    assert (edges[0], edges[-1]) == (window.since, window.until)
    assert all(begin < end for begin, end in pairwise(edges))
    assert len(edges) <= 65
    assert all(datetime.fromtimestamp(edge).second == 0 for edge in edges[1:-1])


def test_a_window_goes_through_its_address() -> None:
    for form in ({}, {"window": "week", "line": "leather"}, {"window": "x"}, {"line": "nobody's"}):
        window = read_window(form, LINES, NOW)
        again = read_window(dict(parse_qsl(window.tail[1:])), LINES, NOW)
        assert again == window
        assert window.runs
    own = {"window": CHOSEN, "since": "2026-03-01T00:00", "until": "2026-03-02T00:00", "line": "bottle"}
    window = read_window(own, LINES, NOW)
    assert not window.runs
    assert dict(parse_qsl(window.tail[1:])) == own
    assert len(window.edges) == 25
    open_end = read_window({"window": CHOSEN, "since": "2026-03-29T00:00"}, LINES, NOW)
    assert (open_end.until, open_end.runs) == (NOW, True)


@pytest.mark.parametrize(
    "ends", [{"since": "x"}, {"since": ""}, {"since": "2026-03-02T00:00", "until": "2026-03-01T00:00"}]
)
def test_a_window_that_cannot_be_read_is_said(ends: dict[str, str]) -> None:
    assert read_window({"window": CHOSEN, **ends}, LINES, NOW).wrong


def test_plots_stay_inside_and_stack_to_what_they_show(judged: PageBench) -> None:
    figures = window_figures(judged.spool, read_window({"window": "hour"}, LINES, NOW))
    plots = {"frames": frames_plot(figures), "rate": rate_plot(figures), "who": deciders_plot(figures)}
    for name, plot in plots.items():
        assert plot.boxes, name
        for box in plot.boxes:
            assert -1e-6 <= box.x <= box.x + box.width <= PLOT_WIDTH + 1e-6
            assert -1e-3 <= box.y <= box.y + box.height <= PLOT_HEIGHT + 1e-2
        assert [share for share, _ in plot.ticks] == [0, 0.25, 0.5, 0.75, 1]
    total = sum(box.height for box in plots["frames"].boxes) / PLOT_HEIGHT * plots["frames"].top
    assert total == pytest.approx(figures.sums.frames, abs=0.1)
    full = sum(box.height for box in plots["who"].boxes) / PLOT_HEIGHT
    assert full == pytest.approx(sum(one.sums.frames > 0 for one in figures.stretches), abs=0.01)


def test_an_empty_window_has_plots_without_boxes(bench: PageBench) -> None:
    figures = window_figures(bench.spool, read_window({}, LINES, NOW))
    assert [plot(figures).boxes for plot in (frames_plot, rate_plot, deciders_plot)] == [[], [], []]
    assert figures.sums.share(0) is figures.sums.joules_each is None


def test_the_page_says_what_was_counted_and_the_file_adds_up_to_it(
    bench: PageBench, client: TestClient
) -> None:
    bench.add_people()
    for label in (0, 0, 0, 1, None):
        bench.judge(label=label, energy_j=None)
    bench.spool.alarm("drift", "bottle: moved", about="bottle")
    text = client.get("/page/numbers?window=hour", headers=as_role(Role.VIEWER)).text
    words = " ".join(re.sub(r"<[^>]*>", " ", text).split())
    assert "Frames 5 Good 3 Defect 1 Not judged 1 Reject rate 20.00%" in words
    assert "95 %: 3.62% to 62.45%" in words
    assert "Energy of a frame not measured" in words
    assert "Scores have drifted (bottle)" in words
    assert 'hx-trigger="sse:counts"' in text
    assert text.count('role="img"') == 3
    file = client.get("/page/numbers/table.csv?window=hour", headers=as_role(Role.VIEWER))
    assert file.headers["content-type"] == "text/csv; charset=utf-8"
    assert "attachment" in file.headers["content-disposition"]
    rows = list(csv.DictReader(io.StringIO(file.text)))
    assert {row["line"] for row in rows} == {"bottle"}
    counted = [sum(int(row[name]) for row in rows) for name in ("goods", "defects", "errors", "edge")]
    assert counted == [3, 1, 1, 4]
    assert all(datetime.fromisoformat(row["begin"]).tzinfo for row in rows)
    past = f"since={moment_text(time.time() - 9000)}&until={moment_text(time.time() - 6000)}"
    over = client.get(f"/page/numbers?window=chosen&{past}", headers=as_role(Role.VIEWER)).text
    assert "sse:counts" not in over
    assert "No frame came in this time." in over


def test_browsers_are_told_of_new_numbers_and_not_more_often_than_needed(bench: PageBench) -> None:
    now = [100.0]
    topic, words = CountsTopic(bench.spool, lambda: now[0]), wording("en")

    def told() -> str | None:
        return topic.text("counts", words, Role.VIEWER) if topic.changed() else None

    first = told()
    assert first is not None
    bench.judge()
    assert told() is None
    now[0] += 6
    second = told()
    assert second not in (None, first)
    now[0] += 6
    assert told() is None
    now[0] += 60
    assert told() not in (None, first, second)
