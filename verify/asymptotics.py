"""Asymptotic relations along a declared scaling of the sizes, decided by limits.

The paper compares functions by the logs of their values, so relations are decided from `log g` and `log
h`: volumes such as `exp(-N)` never appear themselves. Answers are three-valued, and None is "cannot
tell".

SymPy's limits may guess where they meet an undecided parameter: they give `log(N**s + N**t)/log(N)` the
limit `t` whichever of the positive `s, t` is larger. So limits are first taken here by comparing leading
terms on the scale `N, log N, log log N, …`, where each comparison of exponents has to be decided by the
assumptions on the parameters. SymPy's limit is asked only about expressions without parameters.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache, reduce

import sympy as sp

from verify.typesetting import latex

_DEPTH = 4  # N, log N, log log N, log log log N


@dataclass(frozen=True)
class Scaling:
    """How the widths grow with the number of samples: `d0 = k0 N**a`, `d1 = k1 N**b log(N)**c`.

    Attributes:
        a: exponent of `d0`, a real number or an expression in symbols that are assumed real.
        b: exponent of `d1`.
        c: exponent of `log N` in `d1`.
        k0: positive constant in `d0`.
        k1: positive constant in `d1`.
        name: what to call it, where the formula alone says too little.

    A float is read as the decimal it prints as.

    Raises:
        ValueError: if an exponent is not real or a constant not positive, as far as its assumptions tell.
    """

    a: sp.Expr
    b: sp.Expr
    c: sp.Expr = 0
    k0: sp.Expr = 1
    k1: sp.Expr = 1
    name: str = ""

    def __post_init__(self) -> None:
        for part in ("a", "b", "c", "k0", "k1"):
            given = getattr(self, part)
            number = _exact(sp.Rational(given) if isinstance(given, str) else sp.sympify(given, strict=True))
            if not number.is_real:
                raise ValueError(f"{part} = {number}; expected a real number, or symbols assumed real")
            if part.startswith("k") and not number.is_positive:
                raise ValueError(f"{part} = {number}; expected a positive constant, or symbols assumed positive")
            object.__setattr__(self, part, number)

    def d0(self, N: sp.Symbol) -> sp.Expr:
        """The input dimension as a function of `N`."""
        return self.k0 * N**self.a

    def d1(self, N: sp.Symbol) -> sp.Expr:
        """The number of hidden units as a function of `N`."""
        return self.k1 * N**self.b * sp.log(N) ** self.c

    def substitute(self, expr: sp.Expr, N: sp.Symbol, d0: sp.Symbol, d1: sp.Symbol) -> sp.Expr:
        """The expression with the widths `d0`, `d1` replaced by their growth in `N`."""
        return expr.xreplace({d0: self.d0(N), d1: self.d1(N)})

    def sizes(self, N: int) -> tuple[int, int]:
        """Widths `(d0, d1)` at `N` samples, rounded to integers of at least 1.

        Raises:
            ValueError: if `N` is below 2, where `log N` vanishes, or if the scaling has parameters.
        """
        if N < 2:
            raise ValueError(f"N = {N}; expected at least 2, where log N is positive")
        sizes = self.d0(sp.Integer(N)), self.d1(sp.Integer(N))
        open_symbols = sizes[0].free_symbols | sizes[1].free_symbols
        if open_symbols:
            names = ", ".join(sorted(symbol.name for symbol in open_symbols))
            raise ValueError(f"{self} has sizes only at numeric exponents and constants; give {names} a value")
        d0, d1 = (max(1, math.floor(float(size) + 0.5)) for size in sizes)
        return d0, d1

    def latex(self) -> str:
        """Both growth laws as one LaTeX formula."""
        samples = sp.Symbol("N", positive=True)
        return rf"d_0 = {latex(self.d0(samples))},\quad d_1 = {latex(self.d1(samples))}"

    def __str__(self) -> str:
        samples = sp.Symbol("N", positive=True)
        formula = f"d0 = {self.d0(samples)}, d1 = {self.d1(samples)}"
        return f"{self.name} ({formula})" if self.name else formula


class Order(StrEnum):
    """The paper's asymptotic relations between positive functions."""

    STRICTLY_BELOW = "⋖"
    BELOW_OR_EQUAL = "⩽̇"
    EQUAL = "≐"
    ABOVE_OR_EQUAL = "⩾̇"


class Reading(StrEnum):
    """What a relation `g ⩽̇ h` is taken to mean.

    `PRINTED` is the paper's: `lim log g/log h ≤ 1`, which turns round where `h → 0`. `CORRECTED` is
    `limsup (log g − log h)/|log h| ≤ 0`, and agrees with it where `h → ∞`. The other relations have `<`,
    `=`, `≥` (with liminf) in place of `≤`. Neither sees a factor that is a power of `log N` beside a
    power of `N`.
    """

    PRINTED = "printed"
    CORRECTED = "corrected"


def decide(
    log_g: sp.Expr,
    log_h: sp.Expr,
    relation: Order,
    reading: Reading,
    N: sp.Symbol,
) -> bool | None:
    """Whether `g relation h` as `N → ∞`, for functions given by their natural logs.

    Returns:
        None where the limit cannot be found, or the assumptions on the parameters leave its sign open.

    Raises:
        ValueError: if `N` is not assumed positive.
    """
    ratio = limit_ratio(log_g, log_h, N)
    if ratio is None:
        return None
    excess = _tidy(ratio - 1)
    if reading is Reading.CORRECTED and excess != 0:
        sign = _eventual_sign(log_h, N)
        if sign is None:
            return None
        excess *= sign
    answers: dict[Order, bool | None] = {
        Order.STRICTLY_BELOW: excess.is_extended_negative,
        Order.BELOW_OR_EQUAL: excess.is_extended_nonpositive,
        Order.EQUAL: excess.is_zero,
        Order.ABOVE_OR_EQUAL: excess.is_extended_nonnegative,
    }
    return answers[relation]


@lru_cache(maxsize=1024)
def limit_ratio(log_g: sp.Expr, log_h: sp.Expr, N: sp.Symbol) -> sp.Expr | None:
    """The limit of `log_g/log_h` as `N → ∞`, possibly infinite; None where it cannot be found.

    Raises:
        ValueError: if `N` is not assumed positive.
    """
    if not N.is_positive:
        raise ValueError(f"{N} is not assumed positive; write Symbol({N.name!r}, positive=True)")
    over, under = _exact(sp.sympify(log_g, strict=True)), _exact(sp.sympify(log_h, strict=True))
    try:
        return (_Leading.of(over, N) * _Leading.of(under, N).power(sp.Integer(-1))).limit()
    except _UndecidedError:
        return _sympy_limit(over / under, N)


def little_o(g: sp.Expr, h: sp.Expr, N: sp.Symbol) -> bool | None:
    """Whether `g = o(h)` as `N → ∞`, that is `g/h → 0`; None where it cannot be decided.

    Raises:
        ValueError: if `N` is not assumed positive.
    """
    ratio = limit_ratio(g, h, N)
    return None if ratio is None else ratio.is_zero


class _UndecidedError(Exception):
    """The leading term depends on something unknown."""


@dataclass(frozen=True)
class _Leading:
    """A function `(coefficient + o(1)) * N**e0 * log(N)**e1 * …` by its coefficient and exponents.

    The coefficient may be zero: then the function is only known to be of smaller order.
    """

    coefficient: sp.Expr
    exponents: tuple[sp.Expr, ...]

    @classmethod
    def constant(cls, number: sp.Expr) -> _Leading:
        return cls(number, (sp.Integer(0),) * _DEPTH)

    @classmethod
    def iterated_log(cls, depth: int) -> _Leading:
        if depth >= _DEPTH:
            raise _UndecidedError
        return cls(sp.Integer(1), tuple(sp.Integer(level == depth) for level in range(_DEPTH)))

    @classmethod
    def of(cls, expr: sp.Expr, N: sp.Symbol) -> _Leading:
        """The leading term of an expression as `N → ∞`."""
        if not expr.has(N):
            return cls.constant(expr)
        if expr == N:
            return cls.iterated_log(0)
        if isinstance(expr, sp.Mul):
            return reduce(_Leading.__mul__, (cls.of(arg, N) for arg in expr.args))
        if isinstance(expr, sp.Add):
            return _dominant([cls.of(arg, N) for arg in expr.args], sp.Add)
        if isinstance(expr, sp.Max):
            terms = [cls.of(arg, N) for arg in expr.args]
            if all(_sign(term.coefficient) == 1 for term in terms):
                return _dominant(terms, sp.Max)
        if isinstance(expr, sp.log):
            return _leading_log(expr, N)
        if isinstance(expr, sp.Pow) and not expr.exp.has(N):
            return cls.of(expr.base, N).power(expr.exp)
        if isinstance(expr, (sp.exp, sp.Pow)):
            power = expr.args[0] if isinstance(expr, sp.exp) else expr.exp * sp.log(expr.base)
            limit = cls.of(power, N).limit()
            if limit.is_finite:
                return cls.constant(sp.exp(limit))
        if isinstance(expr, sp.Abs):
            inside = cls.of(expr.args[0], N)
            return cls(sp.Abs(inside.coefficient), inside.exponents)
        if isinstance(expr, (sp.floor, sp.ceiling)):
            inside = cls.of(expr.args[0], N)
            if inside.limit().is_infinite:
                return inside
        raise _UndecidedError

    def __mul__(self, other: _Leading) -> _Leading:
        exponents = tuple(left + right for left, right in zip(self.exponents, other.exponents, strict=True))
        return _Leading(self.coefficient * other.coefficient, exponents)

    def power(self, exponent: sp.Expr) -> _Leading:
        invertible = exponent.is_integer and (exponent.is_positive or _sign(self.coefficient) in (-1, 1))
        if not invertible and _sign(self.coefficient) != 1:
            raise _UndecidedError
        return _Leading(self.coefficient**exponent, tuple(exponent * own for own in self.exponents))

    def growth(self) -> int:
        """1, 0 or −1 as the product of powers tends to infinity, is 1, or tends to 0."""
        for exponent in self.exponents:
            sign = _sign(exponent)
            if sign is None:
                raise _UndecidedError
            if sign:
                return sign
        return 0

    def limit(self) -> sp.Expr:
        growth = self.growth()
        if growth == 0:
            return _tidy(self.coefficient)
        if growth < 0:
            return sp.Integer(0)
        if _sign(self.coefficient) in (None, 0):
            raise _UndecidedError
        return sp.oo * _sign(self.coefficient)


def _dominant(terms: list[_Leading], join: Callable[..., sp.Expr]) -> _Leading:
    """The leading term of a sum or maximum: one order must be seen to be at least that of every term."""
    for candidate in terms:
        inverse = _Leading(sp.Integer(1), candidate.exponents).power(sp.Integer(-1))
        try:
            growths = [(term * inverse).growth() for term in terms]
        except _UndecidedError:
            continue
        if max(growths) == 0:
            tied = (term.coefficient for term, growth in zip(terms, growths, strict=True) if growth == 0)
            return _Leading(join(*tied), candidate.exponents)
    raise _UndecidedError


def _leading_log(expr: sp.log, N: sp.Symbol) -> _Leading:
    """The leading term of a logarithm: that of `e0 log N + e1 log log N + … + log(coefficient)`."""
    expanded = sp.expand_log(expr)
    if not isinstance(expanded, sp.log):
        return _Leading.of(expanded, N)
    inside = _Leading.of(expanded.args[0], N)
    if _sign(inside.coefficient) != 1:
        raise _UndecidedError
    for level, exponent in enumerate(inside.exponents):
        sign = _sign(exponent)
        if sign is None:
            raise _UndecidedError
        if sign:
            return _Leading.constant(exponent) * _Leading.iterated_log(level + 1)
    if _sign(inside.coefficient - 1) == 0:
        # log(1 + x) is x to leading order, where x → 0.
        return _Leading.of(sp.expand(expanded.args[0] - 1), N)
    return _Leading.constant(sp.log(inside.coefficient))


def _eventual_sign(expr: sp.Expr, N: sp.Symbol) -> int | None:
    """The sign of an expression for all large `N`; None where it cannot be found."""
    exact = _exact(sp.sympify(expr, strict=True))
    try:
        sign = _sign(_Leading.of(exact, N).coefficient)
    except _UndecidedError:
        sign = None
    if sign:
        return sign
    limit = _sympy_limit(exact, N)
    return None if limit is None else _sign(limit) or None


def _sympy_limit(expr: sp.Expr, N: sp.Symbol) -> sp.Expr | None:
    """SymPy's limit of a smooth expression in `N` alone; None otherwise, or where SymPy gives none."""
    if expr.free_symbols - {N} or expr.has(sp.floor, sp.ceiling):
        return None
    growing = sp.Symbol("L", positive=True)
    # Powers of N are easier for SymPy as exponentials of log N.
    for form, variable in ((expr.subs(N, sp.exp(growing)), growing), (expr, N)):
        try:
            limit = sp.limit(sp.powsimp(sp.expand(form)), variable, sp.oo)
        except (NotImplementedError, ValueError, TypeError, AttributeError, RecursionError, sp.PoleError):
            continue
        if limit.is_extended_real and not limit.has(sp.Limit, sp.AccumBounds):
            return limit
    return None


def _sign(expr: sp.Expr) -> int | None:
    """The sign that the assumptions on the parameters imply, None where they leave it open."""
    for form in (expr, _tidy(expr)):
        for sign, known in (
            (0, form.is_zero),
            (1, form.is_extended_positive),
            (-1, form.is_extended_negative),
        ):
            if known:
                return sign
    return None


def _tidy(expr: sp.Expr) -> sp.Expr:
    return sp.factor(sp.together(sp.expand(expr)))


def _exact(expr: sp.Expr) -> sp.Expr:
    """The expression with each float replaced by the decimal it prints as."""
    return expr.xreplace({number: sp.Rational(repr(float(number))) for number in expr.atoms(sp.Float)})
