"""F2: the check says no to a wrong Gram matrix."""

from __future__ import annotations

import numpy as np

from theorems.finite import f2
from verify.backends import get_backend
from verify.sampling import Draw, stream
from verify.statements import Point

POINT = Point(N=4, d0=2, d1=3)


def draw():
    return Draw(stream(0, "test", "f2", 0), get_backend("numpy"))


def test_a_wrong_gram_matrix_is_found(monkeypatch):
    assert f2._identities(POINT, draw())["broken"] == 0
    monkeypatch.setattr(f2, "gram", lambda A, X: (A.T @ A) * (X.T @ X) + np.eye(A.shape[1], dtype=object).astype(int))
    assert f2._identities(POINT, draw())["broken"] == f2.PAIRS
    assert f2._ranks(POINT.but(rho=0.0, N=6), draw())["broken"] > 0


def test_the_ranks_that_are_compared_are_often_deficient():
    assert f2._ranks(Point(N=6, d0=2, d1=2, rho=0.1), draw())["deficient"] == f2.PAIRS
