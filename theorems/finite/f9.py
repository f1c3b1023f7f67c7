"""F9: how large a cell can be, and how likely a product of Gaussian matrices is to be positive.

The cell bound holds for every matrix: a pattern of `m` signs is as unlikely as one of as many *orthogonal* rows as the
matrix has in effect, `‖W‖_F²/‖W‖_op²` of them. Averaged over Gaussian matrices it gives the bounds `B` that F8 and F10
are made of.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import numpy as np
import sympy as sp
from flint import acb, arb, ctx
from numpy.typing import NDArray

from theorems.functions import AllPositive, CellBound, log_cell_bound
from theorems.setting import note
from verify.network.arrangements import cell_volumes
from verify.relations import Relation
from verify.sampling import Draw, Tally, count, entries
from verify.statements import (
    Assumption,
    Check,
    Claim,
    Control,
    Derivation,
    Finding,
    Kind,
    Point,
    Sampler,
    Statement,
    Step,
    Variable,
)
from verify.statistics.estimates import CertifiedMean, Counterexamples, Exact, Proportion
from verify.verdicts import Evidence

m = sp.Symbol("m", integer=True, positive=True)
t = sp.Symbol("t", integer=True, positive=True)
d = sp.Symbol("d", integer=True, positive=True)
s = sp.Symbol("s", positive=True)
c = sp.Symbol("c", nonnegative=True)

CLAIM = Claim(
    sp.Symbol(r"\max_{\sigma} \mathbb{P}_x\left(\operatorname{sign} W x = \sigma\right)"),
    Relation.AT_MOST,
    2**-s,
    proviso="for every W with nonzero rows and s = ‖W‖_F² / ‖W‖_op²",
)
# Rows with one common cosine c ≥ 0: WWᵀ has the eigenvalues 1 + (m − 1)c and 1 − c.
COMMON = Claim(sp.Symbol(r"\mathbb{P}_x\left(W x > 0\right)"), Relation.AT_MOST, 2 ** (-m / (1 + (m - 1) * c)))
POSITIVE = sp.Symbol(r"\mathbb{P}\left(U V > 0\right)")
VALUE = Claim(POSITIVE, Relation.EQUAL, AllPositive(m, t, d))
AVERAGED = Claim(POSITIVE, Relation.AT_MOST, sp.Min(CellBound(t, m, d), CellBound(m, t, d)))
LARGEST = Claim(sp.Symbol(r"\mathbb{E}\left(2 q(X)\right)^m"), Relation.AT_MOST, 2**m * CellBound(m, t, d))

EFFECTIVE = Assumption("rows-in-effect", "s lies between 1 and the rank.", condition=(s >= 1) & (s <= sp.Min(m, d)))
_INSTANCES = 20
_ROUNDING = 1e-9
_PRODUCTS = 20_000
_TEN_DIGITS = 1e-10  # relative radius above which a ball is refused
_CUT_OFF = 1e-32  # more than what the integrand holds beyond `_FAR`
_FAR = 12  # a normal variable is beyond it with a probability of 4e-33


def with_effective_rows(rows: int, inputs: int, effective: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """A random matrix, `rows × inputs`, with `‖W‖_F² = effective · ‖W‖_op²`; at most three inputs.

    Raises:
        ValueError: if there is none, or for more than three inputs.
    """
    rank = min(rows, inputs)
    if not 1 <= effective <= rank or inputs > 3:
        raise ValueError(f"got s = {effective} and {rows} × {inputs}; expected 1 <= s <= rank and at most 3 inputs")
    squares = np.ones(rank)
    if rank == 3:
        squares[1] = rng.uniform((effective - 1) / 2, min(1.0, effective - 1))
    if rank > 1:
        squares[-1] = max(0.0, effective - squares[:-1].sum())
    left = np.linalg.qr(rng.standard_normal((rows, rank)))[0]
    right = np.linalg.qr(rng.standard_normal((inputs, rank)))[0]
    return np.asarray(left * np.sqrt(squares) @ right.T, dtype=np.float64)


def _cells(point: Point, draw: Draw) -> Tally:
    """The largest cell of each of several matrices, with rigorous volumes."""
    sizes = point.integer("m"), point.integer("d"), point.real("s")
    matrices = [with_effective_rows(*sizes, draw.rng) for _ in range(_INSTANCES)]
    return {"log largest": [math.log(cell_volumes(W.T)[1].max()) for W in matrices]}


def _against(claim: Claim) -> Callable[[Tally, Point], Counterexamples]:
    """Reader of how many matrices contradict the claim, up to rounding."""

    def read(tally: Tally, point: Point) -> Counterexamples:
        logs, bound = entries(tally, "log largest"), claim.log_bound(**point)
        sign = 1 if claim.relation.is_upper else -1
        broken = sum(sign * (value - bound) > _ROUNDING for value in logs)
        return Counterexamples(broken, len(logs), evidence=Evidence.STATISTICAL)

    return read


def log_common_orthant(rows: int, cosine: float) -> float:
    """Natural log of `P(all z_i > 0)` for normal variables with one common correlation, in ball arithmetic.

    Given their common part, `√c u`, the variables are independent. The integral over u is rigorous, and so is what it
    leaves out beyond `±12`.

    Raises:
        ArithmeticError: if the ball does not fix ten digits.
    """
    before, ctx.prec = ctx.prec, 128
    try:
        shared = arb(cosine).sqrt() / (1 - arb(cosine)).sqrt()

        def density(u: acb, _: bool) -> acb:
            above = (-u * shared / arb(2).sqrt()).erfc() / 2
            return (-u * u / 2).exp() / (2 * arb.pi()).sqrt() * above**rows

        inside = acb.integral(density, -_FAR, _FAR).real
        value = inside + arb(0, _CUT_OFF)
        if not float(value.rad()) < _TEN_DIGITS * float(value.mid()):
            raise ArithmeticError(f"got {value} for {rows} rows with cosine {cosine}; expected ten digits")
        return math.log(float(value.mid()))
    finally:
        ctx.prec = before


def _common(point: Point, draw: Draw) -> Tally:
    return {"log largest": [log_common_orthant(point.integer("m"), point.real("c"))]}


def _products(point: Point, draw: Draw) -> Tally:
    U = draw.rng.standard_normal((_PRODUCTS, point.integer("m"), point.integer("d")))
    V = draw.rng.standard_normal((_PRODUCTS, point.integer("d"), point.integer("t")))
    return {"trials": _PRODUCTS, "hits": int((U @ V > 0).all(axis=(1, 2)).sum())}


def _largest(point: Point, draw: Draw) -> Tally:
    """Logs of `(2q)^m` with the exact largest cell: spherical polygons, in the plane angles between sorted lines."""
    samples, inputs = point.integer("t"), point.integer("d")
    if inputs == 2:
        angles = np.sort(draw.rng.uniform(0, math.pi, (1000, samples)), axis=1)
        doubled = np.diff(angles, axis=1, append=angles[:, :1] + math.pi).max(axis=1) / math.pi
    else:
        doubled = np.array([2 * cell_volumes(draw.rng.standard_normal((inputs, samples)))[1].max() for _ in range(100)])
    return {"logs": (point.integer("m") * np.log(np.minimum(doubled, 1.0))).tolist()}


def _mean(tally: Tally, point: Point) -> CertifiedMean:
    logs = entries(tally, "logs")
    return CertifiedMean(logs, logs)


def _proportion(tally: Tally, point: Point) -> Proportion:
    return Proportion(count(tally, "hits"), count(tally, "trials"))


def _weights_fit() -> bool | None:
    """`c_i = ‖w_i‖²/‖W‖_op²` give `Σ c_i ŵ_i ŵ_iᵀ = WᵀW/‖W‖_op²`, whose eigenvalues `σ_j²/σ_1²` are at most one."""
    first, lower = sp.symbols("sigma_1 delta", positive=True)
    entry, length = sp.symbols("w_ij l_i", positive=True)
    same = sp.simplify(length**2 / first**2 * (entry / length) ** 2 - entry**2 / first**2) == 0
    below = sp.simplify(1 - (first**2 - lower) / first**2).is_positive
    return bool(same and below)


def _half_line() -> bool | None:
    """Among laws on (0, ∞) the half-normal has the least entropy relative to the normal law: log 2.

    `D(μ‖γ) = D(μ‖γ⁺) + ∫ log(dγ⁺/dγ) dμ`, and `dγ⁺/dγ = 2` there.
    """
    x = sp.Symbol("x", positive=True)
    normal = sp.exp(-(x**2) / 2) / sp.sqrt(2 * sp.pi)
    half = normal / sp.integrate(normal, (x, 0, sp.oo))
    return bool(sp.simplify(half / normal - 2) == 0)


def _contiguous() -> bool | None:
    """`m + t` of the `C(m + t, m)` choices are contiguous; then 2 of `2^(m+t)` orientations serve."""
    share = (m + t) / (sp.gamma(m + t + 1) / (sp.gamma(m + 1) * sp.gamma(t + 1)))
    closed = 2 ** (1 - m - t) * sp.gamma(m + 1) * sp.gamma(t + 1) / sp.gamma(m + t)
    return bool(sp.gammasimp(2 * share / 2 ** (m + t) / closed) == 1)


def _chi_square() -> bool | None:
    """`E ‖W‖_F^(2q) = 2^q (k/2)_q` with k entries, from the density of the chi-square law."""
    entries_, power, x = sp.symbols("k q x", positive=True)
    density = x ** (entries_ / 2 - 1) * sp.exp(-x / 2) / (2 ** (entries_ / 2) * sp.gamma(entries_ / 2))
    found = sp.integrate(x**power * density, (x, 0, sp.oo))
    wanted = 2**power * sp.gamma(entries_ / 2 + power) / sp.gamma(entries_ / 2)
    return bool(sp.simplify(sp.gammasimp(found / wanted)) == 1)


def _order() -> tuple[bool | None, str]:
    """The bound on `Pos(k, k, k)` over its leading term, as k grows."""
    sizes = (10, 100, 1000, 10_000, 100_000)
    ratios = [-log_cell_bound(k, k, k) / math.sqrt(2 * math.log(2) * k**3) for k in sizes]
    shown = ", ".join(f"{ratio:.3f} at {k:,}".replace(",", " ") for k, ratio in zip(sizes, ratios, strict=True))
    rising = all(first < second < 1 for first, second in itertools.pairwise(ratios))
    return rising, (
        "The exponent of the averaged bound on Pos(k, k, k), divided by its leading term (2 ln 2 · k³)^(1/2), rises "
        f"towards one, slowly: {shown}. A trend, no proof."
    )


CELLS = Sampler("cells-of-effective-rows", _cells)
COMMON_COSINE = Sampler("common-cosine", _common)
PRODUCTS = Sampler("gaussian-products", _products)
LARGEST_CELLS = Sampler("largest-cells", _largest)

_GRID = tuple(
    Point(m=rows, d=inputs, s=effective)
    for rows, inputs, effective in (
        (1, 1, 1.0),
        (3, 1, 1.0),
        (2, 2, 2.0),
        (3, 3, 3.0),
        (2, 3, 1.2),
        (3, 2, 2.0),
        (5, 2, 1.5),
        (3, 3, 2.9),
        (4, 3, 1.05),
        (5, 3, 2.2),
        (7, 3, 3.0),
    )
)
_ORTHOGONAL, _DEPENDENT = _GRID[:4], _GRID[4:]
_COSINES = tuple(
    Point(m=rows, c=cosine)
    for rows, cosine in ((1, 0.3), (4, 0.0), (2, 0.5), (5, 0.1), (20, 0.02), (20, 0.9), (200, 0.05))
)


def _sizes(*sizes: tuple[int, int, int]) -> tuple[Point, ...]:
    return tuple(Point(m=rows, t=columns, d=inputs) for rows, columns, inputs in sizes)


_CLOSED = _sizes((1, 4, 3), (3, 2, 1), (2, 3, 2), (3, 2, 2), (3, 3, 2), (2, 3, 3), (2, 3, 9), (3, 2, 9))
_OPEN = _sizes((3, 3, 3), (3, 4, 3), (4, 4, 4), (3, 3, 10))
_MOMENTS = _sizes((3, 8, 2), (8, 2, 2), (3, 20, 2), (5, 5, 3), (10, 3, 3))


def _mutant(name: str, text: str, claim: Claim, points: tuple[Point, ...]) -> Control:
    return Control(name, text, claim, read=_against(claim), points=points)


STATEMENT = Statement(
    id="f9",
    kind=Kind.BOUND,
    title="Cells and all-positive products",
    citation=note("F9"),
    summary=(
        "No sign pattern of a matrix is more likely than for orthogonal rows, counted in effect; and a product of "
        "Gaussian matrices is positive with a probability that is known in small dimensions and bounded in all."
    ),
    variables=(
        Variable(s, "number of rows in effect, ‖W‖_F²/‖W‖_op²", sp.Interval(1, sp.oo)),
        Variable(m, "number of rows", sp.S.Naturals),
        Variable(t, "number of columns or samples", sp.S.Naturals),
        Variable(d, "dimension", sp.S.Naturals),
        Variable(c, "common cosine of the rows", sp.Interval.Ropen(0, 1)),
    ),
    assumptions=(EFFECTIVE,),
    claim=CLAIM,
    steps=(
        Step(
            "On a half-line the entropy relative to the normal law is at least log 2.",
            r"D(\mu \Vert \gamma_1) = D(\mu \Vert \gamma_1^+) + \log 2 \ge \log 2",
            _half_line,
        ),
        Step(
            "The weights that make the rows a frame of at most the identity; with them Gaussian relative entropy is "
            "subadditive (Carlen & Cordero-Erausquin 2009), which gives the cell bound.",
            r"\sum_i \frac{\lVert w_i \rVert^2}{\lVert W \rVert_{\mathrm{op}}^2}\, \hat w_i \hat w_i^\top = "
            r"\frac{W^\top W}{\lVert W \rVert_{\mathrm{op}}^2} \preceq I",
            _weights_fit,
        ),
        Step(
            "Two dimensions: the lines of the rows are contiguous among all lines, and two orientations serve.",
            r"\operatorname{Pos}(m, t, 2) = \frac{2}{2^{m+t}}\, \frac{m + t}{\binom{m+t}{m}} "
            r"= 2^{1-m-t}\, \frac{m!\, t!}{(m+t-1)!}",
            _contiguous,
        ),
        Step(
            "The moments of a sum of squares, which turn the cell bound into B.",
            r"\mathbb{E} \lVert W \rVert_F^{2q} = 2^q\, (md/2)_q",
            _chi_square,
        ),
    ),
    derivation=Derivation.PARTIAL,
    checks=(
        Check(
            name="cell bound",
            text=(
                "Draws matrices with a given number of rows in effect, and computes the volumes of all their cells in "
                "ball arithmetic (up to three dimensions). Includes one row, one dimension, and orthogonal rows of "
                "equal length, where the bound is attained."
            ),
            sampler=CELLS,
            read=_against(CLAIM),
            grid=_GRID,
            chunks=2,
            controls=(
                _mutant(
                    "constant",
                    "a sixteenth less: orthogonal rows",
                    CLAIM.with_bound(lambda b: b * 15 / 16),
                    _ORTHOGONAL,
                ),
                _mutant("exponent", "twice the exponent", CLAIM.with_bound(lambda b: b**2), _GRID),
                _mutant("direction", "at least that likely", CLAIM.reversed(), _DEPENDENT),
                _mutant(
                    "smaller norm",
                    "the root mean square of the singular values in place of the operator norm: s = min(m, d)",
                    CLAIM.with_bound(lambda b: 2 ** -sp.Min(m, d)),
                    (_GRID[4], _GRID[8]),
                ),
            ),
        ),
        Check(
            name="common cosine",
            text=(
                "Rows with one common cosine in any number of dimensions, where the probability that all products are "
                "positive is an integral over one variable, taken in ball arithmetic."
            ),
            sampler=COMMON_COSINE,
            read=lambda tally, point: Exact(entries(tally, "log largest")[0]),
            claim=COMMON,
            grid=_COSINES,
            chunks=1,
            controls=(
                Control("constant", "a sixteenth less", COMMON.with_bound(lambda b: b * 15 / 16), points=_COSINES[:2]),
                Control("exponent", "twice the exponent", COMMON.with_bound(lambda b: b**2), points=_COSINES[:6]),
                Control("direction", "at least that likely", COMMON.reversed(), points=_COSINES[2:]),
                Control("independent rows", "2^(−m)", COMMON.with_bound(lambda b: 2**-m), points=_COSINES[2:]),
            ),
        ),
        Check(
            name="exact values",
            text=(
                "Counts how often a product of two Gaussian matrices is positive, where the closed forms and the "
                "integral over the angle between two rows say how often that is. (F8 has the planar values exactly.)"
            ),
            sampler=PRODUCTS,
            read=_proportion,
            claim=VALUE,
            grid=_CLOSED,
            chunks=4,
            controls=(
                Control("constant", "twice the value", VALUE.with_bound(lambda b: 2 * b)),
                Control(
                    "independent entries", "2^(−mt)", VALUE.with_bound(lambda b: 2 ** (-m * t)), points=_CLOSED[1:]
                ),
                Control(
                    "symmetry",
                    "a factor t!/m! too much",
                    VALUE.with_bound(lambda b: b * sp.factorial(t) / sp.factorial(m)),
                    points=_CLOSED[2:4],
                ),
            ),
        ),
        Check(
            name="averaged bound",
            text="The same where no closed form is known, against the smaller of the two averaged cell bounds.",
            sampler=PRODUCTS,
            read=_proportion,
            claim=AVERAGED,
            grid=_OPEN,
            chunks=4,
            controls=(
                Control(
                    "constant",
                    "the bound divided by 40",
                    AVERAGED.with_bound(lambda b: b / 40),
                    points=(_OPEN[0], _OPEN[3]),
                ),
                Control("exponent", "the bound cubed", AVERAGED.with_bound(lambda b: b**3)),
                Control("direction", "at least that likely", AVERAGED.reversed()),
            ),
        ),
        Check(
            name="largest cell",
            text=(
                "Draws X in two and three dimensions and computes its largest cell exactly; the interval of the mean "
                "assumes nothing about its distribution."
            ),
            sampler=LARGEST_CELLS,
            read=_mean,
            claim=LARGEST,
            grid=_MOMENTS,
            chunks=2,
            controls=(
                Control(
                    "constant", "the bound divided by 30", LARGEST.with_bound(lambda b: b / 30), points=_MOMENTS[:2]
                ),
                Control(
                    "exponent",
                    "the bound to the power 5",
                    LARGEST.with_bound(lambda b: b**5),
                    points=(_MOMENTS[1], _MOMENTS[3]),
                ),
                Control("direction", "the mean is at least that", LARGEST.reversed()),
            ),
        ),
    ),
    findings=(Finding("order", "The order of the exponent", _order),),
)
