"""Evaluates SymPy expressions in log space, where bounds such as `exp(-1000*N)` neither under- nor overflow.

Integers and rationals stay exact while they are small; every other number is a sign and the natural log
of its absolute value. A float is read as the decimal it prints as: `floor(epsilon*N)` at `epsilon = 0.1`,
`N = 30` is 3.

Accuracy: each operation adds about `1e-16 * (1 + |log|)` to the error of the log, with the largest log
below the node; trees of moderate size come out within `1e-12 * (1 + |log|)`. A difference of nearly equal
terms magnifies the error. Where it would leave fewer than six digits, the sum is evaluated again in
multiple precision, and where that cannot be done an error is raised. A ratio of gamma functions of large
arguments is better written `RisingFactorial`, `binomial` or `beta`, whose rules do not subtract.
"""

from __future__ import annotations

import math
import numbers
import sys
from collections.abc import Iterator, Mapping
from fractions import Fraction
from functools import singledispatch
from typing import Any, NamedTuple

import sympy as sp
from scipy import special
from sympy.concrete.expr_with_limits import ExprWithLimits
from sympy.core.evalf import PrecisionExhausted

from verify.expressions import Minimum

# Above this many bits an exact number becomes a logarithm: exactness matters for sizes and floors, not there.
_EXACT_BITS = 1024
# Binomials up to this size are computed as integers; larger ones by Stirling's series.
_BINOMIAL_BITS = 8192
SIX_DIGITS = 1e-6
"""Relative error of a sum by cancellation from which it is taken again with more digits, or refused."""
NEAR_INTEGER = 1e-9
"""An argument of floor or ceiling this near to an integer, relatively, is decided exactly or refused."""
LEAST_DIRECT = 1e-280
"""Below this the incomplete beta function is taken as a log, from its continued fraction."""
LEAST_PLAIN = 1e-300
"""Between this and its inverse a float has all of its digits."""
_EPSILON = sys.float_info.epsilon
_DIGITS = 30


class _Signed(NamedTuple):
    """A number that is not zero: `sign * exp(log)`."""

    sign: int
    log: float


_Number = int | Fraction | _Signed


def signed_log(expr: sp.Expr, values: Mapping[sp.Symbol, Any]) -> tuple[int, float]:
    """Sign and natural log of the absolute value of an expression at a point.

    A sum whose upper limit is below its lower one is empty: 0; an empty product is 1. A SymPy function
    with a method `log_value(self, *args: float) -> float`, the natural log of its non-negative value, is
    evaluated by that method; integral arguments come as `int`.

    Args:
        expr: the expression, real at the point.
        values: a finite real number for each free symbol: int, float, Fraction or SymPy number.

    Returns:
        `(sign, log)` with sign −1, 0 or 1; the log of zero is `-inf`.

    Raises:
        ValueError: if a symbol has no value, a value is not finite and real, the expression is undefined or
            not real at the point, or a part of it cannot be evaluated.
        ArithmeticError: if cancellation leaves too few digits, or a logarithm itself is beyond float64.
    """
    result = _evaluated(expr, values)
    return (0, -math.inf) if result == 0 else tuple(_signed(result))  # type: ignore[return-value]


def log_value(expr: sp.Expr, values: Mapping[sp.Symbol, Any]) -> float:
    """Natural log of a non-negative expression at a point; `-inf` for zero.

    Raises:
        ValueError: if the value is negative, and as `signed_log` does.
        ArithmeticError: as `signed_log` does.

    >>> n = sp.Symbol("n")
    >>> round(log_value(sp.exp(-(n**2)) / sp.factorial(n), {n: 1000}), 6)
    -1005912.128178
    """
    sign, log = signed_log(expr, values)
    if sign < 0:
        raise ValueError(f"{expr} is -exp({log:.6g}) at {_shown(values)}; a logarithm needs it non-negative")
    return log


def value(expr: sp.Expr, values: Mapping[sp.Symbol, Any]) -> float:
    """Value of an expression at a point; 0.0 where it is below the range of float64.

    Raises:
        OverflowError: if the value is above the range of float64; `signed_log` has no such limit.
        ValueError: as `signed_log` does.
        ArithmeticError: as `signed_log` does.
    """
    result = _evaluated(expr, values)
    try:
        return _float(result)
    except OverflowError:
        log = _signed(result).log
        raise OverflowError(f"{expr} is about exp({log:.6g}), above float64; take its logarithm") from None


def _evaluated(expr: sp.Expr, values: Mapping[sp.Symbol, Any]) -> _Number:
    expression = sp.sympify(expr, strict=True)  # text would be run as code
    if not isinstance(expression, sp.Expr):
        raise ValueError(f"got {expr!r}; expected a SymPy expression with a numeric value")
    return _Scope({symbol: _given(symbol, number) for symbol, number in values.items()}).number(expression)


class _Scope:
    """Values of symbols. A bound variable opens a scope inside that of its surroundings.

    What does not depend on the bound variable is evaluated, and remembered, in the scope outside.
    """

    def __init__(self, given: Mapping[sp.Symbol, sp.Expr], parent: _Scope | None = None) -> None:
        self._given = given
        self._parent = parent
        self._known: dict[sp.Basic, _Number] = {}
        self._free: dict[sp.Basic, frozenset[sp.Symbol]] = {} if parent is None else parent._free

    def number(self, expr: sp.Expr) -> _Number:
        scope = self
        free = self._free_symbols(expr)
        while scope._parent is not None and free.isdisjoint(scope._given):
            scope = scope._parent
        known = scope._known.get(expr)
        if known is None:
            known = scope._known[expr] = _number(expr, scope)
        return known

    def inner(self, variable: sp.Symbol, index: int) -> _Scope:
        return _Scope({variable: sp.Integer(index)}, self)

    def symbol(self, symbol: sp.Symbol) -> sp.Expr:
        scope: _Scope | None = self
        while scope is not None:
            if symbol in scope._given:
                return scope._given[symbol]
            outermost, scope = scope, scope._parent
        names = [other.name for other in outermost._given]
        if symbol.name in names:
            raise ValueError(
                f"a value was given for another symbol named {symbol.name}, with other assumptions "
                f"than {symbol.assumptions0}; use the symbol of the expression"
            )
        given = ", ".join(sorted(names)) or "none"
        raise ValueError(f"no value for the symbol {symbol.name}; given were {given}")

    def substituted(self, expr: sp.Basic) -> sp.Basic:
        """The expression with every symbol replaced by its value, exactly."""
        floats = {number: _decimal(number) for number in expr.atoms(sp.Float)}
        # subs, unlike xreplace, leaves bound variables alone.
        return expr.xreplace(floats).subs({symbol: self.symbol(symbol) for symbol in expr.free_symbols})

    def _free_symbols(self, expr: sp.Basic) -> frozenset[sp.Symbol]:
        free = self._free.get(expr)
        if free is None:
            if isinstance(expr, sp.Symbol):
                free = frozenset({expr})
            elif isinstance(expr, ExprWithLimits):
                # SymPy's free_symbols rebuilds the summand, which takes longer than evaluating it.
                free = self._free_symbols(expr.function)
                for variable, *ends in expr.limits:
                    free = (free - {variable}).union(*map(self._free_symbols, ends))
            else:
                free = frozenset().union(*map(self._free_symbols, expr.args))
            self._free[expr] = free
        return free


def _given(symbol: sp.Symbol, number: Any) -> sp.Expr:
    """The exact SymPy number that a given value stands for."""
    exact = None
    if isinstance(number, sp.Expr):
        exact = number.xreplace({part: _decimal(part) for part in number.atoms(sp.Float)})
    elif isinstance(number, numbers.Rational):
        exact = sp.Rational(int(number.numerator), int(number.denominator))
    elif isinstance(number, numbers.Real) and math.isfinite(number):
        exact = sp.Rational(repr(float(number)))
    if exact is None or not (exact.is_number and exact.is_real):
        raise ValueError(f"{symbol} = {number!r}; expected a finite real number")
    return exact


def _decimal(number: sp.Float) -> sp.Expr:
    """A SymPy float as the decimal it prints as."""
    in_range = number._prec <= 53 and LEAST_PLAIN < abs(number) < 1 / LEAST_PLAIN
    return sp.Rational(repr(float(number)) if in_range else str(number))


def _shown(values: Mapping[sp.Symbol, Any]) -> str:
    return ", ".join(f"{symbol} = {number}" for symbol, number in values.items()) or "no values"


# Numbers


def _small(number: int | Fraction) -> _Number:
    """An exact number, as int where it is one, and as a logarithm where it is large."""
    if number.denominator == 1:
        number = number.numerator
    return number if _bits(number) <= _EXACT_BITS else _signed(number)


def _bits(number: int | Fraction) -> int:
    return max(number.numerator.bit_length(), number.denominator.bit_length())


def _signed(number: _Number) -> _Signed:
    """Logarithmic form of a number that is not zero."""
    if isinstance(number, _Signed):
        return number
    over, under = abs(number.numerator), number.denominator
    if under < 2 * over and over < 2 * under:
        log = math.log1p((over - under) / under)
    else:
        # The quotient of integers is rounded once, where the difference of large logarithms is not.
        log = math.log(over / under) if _bits(number) < 1000 else math.log(over) - math.log(under)
    return _Signed(1 if number > 0 else -1, log)


def _power_of_e(log: float, sign: int = 1) -> _Number:
    if math.isnan(log) or math.isinf(log):
        raise OverflowError(f"a logarithm came out as {log}; it is beyond float64 itself")
    return _Signed(sign, log)


def _from_float(number: float) -> _Number:
    return _Signed(1 if number > 0 else -1, math.log(abs(number))) if number else 0


def _float(number: _Number) -> float:
    if not isinstance(number, _Signed):
        try:
            return float(number)
        except OverflowError:
            number = _signed(number)
    try:
        return number.sign * math.exp(number.log)
    except OverflowError:
        raise OverflowError(
            f"exp({number.log:.6g}) occurs where a float64 is needed, as an exponent or argument"
        ) from None


def _negated(number: _Number) -> _Number:
    return _Signed(-number.sign, number.log) if isinstance(number, _Signed) else -number


def _is_positive(number: _Number) -> bool:
    return number.sign > 0 if isinstance(number, _Signed) else number > 0


def _product(factors: list[_Number]) -> _Number:
    exact: int | Fraction = 1
    log = 0.0
    sign = 0
    for factor in factors:
        small = factor if isinstance(factor, _Signed) else _small(exact * factor)
        if isinstance(small, _Signed):
            sign = (sign or 1) * small.sign
            log += small.log
            exact = exact if isinstance(factor, _Signed) else 1
        else:
            exact = small
    if not sign or exact == 0:
        return exact
    rest = _signed(exact)
    return _power_of_e(log + rest.log, sign * rest.sign)


def _sum(terms: list[_Number]) -> tuple[_Number, float]:
    """The sum, and an estimate of the relative error that cancellation has caused."""
    exact: _Number = 0
    signed = []
    for term in terms:
        if isinstance(term, _Signed):
            signed.append(term)
        else:
            total = _small(exact + term)  # type: ignore[operator]
            if isinstance(total, _Signed):
                signed.append(total)
                total = 0
            exact = total
    if not signed:
        return exact, 0.0
    if exact:
        signed.append(_signed(exact))
    top = max(signed, key=lambda term: term.log)
    rest = list(signed)
    rest.remove(top)
    if not rest:
        return top, 0.0
    if len(rest) == 1 and rest[0].sign != top.sign:
        gap = rest[0].log - top.log
        if gap == 0:
            return 0, math.inf
        error = _EPSILON * (abs(rest[0].log) + abs(top.log)) / abs(gap)
        return _Signed(top.sign, top.log + math.log(-math.expm1(gap))), error
    ratio = math.fsum(term.sign * top.sign * math.exp(term.log - top.log) for term in rest)
    if ratio > -0.5:
        return _Signed(top.sign, top.log + math.log1p(ratio)), 0.0
    left = 1 + ratio
    if left == 0:
        return 0, math.inf
    error = _EPSILON * (1 + max(abs(term.log) for term in signed)) / abs(left)
    return _Signed(top.sign if left > 0 else -top.sign, top.log + math.log(abs(left))), error


def _power(base: _Number, exponent: _Number) -> _Number:
    if exponent == 0:
        return 1
    if base == 0:
        if not _is_positive(exponent):
            raise ValueError("division by zero: 0 occurs with a negative exponent")
        return 0
    if not isinstance(base, _Signed):
        if isinstance(exponent, int) and abs(exponent) * _bits(base) <= _EXACT_BITS:
            return _small(Fraction(base) ** exponent)
        if isinstance(exponent, Fraction) and base > 0:
            over, over_exact = sp.integer_nthroot(base.numerator, exponent.denominator)
            under, under_exact = sp.integer_nthroot(base.denominator, exponent.denominator)
            if over_exact and under_exact:
                return _power(Fraction(int(over), int(under)), exponent.numerator)
    sign, log = _signed(base)
    if sign < 0:
        if not isinstance(exponent, int):
            raise ValueError("a negative number occurs with an exponent that is not an integer; the power is not real")
        sign = -1 if exponent % 2 else 1
    return _power_of_e(_float(exponent) * log, sign)


def _order(left: _Number, right: _Number) -> int | None:
    """−1, 0 or 1 as left is below, equal to or above right; None where rounding hides it."""
    if not isinstance(left, _Signed) and not isinstance(right, _Signed):
        return (left > right) - (left < right)
    if left == 0 or right == 0 or _signed(left).sign != _signed(right).sign:
        return 1 if _is_positive(left) or (left == 0 and not _is_positive(right)) else -1
    (sign, log), (_, other) = _signed(left), _signed(right)
    if abs(log - other) <= 64 * _EPSILON * max(1.0, abs(log), abs(other)):
        return None
    return sign if log > other else -sign


def _high_precision(expr: sp.Basic, scope: _Scope) -> _Number:
    """The value by SymPy's multiple-precision evaluation, for what the rules or float64 do not cover."""
    exact = scope.substituted(expr)
    if exact.has(sp.Sum, sp.Product, Minimum):
        # SymPy evaluates these by an asymptotic formula without a strict error bound.
        raise ArithmeticError(f"{expr} cannot be evaluated with enough digits; write it without cancellation")
    if isinstance(exact, sp.Rational):
        return _number(exact, scope)
    try:
        result = exact.evalf(_DIGITS, strict=True)
    except PrecisionExhausted:
        raise ArithmeticError(f"{expr} cancels to fewer than {_DIGITS} digits or to zero; simplify it first") from None
    except (NotImplementedError, TypeError, ValueError, AttributeError) as cause:
        raise ValueError(f"{expr}: {type(expr).__name__} cannot be evaluated ({cause})") from cause
    if result == 0:
        return 0
    if not isinstance(result, sp.Float):
        raise ValueError(f"{expr} ({type(expr).__name__}) is {result}; expected a finite real number")
    return _power_of_e(float(sp.log(abs(result))), 1 if result > 0 else -1)


# One rule for each type of node


@singledispatch
def _number(expr: Any, scope: _Scope) -> _Number:
    method = getattr(expr, "log_value", None)
    if method is None:
        return _high_precision(expr, scope)
    arguments = [scope.number(arg) for arg in expr.args]
    log = float(method(*(arg if isinstance(arg, int) else _float(arg) for arg in arguments)))
    if math.isnan(log) or log == math.inf:
        raise ValueError(f"{type(expr).__name__}.log_value gave {log}; expected the log of a non-negative number")
    return 0 if log == -math.inf else _Signed(1, log)


@_number.register(sp.Symbol)
def _(expr: sp.Symbol, scope: _Scope) -> _Number:
    return _number(scope.symbol(expr), scope)


@_number.register(sp.Rational)
def _(expr: sp.Rational, _scope: _Scope) -> _Number:
    return _small(int(expr.p) if expr.q == 1 else Fraction(int(expr.p), int(expr.q)))


@_number.register(sp.Float)
def _(expr: sp.Float, _scope: _Scope) -> _Number:
    if expr == 0:
        return 0
    if LEAST_PLAIN < abs(expr) < 1 / LEAST_PLAIN:
        exact = _decimal(expr)
        return _small(Fraction(int(exact.p), int(exact.q)))
    return _power_of_e(float(sp.log(abs(expr))), 1 if expr > 0 else -1)


@_number.register(sp.NumberSymbol)
def _(expr: sp.NumberSymbol, _scope: _Scope) -> _Number:
    return _from_float(float(expr))


@_number.register(sp.core.numbers.Infinity)
@_number.register(sp.core.numbers.NegativeInfinity)
@_number.register(sp.core.numbers.ComplexInfinity)
@_number.register(sp.core.numbers.NaN)
@_number.register(sp.core.numbers.ImaginaryUnit)
def _(expr: sp.Expr, _scope: _Scope) -> _Number:
    raise ValueError(f"the expression contains {expr}; expected finite real numbers")


@_number.register(sp.Add)
def _(expr: sp.Add, scope: _Scope) -> _Number:
    total, error = _sum([scope.number(arg) for arg in expr.args])
    return total if error < SIX_DIGITS else _high_precision(expr, scope)


@_number.register(sp.Mul)
def _(expr: sp.Mul, scope: _Scope) -> _Number:
    return _product([scope.number(arg) for arg in expr.args])


@_number.register(sp.Pow)
def _(expr: sp.Pow, scope: _Scope) -> _Number:
    return _power(scope.number(expr.base), scope.number(expr.exp))


@_number.register(sp.exp)
def _(expr: sp.exp, scope: _Scope) -> _Number:
    argument = scope.number(expr.args[0])
    return 1 if argument == 0 else _power_of_e(_float(argument))


@_number.register(sp.log)
def _(expr: sp.log, scope: _Scope) -> _Number:
    argument = scope.number(expr.args[0])
    if not _is_positive(argument):
        raise ValueError(f"{expr} is the logarithm of a number that is not positive")
    return _from_float(_signed(argument).log)


@_number.register(sp.Min)
@_number.register(sp.Max)
def _(expr: sp.Expr, scope: _Scope) -> _Number:
    return _extreme([scope.number(arg) for arg in expr.args], 1 if isinstance(expr, sp.Max) else -1)


@_number.register(Minimum)
def _(expr: Minimum, scope: _Scope) -> _Number:
    values = [inner.number(expr.function) for inner in _iterated(expr.limits, scope)]
    if not values:
        raise ValueError(f"{expr} runs over no index at the point; a minimum of nothing has no value")
    return _extreme(values, -1)


def _extreme(values: list[_Number], wanted: int) -> _Number:
    best, *others = values
    for other in others:
        if _order(other, best) == wanted:
            best = other
    return best


@_number.register(sp.Abs)
def _(expr: sp.Abs, scope: _Scope) -> _Number:
    argument = scope.number(expr.args[0])
    return argument if _is_positive(argument) else _negated(argument)


@_number.register(sp.floor)
@_number.register(sp.ceiling)
def _(expr: sp.Expr, scope: _Scope) -> _Number:
    argument = scope.number(expr.args[0])
    rounded = math.floor if isinstance(expr, sp.floor) else math.ceil
    if not isinstance(argument, _Signed):
        return rounded(argument)
    if argument.log > math.log(2.0**64):
        return argument  # rounding is far below the accuracy
    number = _float(argument)
    if abs(number - round(number)) > NEAR_INTEGER * max(1.0, abs(number)):
        return rounded(number)
    exact = scope.substituted(expr)
    if not isinstance(exact, sp.Integer):
        raise ArithmeticError(f"{expr} cannot be decided: its argument is within rounding of an integer")
    return int(exact)


@_number.register(sp.Piecewise)
def _(expr: sp.Piecewise, scope: _Scope) -> _Number:
    for branch, condition in expr.args:
        if _truth(condition, scope):
            return scope.number(branch)
    raise ValueError(f"no condition of {expr} is satisfied at the point")


@_number.register(sp.Sum)
def _(expr: sp.Sum, scope: _Scope) -> _Number:
    total, error = _sum([inner.number(expr.function) for inner in _iterated(expr.limits, scope)])
    if error >= SIX_DIGITS:
        raise ArithmeticError(f"the terms of {expr} cancel to fewer than six digits; write it without cancellation")
    return total


@_number.register(sp.Product)
def _(expr: sp.Product, scope: _Scope) -> _Number:
    return _product([inner.number(expr.function) for inner in _iterated(expr.limits, scope)])


def _iterated(limits: tuple[sp.Tuple, ...], scope: _Scope) -> Iterator[_Scope]:
    """One scope for each value of the bound variables; the last limit is the outermost, as in SymPy."""
    if not limits:
        yield scope
        return
    *inside, (variable, *ends) = limits
    bounds = [scope.number(end) for end in ends]
    if len(bounds) != 2 or not all(isinstance(end, int) for end in bounds):
        raise ValueError(f"the limits of {variable} are {limits[-1]}; expected two that are integers at the point")
    lower, upper = bounds
    for index in range(lower, upper + 1):  # type: ignore[arg-type, operator]
        yield from _iterated(tuple(inside), scope.inner(variable, index))


@_number.register(sp.factorial)
@_number.register(sp.gamma)
def _(expr: sp.Expr, scope: _Scope) -> _Number:
    argument = scope.number(expr.args[0])
    return _gamma(_sum([argument, 1])[0] if isinstance(expr, sp.factorial) else argument)


@_number.register(sp.loggamma)
def _(expr: sp.loggamma, scope: _Scope) -> _Number:
    argument = scope.number(expr.args[0])
    if not _is_positive(argument):
        raise ValueError(f"{expr} is not real: its argument is not positive")
    return _from_float(math.lgamma(_float(argument)))


@_number.register(sp.binomial)
def _(expr: sp.binomial, scope: _Scope) -> _Number:
    n, k = (scope.number(arg) for arg in expr.args)
    if isinstance(n, _Signed) or not isinstance(k, int):
        return _high_precision(expr, scope)
    if k < 0:
        return 0
    if not isinstance(n, int):
        rising = _rising(n - k + 1, k)
        return _high_precision(expr, scope) if rising is None else _product([rising, _power(_gamma(k + 1), -1)])
    return _binomial(n, k) if n >= 0 else _product([(-1) ** k, _binomial(k - n - 1, k)])


@_number.register(sp.RisingFactorial)
@_number.register(sp.FallingFactorial)
def _(expr: sp.Expr, scope: _Scope) -> _Number:
    start, count = (scope.number(arg) for arg in expr.args)
    if isinstance(expr, sp.FallingFactorial):
        start = _sum([start, _negated(count), 1])[0]
    result = _rising(start, count)
    return _high_precision(expr, scope) if result is None else result


@_number.register(sp.beta)
def _(expr: sp.beta, scope: _Scope) -> _Number:
    a, b = (scope.number(arg) for arg in expr.args)
    if not (_is_positive(a) and _is_positive(b)):
        return _high_precision(expr, scope)
    return _power_of_e(_log_beta(_float(a), _float(b)))


@_number.register(sp.betainc)
@_number.register(sp.betainc_regularized)
def _(expr: sp.Expr, scope: _Scope) -> _Number:
    a, b, lower, upper = (scope.number(arg) for arg in expr.args)
    inside = all(_order(0, end) != 1 and _order(end, 1) != 1 for end in (lower, upper))
    if not (_is_positive(a) and _is_positive(b) and inside):
        raise ValueError(f"{expr}: expected a, b > 0 and limits in [0, 1] at the point")
    shape = _float(a), _float(b)
    total, error = _sum([_incomplete_beta(*shape, upper), _negated(_incomplete_beta(*shape, lower))])
    if error >= SIX_DIGITS:
        return _high_precision(expr, scope)
    return total if isinstance(expr, sp.betainc_regularized) else _product([total, _Signed(1, _log_beta(*shape))])


@_number.register(sp.erf)
def _(expr: sp.erf, scope: _Scope) -> _Number:
    argument = scope.number(expr.args[0])
    if argument == 0:
        return 0
    sign, log = _signed(argument)
    if log < -20.0:  # 1 - x²/3 rounds to 1
        return _Signed(sign, log + math.log(2 / math.sqrt(math.pi)))
    number = math.exp(min(log, 100.0))
    return _Signed(sign, math.log(math.erf(number)) if number < 0.5 else math.log1p(-math.erfc(number)))


@_number.register(sp.erfc)
def _(expr: sp.erfc, scope: _Scope) -> _Number:
    number = _float(scope.number(expr.args[0]))
    if number < 0.5:
        return _power_of_e(math.log1p(-math.erf(number)))
    return _power_of_e(math.log(float(special.erfcx(number))) - number * number)


# Truth values


@singledispatch
def _truth(condition: Any, scope: _Scope) -> bool:
    decided = scope.substituted(condition)
    if decided not in (sp.true, sp.false):
        raise ValueError(f"the condition {condition} cannot be decided at the point; it came to {decided}")
    return bool(decided)


@_truth.register(sp.And)
def _(condition: sp.And, scope: _Scope) -> bool:
    return all(_truth(part, scope) for part in condition.args)


@_truth.register(sp.Or)
def _(condition: sp.Or, scope: _Scope) -> bool:
    return any(_truth(part, scope) for part in condition.args)


@_truth.register(sp.Not)
def _(condition: sp.Not, scope: _Scope) -> bool:
    return not _truth(condition.args[0], scope)


_ALLOWED_ORDERS = {sp.Eq: {0}, sp.Ne: {-1, 1}, sp.Lt: {-1}, sp.Le: {-1, 0}, sp.Gt: {1}, sp.Ge: {0, 1}}


@_truth.register(sp.core.relational.Relational)
def _(condition: sp.core.relational.Relational, scope: _Scope) -> bool:
    order = _order(scope.number(condition.lhs), scope.number(condition.rhs))
    if order is None:
        order = _order(_high_precision(condition.lhs - condition.rhs, scope), 0)
    return order in _ALLOWED_ORDERS[condition.func]


# Special functions of numbers


def _stirling(x: float) -> float:
    """Remainder of Stirling's formula, `lgamma(x) - (x - 1/2) log x + x - log(2π)/2`; 2e-14 off at x = 10."""
    y = 1 / (x * x)
    return (1 / 12 - y * (1 / 360 - y * (1 / 1260 - y * (1 / 1680 - y / 1188)))) / x


def _gamma(argument: _Number) -> _Number:
    if isinstance(argument, int):
        if argument <= 0:
            raise ValueError(f"the gamma function has a pole at {argument}")
        if argument <= 200:
            return _small(math.factorial(argument - 1))
    number = _float(argument)
    return _power_of_e(math.lgamma(number), int(special.gammasgn(number)))


def _binomial(n: int, k: int) -> _Number:
    k = min(k, n - k)
    if k < 0:
        return 0
    if k * n.bit_length() <= _BINOMIAL_BITS:
        return _small(math.comb(n, k))
    # Every term of the leading part is positive, where a difference of log-gammas would cancel.
    rest = n - k
    leading = k * math.log(n / k) - rest * math.log1p(-k / n)
    correction = 0.5 * math.log(n / (2 * math.pi * k * rest)) + _stirling(n) - _stirling(k) - _stirling(rest)
    return _power_of_e(leading + correction)


def _rising(start: _Number, count: _Number) -> _Number | None:
    """`Γ(start + count)/Γ(start)`, without subtraction of large logs; None where there is no such route."""
    if not isinstance(start, _Signed) and isinstance(count, int) and 0 <= count <= 64:
        return _product([start + index for index in range(count)])
    end = _sum([start, count])[0]
    if _is_positive(start) and _is_positive(end):
        return _power_of_e(_log_rising(_float(start), _float(count)))
    return None


def _log_rising(x: float, count: float) -> float:
    if min(x, x + count) < 10:
        return math.lgamma(x + count) - math.lgamma(x)
    leading = (x - 0.5) * math.log1p(count / x) + count * (math.log(x + count) - 1)
    return leading + _stirling(x + count) - _stirling(x)


def _log_beta(a: float, b: float) -> float:
    return math.lgamma(min(a, b)) - _log_rising(max(a, b), min(a, b))


def _incomplete_beta(a: float, b: float, x: _Number) -> _Number:
    """Regularised incomplete beta function `I_x(a, b)`, also where it is below the range of float64."""
    if x == 0:
        return 0
    complement = _sum([1, _negated(x)])[0]
    if not _is_positive(complement):
        return 1
    number = float(special.betainc(a, b, _float(x)))
    if number > 0.5:
        return _power_of_e(math.log1p(-float(special.betainc(b, a, _float(complement)))))
    if number > LEAST_DIRECT:
        return _from_float(number)
    prefactor = a * _signed(x).log + b * _signed(complement).log - math.log(a) - _log_beta(a, b)
    return _power_of_e(prefactor + math.log(_beta_fraction(a, b, _float(x))))


def _beta_fraction(a: float, b: float, x: float) -> float:
    """Continued fraction of the incomplete beta function, `x < a/(a + b)` (DLMF 8.17.22, Lentz's method)."""
    tiny = LEAST_PLAIN  # Lentz: in place of a denominator of zero
    ratio = 1 / (1 - (a + b) * x / (a + 1) or tiny)
    numerator, total = 1.0, ratio
    for m in range(1, 100_000):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        for coefficient in (even, odd):
            ratio = 1 / (1 + coefficient * ratio or tiny)
            numerator = 1 + coefficient / numerator or tiny
            total *= ratio * numerator
        if abs(ratio * numerator - 1) < 4 * _EPSILON:
            return total
    raise ArithmeticError(f"the incomplete beta function at a = {a:g}, b = {b:g}, x = {x:g} did not converge")
