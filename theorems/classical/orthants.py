"""Orthant probabilities of normal vectors that are known in closed form.

The volume of a cell is such a probability. Each way in which the suite finds volumes is held against the known values:
closed forms and polygons, tilting and annealing for single cells, the lattice of regions, multilevel splitting, and
plain sampling, which shares no code with any of them.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import sympy as sp
from numpy.typing import NDArray

from verify.network.arrangements import cell_volumes
from verify.relations import Relation
from verify.sampling import Draw, Tally, count, entries
from verify.statements import (
    Assumption,
    Check,
    Citation,
    Claim,
    Control,
    Derivation,
    Kind,
    Point,
    Sampler,
    Statement,
    Step,
    Variable,
)
from verify.statistics.estimates import Exact, Proportion, Replicates
from verify.verdicts import Evidence
from verify.volume.cells import cell_volume
from verify.volume.exact import RegionLattice
from verify.volume.rare import rare_event

DRAWN = 10_000  # vectors in one chunk of plain sampling
REPLICATES = 16  # of a cell's volume in one chunk
EFFORT = 0.25
EVALUATIONS = 5000  # of one run of splitting
FACTOR = 6  # within which that many evaluations can tell a probability
_LOG_ZERO = -1e9  # a tally holds finite numbers

n = sp.Symbol("n", integer=True, positive=True)
c = sp.Symbol("c", real=True)
c12, c13, c23 = sp.symbols("c12 c13 c23", real=True)
m = sp.Symbol("m", integer=True, positive=True)

PROBABILITY = sp.Symbol(r"\mathbb{P}\left(g_1 > 0, \dots, g_n > 0\right)")
BOUND = sp.Piecewise(
    (sp.Rational(1, 2), sp.Eq(n, 1)),
    (sp.Rational(1, 4) + sp.asin(c) / (2 * sp.pi), sp.Eq(n, 2)),
    (sp.Rational(1, 8) + 3 * sp.asin(c) / (4 * sp.pi), sp.Eq(n, 3)),
    (1 / (n + 1), True),
)
CLAIM = Claim(PROBABILITY, Relation.EQUAL, BOUND, proviso="where every two of the g have the correlation c")
THREE = Claim(
    PROBABILITY,
    Relation.EQUAL,
    sp.Rational(1, 8) + (sp.asin(c12) + sp.asin(c13) + sp.asin(c23)) / (4 * sp.pi),
    proviso="for n = 3 and the correlations c12, c13, c23",
)
ALL = sp.Symbol(r"\mathbb{P}\left(g_1^{(i)} > 0, \dots, g_n^{(i)} > 0 \text{ for all } i \le m\right)")
ABOVE = Claim(ALL, Relation.AT_MOST, FACTOR * BOUND**m, proviso="for m independent vectors")
BELOW = Claim(ALL, Relation.AT_LEAST, BOUND**m / FACTOR, proviso="for m independent vectors")
KNOWN = Assumption(
    "known",
    "The value is known: n is at most 3, or every correlation is 1/2.",
    condition=(n <= 3) | sp.Eq(c, sp.Rational(1, 2)),
)


def _angle() -> bool | None:
    """`(π − arccos c)/(2π)` is Sheppard's formula: equal at 0, with equal derivatives."""
    wedge = (sp.pi - sp.acos(c)) / (2 * sp.pi)
    formula = sp.Rational(1, 4) + sp.asin(c) / (2 * sp.pi)
    return bool((wedge - formula).subs(c, 0) == 0 and sp.simplify(sp.diff(wedge - formula, c)) == 0)


def _excess() -> bool | None:
    """Inclusion and exclusion with `P(all negative) = P(all positive) = p` gives `2p = 1 − 3/2 + Σ pairs`."""
    p = sp.Symbol("p")
    pairs = sum(sp.Rational(1, 4) + sp.asin(entry) / (2 * sp.pi) for entry in (c12, c13, c23))
    (solution,) = sp.solve(sp.Eq(2 * p, 1 - sp.Rational(3, 2) + pairs), p)
    return bool(sp.simplify(solution - THREE.bound) == 0)


def _smallest() -> bool | None:
    """`∫ φ Φ^n = ∫_0^1 u^n du = 1/(n + 1)`: one of n + 1 equal chances to be the smallest."""
    u = sp.Symbol("u", nonnegative=True)
    return bool(sp.simplify(sp.integrate(u**n, (u, 0, 1)) - 1 / (n + 1)) == 0)


def _correlations(point: Point) -> NDArray[np.float64]:
    """The correlation matrix of a point, `n × n`."""
    size = point.integer("n")
    matrix = np.full((size, size), point.real("c")) if "c" in point else np.empty((size, size))
    if "c12" in point:
        for name, i, j in (("c12", 0, 1), ("c13", 0, 2), ("c23", 1, 2)):
            matrix[i, j] = matrix[j, i] = point.real(name)
    np.fill_diagonal(matrix, 1)
    return matrix


def _vectors(point: Point, draw: Draw) -> NDArray[np.float64]:
    """Unit vectors with these inner products, as columns, `n × n`, turned at random."""
    root = np.linalg.cholesky(_correlations(point)).T
    turn = np.linalg.qr(draw.rng.standard_normal(root.shape))[0]
    return np.asarray(turn @ root)


def _plain(point: Point, draw: Draw) -> Tally:
    """Counts positive vectors; from one root of the correlation matrix, without cells or cones."""
    values, vectors = np.linalg.eigh(_correlations(point))
    root = vectors * np.sqrt(np.maximum(values, 0))
    g = draw.rng.standard_normal((DRAWN, len(root))) @ root.T
    return {"hits": int((g > 0).all(axis=1).sum()), "trials": DRAWN}


def _deterministic(point: Point, draw: Draw) -> Tally:
    """The same probability as the volume of a cell: closed form, polygon with exact angles, lattice of regions."""
    X, size = _vectors(point, draw), point.integer("n")
    patterns, volumes = cell_volumes(X)
    polygon = float(volumes[(patterns == 1).all(axis=1)][0])
    # One ReLU neuron: A ∘ X has the rank N exactly where it is active on all samples, which are independent.
    rank = RegionLattice(X, np.zeros(size), 0, 0.0).volumes(1).rank
    return {
        "closed form": [cell_volume(X, np.ones(size)).log_estimate],
        "polygon": [math.log(polygon)],
        "lattice": [math.log1p(-math.exp(rank.log_estimate))],
    }


def _estimated(point: Point, draw: Draw) -> Tally:
    """Replicates of the cell's volume, with and without one more sample that cuts nothing off."""
    X, size = _vectors(point, draw), point.integer("n")
    # A positive sum of samples is positive in the cell; with more samples than dimensions the method is another one.
    more = np.column_stack([X, X.sum(axis=1)])
    found = {
        name: cell_volume(Y, np.ones(Y.shape[1]), seed=draw.rng, replicates=REPLICATES, effort=EFFORT)
        for name, Y in (("tilting", X), ("annealing", more))
    }
    for name, volume in found.items():
        if volume.method != name:
            raise RuntimeError(f"the volume of a cell of {size} samples came from {volume.method}; expected {name}")
    return {name: list(volume.log_replicates) for name, volume in found.items()}


def _rare(point: Point, draw: Draw) -> Tally:
    """Replicates of the probability that m ReLU neurons are inactive on all samples, by multilevel splitting."""
    X, size = _vectors(point, draw), point.integer("n")
    found = rare_event(
        X, np.zeros(size), point.integer("m"), 0.0, 1 - 0.5 / size, "support",
        seed=int(draw.rng.integers(2**62)), budget=EVALUATIONS,
    )  # fmt: skip
    # A pilot run decides the method; what it says does not depend on the replicates, so leaving a run out is no bias.
    logs = found.replicates if found.method == "splitting" else ()
    return {"splitting": [max(log, _LOG_ZERO) for log in logs], "evaluations": found.evaluations}


def _proportion(tally: Tally, point: Point) -> Proportion:
    return Proportion(count(tally, "hits"), count(tally, "trials"))


def _value(name: str) -> Callable[[Tally, Point], Exact]:
    def read(tally: Tally, point: Point) -> Exact:
        (log,) = entries(tally, name)
        return Exact(log, Evidence.EXACT)

    return read


def _mean(name: str) -> Callable[[Tally, Point], Replicates]:
    def read(tally: Tally, point: Point) -> Replicates:
        logs = tuple(log if log > _LOG_ZERO else -math.inf for log in entries(tally, name))
        return Replicates(logs, count(tally, "evaluations") if "evaluations" in tally else len(logs))

    return read


PLAIN = Sampler("orthants-plain", _plain)
DETERMINISTIC = Sampler("orthants-deterministic", _deterministic)
ESTIMATED = Sampler("orthants-estimated", _estimated)
RARE = Sampler("orthants-rare", _rare)

_SMALL = tuple(
    Point(n=size, c=value)
    for size, value in ((1, 0.0), (2, -0.9), (2, 0.3), (2, 0.99), (3, -0.4), (3, 0.2), (3, 0.5), (3, 0.95))
)
_LARGE = tuple(Point(n=size, c=0.5) for size in (4, 6, 9))
_THREE = tuple(Point(n=3, c12=x, c13=y, c23=z) for x, y, z in ((0.6, -0.3, 0.1), (-0.5, -0.2, 0.8), (0.9, 0.8, 0.7)))
_RARE = (Point(n=3, c=0.5, m=5), Point(n=4, c=0.5, m=4))

_WRONG_SIGN = CLAIM.with_bound(lambda b: b.subs(c, -c))
_CONSTANT = CLAIM.with_bound(lambda b: 2 * b / 3)
_SIGNED = tuple(Point(n=size, c=value) for size, value in ((2, -0.9), (2, 0.3), (2, 0.99), (3, -0.4), (3, 0.2)))


def _closed(name: str, text: str) -> Check:
    return Check(
        name=name,
        text=text,
        sampler=DETERMINISTIC,
        read=_value(name),
        grid=_SMALL,
        chunks=1,
        controls=(
            Control("sign", "−c in place of c", _WRONG_SIGN, points=_SIGNED),
            Control("constant", "two thirds of it", _CONSTANT),
        ),
    )


def _replicated(name: str, text: str) -> Check:
    return Check(
        name=name,
        text=text,
        sampler=ESTIMATED,
        read=_mean(name),
        grid=_LARGE,
        chunks=6,
        controls=(
            Control("constant", "two thirds of it", _CONSTANT),
            Control("independent", "2^(−n), as without correlation", CLAIM.with_bound(lambda _: 2 ** (-n))),
        ),
    )


def _split(name: str, claim: Claim, side: str, wrong: int) -> Check:
    """`wrong` is by how many neurons the exponent of the control is off."""
    hundred = sp.Integer(100) ** (-1 if wrong > 0 else 1)
    return Check(
        name=name,
        text=(
            "The volume of the regions in which m ReLU neurons are inactive on all samples, by multilevel splitting: "
            f"{side} the m-th power of an orthant probability."
        ),
        sampler=RARE,
        read=_mean("splitting"),
        claim=claim,
        grid=_RARE,
        chunks=4,
        controls=(
            Control("constant", f"the bound times {hundred}", claim.with_bound(lambda b: b * hundred)),
            Control("exponent", f"the power m{wrong:+d}", claim.with_bound(lambda b: b * BOUND**wrong)),
        ),
    )


STATEMENT = Statement(
    id="orthants",
    kind=Kind.CALIBRATION,
    title="Orthant probabilities",
    citation=Citation(
        "Sheppard 1899",
        "also Schläfli 1858 (n = 3) and Stuart 1958 (c = 1/2)",
        "https://doi.org/10.1098/rsta.1899.0003",
    ),
    summary=(
        "The probability that all entries of a normal vector are positive is known for up to three entries, and in any "
        "dimension where all correlations are 1/2."
    ),
    variables=(
        Variable(n, "number of entries", sp.S.Naturals),
        Variable(c, "correlation of every two of them", sp.Interval.open(-1, 1)),
        Variable(c12, "correlation of the first and second of three", sp.Interval.open(-1, 1)),
        Variable(c13, "correlation of the first and third", sp.Interval.open(-1, 1)),
        Variable(c23, "correlation of the second and third", sp.Interval.open(-1, 1)),
        Variable(m, "number of independent vectors", sp.S.Naturals),
    ),
    assumptions=(KNOWN,),
    claim=CLAIM,
    steps=(
        Step(
            "Two entries are both positive in a wedge with the angle π − arccos c.",
            r"\frac{\pi - \arccos c}{2 \pi} = \frac{1}{4} + \frac{\arcsin c}{2 \pi}",
            _angle,
        ),
        Step(
            "For three, inclusion and exclusion reduces the orthant to pairs, since all negative is as likely as all "
            "positive.",
            r"2 p = 1 - \frac{3}{2} + \sum_{i<j} \left( \frac{1}{4} + \frac{\arcsin c_{ij}}{2 \pi} \right)",
            _excess,
        ),
        Step(
            "With c = 1/2 write g_i = (h_i − h_0)/√2, h independent: all are positive where h_0 is the smallest.",
            r"\int \varphi(h) \left(1 - \Phi(h)\right)^{n} dh = \int_0^1 u^n du = \frac{1}{n + 1}",
            _smallest,
        ),
    ),
    derivation=Derivation.PARTIAL,
    checks=(
        Check(
            name="plain sampling",
            text="Counts vectors drawn from the normal distribution with the given correlations.",
            sampler=PLAIN,
            read=_proportion,
            grid=tuple(point for point in (*_SMALL, *_LARGE[:2]) if point != Point(n=2, c=-0.9)),
            chunks=4,
            controls=(
                Control("sign", "−c in place of c", _WRONG_SIGN, points=_SIGNED[1:3]),
                Control("constant", "two thirds of it", _CONSTANT),
            ),
        ),
        _closed("closed form", "The volume of the cell from its closed form (one angle, or the corners of a polygon)."),
        _closed(
            "polygon", "The volume of the same cell as a polygon, from exact inner products in interval arithmetic."
        ),
        _closed(
            "lattice",
            "One minus the volume of the regions of one ReLU neuron with rank G < N, from the lattice of all regions: "
            "the rank is full exactly where the neuron is active on all samples.",
        ),
        Check(
            name="three correlations",
            text="Three correlations that differ: the closed form of the cell.",
            sampler=DETERMINISTIC,
            read=_value("closed form"),
            claim=THREE,
            grid=_THREE,
            chunks=1,
            controls=(
                Control(
                    "one sign",
                    "−c12 in place of c12",
                    THREE.with_bound(lambda b: b.subs(c12, -c12)),
                ),
            ),
        ),
        _replicated("tilting", "The volume of a cell with as many samples as dimensions, by exponential tilting."),
        _replicated(
            "annealing", "The same cell with one more sample that cuts nothing off, by annealed importance sampling."
        ),
        _split("splitting, from above", ABOVE, f"at most {FACTOR} times", 3),
        _split("splitting, from below", BELOW, f"at least 1/{FACTOR} of", -3),
    ),
    notes=(
        "The upper ends of tilting, annealing and splitting are measured, not proved. Elsewhere they carry no verdict; "
        "here, where the value is known, it is they that are on trial.",
    ),
)
