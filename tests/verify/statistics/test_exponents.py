"""The exponent of a trend, held against NumPy's weighted fit and against all corners of the intervals."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from verify.statistics.exponents import exponent, usable
from verify.statistics.intervals import Interval


def interval(log_value, below=0.0, above=0.0):
    return Interval(log_value - below, log_value, log_value + above)


@pytest.mark.parametrize(("power", "constant"), [(1.0, 1.0), (1.5, 0.2), (0.5, 3.0), (-1.0, 2.0)])
def test_a_power_law_gives_its_power(power, constant):
    bounds = [-0.5, -1.0, -3.0, -10.0, -200.0]
    found = exponent([interval(-constant * (-bound) ** power) for bound in bounds], bounds)
    assert found.sizes == 5
    assert found.lower == pytest.approx(power)
    assert found.estimate == pytest.approx(power)
    assert found.upper == pytest.approx(power)


points = st.lists(
    st.tuples(st.floats(0.1, 100), st.floats(0.1, 50), st.floats(0.01, 0.9), st.floats(0.01, 5)), min_size=2, max_size=6
)


@given(points)
def test_the_estimate_is_the_weighted_fit_and_the_ends_are_its_extremes(rows):
    bounds = [-row[0] for row in rows]
    if len({round(math.log(-bound), 3) for bound in bounds}) < len(bounds):
        return
    seen = [Interval(-q * (1 + up), -q, -q * (1 - down)) for _, q, down, up in rows]
    found = exponent(seen, bounds)
    x = np.log(-np.array(bounds))
    ends = np.log(-np.array([[item.lower, item.estimate, item.upper] for item in seen]))
    weights = 1 / np.maximum(ends[:, 0] - ends[:, 2], 1e-3)  # polyfit takes square roots of weights

    def slope(y):
        return np.polyfit(x, y, 1, w=weights)[0]

    assert found.estimate == pytest.approx(slope(ends[:, 1]), rel=1e-6, abs=1e-6)
    corners = [slope(np.array(corner)) for corner in itertools.product(*ends[:, [0, 2]])]
    assert found.lower == pytest.approx(min(corners), rel=1e-6, abs=1e-6)
    assert found.upper == pytest.approx(max(corners), rel=1e-6, abs=1e-6)


def test_the_interval_covers_as_often_as_the_intervals_do():
    """Intervals of four sizes at 1 % each: the slope of the true values is missed at most 4 % of the time.

    Of 2000 seeded runs 80 misses are expected at most; more than 130 have a probability below 1e-6. If the ends of
    each interval were exchanged for half their distance, about 40 % would miss.
    """
    rng = np.random.default_rng(0)
    bounds = [-1.0, -2.0, -4.0, -8.0]
    truth = -np.array([1.0, 2.9, 7.7, 21.0])
    errors = np.array([0.02, 0.1, 0.4, 2.0])
    misses = 0
    for _ in range(2000):
        centres = truth + errors * rng.standard_normal(4)
        seen = [Interval(c - 2.576 * e, c, c + 2.576 * e) for c, e in zip(centres, errors, strict=True)]
        found = exponent(seen, bounds)
        # The slope of the true values with the weights that this sample gave.
        widths = [math.log(item.lower / item.upper) for item in seen]
        target = np.polyfit(np.log(-np.array(bounds)), np.log(-truth), 1, w=1 / np.array(widths))[0]
        misses += not found.lower <= target <= found.upper
    assert misses <= 130


@pytest.mark.parametrize(
    ("seen", "log_bound"),
    [
        (interval(-1.0), 0.0),
        (interval(-1.0), 2.0),
        (interval(-1.0), -math.inf),
        (Interval(-math.inf, -2.0, -1.0), -1.0),
        (Interval(-math.inf, -math.inf, -1.0), -1.0),
        (Interval(-2.0, -1.0, 0.0), -1.0),
    ],
)
def test_what_cannot_be_fitted_is_left_out(seen, log_bound):
    assert not usable(seen, log_bound)
    assert exponent([interval(-1.0), seen], [-3.0, log_bound]) is None
    found = exponent([interval(-1.0), seen, interval(-4.0)], [-1.0, log_bound, -2.0])
    assert (found.sizes, found.estimate) == (2, pytest.approx(2.0))


def test_equal_bounds_give_no_slope():
    assert exponent([interval(-1.0), interval(-2.0)], [-1.0, -1.0]) is None
    assert exponent([], []) is None


def test_lists_of_different_lengths_are_refused():
    with pytest.raises(ValueError, match="zip"):
        exponent([interval(-1.0)], [-1.0, -2.0])
