"""F1: which regions contain a differentiable local minimum (DLM), and what it leaves.

Lemma 2 proves that a DLM has `G e = 0`, hence one residual for each region, and checks it on trained networks. Here
are the converse, the criterion by signs and the role of the cells, all on small integer data in rational arithmetic:
networks are evaluated exactly, and the criterion is decided by a linear program for each choice of signs.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

import numpy as np
import sympy as sp
from flint import fmpq, fmpq_mat, fmpz_mat
from numpy.typing import NDArray

from theorems.setting import HIDDEN, INPUTS, NOT_LINEAR, SAMPLES, SLOPE, note
from verify.network.minima import find_minimum
from verify.relations import Relation
from verify.sampling import Draw, Tally, count
from verify.statements import Check, Claim, Control, Derivation, Finding, Kind, Point, Sampler, Statement, Step
from verify.statistics.estimates import Counterexamples
from verify.volume.cones import largest_margin

Integers = NDArray[np.int64]

ENTRIES = 9
STATIONARY = 12  # networks in a chunk
MOVES = 6  # away from each
REGIONS = 10
MULTISETS = 8

CLAIM = Claim(
    sp.Symbol(
        r"\mathbb{P}\left(D_A \ni \mathrm{DLM} \;\not\Leftrightarrow\; \exists\, s \in \{-1, 0, 1\}^{d_1},\, u : "
        r"G^{\top} u = y - P y,\; u_i = 0 \text{ if } s_i = 0,\; s_i u_i \in C_i \text{ if } s_i \ne 0\right)"
    ),
    Relation.EQUAL,
    sp.Integer(0),
    proviso="for every X, y and non-empty D_A; C_i is the open cone of all w with a(wᵀX) = A_i",
)
STATIONARY_POINTS = Claim(
    sp.Symbol(r"\mathbb{P}\left(\nabla \mathrm{MSE} = 0,\; (W, z) \text{ DLM} \not\Leftrightarrow G e = 0\right)"),
    Relation.EQUAL,
    sp.Integer(0),
    proviso="and e = P y if it is one",
)
COUNTS = Claim(
    sp.Symbol(
        r"\mathbb{P}\left(\min(k, 2) = \min(k', 2),\; D_A \ni \mathrm{DLM} \not\Leftrightarrow "
        r"D_{A'} \ni \mathrm{DLM}\right)"
    ),
    Relation.EQUAL,
    sp.Integer(0),
    proviso="for regions with k(C) and k'(C) neurons in each cell C; both have the same residual",
)


def _sign_of_a_minimum() -> bool | None:
    """`s = sign z` gives `s u = |z| w`, a positive multiple of w, for `u = z w` with `z ≠ 0`."""
    z, w = sp.Symbol("z", real=True, nonzero=True), sp.Symbol("w", real=True)
    return bool(sp.simplify(sp.sign(z) * z * w - sp.Abs(z) * w) == 0 and sp.Abs(z).is_positive)


def _network_of_signs() -> bool | None:
    """`w = s u` and `z = s` give back `z w = u`, as `s² = 1`."""
    u = sp.Symbol("u", real=True)
    return all(sp.expand(s * (s * u) - u) == 0 for s in (-1, 1))


def _two_neurons() -> bool | None:
    """`λ c + v` and `λ c` lie in the cell for `λ > |x·v|/|x·c|` on every sample; their difference is v."""
    along, extra = sp.symbols("p delta", positive=True)  # σ x·c, and how far λ exceeds the ratio
    v, scale = sp.Symbol("q", real=True), sp.Symbol("lambda", positive=True)  # σ x·v
    inside = (sp.Abs(v) / along + extra) * along + v
    positive = all(sp.expand(inside.subs(v, sign * sp.Symbol("h", nonnegative=True))).is_positive for sign in (-1, 1))
    return bool(positive and sp.expand((scale * along + v) - scale * along - v) == 0)


def _same_rows() -> bool | None:
    """Two neurons of one cell have equal blocks of G: `e` is in the kernel of both or of neither, `u₁ + u₂` counts."""
    d, n = sp.symbols("d_0 N", integer=True, positive=True)
    block = sp.MatrixSymbol("G_i", d, n)
    u, v = sp.MatrixSymbol("u", d, 1), sp.MatrixSymbol("v", d, 1)
    return bool((block.T * u + block.T * v - block.T * (u + v)).expand().doit().is_ZeroMatrix)


@dataclass(frozen=True, eq=False)
class Region:
    """One activation region of integer samples, in rational arithmetic.

    Attributes:
        X: samples, `d0 × N`.
        y: labels, N.
        signs: of the pre-activations, `d1 × N`, entries ±1.
        slope: slope ρ on the negative side.
    """

    X: Integers
    y: tuple[Fraction, ...]
    signs: Integers
    slope: Fraction

    def gate(self, i: int) -> list[list[Fraction]]:
        """`G_i = X diag(A_i)`, `d0 × N`."""
        active = [Fraction(1) if sign > 0 else self.slope for sign in self.signs[i].tolist()]
        return [[int(value) * a for value, a in zip(row, active, strict=True)] for row in self.X.tolist()]

    @cached_property
    def rows(self) -> list[list[Fraction]]:
        """`G`, `d0·d1 × N`."""
        return [row for i in range(len(self.signs)) for row in self.gate(i)]

    @cached_property
    def residual(self) -> tuple[Fraction, ...]:
        """`P y`, the projection of the labels on the kernel of G."""
        return project(kernel(self.rows, len(self.y)), self.y)

    def solution(self, choice: Sequence[int], residual: Sequence[Fraction]) -> list[list[Fraction]] | None:
        """Some u with `Gᵀu = y − residual`, zero or strictly inside the signed cones as `choice` says; or None."""
        d0, n = self.X.shape
        kept = [i for i, sign in enumerate(choice) if sign]
        target = [a - b for a, b in zip(self.y, residual, strict=True)]
        u = [[Fraction(0)] * d0 for _ in choice]
        if not kept:
            return None if any(target) else u
        columns = [row for i in kept for row in self.rows[i * d0 : (i + 1) * d0]]
        system = [[_fmpq(column[k]) for column in columns] + [_fmpq(target[k])] for k in range(n)]
        reduced, rank = fmpq_mat(system).rref()
        size = len(columns)
        pivots = [next(j for j in range(size + 1) if reduced[i, j]) for i in range(rank)]
        if pivots and pivots[-1] == size:
            return None
        free = [j for j in range(size) if j not in pivots]
        # Each coordinate of u as a row over the free ones and 1.
        coordinates = [[fmpq(int(j == k)) for k in free] + [fmpq(0)] for j in range(size)]
        for i, pivot in enumerate(pivots):
            coordinates[pivot] = [-reduced[i, k] for k in free] + [reduced[i, size]]
        margins = []
        for place, i in enumerate(kept):
            part = coordinates[place * d0 : (place + 1) * d0]
            for x, sign in zip(self.X.T.tolist(), self.signs[i].tolist(), strict=True):
                scale = [fmpq(choice[i] * sign * value) for value in x]
                margins.append([_dot(scale, column) for column in zip(*part, strict=True)])
        margin, v = largest_margin(margins) if free else (min(row[-1] for row in margins), [])
        if margin <= 0:
            return None
        values = [_dot(row, [*v, fmpq(1)]) for row in coordinates]
        for place, i in enumerate(kept):
            u[i] = [Fraction(int(q.p), int(q.q)) for q in values[place * d0 : (place + 1) * d0]]
        return u

    def minimum(
        self, allowed: Sequence[int] = (1, -1, 0), residual: Sequence[Fraction] | None = None
    ) -> tuple[tuple[int, ...], list[list[Fraction]]] | None:
        """The first signs from `allowed`, and u, that F1(d) asks for; None if there are none."""
        wanted = self.residual if residual is None else residual
        for choice in itertools.product(allowed, repeat=len(self.signs)):
            u = self.solution(choice, wanted)
            if u is not None:
                return choice, u
        return None


def _fmpq(value: Fraction) -> fmpq:
    return fmpq(value.numerator, value.denominator)


def _dot(first: Sequence[fmpq], second: Sequence[fmpq]) -> fmpq:
    return sum((a * b for a, b in zip(first, second, strict=True)), fmpq(0))


def kernel(rows: list[list[Fraction]], columns: int) -> list[tuple[int, ...]]:
    """A basis of the vectors that all rows map to zero, in integers."""
    scaled = []
    for row in rows:
        common = np.lcm.reduce([value.denominator for value in row])
        scaled.append([int(value * int(common)) for value in row])
    if not scaled:
        scaled = [[0] * columns]
    basis, nullity = fmpz_mat(scaled).nullspace()
    return [tuple(int(basis[n, k]) for n in range(columns)) for k in range(nullity)]


def project(basis: list[tuple[int, ...]], y: Sequence[Fraction]) -> tuple[Fraction, ...]:
    """The orthogonal projection of y on the span of independent vectors."""
    if not basis:
        return (Fraction(0),) * len(y)
    B = fmpq_mat(fmpz_mat(basis)).transpose()
    column = fmpq_mat(len(y), 1, [_fmpq(value) for value in y])
    found = B * (B.transpose() * B).solve(B.transpose() * column)
    return tuple(Fraction(int(value.p), int(value.q)) for value in found.entries())


def outputs(W: list[list[Fraction]], z: Sequence[Fraction], X: Integers, slope: Fraction) -> tuple[Fraction, ...]:
    """Outputs of a network, exactly, from its definition."""
    found = []
    for x in X.T.tolist():
        hidden = [sum((a * b for a, b in zip(w, x, strict=True)), Fraction(0)) for w in W]
        found.append(
            sum((weight * (h if h > 0 else slope * h) for weight, h in zip(z, hidden, strict=True)), Fraction(0))
        )
    return tuple(found)


def sign_pattern(W: list[list[Fraction]], X: Integers) -> Integers:
    """Signs of the pre-activations, `d1 × N`, 0 on a hyperplane."""
    values = np.array(W, dtype=object) @ X.astype(object)
    return np.array([[int(v > 0) - int(v < 0) for v in row] for row in values.tolist()], dtype=np.int64)


def _drawn(point: Point, draw: Draw) -> tuple[Integers, list[list[Fraction]], Fraction]:
    """Integer samples and an integer first layer, no neuron on a hyperplane; the slope as the decimal it prints as."""
    n, d0, d1 = point.integer("N"), point.integer("d0"), point.integer("d1")
    while True:
        X = draw.rng.integers(-ENTRIES, ENTRIES + 1, (d0, n))
        W = draw.rng.integers(-ENTRIES, ENTRIES + 1, (d1, d0))
        if (W @ X).all():
            return X, [[Fraction(value) for value in row] for row in W.tolist()], Fraction(repr(point.real("rho")))


def _fractions(values: NDArray[np.integer]) -> tuple[Fraction, ...]:
    return tuple(Fraction(value) for value in values.tolist())


def _loss(
    W: list[list[Fraction]], z: Sequence[Fraction], X: Integers, y: Sequence[Fraction], slope: Fraction
) -> Fraction:
    return sum(((a - b) ** 2 for a, b in zip(y, outputs(W, z, X, slope), strict=True)), Fraction(0))


def _stationary(point: Point, draw: Draw) -> Tally:
    """Networks with zero gradient whose first neuron has no weight: minima where `G e = 0`, saddles elsewhere."""
    tally = dict.fromkeys(("networks", "broken", "saddles", "minima", "not from range", "not from other slope"), 0)
    for _ in range(STATIONARY):
        X, W, slope = _drawn(point, draw)
        z = (Fraction(0), *_fractions(draw.rng.integers(1, 4, len(W) - 1) * draw.rng.choice([-1, 1], len(W) - 1)))
        empty = Region(X, (Fraction(0),) * X.shape[1], sign_pattern(W, X), slope)
        inputs = len(X)
        # The gradient is zero if G_i e = 0 for the neurons with a weight, and w·G_1 e = 0 for the one without.
        pull = [
            sum((w * row[n] for w, row in zip(W[0], empty.gate(0), strict=True)), Fraction(0))
            for n in range(X.shape[1])
        ]
        everything = draw.rng.random() < 0.5
        basis = kernel(empty.rows if everything else [*empty.rows[inputs:], pull], X.shape[1])
        weights = draw.rng.integers(-3, 4, len(basis)).tolist()
        e = tuple(Fraction(sum(w * v[n] for w, v in zip(weights, basis, strict=True))) for n in range(X.shape[1]))
        y = tuple(a + b for a, b in zip(outputs(W, z, X, slope), e, strict=True))
        region = Region(X, y, empty.signs, slope)
        force = [sum((a * b for a, b in zip(row, e, strict=True)), Fraction(0)) for row in region.gate(0)]
        tally["networks"] += 1
        if any(force):
            lower = _descends(region, W, z, force)
            tally["saddles"] += lower
            tally["broken"] += not lower
            continue
        other = Region(X, y, empty.signs, slope + Fraction(1, 7))
        tally["minima"] += 1
        tally["broken"] += region.residual != e or _some_move_lowers(region, W, z, draw)
        tally["not from range"] += tuple(a - b for a, b in zip(y, region.residual, strict=True)) != e
        tally["not from other slope"] += other.residual != e
    return dict(tally)


def _descends(region: Region, W: list[list[Fraction]], z: Sequence[Fraction], force: list[Fraction]) -> bool:
    """Whether the move of F1(a), `w_1 + t g` with weight `t |g|²/Q`, stays in the region and lowers the loss."""
    step = Fraction(1)
    square = sum((g * g for g in force), Fraction(0))
    while True:
        first = [w + step * g for w, g in zip(W[0], force, strict=True)]
        moved = [first, *W[1:]]
        if (sign_pattern(moved, region.X) == region.signs).all():
            break
        step /= 2
    pull = outputs([first], [Fraction(1)], region.X, region.slope)
    size = sum((value * value for value in pull), Fraction(0))
    weight = step * square / size if size else Fraction(1)
    before, after = (
        _loss(V, weights, region.X, region.y, region.slope) for V, weights in ((W, z), (moved, (weight, *z[1:])))
    )
    return after < before


def _some_move_lowers(region: Region, W: list[list[Fraction]], z: Sequence[Fraction], draw: Draw) -> bool:
    """Whether one of several random moves within the region, large and small, lowers the loss."""
    before = _loss(W, z, region.X, region.y, region.slope)
    for _ in range(MOVES):
        turn = draw.rng.integers(-99, 100, (len(W), len(W[0]) + 1)).tolist()
        step = Fraction(1, 2 ** int(draw.rng.integers(4, 24)))
        while True:
            moved = [[w + step * t for w, t in zip(row, to, strict=False)] for row, to in zip(W, turn, strict=True)]
            if (sign_pattern(moved, region.X) == region.signs).all():
                break
            step /= 2
        weights = [weight + step * to[-1] for weight, to in zip(z, turn, strict=True)]
        if _loss(moved, weights, region.X, region.y, region.slope) < before:
            return True
    return False


def _labels(samples: int, draw: Draw) -> tuple[Fraction, ...]:
    """Labels 0 and 1, or small integers."""
    low, high = ((0, 1), (-3, 3))[int(draw.rng.integers(2))]
    return _fractions(draw.rng.integers(low, high + 1, samples))


def _criterion(point: Point, draw: Draw) -> Tally:
    """Regions decided by all choices of signs, against the search for minima; networks built from the solutions."""
    names = ("broken", "doubtful", "no zeros", "no cones", "one sign", "other slope")
    tally = {"regions": REGIONS, **dict.fromkeys(names, 0)}
    for _ in range(REGIONS):
        X, W, slope = _drawn(point, draw)
        # What one neuron of the region puts out needs zeros for the others.
        alone = draw.rng.random() < 1 / 3
        y = outputs(W[:1], [Fraction(1)], X, slope) if alone else _labels(X.shape[1], draw)
        region = Region(X, y, sign_pattern(W, X), slope)
        floats = np.array(W, dtype=np.float64), X.astype(np.float64), np.array(region.y, dtype=np.float64)
        answer = find_minimum(*floats, float(slope)).contains_minimum
        found = region.minimum()
        if answer is None:
            tally["doubtful"] += 1
            continue
        other = Region(X, region.y, region.signs, slope + Fraction(1, 7)).residual
        tally["broken"] += answer != (found is not None) or (found is not None and not is_minimum(region, W, *found))
        tally["no zeros"] += answer != (region.minimum((1, -1)) is not None)
        tally["one sign"] += answer != (region.minimum((1, 0)) is not None)
        tally["no cones"] += not answer  # y − P y is always in the range of Gᵀ
        tally["other slope"] += answer != (region.minimum(residual=other) is not None)
    return dict(tally)


def is_minimum(region: Region, W: list[list[Fraction]], choice: Sequence[int], u: list[list[Fraction]]) -> bool:
    """Whether the network that F1(d) builds from signs and u lies in the region and has `G e = 0`, as evaluated."""
    layer = [[s * value for value in part] if s else row for s, part, row in zip(choice, u, W, strict=True)]
    z = [Fraction(s) for s in choice]
    inside = bool((sign_pattern(layer, region.X) == region.signs).all())
    e = [a - b for a, b in zip(region.y, outputs(layer, z, region.X, region.slope), strict=True)]
    return inside and not any(sum((a * b for a, b in zip(row, e, strict=True)), Fraction(0)) for row in region.rows)


def _multisets(point: Point, draw: Draw) -> Tally:
    """Two cells with one neuron in the first and 1, 2 or 3 in the second: existence and residual."""
    tally = dict.fromkeys(("cases", "broken", "one and two", "first cell only"), 0)
    for _ in range(MULTISETS):
        X, W, slope = _drawn(point, draw)
        y = _labels(X.shape[1], draw)
        signs = sign_pattern(W, X)
        one, two, three = (Region(X, y, signs[[0] + [1] * k], slope) for k in (1, 2, 3))
        exists = [region.minimum() is not None for region in (one, two, three)]
        tally["cases"] += 1
        tally["broken"] += exists[1] != exists[2] or not one.residual == two.residual == three.residual
        tally["one and two"] += exists[0] != exists[1]
        tally["first cell only"] += Region(X, y, signs[:1], slope).residual != two.residual
    return dict(tally)


def _needs_a_zero() -> tuple[bool | None, str]:
    X, y = np.array([[1, 2, -1, -2]]), tuple(Fraction(value) for value in (1, 2, 0, 0))
    region = Region(X, y, sign_pattern([[Fraction(1)], [Fraction(-1)]], X), Fraction(0))
    found, without = region.minimum(), region.minimum((1, -1))
    shown = "none" if found is None else f"({', '.join(str(part[0]) for part in found[1])})"
    return bool(found is not None and found[0] == (1, 0) and without is None), (
        f"With ρ = 0, d0 = 1, X = (1, 2, −1, −2), y = (1, 2, 0, 0) and W = (1, −1)ᵀ the region contains a minimum, "
        f"with u = {shown}; no choice of signs without a zero has one."
    )


def _reader(name: str, total: str) -> Callable[[Tally, Point], Counterexamples]:
    def read(tally: Tally, point: Point) -> Counterexamples:
        trials = count(tally, total)
        if trials == 0:
            return Counterexamples(0, 1, 1)
        return Counterexamples(count(tally, name), trials, count(tally, "doubtful") if "doubtful" in tally else 0)

    return read


STATIONARY_NETWORKS = Sampler("f1-stationary", _stationary)
CRITERION = Sampler("f1-criterion", _criterion)
MULTISET = Sampler("f1-multisets", _multisets)


def _points(*shapes: tuple[int, int, int]) -> tuple[Point, ...]:
    return tuple(Point(N=n, d0=a, d1=b, rho=slope) for n, a, b in shapes for slope in (0.0, 0.1, -0.5))


STATEMENT = Statement(
    id="f1",
    kind=Kind.LEMMA,
    title="Which regions contain a minimum",
    citation=note("F1"),
    summary=(
        "A region contains a differentiable local minimum if and only if its residual can be reached with neurons that "
        "stay in their cells, for some signs of the second layer, zeros included. Only the cells count, and whether "
        "each holds no, one or several neurons."
    ),
    variables=(SAMPLES, INPUTS, HIDDEN, SLOPE),
    assumptions=(NOT_LINEAR,),
    claim=CLAIM,
    uses=("lemma-2",),
    steps=(
        Step(
            "A minimum gives u_i = z_i w_i, and with s_i = sign z_i a positive multiple of w_i, so in its cell.",
            r"s_i u_i = \operatorname{sign}(z_i)\, z_i w_i = |z_i|\, w_i \in C_i",
            _sign_of_a_minimum,
        ),
        Step(
            "Conversely w_i = s_i u_i and z_i = s_i is a network of the region with e = P y, so by Lemma 2 a minimum.",
            r"z_i w_i = s_i^2 u_i = u_i",
            _network_of_signs,
        ),
        Step(
            "Two neurons of one cell with opposite signs realise every vector v, for large λ and c in the cell.",
            r"\lambda c + v \in C, \quad \lambda c \in C, \quad (\lambda c + v) - \lambda c = v",
            _two_neurons,
        ),
        Step(
            "Neurons of one cell have the same block of G, so only the sum of their u counts, and a second one changes "
            "neither kernel nor residual.",
            r"G_i^{\top} u + G_i^{\top} v = G_i^{\top} (u + v)",
            _same_rows,
        ),
    ),
    derivation=Derivation.COMPLETE,
    checks=(
        Check(
            name="signs",
            text=(
                "Random regions of integer data: rational linear programs for all choices of signs, against the search "
                "for minima in floating point. Where signs are found, the network that they give is evaluated exactly."
            ),
            sampler=CRITERION,
            read=_reader("broken", "regions"),
            grid=_points((3, 1, 2), (4, 2, 2), (5, 2, 3), (2, 3, 2), (6, 1, 3)),
            chunks=1,
            controls=(
                Control("no zeros", "signs −1 and 1 only", read=_reader("no zeros", "regions")),
                Control("one sign", "signs 0 and 1 only", read=_reader("one sign", "regions")),
                Control("no cones", "any u with Gᵀu = y − P y will do", read=_reader("no cones", "regions")),
                Control("slope", "P y with the slope ρ + 1/7", read=_reader("other slope", "regions")),
            ),
        ),
        Check(
            name="stationary networks",
            text=(
                "Networks with zero gradient and a neuron without weight, made from integer data. Where G e = 0, e "
                "must be the projection of the labels and no move within the region may lower the loss; elsewhere the "
                "move of the proof must lower it. All of it in rational arithmetic."
            ),
            sampler=STATIONARY_NETWORKS,
            read=_reader("broken", "networks"),
            claim=STATIONARY_POINTS,
            grid=_points((4, 1, 2), (6, 2, 2), (8, 2, 3), (3, 3, 2)),
            chunks=1,
            controls=(
                Control(
                    "gradient", "every network with zero gradient is a minimum", read=_reader("saddles", "networks")
                ),
                Control("range", "e = y − P y in place of P y", read=_reader("not from range", "minima")),
                Control("slope", "P y with the slope ρ + 1/7", read=_reader("not from other slope", "minima")),
            ),
        ),
        Check(
            name="several neurons",
            text=(
                "One neuron in a first cell and 2 or 3 in a second: by rational linear programs over all signs of all "
                "neurons, both regions contain a minimum or neither does, and all have one residual."
            ),
            sampler=MULTISET,
            read=_reader("broken", "cases"),
            claim=COUNTS,
            grid=_points((3, 1, 2), (4, 2, 2), (5, 2, 2)),
            chunks=1,
            controls=(
                Control("one and two", "one neuron is as good as two", read=_reader("one and two", "cases")),
                Control(
                    "fewer cells",
                    "the residual without the second cell",
                    read=_reader("first cell only", "cases"),
                ),
            ),
        ),
    ),
    findings=(Finding("zeros", "Some minima need a neuron without weight", _needs_a_zero),),
)
