"""Definition 3: the angular volume of a region, the probability that a Gaussian `W` lies in it.

A region is a product of cones, one for each neuron, so its volume is the product of their angles. In two
dimensions the angles are known; the check draws W.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import sympy as sp
from numpy.typing import NDArray

from theorems.setting import HIDDEN, SAMPLES, N, d1, paper
from verify.network.activations import pattern
from verify.network.arrangements import GeneralPositionError, cell_angles
from verify.relations import Relation
from verify.sampling import Draw, Tally, count
from verify.statements import (
    Assumption,
    Check,
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
from verify.statistics.estimates import Estimate, Exact, Proportion

BATCH = 2**17
SLOPE = 0.0  # of the pattern; any slope has the same regions
ENTRIES = 100
DRAWS = 50

first = sp.Symbol("k", integer=True, nonnegative=True)
i = sp.Symbol("i", integer=True, nonnegative=True)
FIRST = Variable(first, "cell of the first neuron; neuron i lies in cell k + i", sp.S.Naturals0)
CELL = (2 * (first + i) + 1) / (2 * N**2)
CLAIM = Claim(
    sp.Symbol(r"V(D_A) = \prod_i \frac{\angle C_i}{2 \pi}"),
    Relation.EQUAL,
    sp.Product(CELL, (i, 0, d1 - 1)),
    proviso="for samples at the angles π n²/N² in the plane, n = 0 … N − 1",
)
TOTAL = Claim(sp.Symbol(r"\sum_A V(D_A)"), Relation.EQUAL, sp.Integer(1))
INSIDE = Assumption("cells-exist", "There are N cells on one side: k + d1 ≤ N.", condition=first + d1 <= N)


def _scale() -> bool | None:
    scale, product = sp.Symbol("c", positive=True), sp.Symbol("u", real=True)
    return bool(sp.sign(scale * product) == sp.sign(product))


def _angle() -> bool | None:
    """The Gaussian measure of a cone between two angles, in polar coordinates."""
    radius, turn = sp.symbols("r phi", positive=True)
    low, high = sp.symbols("alpha beta", real=True)
    density = sp.exp(-(radius**2) / 2) / (2 * sp.pi) * radius
    measure = sp.integrate(sp.integrate(density, (radius, 0, sp.oo)), (turn, low, high))
    return bool(sp.simplify(measure - (high - low) / (2 * sp.pi)) == 0)


def _product() -> bool | None:
    """The density of two rows is the product of theirs."""
    v, w = sp.symbols("v w", real=True)
    density: Callable[[sp.Expr], sp.Expr] = lambda square: sp.exp(-square / 2) / sp.sqrt(2 * sp.pi)  # noqa: E731
    joint = sp.exp(-(v**2 + w**2) / 2) / (2 * sp.pi)
    return bool(sp.simplify(joint - density(v**2) * density(w**2)) == 0)


def _gaps() -> bool | None:
    """The lines at `π n²/N²` are `π (2k+1)/N²` apart, the last and the first one included; all cells sum to 1."""
    gap = sp.expand(sp.pi * ((first + 1) ** 2 - first**2) / N**2) / (2 * sp.pi)
    last = sp.pi * (1 - (N - 1) ** 2 / N**2) / (2 * sp.pi)
    cell = CELL.subs(i, 0)
    whole = sp.summation(2 * cell, (first, 0, N - 1))
    return all(sp.simplify(term) == 0 for term in (gap - cell, last - cell.subs(first, N - 1), whole - 1))


def example(point: Point) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The samples of the claim, `2 × N`, and a first layer in the middle of its region, `d1 × 2`."""
    n, d1_value, start = point.integer("N"), point.integer("d1"), point.integer("k")
    lines = math.pi * np.arange(n + 1) ** 2 / n**2
    X = np.stack([np.cos(lines[:-1]), np.sin(lines[:-1])])
    cell = start + np.arange(d1_value)
    middle = (lines[cell] + lines[cell + 1]) / 2 + math.pi / 2  # hyperplanes are orthogonal to the samples
    return X, np.stack([np.cos(middle), np.sin(middle)], axis=1)


def _in_region(point: Point, draw: Draw, W: NDArray[np.float64]) -> Tally:
    X, inside = example(point)
    match = pattern(W, X, SLOPE) == pattern(inside, X, SLOPE)
    return {"hits": int(match.all(axis=(1, 2)).sum()), "trials": len(W)}


def _gaussian(point: Point, draw: Draw) -> Tally:
    """How often a Gaussian W has the pattern."""
    return _in_region(point, draw, draw.rng.standard_normal((BATCH, point.integer("d1"), 2)))


def _cube(point: Point, draw: Draw) -> Tally:
    """How often a W with entries uniform in [−1, 1] has it."""
    return _in_region(point, draw, draw.rng.uniform(-1, 1, (BATCH, point.integer("d1"), 2)))


def _all_cells(point: Point, draw: Draw) -> Tally:
    """The volumes of all cells of random integer inputs, with and without the first."""
    for _ in range(DRAWS):
        X = draw.rng.integers(-ENTRIES, ENTRIES + 1, (2, point.integer("N")))
        try:
            _, volumes = cell_angles(X)
        except GeneralPositionError:
            continue
        return {"total": [float(volumes.sum())], "without one": [float(volumes[1:].sum())]}
    raise GeneralPositionError(f"no inputs in general position among {DRAWS} draws")


def _proportion(tally: Tally, point: Point) -> Estimate:
    return Proportion(count(tally, "hits"), count(tally, "trials"))


def _total(name: str) -> Callable[[Tally, Point], Estimate]:
    def read(tally: Tally, point: Point) -> Estimate:
        # All regions together are all products of cells: the power d1 of the sum.
        logs = point.integer("d1") * np.log(np.array(tally[name], dtype=np.float64))
        return Exact(float(logs[np.abs(logs).argmax()]), trials=len(logs))

    return read


GAUSSIAN = Sampler("definition-3-gaussian", _gaussian)
CUBE = Sampler("definition-3-cube", _cube)
ALL_CELLS = Sampler("definition-3-all-cells", _all_cells)

_GRID = tuple(
    Point(N=n, d1=b, k=start) for n, b, start in ((3, 1, 0), (7, 1, 6), (4, 2, 0), (4, 2, 2), (5, 3, 2), (4, 3, 1))
)

STATEMENT = Statement(
    id="definition-3",
    kind=Kind.DEFINITION,
    title="Angular volume",
    citation=paper("Definition 3"),
    summary=(
        "The angular volume of a set of first layers is the probability that one with independent standard normal "
        "entries lies in it. That of a region is the product of the angular volumes of its neurons' cells."
    ),
    variables=(SAMPLES, HIDDEN, FIRST),
    assumptions=(INSIDE,),
    claim=CLAIM,
    uses=("definition-1",),
    steps=(
        Step(
            "Whether w lies in a cell does not depend on its length.",
            r"\operatorname{sign}(c\, w \cdot x) = \operatorname{sign}(w \cdot x), \quad c > 0",
            _scale,
        ),
        Step(
            "The Gaussian density does not depend on the direction, so the volume of a plane cone is its angle.",
            r"\int_\alpha^\beta \int_0^\infty \frac{e^{-r^2/2}}{2 \pi}\, r\, dr\, d\varphi = "
            r"\frac{\beta - \alpha}{2 \pi}",
            _angle,
        ),
        Step(
            "The rows are independent, so the volume of a product of cones is the product of their volumes.",
            r"\frac{e^{-(v^2 + w^2)/2}}{2 \pi} = \frac{e^{-v^2/2}}{\sqrt{2 \pi}} \cdot \frac{e^{-w^2/2}}{\sqrt{2 \pi}}",
            _product,
        ),
        Step(
            "For samples at the angles π n²/N² cell k has the volume (2k+1)/(2N²), twice for ±w, and all sum to 1.",
            r"2 \sum_{k=0}^{N-1} \frac{2 k + 1}{2 N^2} = 1",
            _gaps,
        ),
    ),
    derivation=Derivation.PARTIAL,
    checks=(
        Check(
            name="sampled",
            text="Draws W with standard normal entries and counts how often it has the pattern of the region.",
            sampler=GAUSSIAN,
            read=_proportion,
            grid=_GRID,
            chunks=4,
            controls=(
                Control(
                    "all patterns alike",
                    "2^(−d1 N), one part for each pattern",
                    CLAIM.with_bound(lambda bound: 2 ** (-d1 * N)),
                ),
                Control(
                    "all cells alike",
                    "(1/(2N))^d1, one part for each cell that exists",
                    CLAIM.with_bound(lambda bound: (2 * N) ** (-d1)),
                ),
                Control("exponent", "the square of the product", CLAIM.with_bound(lambda bound: bound**2)),
                Control("cube", "W with entries uniform in [−1, 1], which prefers the diagonals", sampler=CUBE),
            ),
        ),
        Check(
            name="all regions",
            text="The angles of all cells of random integer inputs; the volumes of all regions must sum to 1.",
            sampler=ALL_CELLS,
            read=_total("total"),
            claim=TOTAL,
            grid=tuple(Point(N=n, d1=b, k=0) for n, b in ((2, 1), (5, 2), (9, 4))),
            controls=(Control("one missing", "without the first cell", read=_total("without one")),),
        ),
    ),
)
