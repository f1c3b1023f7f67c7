"""Certified ranks against exact elimination, the definition of the minimum, and unlucky primes."""

from __future__ import annotations

import itertools
from fractions import Fraction

import numpy as np
import pytest
import sympy as sp

from verify.network import certified, regions
from verify.network.certified import STAGES, certified_ranks, chance_of_missing, rank_bound
from verify.network.modular import random_prime
from verify.verdicts import Evidence


def eliminated(rows):
    """Rank by Gaussian elimination over the fractions, which shares no code with flint."""
    rows, rank = [list(map(Fraction, row)) for row in rows], 0
    for column in range(len(rows[0])):
        pivot = next((i for i in range(rank, len(rows)) if rows[i][column]), None)
        if pivot is None:
            continue
        rows[rank], rows[pivot] = rows[pivot], rows[rank]
        for i in range(rank + 1, len(rows)):
            factor = rows[i][column] / rows[rank][column]
            rows[i] = [a - factor * b for a, b in zip(rows[i], rows[rank], strict=True)]
        rank += 1
    return rank


def product(active, rho, X):
    """`A ∘ X` row by row."""
    A = [[1 if on else rho for on in row] for row in active.tolist()]
    return [[a * x for a, x in zip(gates, row, strict=True)] for gates in A for row in X]


def least(active, rho, dimension):
    """The minimum of F3, by trying every set of samples."""
    samples = active.shape[1]
    values = [samples]
    for size in range(1, samples + 1):
        for chosen in itertools.combinations(range(samples), size):
            part = [[1 if row[n] else rho for n in chosen] for row in active.tolist()]
            values.append(dimension * eliminated(part) + samples - size)
    return min(values)


@pytest.mark.parametrize("slope", [0.0, 0.1, -1.0, 2.0, Fraction(1, 3)])
def test_ranks_are_the_minimum_of_f3(slope):
    rng = np.random.default_rng(1)
    rho = Fraction(str(slope)) if isinstance(slope, float) else slope
    for width, dimension, samples in ((2, 2, 6), (3, 1, 5), (1, 3, 5), (4, 2, 4), (1, 1, 1)):
        active = rng.random((12, width, samples)) < 0.5
        found = certified_ranks(active, slope, inputs=dimension, rng=rng)
        assert found.rank.tolist() == [least(one, rho, dimension) for one in active]
        assert (found.error, found.evidence) == (0.0, Evidence.EXACT)
        assert sum(found.settled.values()) == 12


@pytest.mark.parametrize("slope", [0.0, 0.1, -1.0])
def test_ranks_of_given_inputs_are_exact_on_lattices_too(slope):
    rng = np.random.default_rng(2)
    rho, used = Fraction(str(slope)), set()
    for width, dimension, samples in ((2, 2, 6), (3, 2, 5), (2, 3, 6), (1, 4, 3)):
        X = rng.integers(-1, 2, (10, dimension, samples))
        active = rng.random((10, width, samples)) < 0.5
        found = certified_ranks(active, slope, X=X, rng=rng)
        wanted = [eliminated(product(one, rho, inputs.tolist())) for one, inputs in zip(active, X, strict=True)]
        assert found.rank.tolist() == wanted
        assert found.error == 0
        used |= {name for name, number in found.settled.items() if number}
        shared = certified_ranks(active, slope, X=X[0], rng=rng)
        assert shared.rank.tolist() == [eliminated(product(one, rho, X[0].tolist())) for one in active]
    # Lattices have relations that no set T explains, so the last stage is really needed.
    assert used >= {"modular", "exact"}


def test_random_regions_agree_with_singular_values():
    rng = np.random.default_rng(3)
    for samples, dimension, width, slope in ((30, 6, 6, 0.0), (30, 6, 6, 0.1), (20, 3, 5, -0.5)):
        X, W = rng.standard_normal((dimension, samples)), rng.standard_normal((200, width, dimension))
        floating = regions.kernels(W, X, slope)
        rank = np.full(200, samples)
        rank[floating.index] = floating.rank
        for found in (
            certified_ranks(W @ X > 0, slope, X=X, rng=rng),
            certified_ranks(W @ X > 0, slope, inputs=dimension, rng=rng),
        ):
            np.testing.assert_array_equal(found.rank, rank)
            assert found.settled["witness"] > 0
            assert found.settled["random"] == found.settled["exact"] == 0


def test_an_unlucky_prime_is_noticed(monkeypatch):
    """Modulo 3 many ranks fall; each is then either found by another stage, or called random."""
    monkeypatch.setattr(certified, "random_prime", lambda rng: 3)
    rng = np.random.default_rng(4)
    active = rng.random((60, 2, 6)) < 0.5
    monkeypatch.setattr(certified, "_full_rank", lambda gram, terms: np.zeros(len(gram), dtype=bool))
    found = certified_ranks(active, 0.0, inputs=3, rng=rng)
    wanted = np.array([least(one, Fraction(0), 3) for one in active])
    proved = found.stage != STAGES.index("random")
    assert 0 < proved.sum() < 60
    np.testing.assert_array_equal(found.rank[proved], wanted[proved])
    assert (found.rank <= wanted).all()
    assert (found.rank < wanted).any()
    assert found.evidence is Evidence.CERTIFIED
    assert found.error == pytest.approx((~proved).sum() * chance_of_missing(6, 2, 0.0))
    X = rng.integers(-9, 10, (3, 6))
    given = certified_ranks(active, 0.0, X=X, rng=rng)
    assert given.rank.tolist() == [eliminated(product(one, Fraction(0), X.tolist())) for one in active]
    assert given.settled["exact"] > 0


def test_the_bound_holds_for_every_set_and_every_input():
    rng = np.random.default_rng(5)
    for _ in range(40):
        active, chosen = rng.random((3, 5)) < 0.5, rng.random(5) < 0.5
        X = rng.integers(-2, 3, (2, 5)).tolist()
        for rho in (Fraction(0), Fraction(1, 10), Fraction(-1)):
            assert rank_bound(active, rho, 2, chosen) >= eliminated(product(active, rho, X))
            assert rank_bound(active, rho, 2, np.zeros(5, dtype=bool)) == 5
            assert rank_bound(active, rho, 2, np.eye(5, dtype=bool)[0]) == (
                4 + 2 * (bool(rho) or bool(active[:, 0].any()))
            )


def test_the_chance_of_missing_is_small_and_grows_with_the_size():
    assert 1e-17 < chance_of_missing(30, 30, 0.1) < 1e-15
    assert chance_of_missing(60, 30, 0.1) > chance_of_missing(30, 30, 0.1)


def test_primes_are_primes_in_their_range():
    primes = [random_prime(np.random.default_rng(seed)) for seed in range(5)]
    assert all(2**60 <= prime < 2**61 and sp.isprime(prime) for prime in primes)
    assert len(set(primes)) == 5


def test_floats_count_as_the_binary_fractions_they_are():
    """0.1 + 0.2 is not 0.3 in binary, and the two samples are not parallel."""
    X, active = np.array([[0.3, 0.1 + 0.2], [0.3, 0.3]]), np.ones((1, 1, 2), dtype=bool)
    found = certified_ranks(active, 0.0, X=X, rng=np.random.default_rng(0))
    assert found.rank.tolist() == [2]
    assert certified_ranks(active, 0.0, X=X[:, :1].repeat(2, axis=1), rng=np.random.default_rng(0)).rank.tolist() == [1]


@pytest.mark.parametrize(
    ("patterns", "options", "message"),
    [
        (np.ones((2, 3)), {"inputs": 2}, r"shape \(2, 3\) and type float64; expected \(B, d1, N\)"),
        (np.ones((1, 2, 3)), {"inputs": 2}, "of type bool"),
        (np.ones((0, 2, 3), dtype=bool), {"inputs": 2}, "none of them zero"),
        (np.ones((1, 2, 3), dtype=bool), {}, "not both and not neither"),
        (np.ones((1, 2, 3), dtype=bool), {"inputs": 2, "X": np.ones((2, 3))}, "not both"),
        (np.ones((1, 2, 3), dtype=bool), {"inputs": 0}, "input dimension of 0"),
        (np.ones((1, 2, 3), dtype=bool), {"X": np.ones((2, 4))}, r"expected \(d0, 3\)"),
        (np.ones((1, 2, 3), dtype=bool), {"X": np.ones((2, 2, 3))}, r"or \(1, d0, 3\)"),
        (np.ones((1, 2, 3), dtype=bool), {"X": np.full((2, 3), np.nan)}, "no finite numbers"),
        (np.ones((1, 2, 3), dtype=bool), {"X": np.full((2, 3), "a", dtype=object)}, "no finite numbers"),
        (np.ones((1, 2, 3), dtype=bool), {"inputs": 2, "slope": float("nan")}, "got slope nan"),
        (np.ones((1, 2, 3), dtype=bool), {"inputs": 2, "slope": 1e-20}, "below 2"),
    ],
)
def test_what_cannot_be_used_is_refused(patterns, options, message):
    options = {"slope": 0.0, **options}
    with pytest.raises(ValueError, match=message):
        certified_ranks(patterns, options.pop("slope"), **options, rng=np.random.default_rng(0))
