"""LaTeX of bounds."""

from __future__ import annotations

import pytest
import sympy as sp

from verify.expressions import BoundFunction, Minimum
from verify.typesetting import latex

N, d0, d1, x = sp.symbols("N d0 d1 x", positive=True)
k = sp.Symbol("k", integer=True)


class Double(BoundFunction):
    nargs = 1
    template = r"D\left({0}\right)"


class Untypesettable(sp.Function):
    def _latex(self, printer, exp=None):
        raise TypeError("no")


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        (sp.exp(-x * N ** sp.Rational(3, 4) * (d0 * d1) ** sp.Rational(1, 4)),
         r"e^{- x N^{3/4} \left(d_{0} d_{1}\right)^{1/4}}"),
        (sp.Rational(23, 100) * x, "0.23 x"),
        (sp.Rational(3, 4) * x, r"\frac{3 x}{4}"),
        (sp.betainc_regularized(2, 3, 0, x), r"I_{x}\left(2, 3\right)"),
        (sp.Symbol("epsilon"), r"\varepsilon"),
        (sp.Symbol(r"\mathbb{E}_X V"), r"\mathbb{E}_X V"),
        (Minimum(k**2, (k, 1, N)), r"\min_{1 \le k \le N} k^{2}"),
        (Double(x) ** 2, r"D\left(x\right)^{2}"),
        (-d0 * sp.log(N), r"- d_{0} \log{\left(N \right)}"),
        (Untypesettable(x), r"\text{Untypesettable(x)}"),
    ],
)  # fmt: skip
def test_formulas(expression, expected):
    assert latex(expression) == expected


def test_the_bound_variable_of_a_minimum_is_not_free():
    assert Minimum(k * x, (k, 1, N)).free_symbols == {x, N}
