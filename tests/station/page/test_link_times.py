"""How the links were in any window: the seconds that the station told, no more, whatever the clocks do."""

from __future__ import annotations

import re
import socket
import sqlite3
import subprocess
import time
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.testclient import TestClient

from saec.station.page.numbers.link_figures import link_figures
from saec.station.page.numbers.link_times import (
    KEPT,
    LINK_STATES,
    LONGEST_S,
    WRITTEN_EVERY_S,
    LinkTimes,
)
from saec.station.page.numbers.time_plots import PLOT_HEIGHT, link_plot
from saec.station.page.numbers.time_window import read_window
from saec.station.page_supervisor import PAGE
from saec.station.people.roles import Role
from saec.station.setup.handed_settings import handed_json
from tests.station.page.page_fakes import PageBench, as_role

NOON = datetime(2026, 3, 29, 12).timestamp()
HOUR, DAY = 3600.0, 86400.0
EVER = (0.0, 4e9)


class Watch:
    """What is kept in a folder, by clocks that a test moves."""

    def __init__(self, folder: Path, moment: float = NOON) -> None:
        self.folder, self.moment, self.steady = folder, moment, 50.0
        self.links = self.opened()

    def opened(self) -> LinkTimes:
        return LinkTimes(self.folder / "page", lambda: self.moment, lambda: self.steady)

    def pass_by(self, seconds: float) -> None:
        self.moment += seconds
        self.steady += seconds

    def tell(self, seconds: int = 1, **links: str | None) -> None:
        """The station tells the same once a second, and then once more."""
        for _ in range(seconds):
            self.links.note(told(**links))
            self.pass_by(1.0)
        self.links.note(told(**links))

    def stored(self) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(self.folder / "page" / "page.sqlite")) as db:
            return db.execute("SELECT width, begin, line, state, seconds FROM link_times").fetchall()


def told(**links: str | None) -> dict[str, Any]:
    return {"lines": {name: {"link": link, "version": 1} for name, link in links.items()}}


@pytest.fixture
def watch(tmp_path: Path) -> Watch:
    return Watch(tmp_path)


def test_each_state_has_the_seconds_for_which_it_was_told(watch: Watch) -> None:
    watch.tell(600, leather="up", bottle="down", bare=None)
    watch.tell(60, leather="slow", bottle="probing", bare=None)
    found = watch.links.between(NOON, watch.moment)
    assert set(found) == {"leather", "bottle"}
    assert found["leather"] == pytest.approx({"up": 600, "slow": 60, "down": 0, "probing": 0})
    assert found["bottle"] == pytest.approx({"up": 0, "slow": 0, "down": 600, "probing": 60})
    part = watch.links.between(NOON + 570, NOON + 630)["leather"]
    assert (part["up"], part["slow"]) == pytest.approx((30, 30))
    assert watch.links.between(NOON - DAY, NOON) == {}


def test_what_nobody_told_is_unknown(watch: Watch) -> None:
    watch.tell(60, leather="up")
    watch.pass_by(2 * HOUR)
    watch.tell(60, leather="up")
    watch.links.note({})  # a word without lines
    watch.pass_by(1.0)
    watch.tell(30, leather="up")
    figures = link_figures(watch.links, window_of(NOON, watch.moment), ["leather", "new"])
    leather, new = figures.lines
    assert sum(leather.seconds.values()) == pytest.approx(150 + LONGEST_S)
    assert leather.known == pytest.approx((150 + LONGEST_S) / (watch.moment - NOON))
    assert leather.share("up") == 1.0
    assert (new.line, new.known, new.share("up")) == ("new", 0.0, None)


def window_of(since: float, until: float, line: str = "") -> Any:
    form = {"window": "chosen", "line": line}
    ends = {"since": since, "until": until}
    form |= {name: datetime.fromtimestamp(end).isoformat() for name, end in ends.items()}
    return read_window(form, ["bottle", "leather"], until)


JUMPS = st.one_of(st.just(0.0), st.floats(-3e5, 3e5), st.floats(-5.0, 5.0))
WORDS = st.tuples(st.floats(0.0, 8.0), JUMPS, st.sampled_from([*LINK_STATES, None, "odd"]))


@given(
    words=st.lists(WORDS, max_size=40),
    start=st.floats(1e9, 2e9),
    windows=st.lists(st.tuples(st.floats(-5e5, 5e5), st.floats(1.0, 5e5)), max_size=4),
)
def test_clocks_that_jump_make_no_time(
    tmp_path_factory: pytest.TempPathFactory,
    words: list[tuple[float, float, str | None]],
    start: float,
    windows: list[tuple[float, float]],
) -> None:
    watch = Watch(tmp_path_factory.mktemp("page"), start)
    expected, state = dict.fromkeys(LINK_STATES, 0.0), None
    for seconds, jump, said in words:
        watch.pass_by(seconds)
        watch.moment += jump
        watch.links.note(told(leather=said))
        if state is not None and state in LINK_STATES:
            expected[state] += min(seconds, LONGEST_S)
        state = said
    watch.links.write()
    rows = watch.stored()
    for width in KEPT:
        sums = dict.fromkeys(LINK_STATES, 0.0)
        for _, begin, _, one, seconds in (row for row in rows if row[0] == width):
            assert begin % width == 0
            assert 0 < seconds <= width
            sums[one] += seconds
        if len(words) * LONGEST_S < 60:  # no minute can be full
            assert sums == pytest.approx(expected, abs=1e-4)
    for offset, span in windows:
        for found in watch.links.between(start + offset, start + offset + span).values():
            assert all(seconds >= 0 for seconds in found.values())
            assert sum(found.values()) <= span * (1 + 1e-9)
    watch.links.close()


def test_an_hour_that_the_clock_made_twice_is_no_longer_than_one(watch: Watch) -> None:
    watch.tell(1800, leather="up")
    watch.moment -= 1800
    watch.tell(1800, leather="down")
    watch.moment -= 1800
    watch.tell(1800, leather="down")
    found = watch.links.between(NOON, NOON + 1800)["leather"]
    assert sum(found.values()) == pytest.approx(1800)
    assert found["down"] / found["up"] == pytest.approx(
        1.0, abs=0.02
    )  # each minute holds at most 60 s of each


def test_a_page_that_is_killed_loses_the_last_seconds_alone(watch: Watch) -> None:
    watch.tell(100, leather="up")
    known = sum(row[4] for row in watch.stored() if row[0] == 60)
    assert 100 - WRITTEN_EVERY_S <= known <= 100
    again = watch.opened()
    assert again.between(*EVER)["leather"]["up"] == pytest.approx(known)
    watch.links.close()
    assert again.between(*EVER)["leather"]["up"] == pytest.approx(100)


def test_a_disk_that_takes_nothing_stops_nothing_and_costs_no_second(watch: Watch) -> None:
    other = sqlite3.connect(watch.folder / "page" / "page.sqlite", isolation_level=None)
    watch.links._db.execute("PRAGMA busy_timeout=0")
    with closing(other):
        other.execute("BEGIN EXCLUSIVE")
        watch.tell(40, leather="up")
        assert watch.stored() == []
        other.execute("ROLLBACK")
    assert watch.links.between(*EVER)["leather"]["up"] == pytest.approx(40)


def test_old_minutes_go_and_their_hours_stay(watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("saec.station.page.numbers.link_times.KEPT", {60: 120, 3600: 5})
    for state in ("up", "up", "up", "down", "up", "up", "up"):
        watch.tell(3600, leather=state)
    widths = [row[0] for row in watch.stored()]
    assert widths.count(3600) <= 7
    assert widths.count(60) <= 3 * 60
    first = watch.links.between(NOON, NOON + HOUR)
    assert first == {}
    down = watch.links.between(NOON + 3 * HOUR, NOON + 3.5 * HOUR)["leather"]["down"]
    assert down == pytest.approx(1800, abs=5)
    watch.moment += 500 * DAY  # a clock that is wrong for a moment takes one bucket, not all
    watch.tell(60, leather="up")
    watch.moment -= 500 * DAY
    assert watch.links.between(NOON + 6 * HOUR, NOON + 7 * HOUR)["leather"]["up"] > 3500


@pytest.mark.parametrize("span", [1800.0, 5 * HOUR, 3 * DAY, 20 * DAY])
@pytest.mark.parametrize("line", ["", "leather"])
def test_stretches_add_up_to_their_window(watch: Watch, span: float, line: str) -> None:
    watch.tell(1800, leather="up", bottle="up")
    watch.tell(900, leather="down", bottle="up")
    window = window_of(NOON - span + 2700, NOON + 2700, line)
    figures = link_figures(watch.links, window, ["leather"])
    assert [one.line for one in figures.lines] == (["leather"] if line else ["bottle", "leather"])
    assert figures.lines[-1].share("down") == pytest.approx(900 / min(2700, span), abs=1e-3)
    for state in LINK_STATES:
        sums = sum(one.seconds[state] for one in figures.lines)
        parts = sum(one.shares[state] * (one.end - one.begin) for one in figures.stretches)
        assert parts * len(figures.lines) == pytest.approx(sums, abs=1e-3)
    boxes = link_plot(figures).boxes
    assert {box.kind for box in boxes} <= set(LINK_STATES)
    assert all(-1e-3 <= box.y <= box.y + box.height <= PLOT_HEIGHT + 1e-2 for box in boxes)


def test_numbers_shows_the_links_of_its_window(
    bench: PageBench, client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.add_people()
    before = shown(client)
    assert "bottle 0.0%" in before
    assert "bottle connected" in before
    now = time.time()
    steady = now - 1200
    for name in ("_steady", "_clock"):
        monkeypatch.setattr(bench.tools.links, name, lambda: steady)
    for n in range(1201):
        bench.tools.links.note(told(bottle="up" if n < 900 else "down", bare=None))
        steady += 1.0
    found = shown(client, "line=bottle&window=hour")
    assert re.search(r"bottle 33\.[0-4]% (75\.0|74\.[89])\d% 0\.00% 2[45]\.\d\d% 0\.00%", found), found
    assert "bare" not in found
    page = client.get("/page/numbers", headers=as_role(Role.VIEWER)).text
    assert page.count('role="img"') == 4
    assert 'class="fill-down"' in page
    old = shown(client, "window=chosen&since=2020-01-01T00:00&until=2020-01-02T00:00")
    assert "bottle 0.0%" in old


def test_the_page_keeps_what_the_station_tells_it_until_it_ends(bench: PageBench) -> None:
    words = [{"status": told(bottle=state, bare=None)} for state in ("up", "down", "down")]
    lines = b"".join(handed_json(one) + b"\n" for one in (bench.settings, *words))
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(bench.data / "socket"))
        listening.listen()
        handle = listening.fileno()
        page = subprocess.run([*PAGE, str(handle)], input=lines, pass_fds=[handle], timeout=120, check=True)
    assert page.returncode == 0
    found = bench.tools.links.between(*EVER)
    assert set(found) == {"bottle"}
    assert found["bottle"]["up"] > 0
    assert found["bottle"]["down"] > 0


def shown(client: TestClient, query: str = "") -> str:
    text = client.get(f"/page/numbers?{query}", headers=as_role(Role.VIEWER)).text
    return " ".join(re.sub(r"<[^>]*>", " ", text).split())
