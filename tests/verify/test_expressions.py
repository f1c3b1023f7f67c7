"""Typesetting and evaluation of expressions that SymPy lacks, from one object."""

import math

import sympy as sp

from verify.expressions import BoundFunction, Minimum
from verify.logspace import log_value

k, N = sp.symbols("k N", integer=True, positive=True)


class Chance(BoundFunction):
    nargs = 2
    template = r"\operatorname{{P}}_{{{1}}}\left({0}\right)"

    @staticmethod
    def log_value(x, n):
        return -x * n


def test_a_function_is_set_by_its_template_and_powers_stand_behind_it():
    assert sp.latex(Chance(N + 1, k)) == r"\operatorname{P}_{k}\left(N + 1\right)"
    assert sp.latex(Chance(N, 2) ** 3) == r"\operatorname{P}_{2}\left(N\right)^{3}"
    assert log_value(Chance(N, 2) ** 3, {N: 5}) == -30


def test_a_minimum_names_its_index_and_range():
    least = Minimum((k - 3) ** 2 + 1, (k, 1, N))
    assert sp.latex(least) == r"\min_{1 \le k \le N} \left(\left(k - 3\right)^{2} + 1\right)"
    assert log_value(least, {N: 2}) == math.log(2)
    assert log_value(least, {N: 9}) == 0
