"""SymPy expressions that SymPy lacks and bounds need."""

from __future__ import annotations

from typing import Any

from sympy.concrete.expr_with_limits import ExprWithLimits


class Minimum(ExprWithLimits):  # type: ignore[misc]
    """The least value of an expression as an index runs over consecutive integers: `Minimum(f(k), (k, a, b))`.

    Over an empty range it has no value; evaluation then raises.
    """

    def __new__(cls, function: Any, *symbols: Any, **assumptions: Any) -> Minimum:
        return ExprWithLimits.__new__(cls, function, *symbols, **assumptions)  # type: ignore[no-any-return]

    def _latex(self, printer: Any, *_: Any) -> str:
        (index, low, high), = self.limits
        domain = rf"{printer._print(low)} \le {printer._print(index)} \le {printer._print(high)}"
        return rf"\min_{{{domain}}} {printer.parenthesize(self.function, 50)}"
