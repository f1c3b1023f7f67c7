"""F4: what the kernel vectors are, and what the reader counts."""

from __future__ import annotations

import numpy as np
from flint import fmpz_mat

from theorems.finite import f4
from verify.backends import get_backend
from verify.network.khatri_rao import khatri_rao
from verify.sampling import Draw, stream
from verify.statements import Point

POINT = Point(N=9, d0=2, d1=3, rho=0.1)


def draw():
    return Draw(stream(0, "test", "f4", 0), get_backend("numpy"))


def test_vectors_are_in_the_kernel_and_some_have_least_support():
    rng = np.random.default_rng(0)
    least = larger = 0
    for _ in range(20):
        A = f4.patterns(POINT, rng)
        G = khatri_rao(A, rng.integers(-(2**40), 2**40, (2, 9)).astype(object))
        for e in f4.kernel_vectors(G, rng):
            assert any(e)
            assert not (G @ e).any()
            T = np.array([bool(value) for value in e])
            excess = int(T.sum()) - fmpz_mat(G[:, T].tolist()).rank()
            least += excess == 1
            larger += excess > 1
    assert least > 20
    assert larger > 20


def test_no_kernel_no_vector():
    assert f4.kernel_vectors(np.eye(3, dtype=int).astype(object), np.random.default_rng(0)) == []
    empty = f4._broken()({"vectors": []}, POINT)
    assert (empty.count, empty.doubtful) == (0, 1)


def test_patterns_are_times_the_denominator_and_of_several_ranks():
    rng = np.random.default_rng(1)
    drawn = [f4.patterns(POINT, rng) for _ in range(40)]
    assert {int(value) for A in drawn for value in A.ravel()} == {1, 10}
    assert {fmpz_mat(A.tolist()).rank() for A in drawn} == {1, 2, 3}


def test_the_reader_counts_pairs_with_a_short_support_or_another_rank():
    rows = [[[5, 2, 4, 2]], [[5, 2, 4, 2], [4, 2, 4, 2]], [[9, 2, 3, 2]]]
    assert f4._broken()({"vectors": rows}, POINT).count == 2
    assert f4._broken(extra=1)({"vectors": rows}, POINT).count == 3
    # The rank of all of A is larger than that on the support.
    assert f4._broken(whole=True)({"vectors": [[[5, 2, 4, 3]]]}, POINT).count == 1


def test_lattice_inputs_break_it():
    tally = f4.LATTICE_INPUTS.draw(POINT, draw())
    assert f4._broken()(tally, POINT).count > 5
    assert f4._broken()(f4.GENERIC_INPUTS.draw(POINT, draw()), POINT).count == 0
