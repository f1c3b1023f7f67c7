"""Limits against SymPy's own (without parameters) and against multiple-precision values at N = 10^(10^k)."""

import mpmath as mp
import pytest
import sympy as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from verify.asymptotics import Order, Reading, Scaling, decide, limit_ratio, little_o

N = sp.Symbol("N", positive=True)
d0, d1 = sp.symbols("d0 d1", positive=True)
s, t, gamma = sp.symbols("s t gamma", positive=True)
R = sp.Rational
log = sp.log

BELOW, AT_MOST, EQUAL, AT_LEAST = Order
PRINTED, CORRECTED = Reading


def leading(product):
    """The paper's N^(3/4) (d0 d1)^(1/4)."""
    return N ** R(3, 4) * product ** R(1, 4)


def entropy(q):
    return -q * log(q) - (1 - q) * log(1 - q)


def ratio_at(log_g, log_h, exponent):
    """log g/log h at N = 10^exponent, with 40 digits; mpmath's exponents have no range."""
    with mp.workdps(40):
        function = sp.lambdify(N, log_g / log_h, "mpmath")
        return function(mp.mpf(10) ** exponent)


SYMBOLIC = (N ** (R(1, 2) + s), N ** (R(1, 2) - s + t))
LIMITS = [
    (log(N * log(N) ** 4), log(N * log(N) ** 5), 1),
    (log(N), log(N**3 * log(N)), R(1, 3)),
    (leading(SYMBOLIC[0] * SYMBOLIC[1]), N * log(N), sp.oo),
    (N * log(N), leading(N * log(N) ** (4 + t)), 0),
    (N * log(N), leading(N * log(N) ** 4), 1),
    (N * log(N), leading(16 * N * log(N) ** 4), R(1, 2)),
    (N * log(N), leading(N * log(N) ** (4 - t)), sp.oo),
    (-sp.sqrt(N) + log(8), -sp.sqrt(N) - log(N), 1),
    (N * entropy(R(1, 10)) - sp.sqrt(N * N**s * N ** (1 + t)), -sp.sqrt(N * N**s * N ** (1 + t)), 1),
    (sp.sqrt(N * N ** R(3, 4) * N ** R(1, 2)), N ** (2 * R(3, 4)), 0),
    (entropy(N**-t), N**-t * log(N), t),
    (log(log(N) ** s), log(log(N)), s),
    (sp.exp(1 / log(N)) * N, N, 1),
    (sp.Max(N, log(N) ** 2) * 3, N + log(N), 3),
    (sp.Max(N**-t, R(1, 4)) ** R(1, 2) * N, N, R(1, 2)),
    (sp.Abs(-2 * N), N, 2),
    (0.25 * N**0.5 * N ** R(1, 2), N, R(1, 4)),
]


# Differences here are of relative order 1/N, so the digits of the oracle allow only small N.
CANCELLING = [
    (log(1 + 1 / N), 1 / N, 1),
    (log(N + sp.sqrt(N)) - log(N), N ** R(-1, 2), 1),
    (sp.sqrt(N**2 + N) - N, sp.Integer(1), R(1, 2)),
]
FAR, NEAR = (10, 1000, 100_000), (3, 6, 12)


@pytest.mark.parametrize(
    ("log_g", "log_h", "expected", "exponents"),
    [(*case, FAR) for case in LIMITS] + [(*case, NEAR) for case in CANCELLING],
)
def test_limit_is_symbolic_and_numeric(log_g, log_h, expected, exponents):
    assert limit_ratio(log_g, log_h, N) == expected
    sampled = {s: R(2, 3), t: 2}
    over, under, limit = (sp.sympify(part).subs(sampled) for part in (log_g, log_h, sp.sympify(expected)))
    if limit == sp.oo:
        over, under, limit = under, over, sp.Integer(0)
    gaps = [abs(ratio_at(over, under, exponent) - mp.mpmathify(limit)) for exponent in exponents]
    assert gaps[0] >= gaps[1] >= gaps[2]
    assert gaps[2] < 0.01


@pytest.mark.parametrize("N_symbol", [N, sp.Symbol("N", integer=True, positive=True)])
def test_rounded_sizes_have_the_limit_of_their_arguments(N_symbol):
    assert limit_ratio(sp.floor(N_symbol / 10) + 1, N_symbol, N_symbol) == R(1, 10)
    assert limit_ratio(sp.ceiling(2 * N_symbol ** R(1, 2)), N_symbol ** R(1, 2), N_symbol) == 2


@pytest.mark.parametrize(
    ("log_g", "log_h"),
    [
        (N**s, N**t),
        (log(N**s + N**t), log(N)),
        (log(1 + N**s * log(N) ** 4 / (N + log(N))), log(N)),
        (N**t * (log(N + N ** (1 - s)) - log(N)), log(N)),
        (N ** (2 * (R(1, 2) + s)), sp.sqrt(N * SYMBOLIC[0] * SYMBOLIC[1])),
        (sp.Symbol("x", real=True) * N**2 + N, N),
        (sp.sin(N), sp.Integer(1)),
        (sp.floor(N / 10) - N / 10, sp.Integer(1)),
        (log(N), sp.Integer(0)),
    ],
)
def test_undecided_parameters_are_never_guessed(log_g, log_h):
    assert limit_ratio(log_g, log_h, N) is None
    for reading in Reading:
        assert all(decide(log_g, log_h, order, reading, N) is None for order in Order)


def test_unknown_sign_decides_nothing():
    x = sp.Symbol("x", real=True)
    assert limit_ratio(x * N, N, N) == x
    assert decide(x * N, N, AT_MOST, PRINTED, N) is None
    assert decide(N, N, AT_MOST, CORRECTED, N) is True
    assert decide((1 + sp.Symbol("y", nonnegative=True)) * N, N, AT_LEAST, PRINTED, N) is True
    assert decide((1 + sp.Symbol("y", nonnegative=True)) * N, N, EQUAL, PRINTED, N) is None
    assert little_o(x * N, N, N) is None


monomials = st.tuples(
    st.integers(-3, 3).filter(bool),
    st.fractions(-2, 2, max_denominator=4),
    st.integers(-3, 3),
    st.integers(-1, 1),
)


def assemble(parts):
    return sp.Add(*(c * N ** R(p) * log(N) ** q * log(log(N)) ** r for c, p, q, r in parts))


@settings(max_examples=25, deadline=None, derandomize=True, database=None)
@given(st.lists(monomials, min_size=1, max_size=3), st.lists(monomials, min_size=1, max_size=3))
def test_leading_terms_agree_with_sympy(over, under):
    g, h = assemble(over), assemble(under)
    if h == 0 or g == 0:
        return
    found = limit_ratio(g, h, N)
    try:
        expected = sp.limit(g / h, N, sp.oo)
    except NotImplementedError:
        return
    assert found == expected


@settings(max_examples=40, deadline=None, derandomize=True, database=None)
@given(
    st.fractions(0, 2, max_denominator=5),
    st.fractions(0, 2, max_denominator=5),
    st.integers(0, 6),
)
def test_relations_of_powers_by_hand(p, q, k):
    """g = N^p log^k N against h = N^q for q > 0 is decided by p and q alone, and 1/g against 1/h reversed."""
    if q == 0:
        return
    log_g, log_h = log(N ** R(p) * log(N) ** k), log(N ** R(q))
    for reading in Reading:
        answers = {BELOW: p < q, AT_MOST: p <= q, EQUAL: p == q, AT_LEAST: p >= q}
        mirrored = answers if reading is PRINTED else {BELOW: p > q, AT_MOST: p >= q, EQUAL: p == q, AT_LEAST: p <= q}
        assert {order: decide(log_g, log_h, order, reading, N) for order in Order} == answers
        assert {order: decide(-log_g, -log_h, order, reading, N) for order in Order} == mirrored


def test_printed_relation_turns_round_for_volumes():
    g, h = -N, -2 * N  # exp(-N) is the larger
    assert limit_ratio(g, h, N) == R(1, 2)
    assert decide(g, h, BELOW, PRINTED, N) is True
    assert decide(g, h, BELOW, CORRECTED, N) is False
    assert decide(g, h, AT_MOST, CORRECTED, N) is False
    assert decide(g, h, AT_LEAST, CORRECTED, N) is True
    assert decide(h, g, BELOW, CORRECTED, N) is True
    for order in Order:
        readings = {decide(log(N), log(N**2), order, reading, N) for reading in Reading}
        assert readings == {order in (BELOW, AT_MOST)}


def test_powers_of_log_are_invisible_to_the_relation_but_not_to_little_o():
    g, h = N * log(N) ** 4, N * log(N) ** 5
    assert decide(log(g), log(h), BELOW, PRINTED, N) is False
    assert decide(log(g), log(h), BELOW, CORRECTED, N) is False
    assert decide(log(g), log(h), EQUAL, PRINTED, N) is True
    assert little_o(g, h, N) is True
    assert little_o(h, g, N) is False
    assert little_o(g, 3 * g, N) is False
    assert little_o(sp.exp(-2 * N), sp.exp(-N), N) is True


@pytest.mark.parametrize(
    ("product", "expected"),
    [
        (N * log(N) ** (4 + t), True),
        (N ** (1 + t), True),
        (N * log(N) ** 4, False),
        (16 * N * log(N) ** 4, False),
        (N * log(N) ** (4 - t), False),
    ],
)
def test_theorem_ten_needs_more_than_log_to_the_fourth(product, expected):
    volume = -gamma * leading(product)
    assert decide(volume + 2 * N * log(N), volume, AT_MOST, CORRECTED, N) is expected


def test_limit_at_exactly_log_to_the_fourth_keeps_the_constant():
    volume = -gamma * leading(N * log(N) ** 4)
    limit = limit_ratio(volume + 2 * N * log(N), volume, N)
    assert sp.simplify(limit - (1 - 2 / gamma)) == 0


def test_order_of_f10_exponent_along_scalings():
    wide = Scaling("3/4", "3/4")
    g, h = (wide.substitute(-part, N, d0, d1) for part in (sp.sqrt(N * d0 * d1), leading(d0 * d1)))
    assert decide(g, h, BELOW, CORRECTED, N) is True
    narrow = Scaling(R(1, 2) + s, R(1, 2) - s, 4 + t)
    g, h = (narrow.substitute(-part, N, d0, d1) for part in (sp.sqrt(N * d0 * d1), leading(d0 * d1)))
    assert decide(g, h, AT_MOST, CORRECTED, N) is True
    assert decide(narrow.substitute(-(d0**2), N, d0, d1), g, AT_MOST, CORRECTED, N) is True


def test_symbol_must_be_positive():
    with pytest.raises(ValueError, match="positive=True"):
        limit_ratio(sp.Symbol("n"), sp.Integer(1), sp.Symbol("n"))


def test_scaling_sizes_and_forms():
    scaling = Scaling(0.75, "1/2", 1, k0=2, name="square root")
    assert scaling.a == R(3, 4)
    assert scaling.sizes(10**4) == (2000, round(100 * float(mp.log(10**4))))
    assert Scaling(R(1, 2), R(1, 2), -5).sizes(100) == (10, 1)
    assert Scaling(R(1, 2), 0, k1=R(5, 2)).sizes(100) == (10, 3)
    assert str(scaling) == "square root (d0 = 2*N**(3/4), d1 = sqrt(N)*log(N))"
    assert scaling.latex().startswith(r"d_0 = 2 N^{3/4},\quad d_1 = ")
    assert hash(scaling) == hash(Scaling(R(3, 4), R(1, 2), 1, 2, 1, "square root"))
    assert scaling.substitute(d0 * d1, N, d0, d1) == 2 * N ** R(5, 4) * log(N)


def test_scaling_rejects_what_it_cannot_use():
    with pytest.raises(ValueError, match="give s a value"):
        Scaling(s, 1).sizes(100)
    with pytest.raises(ValueError, match="at least 2"):
        Scaling(1, 1, -1).sizes(1)
    with pytest.raises(ValueError, match="positive constant"):
        Scaling(1, 1, k0=-1)
    with pytest.raises(ValueError, match="expected a real number"):
        Scaling(sp.Symbol("a"), 1)
    with pytest.raises(ValueError, match="expected a real number"):
        Scaling(sp.oo, 1)
