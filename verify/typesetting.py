"""LaTeX of SymPy expressions, as a mathematician would write them."""

from __future__ import annotations

import re
from collections import defaultdict
from typing import Any

import sympy as sp
from sympy.printing.latex import LatexPrinter
from sympy.printing.precedence import PRECEDENCE

NAMES = {"epsilon": r"\varepsilon", "gamma_epsilon": r"\gamma_{\varepsilon}", "d1star": "d_1^{*}"}


class _Printer(LatexPrinter):
    """SymPy's printer, with fractional powers gathered and the incomplete beta function in its usual form."""

    def _print_Symbol(self, expr: sp.Symbol, **options: Any) -> str:
        # Names with a backslash are LaTeX already: left-hand sides such as \mathbb{E}_X V(L).
        if "\\" in expr.name:
            return str(expr.name)
        return NAMES.get(expr.name) or str(super()._print_Symbol(expr, **options))

    def _print_Mul(self, expr: sp.Mul) -> str:
        """Join `d0**(1/4) * d1**(1/4)`, which SymPy splits for positive symbols, and keep decimals as decimals."""
        if expr.could_extract_minus_sign():
            return f"- {self.parenthesize(-expr, PRECEDENCE['Mul'], strict=True)}"
        coefficient, product = expr.as_coeff_Mul()
        if isinstance(coefficient, sp.Rational) and coefficient.q in (10, 100, 1000):
            return f"{float(coefficient):g} {self.parenthesize(product, PRECEDENCE['Mul'], strict=True)}"
        groups: dict[sp.Rational, list[sp.Expr]] = defaultdict(list)
        rest = []
        for factor in sp.Mul.make_args(expr):
            base, exponent = factor.as_base_exp()
            if isinstance(exponent, sp.Rational) and exponent.q > 1 and not base.is_number:
                groups[exponent].append(base)
            else:
                rest.append(factor)
        if all(len(bases) == 1 for bases in groups.values()):
            return str(super()._print_Mul(expr))
        powers = [
            sp.Pow(sp.Mul(*bases, evaluate=False), exponent, evaluate=False) for exponent, bases in groups.items()
        ]
        body = " ".join(self._joined_power(power) for power in powers)
        plain = sp.Mul(*rest)
        return body if plain == 1 else f"{self.parenthesize(plain, PRECEDENCE['Mul'], strict=True)} {body}"

    def _joined_power(self, power: sp.Pow) -> str:
        base, exponent = power.args
        inner = " ".join(self.parenthesize(factor, PRECEDENCE["Mul"], strict=True) for factor in sp.Mul.make_args(base))
        if len(sp.Mul.make_args(base)) > 1:
            inner = rf"\left({inner}\right)"
        return f"{inner}^{{{exponent.p}/{exponent.q}}}"

    def _print_betainc_regularized(self, expr: sp.Expr) -> str:
        a, b, low, high = expr.args
        index = self._print(high) if low == 0 else rf"{self._print(low)}, {self._print(high)}"
        return rf"I_{{{index}}}\left({self._print(a)}, {self._print(b)}\right)"


def latex(expression: sp.Basic) -> str:
    """LaTeX of a SymPy expression or truth value.

    An expression of somebody's own class that SymPy cannot typeset comes out as SymPy would write it in Python, so
    that a report is never lost to a formula.
    """
    printer = _Printer({"fold_frac_powers": True, "root_notation": False, "ln_notation": False})
    try:
        return str(printer.doprint(expression))
    except (TypeError, AttributeError, NotImplementedError, KeyError, IndexError, ValueError):
        plain = re.sub(r"[^0-9A-Za-z+*/=<>()\[\],. -]", " ", sp.sstr(expression))
        return rf"\text{{{plain}}}"
