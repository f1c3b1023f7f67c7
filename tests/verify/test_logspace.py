"""Values against multiple-precision arithmetic written independently of the evaluator."""

import math
import time
from fractions import Fraction

import mpmath as mp
import numpy as np
import pytest
import sympy as sp
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from verify.expressions import Minimum
from verify.logspace import log_value, signed_log, value

N, x, y, a, b = sp.symbols("N x y a b", positive=True)
k, n, j = sp.symbols("k n j", integer=True)
epsilon, d0, d1 = sp.symbols("epsilon d0 d1", positive=True)
R = sp.Rational


def agrees(expr, values, reference, tolerance=1e-12):
    """Compare with a reference that is computed with 60 digits and may be of any size."""
    with mp.workdps(60):
        wanted = reference() if callable(reference) else reference
        sign, log = signed_log(expr, values)
        assert sign == mp.sign(wanted)
        exact = mp.log(abs(wanted))
        assert abs(log - exact) <= tolerance * (1 + abs(exact)), (log, exact)


def test_range_beyond_float64():
    assert log_value(sp.exp(-1000 * N), {N: 10**6}) == -1e9
    assert log_value(2 ** (d0 * d1), {d0: 10**5, d1: 10**5}) == pytest.approx(1e10 * math.log(2), rel=1e-15)
    assert value(sp.exp(-1000 * N) * sp.exp(1000 * N + 1), {N: 10**6}) == pytest.approx(math.e)
    assert signed_log(-sp.exp(-(N**2)), {N: 1000}) == (-1, -1e6)
    assert signed_log(N - 5, {N: 5}) == (0, -math.inf)
    assert value(sp.exp(-N), {N: 10**6}) == 0.0


def test_sum_over_binomials():
    bound = sp.Sum(sp.binomial(N, k) * 2 ** (k * (N - k)), (k, 0, N))
    wanted = sum(math.comb(300, index) * 2 ** (index * (300 - index)) for index in range(301))
    assert log_value(bound, {N: 300}) == pytest.approx(float(mp.log(wanted)), rel=1e-14)


@pytest.mark.parametrize(
    ("expr", "values", "wanted"),
    [
        (sp.floor(epsilon * N) + 1, {epsilon: 0.1, N: 30}, 4),
        (sp.floor(epsilon * N) + 1, {epsilon: 0.1, N: 30.0}, 4),
        (sp.floor(epsilon * N) + 1, {epsilon: np.float64(0.1), N: np.int64(30)}, 4),
        (sp.floor(epsilon * N), {epsilon: 0.29, N: 100}, 29),
        (sp.ceiling(epsilon * N), {epsilon: 0.1, N: 30}, 3),
        (sp.ceiling(epsilon * N), {epsilon: Fraction(1, 3), N: 9}, 3),
        (sp.floor(0.1 * N), {N: 30}, 3),
        (sp.floor(sp.sqrt(N)), {N: 49}, 7),
        (sp.floor(sp.sqrt(2) * sp.sqrt(N)), {N: 2}, 2),
        (sp.floor(sp.log(N) / sp.log(10)), {N: 1000}, 3),
        (sp.floor(sp.sqrt(N)), {N: 50}, 7),
        (sp.floor(-sp.sqrt(N)), {N: 50}, -8),
        (sp.ceiling(-N / 2), {N: 5}, -2),
        (sp.floor(sp.exp(N)), {N: 2}, 7),
        (sp.floor((sp.floor(epsilon * N)) / d0), {epsilon: 0.1, N: 1000, d0: 50}, 2),
    ],
)
def test_floor_and_ceiling_are_exact(expr, values, wanted):
    assert value(expr, values) == pytest.approx(wanted, rel=1e-15)


def test_cancellation_of_rationals_is_exact():
    assert signed_log(x + y - R(3, 10), {x: 0.1, y: 0.2}) == (0, -math.inf)
    expr = (1 + x) ** 3 - 1 - 3 * x - 3 * x**2
    agrees(expr, {x: R(1, 10**9)}, lambda: mp.mpf(10) ** -27)


def test_cancellation_of_other_numbers_is_mended():
    agrees(1 - sp.exp(-x), {x: 1e-30}, lambda: -mp.expm1(-mp.mpf("1e-30")))
    agrees(1 - (1 - x) ** N, {x: 1e-25, N: 10**5}, lambda: 1 - (1 - mp.mpf("1e-25")) ** 10**5)
    agrees(2 - sp.exp(x) - sp.exp(-x), {x: 1e-9}, lambda: 2 - 2 * mp.cosh(mp.mpf("1e-9")))
    agrees(sp.sqrt(N + 1) - sp.sqrt(N), {N: 10**20}, lambda: mp.sqrt(10**20 + 1) - mp.sqrt(10**20))
    with pytest.raises(ArithmeticError, match="cancels"):
        value(sp.sqrt(x + 2 * sp.sqrt(y)) - sp.sqrt(a) - sp.sqrt(b), {x: 5, y: 6, a: 2, b: 3})
    with pytest.raises(ArithmeticError, match="cancel"):
        value(sp.Sum((-1) ** k * sp.exp(x * k), (k, 0, 1)) + sp.exp(x) - 1, {x: 1})


def mp_incomplete_beta(p, q, z):
    return mp.betainc(p, q, 0, z, regularized=True)


FUNCTIONS = [
    (sp.binomial(N, k), {N: 50, k: 7}, lambda: mp.binomial(50, 7)),
    (sp.binomial(N, k), {N: 5, k: 9}, 0),
    (sp.binomial(N, k), {N: 0, k: 0}, 1),
    (sp.binomial(n, k), {n: -4, k: 3}, -20),
    (sp.binomial(N, k), {N: 10**9, k: 5}, lambda: mp.mpf(math.comb(10**9, 5))),
    (
        sp.binomial(N, k),
        {N: 10**6, k: 30000},
        lambda: mp.exp(mp.loggamma(10**6 + 1) - mp.loggamma(30001) - mp.loggamma(970001)),
    ),
    (sp.binomial(N, k), {N: 20000, k: 19000}, lambda: mp.mpf(math.comb(20000, 1000))),
    (sp.binomial(x, k), {x: 2.5, k: 4}, lambda: mp.binomial(mp.mpf("2.5"), 4)),
    (sp.binomial(x, y), {x: 2.5, y: 1.25}, lambda: mp.binomial(mp.mpf("2.5"), mp.mpf("1.25"))),
    (sp.factorial(N), {N: 10}, 3628800),
    (sp.factorial(N), {N: 10**5}, lambda: mp.factorial(10**5)),
    (sp.gamma(x), {x: 0.5}, lambda: mp.sqrt(mp.pi)),
    (sp.gamma(k + x), {x: 0.5, k: -2}, lambda: mp.gamma(mp.mpf("-1.5"))),
    (sp.gamma(k + x), {x: 0.5, k: -1}, lambda: mp.gamma(mp.mpf("-0.5"))),
    (sp.loggamma(x), {x: 1.5}, lambda: mp.loggamma(mp.mpf("1.5"))),
    (sp.loggamma(x), {x: 1}, 0),
    (sp.beta(x, y), {x: 499.5, y: 0.5}, lambda: mp.beta(mp.mpf("499.5"), mp.mpf("0.5"))),
    (sp.beta(x, y), {x: 1e7, y: 3}, lambda: mp.beta(10**7, 3)),
    (sp.beta(x, y), {x: 3000, y: 40000}, lambda: mp.beta(3000, 40000)),
    (sp.RisingFactorial(x, k), {x: 0.5, k: 6}, lambda: mp.rf(mp.mpf("0.5"), 6)),
    (sp.RisingFactorial(x, k), {x: 10**8, k: 100}, lambda: mp.rf(10**8, 100)),
    (sp.FallingFactorial(N, k), {N: 10**8, k: 100}, lambda: mp.ff(10**8, 100)),
    (sp.RisingFactorial(x, k), {x: 3, k: 1000}, lambda: mp.rf(3, 1000)),
    (sp.erf(x), {x: 1e-12}, lambda: mp.erf(mp.mpf("1e-12"))),
    (sp.erf(x), {x: 0.3}, lambda: mp.erf(mp.mpf("0.3"))),
    (sp.erf(x), {x: 5}, lambda: mp.erf(5)),
    (sp.erf(n), {n: -2}, lambda: mp.erf(-2)),
    (sp.erf(sp.exp(-N)), {N: 2000}, lambda: mp.erf(mp.exp(-2000))),
    (sp.erfc(x), {x: 100}, lambda: mp.erfc(100)),
    (sp.erfc(x), {x: 0.2}, lambda: mp.erfc(mp.mpf("0.2"))),
    (sp.erfc(n), {n: -3}, lambda: mp.erfc(-3)),
    (sp.log(x), {x: 1 + 1e-12}, lambda: mp.log(mp.mpf("1.000000000001"))),
    (sp.log(sp.exp(-N)), {N: 10**6}, -(10**6)),
    (sp.Abs(n), {n: -3}, 3),
    (x**y, {x: 8, y: R(2, 3)}, 4),
    (x**y, {x: 0.37, y: 12.5}, lambda: mp.mpf("0.37") ** mp.mpf("12.5")),
    (n**k, {n: -3, k: 5}, -243),
    (n**k, {n: -3, k: 1001}, lambda: mp.mpf(-3) ** 1001),
    (n**k, {n: -3, k: 1000}, lambda: mp.mpf(3) ** 1000),
    (n**k, {n: 0, k: 0}, 1),
    (sp.Max(sp.exp(N), sp.exp(2 * N), 3), {N: 5000}, lambda: mp.exp(10000)),
    (sp.Min(-sp.exp(N), n), {N: 5000, n: -3}, lambda: -mp.exp(5000)),
    (sp.pi * sp.E * sp.EulerGamma * x, {x: sp.sqrt(2)}, lambda: mp.pi * mp.e * mp.euler * mp.sqrt(2)),
    (sp.atan(x) + sp.cosh(x), {x: 0.7}, lambda: mp.atan(mp.mpf("0.7")) + mp.cosh(mp.mpf("0.7"))),
    (sp.besseli(0, x), {x: 0.7}, lambda: mp.besseli(0, mp.mpf("0.7"))),
    (sp.Float("1e-5000") * x, {x: 2}, lambda: 2 * mp.mpf(10) ** -5000),
    (sp.Product(x + k, (k, 1, 40)), {x: 0.5}, lambda: mp.rf(mp.mpf("1.5"), 40)),
    (sp.Product(x, (k, 3, 1)), {x: 0.5}, 1),
    (sp.Integral(x**2, (x, 0, x)), {x: 3}, 9),
]


@pytest.mark.parametrize(("expr", "values", "reference"), FUNCTIONS)
def test_each_function(expr, values, reference):
    if reference == 0:
        assert signed_log(expr, values) == (0, -math.inf)
    else:
        agrees(expr, values, reference)


@pytest.mark.parametrize(
    ("p", "q", "z"),
    [
        ("49.5", "0.5", "0.001"),
        ("1", "5", "0.2"),
        ("499.5", "0.5", "1e-3"),
        ("5000", "5000", "0.3"),
        ("5000.5", "0.5", "0.8"),
        ("0.5", "4999.5", "1e-30"),
        ("2.5", "3.5", "0.999"),
        ("0.5", "0.5", "0.99999999999999999999"),
        ("300", "1e6", "1e-6"),
        ("100", "2", "1e-40"),
        ("10000", "0.5", "0.999"),
    ],
)
def test_incomplete_beta(p, q, z):
    values = {a: sp.Rational(p), b: sp.Rational(q), x: sp.Rational(z)}
    expr = sp.betainc_regularized(a, b, 0, x)
    agrees(expr, values, lambda: mp_incomplete_beta(mp.mpf(p), mp.mpf(q), mp.mpf(z)))
    agrees(sp.betainc(a, b, 0, x), values, lambda: mp.betainc(mp.mpf(p), mp.mpf(q), 0, mp.mpf(z)))


def test_incomplete_beta_ends_and_intervals():
    assert value(sp.betainc_regularized(a, b, 0, x), {a: 2, b: 3, x: 0}) == 0
    assert value(sp.betainc_regularized(a, b, 0, x), {a: 2, b: 3, x: 1}) == 1
    agrees(
        sp.betainc_regularized(a, b, x, y),
        {a: 40, b: 60, x: 0.2, y: 0.3},
        lambda: mp.betainc(40, 60, mp.mpf("0.2"), mp.mpf("0.3"), regularized=True),
    )
    tiny = sp.betainc_regularized(a, b, 0, sp.exp(-N))
    agrees(
        tiny,
        {a: 1.5, b: 0.5, N: 3000},
        lambda: mp_incomplete_beta(mp.mpf("1.5"), mp.mpf("0.5"), mp.exp(-3000)),
    )
    with pytest.raises(ValueError, match="limits in"):
        value(sp.betainc_regularized(a, b, 0, x), {a: 2, b: 3, x: 1.5})


def test_piecewise_and_conditions():
    expr = sp.Piecewise((1, sp.And(x > y, sp.Ne(n, 3))), (2, sp.Or(x <= y, sp.Eq(n, 3))), (3, True))
    assert value(expr, {x: 2, y: 1, n: 0}) == 1
    assert value(expr, {x: 2, y: 1, n: 3}) == 2
    assert value(expr, {x: 1, y: 1, n: 0}) == 2
    # The branch that is not taken is not evaluated.
    assert value(sp.Piecewise((x, sp.Not(sp.Eq(n, 0) | sp.Eq(n, 1))), (1 / n, True)), {x: 5, n: 0.5 + 1.5}) == 5
    huge = sp.Piecewise((1, sp.exp(N) > sp.exp(2 * N)), (2, True))
    assert value(huge, {N: 10**6}) == 2
    # Equal as irrational numbers up to rounding, told apart with more digits.
    near = sp.Piecewise((1, sp.sqrt(N**2 + 1) > N), (2, True))
    assert value(near, {N: 10**12}) == 1
    with pytest.raises(ValueError, match="no condition"):
        value(sp.Piecewise((1, x > y)), {x: 1, y: 2})


def test_sum_shadows_and_nests():
    assert value(sp.Sum(k, (k, 1, 3)) * k, {k: 10}) == 60
    assert value(sp.Sum(sp.Sum(k, (k, 1, k)), (k, 1, 3)), {}) == 1 + 3 + 6
    assert value(sp.Sum(k + sp.Sum(k * j, (j, 1, k)), (k, 1, 4)), {}) == sum(
        i + sum(i * m for m in range(1, i + 1)) for i in range(1, 5)
    )
    assert value(sp.Sum(j * k, (j, 1, k), (k, 1, N)), {N: 3}) == 1 + 2 * 3 + 3 * 6
    assert value(sp.Sum(k, (k, 4, 2)), {}) == 0
    assert value(sp.Sum(x**k, (k, sp.floor(x), N / 2)), {x: 2, N: 8}) == 4 + 8 + 16
    with pytest.raises(ValueError, match="integers"):
        value(sp.Sum(k, (k, 1, N / 2)), {N: 3})
    with pytest.raises(ValueError, match="oo"):
        value(sp.Sum(k, (k, 1, sp.oo)), {})


def test_minimum_over_an_index():
    assert value(Minimum((k - 3) ** 2 + x, (k, 1, N)) * k, {x: 0.5, N: 9, k: 4}) == 2
    assert log_value(sp.Sum(Minimum(sp.exp(-j * N), (j, k, 5)), (k, 1, 3)), {N: 1000}) == pytest.approx(
        -5000 + math.log(3)
    )
    with pytest.raises(ValueError, match="no index"):
        value(Minimum(k, (k, 3, 2)), {})


class Half(sp.Function):
    """Half of the first argument, once a second one has arrived as an int."""

    nargs = 2

    def log_value(self, first, second):
        assert type(second) is int
        return math.log(first / 2) if first else -math.inf


class Broken(sp.Function):
    nargs = 1

    def log_value(self, first):
        return math.nan


def test_functions_with_a_log_value():
    assert value(Half(x, N) * sp.exp(-N), {x: 3.0, N: 4.0}) == pytest.approx(1.5 * math.exp(-4))
    assert value(sp.Sum(Half(sp.sqrt(k), sp.floor(0.1 * k)), (k, 1, 4)), {}) == pytest.approx(
        sum(math.sqrt(i) / 2 for i in range(1, 5))
    )
    assert signed_log(Half(n, N), {n: 0, N: 1}) == (0, -math.inf)
    with pytest.raises(ValueError, match="Broken"):
        value(Broken(x), {x: 1})


@pytest.mark.parametrize(
    ("expr", "values", "error", "words"),
    [
        (x + y, {x: 1}, ValueError, "symbol y; given were x"),
        (x, {sp.Symbol("x"): 1}, ValueError, "other assumptions"),
        (x, {x: math.nan}, ValueError, "x = nan; expected a finite real"),
        (x, {x: math.inf}, ValueError, "x = inf"),
        (x, {x: sp.oo}, ValueError, "finite real"),
        (x, {x: sp.I}, ValueError, "finite real"),
        (x, {x: "1"}, ValueError, "finite real"),
        (x, {x: y}, ValueError, "finite real"),
        (sp.log(n), {n: -1}, ValueError, "not positive"),
        (sp.log(n), {n: 0}, ValueError, "not positive"),
        (1 / n, {n: 0}, ValueError, "division by zero"),
        (n**x, {n: -2, x: 0.5}, ValueError, "not real"),
        (sp.sqrt(n), {n: -2}, ValueError, "not real"),
        (sp.gamma(n), {n: -2}, ValueError, "pole"),
        (sp.asin(x), {x: 2}, ValueError, "real"),
        (sp.Function("f")(x), {x: 2}, ValueError, "expected a finite real number"),
        (sp.I * x, {x: 2}, ValueError, "contains I"),
        (sp.exp(sp.exp(x)), {x: 1000}, OverflowError, "float64"),
        (sp.true, {}, ValueError, "expected a SymPy expression"),
    ],
)
def test_errors_say_what_is_wrong(expr, values, error, words):
    with pytest.raises(error, match=words):
        signed_log(expr, values)


def test_log_of_a_negative_value_and_overflow():
    with pytest.raises(ValueError, match="x = 2"):
        log_value(-x, {x: 2})
    with pytest.raises(OverflowError, match=r"exp\(1000\)"):
        value(sp.exp(x), {x: 1000})


def reference(expr, values, logs):
    """Multiple-precision value of a tree of sums, products, powers and exponentials; collects all logs."""
    if isinstance(expr, sp.Symbol):
        result = mp.mpf(values[expr].numerator) / values[expr].denominator
    elif isinstance(expr, sp.Rational):
        result = mp.mpf(int(expr.p)) / int(expr.q)
    else:
        parts = [reference(arg, values, logs) for arg in expr.args]
        if isinstance(expr, sp.Add):
            result = mp.fsum(parts)
        elif isinstance(expr, sp.Mul):
            result = mp.fprod(parts)
        elif isinstance(expr, sp.exp):
            assume(abs(parts[0]) < 1e12)
            result = mp.exp(parts[0])
        else:
            assume(isinstance(expr, sp.Pow))
            base, exponent = parts
            assume(base > 0 or (base < 0 and exponent == int(exponent)))
            assume(abs(exponent * mp.log(abs(base))) < 1e12)
            result = base ** (int(exponent) if exponent == int(exponent) else exponent)
    assume(result == 0 or abs(mp.log(abs(result))) < 1e12)
    logs.append(abs(mp.log(abs(result))) if result else mp.mpf(0))
    return result


numbers = st.fractions(Fraction(1, 20), 50, max_denominator=20)
leaves = st.sampled_from([x, y]) | numbers.map(R)


def trees(signs):
    def grow(inner):
        return st.one_of(
            st.tuples(inner, inner, signs).map(lambda parts: parts[0] + parts[2] * parts[1]),
            st.tuples(inner, inner, inner).map(lambda parts: sp.Add(*parts)),
            st.tuples(inner, inner).map(lambda parts: parts[0] * parts[1]),
            st.tuples(inner, st.sampled_from([R(1, 2), R(3, 4), 2, -1, 5, -3])).map(lambda parts: parts[0] ** parts[1]),
            st.tuples(inner, st.sampled_from([1, -1])).map(lambda parts: sp.exp(parts[1] * parts[0])),
        )

    return st.recursive(leaves, grow, max_leaves=8)


@settings(max_examples=150, deadline=None, derandomize=True, database=None)
@given(trees(st.just(1)), numbers, numbers)
def test_random_trees_without_cancellation(expr, first, second):
    values = {x: first, y: second}
    with mp.workdps(60):
        logs = []
        wanted = reference(expr, values, logs)
        sign, log = signed_log(expr, values)
        assert sign == mp.sign(wanted)
        assert abs(log - mp.log(abs(wanted))) <= 1e-13 * (1 + max(logs))


@settings(max_examples=150, deadline=None, derandomize=True, database=None)
@given(trees(st.sampled_from([1, -1])), numbers, numbers)
def test_random_trees_with_cancellation(expr, first, second):
    values = {x: first, y: second}
    with mp.workdps(60):
        logs = []
        wanted = reference(expr, values, logs)
        try:
            sign, log = signed_log(expr, values)
        except ArithmeticError:
            return
        if sign == 0:
            assert abs(wanted) < 1e-40
            return
        assert sign == mp.sign(wanted)
        assert abs(log - mp.log(abs(wanted))) <= 1e-6 * (1 + max(logs))


def test_speed_of_a_sum_of_minima():
    term = sp.Min(
        1,
        sp.binomial(N, k * d0 + 1) * sp.binomial(d1, k) * 2 ** (k * (d1 - k)),
        2 ** (sp.Max(sp.floor(epsilon * N) + 1, k * d0 + 1)) * sp.exp(-k * N / 3),
        epsilon ** R(3, 4) * k,
    )
    bound = sp.Sum(term, (k, 1, 10))
    started = time.perf_counter()
    for _ in range(10):
        log_value(bound, {N: 2000, d0: 100, d1: 500, epsilon: 0.1})
    # About a millisecond each; the limit only tells a change of order from noise.
    assert (time.perf_counter() - started) / 10 < 0.05
