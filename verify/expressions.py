"""SymPy expressions that SymPy lacks and bounds need."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import sympy as sp
from sympy.concrete.expr_with_limits import ExprWithLimits


class BoundFunction(sp.Function):
    """A function that a bound is written with and that SymPy does not know.

    A subclass sets `nargs` and `template`, LaTeX with `{0}`, `{1}`, … for the arguments, and has
    `log_value(self, *args: float) -> float`, the natural log of its non-negative value; arguments that are whole
    numbers come as `int`. The value is bound to the function, not to the symbols, so that typesetting and
    evaluation start from one object.
    """

    template: ClassVar[str]
    log_value: Callable[..., float]

    def _latex(self, printer: Any, exp: str | None = None) -> str:
        body = self.template.format(*(printer._print(item) for item in self.args))
        return body if exp is None else rf"{body}^{{{exp}}}"


class Minimum(ExprWithLimits):
    """The least value of an expression as an index runs over consecutive integers: `Minimum(f(k), (k, a, b))`.

    Over an empty range it has no value; evaluation then raises.
    """

    def __new__(cls, function: Any, *symbols: Any, **assumptions: Any) -> Any:
        """The minimum of `function` over the limits `symbols`, as `sympy.Sum` takes them."""
        return ExprWithLimits.__new__(cls, function, *symbols, **assumptions)

    def _latex(self, printer: Any, *_: Any) -> str:
        ((index, low, high),) = self.limits
        domain = rf"{printer._print(low)} \le {printer._print(index)} \le {printer._print(high)}"
        return rf"\min_{{{domain}}} {printer.parenthesize(self.function, 50)}"
