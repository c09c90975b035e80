"""Wilson's interval is that of SciPy, and stays within 0 and 1."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saec.schedule.statistics.wilson_interval import wilson_interval


@given(n=st.integers(1, 10**6), data=st.data())
def test_the_interval_is_wilsons(n: int, data: st.DataObject) -> None:
    from scipy.stats import binomtest

    k = data.draw(st.integers(0, n))
    told = wilson_interval(k, n)
    known = binomtest(k, n).proportion_ci(method="wilson")
    assert told == pytest.approx((known.low, known.high), abs=1e-6)
    assert told is not None
    assert 0 <= told[0] <= k / n <= told[1] <= 1
    assert wilson_interval(0, 0) is None
