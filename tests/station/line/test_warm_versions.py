"""Opened versions stay within their memory: the least recently used are closed, what judges never is."""

from __future__ import annotations

from typing import cast

from saec.station.line.opened_version import OpenedVersion, VersionKey
from saec.station.line.warm_versions import WarmVersions

MB = 1 << 20


class Stub:
    """What is kept of a version here: its key."""

    def __init__(self, key: VersionKey) -> None:
        self.key = key


class Bench:
    """Room for ten megabytes, and a clock."""

    def __init__(self) -> None:
        self.now = 0.0
        self.warm = WarmVersions(10, clock=lambda: self.now)

    def open(self, number: int, mb: int = 4, line: str = "cell") -> bool:
        key = VersionKey(number)
        if not self.warm.reserve(line, key, mb * MB):
            return False
        self.warm.put(line, cast(OpenedVersion, Stub(key)), mb * MB)
        return True

    def opened(self, line: str = "cell") -> list[int]:
        return [n for n in range(100) if self.warm.is_open(line, VersionKey(n))]


def test_the_least_recently_used_is_closed_and_the_bound_holds() -> None:
    bench = Bench()
    assert all(bench.open(n) for n in (1, 2))
    assert bench.warm.find("cell", VersionKey(1)) is not None
    assert bench.open(3)
    assert bench.opened() == [1, 3]
    for n in range(4, 60):
        assert bench.open(n)
    assert bench.warm.most_seen <= 10 * MB
    assert bench.warm.status() == {"open": 2, "mb": 8.0, "most_mb": 10.0, "closed": 57}


def test_lines_share_the_room() -> None:
    bench = Bench()
    assert bench.open(1, line="a")
    assert bench.open(1, line="b")
    assert bench.open(1, line="c")
    assert [bench.opened(line) for line in "abc"] == [[], [1], [1]]


def test_what_judges_stays_open_beyond_the_bound() -> None:
    bench = Bench()
    bench.warm.hold("cell", {VersionKey(1), VersionKey(2)})
    assert bench.open(1, 8)
    assert bench.open(2, 8)
    assert bench.open(3, 8)  # frames wait for it, and nothing can be closed
    assert bench.opened() == [1, 2, 3]
    assert bench.open(4, 8)
    assert bench.opened() == [1, 2, 4]


def test_a_version_is_not_closed_before_the_frames_that_have_waited_for_it_are_judged() -> None:
    bench = Bench()
    assert bench.open(1, 10)
    bench.warm.owe("cell", VersionKey(1), 2)
    assert not bench.open(2, 10)
    for _ in range(2):
        bench.warm.find("cell", VersionKey(1))
    assert bench.open(2, 10)
    bench.warm.owe("cell", VersionKey(2), 5)
    assert not bench.open(3, 10)
    bench.now = 6.0  # they do not come: others' frames wait, too
    assert bench.open(3, 10)
    bench.warm.owe("cell", VersionKey(3), 5)
    bench.warm.hold("cell", {VersionKey(4)})
    assert bench.open(4, 10)  # what judges now waits for nobody


def test_what_is_opened_before_it_is_needed_closes_nothing() -> None:
    bench = Bench()
    assert bench.open(1, 6)
    assert not bench.warm.reserve_spare("cell", VersionKey(2), 5 * MB)
    assert bench.warm.reserve_spare("cell", VersionKey(2), 4 * MB)
    assert not bench.warm.reserve_spare("cell", VersionKey(2), 0)
    bench.warm.failed("cell", VersionKey(2))
    assert bench.warm.reserve_spare("cell", VersionKey(2), 4 * MB)
    assert bench.warm.find("cell", VersionKey(2)) is None  # it is being opened


def test_versions_that_no_recipe_names_any_more_are_closed() -> None:
    bench = Bench()
    bench.warm.hold("cell", {VersionKey(1)})
    assert all(bench.open(n, 2) for n in (1, 2, 3))
    bench.warm.keep_only("cell", [VersionKey(3)])
    assert bench.opened() == [1, 3]
