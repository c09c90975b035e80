"""Which address is asked next: by preference, by health, by weights; whatever happens in whatever order."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from saec.cloud.remote.address_pool import AddressPool

A, B, C = "https://a/v1", "https://b/v1", "https://c/v1"
GOOD, BAD = "aa", "bb"


def test_the_first_address_is_asked_while_it_is_up() -> None:
    pool = AddressPool([A, B])
    for _ in range(3):
        n = pool.choose(0.0)
        assert n == 0
        pool.begin(n)
    pool.failed(0)
    assert pool.choose(0.0) == 1
    pool.answered(0)
    assert pool.choose(0.0) == 0


def test_spread_asks_the_address_with_the_fewest_requests() -> None:
    pool = AddressPool([A, B, C], spread=True)
    seen = []
    for _ in range(6):
        n = pool.choose(0.0)
        assert n is not None
        pool.begin(n)
        seen.append(n)
    assert seen == [0, 1, 2, 0, 1, 2]
    for n in (1, 2, 0):
        pool.answered(n)
        pool.answered(n)
    one_by_one = []
    for _ in range(4):
        n = pool.choose(0.0)
        assert n is not None
        pool.begin(n)
        pool.answered(n)
        one_by_one.append(n)
    assert one_by_one == [0, 1, 2, 0]


def test_an_address_that_asks_to_wait_is_left_alone_for_so_long() -> None:
    pool = AddressPool([A, B])
    pool.begin(0)
    pool.failed(0, not_before=5.0)
    pool.begin(1)
    pool.failed(1, not_before=9.0)
    assert pool.choose(4.9) is None
    assert pool.wait(4.0) == 1.0
    assert pool.choose(5.0) == 0
    assert pool.choose(5.0, tried={0}) is None
    assert pool.choose(9.0, tried={0}) == 1


def test_where_all_rest_they_are_asked_all_the_same_but_no_hedge_is() -> None:
    pool = AddressPool([A, B])
    for n in (0, 1):
        pool.begin(n)
        pool.failed(n)
    assert pool.choose(0.0) == 0
    assert pool.choose(0.0, well=True) is None


def test_other_weights_are_asked_nothing_until_a_probe_finds_the_trusted() -> None:
    pool = AddressPool([A, B], GOOD, {A: BAD, B: GOOD})
    assert pool.choose(0.0) == 1
    pool.begin(1)
    pool.refused(1, BAD)
    assert pool.choose(0.0) is None
    assert pool.wait(0.0) == float("inf")
    assert not pool.found(1, "")
    assert pool.found(0, GOOD)
    assert pool.choose(0.0) == 0
    assert [one.weights for one in pool.figures().values()] == [GOOD, ""]


def test_a_server_that_tells_no_hash_is_not_one_that_tells_it() -> None:
    pool = AddressPool([A, B, C], "", {A: BAD, B: ""})
    assert [one.state for one in pool.figures().values()] == ["other weights", "up", "up"]
    assert pool.found(2, "")
    assert not pool.found(2, BAD)
    assert AddressPool([A, B]).found(0, BAD), "nothing is known of what is trusted"


def test_an_address_that_loses_to_hedges_in_a_row_rests() -> None:
    pool = AddressPool([A, B])
    for last in (False, False, True):
        pool.begin(0)
        assert pool.given_up(0) is last
    assert pool.choose(0.0) == 1


class PoolMachine(RuleBasedStateMachine):
    """Requests to three addresses that begin, end and are probed in any order."""

    @initialize(
        spread=st.booleans(), known=st.dictionaries(st.sampled_from([A, B, C]), st.sampled_from([GOOD, BAD]))
    )
    def open(self, spread: bool, known: dict[str, str]) -> None:
        self.pool = AddressPool([A, B, C], GOOD, known, spread=spread)
        self.other = {n for n, a in enumerate([A, B, C]) if known.get(a) == BAD}
        self.now, self.until = 0.0, [0.0, 0.0, 0.0]
        self.under_way: list[int] = []
        self.asked = self.failed = 0

    @rule(seconds=st.floats(0, 10))
    def pass_time(self, seconds: float) -> None:
        self.now += seconds

    @rule(tried=st.sets(st.integers(0, 2)), hedge=st.booleans())
    def ask(self, tried: set[int], hedge: bool) -> None:
        n = self.pool.choose(self.now, tried, well=hedge)
        free = {m for m in range(3) if m not in tried | self.other and self.until[m] <= self.now}
        if n is None:
            assert hedge or not free
            return
        assert n in free
        if hedge:
            assert self.pool.state(n) == "up"
        elif self.pool.state(n) != "up":
            assert all(self.pool.state(m) != "up" for m in free)
        self.pool.begin(n, hedge=hedge)
        self.under_way.append(n)
        self.asked += 1

    def _one(self, data: st.DataObject) -> int | None:
        if not self.under_way:
            return None
        return self.under_way.pop(data.draw(st.integers(0, len(self.under_way) - 1)))

    @rule(
        data=st.data(),
        how=st.sampled_from(["answered", "failed", "refused", "given up"]),
        wait=st.floats(0, 5),
    )
    def end(self, data: st.DataObject, how: str, wait: float) -> None:
        n = self._one(data)
        if n is None:
            return
        if how == "answered":
            self.pool.answered(n)
        elif how == "failed":
            self.pool.failed(n, self.now + wait)
            self.until[n] = max(self.until[n], self.now + wait)
            self.failed += 1
        elif how == "refused":
            self.pool.refused(n, BAD)
            self.other.add(n)
            self.failed += 1
        else:
            self.pool.given_up(n)

    @rule(n=st.integers(0, 2), weights=st.sampled_from([GOOD, BAD, ""]))
    def probe(self, n: int, weights: str) -> None:
        assert self.pool.found(n, weights) is (weights == GOOD)
        (self.other.discard if weights == GOOD else self.other.add)(n)

    @invariant()
    def counts_are_what_happened(self) -> None:
        figures = self.pool.figures().values()
        assert sum(one.asked for one in figures) == self.asked
        assert sum(one.failed for one in figures) == self.failed
        assert {n for n, one in enumerate(figures) if one.state == "other weights"} == self.other


TestPool = PoolMachine.TestCase


@given(st.integers(1, 6), st.sets(st.integers(0, 5)))
def test_a_request_reaches_each_address_once_at_most(addresses: int, down: set[int]) -> None:
    pool = AddressPool([f"https://{n}/v1" for n in range(addresses)])
    tried: list[int] = []
    while (n := pool.choose(0.0, tried)) is not None:
        tried.append(n)
        pool.begin(n)
        if n not in down:
            pool.answered(n)
            break
        pool.failed(n)
    assert len(set(tried)) == len(tried)
    assert tried[-1] not in down or set(tried) == set(range(addresses))
