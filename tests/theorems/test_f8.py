"""F8: exact ranks, the law of the rank in one and two dimensions, and the moments of the largest cell."""

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
from flint import fmpq, fmpq_mat
from scipy.stats import binom

from theorems.finite import f8
from theorems.finite.f8 import BY_LARGEST, CLAIM, rank_law, ranks


@pytest.mark.parametrize("slope", [0.0, 0.1, -0.5, -1.0, 2.0])
def test_ranks_are_those_of_rational_elimination(slope):
    rng = np.random.default_rng(1)
    exact = Fraction(repr(slope))
    for rows, columns in ((1, 1), (3, 5), (5, 3), (4, 4), (2, 12)):
        active = rng.random((200, rows, columns)) < rng.random((200, 1, 1))
        # Repeated and complementary rows, so that every rank occurs.
        active[::2, -1] = active[::2, 0]
        active[::5, -1] = ~active[::5, 0]
        found = ranks(active, slope)
        for pattern, rank in zip(active, found, strict=True):
            entries = [fmpq(1) if on else fmpq(exact.numerator, exact.denominator) for on in pattern.ravel().tolist()]
            assert fmpq_mat(rows, columns, entries).rank() == rank


def test_patterns_too_large_for_the_prime_are_refused():
    assert ranks(np.ones((1, 6, 40), dtype=bool), 0.1).tolist() == [1]
    with pytest.raises(ValueError, match="expected minors below"):
        ranks(np.ones((1, 8, 8), dtype=bool), 0.1)


@pytest.mark.parametrize(
    ("inputs", "width", "samples", "slope"),
    [(1, 3, 4, 0.1), (1, 2, 3, -1.0), (2, 2, 6, 0.0), (2, 3, 4, 0.1), (2, 3, 4, -1.0), (2, 4, 3, 0.0)],
)
def test_the_law_of_the_rank_against_sampling(inputs, width, samples, slope):
    """40 000 draws, ranks from singular values; a correct law fails with probability below 1e-8 in each case."""
    law = rank_law(inputs, width, samples, slope)
    assert sum(law) == 1
    rng, trials = np.random.default_rng([2, inputs, width, samples]), 40_000
    W, X = rng.standard_normal((trials, width, inputs)), rng.standard_normal((trials, inputs, samples))
    found = np.linalg.matrix_rank(np.where(W @ X > 0, 1.0, slope))
    for rank, probability in enumerate(law):
        hits = int((found == rank).sum())
        assert binom.ppf(1e-9, trials, float(probability)) <= hits <= binom.isf(1e-9, trials, float(probability))


def test_the_law_of_the_rank_by_hand():
    """One input: all rows are one pattern or its complement. Two rows in the plane: two lines out of t + 2."""
    law = rank_law(1, 3, 4, 0.1)
    assert law[1] == Fraction(1, 8) + Fraction(7, 8) * Fraction(1, 4)
    assert rank_law(1, 5, 4, -1.0)[1] == 1
    assert rank_law(2, 2, 7, -1.0)[1] == Fraction(2, 8)
    with pytest.raises(ValueError, match="expected 1 or 2"):
        rank_law(3, 2, 2, 0.0)


@pytest.mark.parametrize(("power", "samples"), [(1, 1), (4, 1), (1, 2), (1, 5), (3, 5), (6, 12)])
def test_the_moments_of_the_largest_cell_against_sampling(power, samples):
    """200 000 planes of sorted lines; the mean of a variable in [0, 1] is within 0.01 except with probability 1e-17."""
    angles = np.sort(np.random.default_rng(3).uniform(0, math.pi, (200_000, samples)), axis=1)
    gaps = np.diff(angles, axis=1, append=angles[:, :1] + math.pi)
    mean = ((gaps.max(axis=1) / math.pi) ** power).mean()
    point = {"d0": 2, "t": samples, "r": 1, "K": power + 1, "rho": 0.0, "d1": power + 1}
    value = math.exp(f8._EXACT_MOMENT.log_bound(**point)) * 2**power
    assert value == pytest.approx(mean, abs=0.01)
    # The mean of the largest of t spacings is the harmonic number over t.
    if power == 1:
        assert value == pytest.approx(sum(1 / k for k in range(1, samples + 1)) / samples, rel=1e-12)


def test_the_bound_in_the_cases_of_the_note():
    for inputs, width, samples in itertools.product((1, 2, 5), (2, 4), (1, 3, 6)):
        point = {"d0": inputs, "d1": width, "t": samples, "K": width}
        assert CLAIM.log_bound(**point, r=0, rho=0.1) == -math.inf
        both = [claim.log_bound(**point, r=1, rho=0.0) for claim in (CLAIM, BY_LARGEST)]
        if inputs <= 2:
            assert both[1] <= both[0] + 1e-9
    assert CLAIM.log_bound(d0=1, d1=3, t=4, K=1, r=0, rho=0.0) == pytest.approx(-6 * math.log(2))
