"""F16: what the readers reject, and the rate at widths where the sums cancel."""

from __future__ import annotations

import copy
import math

import numpy as np
import pytest

from theorems.finite import f16
from theorems.finite.f5 import every_set
from verify.backends import get_backend
from verify.sampling import Draw, stream
from verify.statements import Point
from verify.volume.exact import RegionLattice

POINT = Point(N=4, d0=2, epsilon=0.1, rho=0.1)


@pytest.fixture(scope="module")
def tally():
    return f16.EXACT.draw(POINT, Draw(stream(0, "test", "f16", 0), get_backend("numpy")))


def changed(tally, place, factor):
    copied = copy.deepcopy(tally)
    for row in copied["data sets"]:
        row[place[0]][place[1]] += factor
    return copied


def test_the_check_holds_and_a_volume_that_is_off_breaks_it(tally):
    read = f16._at_every_width()
    assert read(tally, POINT).count == 0
    for width in range(1, 1 + len(f16.WIDTHS)):
        assert read(changed(tally, (width, 1), 8.0), POINT).count == f16.DATA_SETS
    # Where a cell is too thin for the width, the lower bound says nothing.
    telling = sum(row[len(f16.WIDTHS)][2] > f16._LOG_ZERO for row in tally["data sets"])
    assert read(changed(tally, (len(f16.WIDTHS), 1), -3.0), POINT).count == telling >= 2
    # The interval of V(L_ε), moved down.
    telling = sum(row[-1][2] > f16._LOG_ZERO for row in tally["data sets"])
    assert read(changed(changed(tally, (-1, 0), -3.0), (-1, 1), -3.0), POINT).count == telling >= 2
    only_low = read(changed(tally, (-1, 0), -3.0), POINT)
    assert (only_low.count, only_low.doubtful) == (0, telling)


def test_a_volume_without_a_bad_set_breaks_it(tally):
    none = copy.deepcopy(tally)
    for row in none["data sets"]:
        row[0][0] = -f16._LOG_ZERO
    assert f16._at_every_width()(none, POINT).count == f16.DATA_SETS


def test_a_missing_global_volume_breaks_it(tally):
    read = f16._global()
    assert read(tally, POINT).count == 0
    assert read(changed(changed(tally, (-1, 3), 1e4), (-1, 4), 1e4), POINT).count == f16.DATA_SETS


@pytest.mark.parametrize(("number", "N", "rho"), [(0, 4, 0.0), (1, 5, 0.1), (2, 5, -0.5)])
def test_volume_over_the_leading_term_tends_to_the_multiplicity(number, N, rho):
    X, y = f16.numbered(number, N, 2)
    sets = every_set(X, y, rho)
    totals, bad = sets.totals(), f16._bad(sets, 0.1)
    most = totals[bad].max()
    ties = int((bad & (totals >= most * (1 - 1e-12))).sum())
    lattice = RegionLattice(X.astype(int), y, rho, 0.1)
    gaps = [lattice.first_order(w).log_estimate - w * math.log(most) - math.log(ties) for w in (100, 1000, 20_000)]
    assert abs(gaps[2]) <= abs(gaps[1]) + 1e-9 <= abs(gaps[0]) + 2e-9
    assert gaps[2] == pytest.approx(0, abs=1e-8)


def test_the_union_bound_is_above_the_volume():
    arguments = (0, 4, 2, 2, 0.0, 0.1)
    exact, union = (function.log_value(None, *arguments) for function in (f16.FirstOrderVolume, f16.UnionBound))
    assert union > exact
    X, y = f16.numbered(0, 4, 2)
    sets = every_set(X, y, 0.0)
    occupied = sets.occupied(2)[f16._bad(sets, 0.1)].sum()
    assert exact == pytest.approx(math.log(occupied), abs=1e-12)


def test_shortfall_is_above_the_probability_of_a_lonely_cell():
    rng = np.random.default_rng(0)
    shares = np.array([0.5, 0.3, 0.2])
    counts = rng.multinomial(12, shares, size=100_000)
    frequency = float((counts < 2).any(axis=1).mean())
    # Union bound: above the frequency, and by little; 5 standard errors, a false alarm below 1e-6.
    assert frequency - 5 * 0.001 <= f16._shortfall(shares, 12) <= 1.1 * frequency + 5 * 0.001
