"""The view Quality says what the samples say, what is unknown, and what to do next."""

from __future__ import annotations

import itertools
import time
from datetime import datetime

import pytest
from starlette.testclient import TestClient

from saec.station.page.numbers.time_plots import PLOT_HEIGHT, RateSpan, interval_plot
from saec.station.page.views.quality.quality_window import (
    plot_room,
    plotted_windows,
    read_quality_window,
)
from saec.station.people.roles import Role
from tests.station.page.page_fakes import PageBench, as_role
from tests.station.quality.review_fakes import HOUR, offer, review

SHIFTS = [6, 14, 22]
NOW = datetime(2026, 6, 10, 15, 30).timestamp()


def shown(client: TestClient, asked: str = "") -> str:
    answer = client.get(f"/page/quality{asked}", headers=as_role(Role.VIEWER))
    assert answer.status_code == 200, answer.text
    return answer.text


def test_a_line_without_reviews_is_unknown_and_says_so(bench: PageBench, client: TestClient) -> None:
    text = shown(client)
    assert "unknown" in text
    assert "No frame of this time was counted for review yet" in text


def test_figures_intervals_and_the_next_step(bench: PageBench, client: TestClient) -> None:
    hour = time.time() // HOUR * HOUR
    offer(bench.data, 0, 900, 62, hour=hour, line="bottle")
    offer(bench.data, 1, 100, 10, hour=hour, line="bottle")
    review(bench.data, 1, [0] * 60, [[0]] * 55 + [[0, 0]] * 3 + [[1, 1]] * 2, hour=hour, line="bottle")
    review(bench.data, 100, [1] * 8, [[1]] * 8, hour=hour, line="bottle")
    text = shown(client)
    assert "more passed frames" in text
    assert "5 frames have answers of two people or more, 0 of them different ones" in text
    assert "2 passed and 2 rejected frames that were drawn wait" in text
    assert 'class="fill-interval"' in text
    assert "10.08 s" not in text
    assert "2.00 s" in text  # of people, for an answer


def test_a_side_that_nobody_reviewed_is_named(bench: PageBench, client: TestClient) -> None:
    hour = time.time() // HOUR * HOUR
    offer(bench.data, 0, 900, 10, hour=hour, line="bottle")
    offer(bench.data, 1, 100, 10, hour=hour, line="bottle")
    review(bench.data, 1, [0] * 10, [[0]] * 10, hour=hour, line="bottle")
    assert "Rejected: nobody has reviewed one yet" in shown(client)


@pytest.mark.parametrize("asked", ["?window=month", "?window=before&version=2", "?window=x&line=none"])
def test_every_window_is_shown(bench: PageBench, client: TestClient, asked: str) -> None:
    shown(client, asked)


@pytest.mark.parametrize(
    ("name", "since", "until"), [("shift", 14, 16), ("before", 6, 14), ("day", 15 - 24, 16), ("", 14, 16)]
)
def test_windows_are_whole_hours_of_shifts(name: str, since: int, until: int) -> None:
    midnight = datetime(2026, 6, 10).timestamp()
    asked = read_quality_window({"window": name}, ["a", "b"], SHIFTS, NOW)
    assert asked.line == "a"
    assert ((asked.since - midnight) / HOUR, (asked.until - midnight) / HOUR) == (since, until)


@pytest.mark.parametrize("name", ["shift", "month"])
def test_plotted_stretches_follow_each_other_up_to_now(name: str) -> None:
    asked = read_quality_window({"window": name}, ["a"], SHIFTS, NOW)
    windows = plotted_windows(asked, SHIFTS, NOW)
    assert all(one[1] == other[0] for one, other in itertools.pairwise(windows))
    assert windows[-1][0] <= NOW < windows[-1][1]
    assert len(windows) == (21 if name == "shift" else 30)


def test_an_interval_that_leaves_the_plot_ends_at_its_edge() -> None:
    room = plot_room([(0.0, 100.0), (100.0, 200.0)])
    spans = [RateSpan(0.0, 100.0, 0.02, 0.01, 0.05), RateSpan(100.0, 200.0, 0.0, 0.0, 0.9)]
    plot = interval_plot(room, spans)
    assert plot.top == 0.1
    assert [box.kind for box in plot.boxes] == ["interval", "rate", "interval", "rate"]
    for box in plot.boxes:
        assert box.y >= 0.0
        assert box.y + box.height <= PLOT_HEIGHT + 1e-9
    assert plot.boxes[2].height == PLOT_HEIGHT
