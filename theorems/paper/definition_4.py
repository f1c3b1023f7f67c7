"""Definition 4: the regions `L_ε` with sub-optimal minima and `G` with global ones, and events that enclose them.

Whether a region contains a differentiable local minimum is decided one region at a time, and the minimum is
evaluated as a network. The enclosing events, the ladder of the finite-N note (F5), come from the projection on
`ker(A ∘ X)` by other code. The bounds of the paper are bounds on those events.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from fractions import Fraction

import numpy as np
import sympy as sp
from numpy.typing import NDArray

from theorems.pictures import ONE_NEURON_MOVES, TWO_NEURONS
from theorems.setting import ERROR, HIDDEN, INPUTS, NOT_LINEAR, SAMPLES, SLOPE, N, d1, paper, rho
from verify.network import regions
from verify.network.activations import forward
from verify.network.minima import RegionError, find_minimum
from verify.relations import Relation
from verify.sampling import Draw, Tally
from verify.statements import (
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
)
from verify.statistics.estimates import Counterexamples, Proportion

BATCH = 40
# Errors of a network that was evaluated: below the first they are zero, above the second they are not.
ZERO, NOT_ZERO = 1e-9, 1e-6

CLAIM = Claim(
    sp.Symbol(
        r"\mathbb{P}\left(\neg \left(L_\varepsilon \subseteq \{\mathrm{MCE}(y - P y) > \varepsilon\} \subseteq "
        r"\{|T^{*}| > \varepsilon N\} \subseteq \{\operatorname{rank} G < N\}\right)\right)"
    ),
    Relation.EQUAL,
    sp.Integer(0),
    proviso="and no region of G has P y ≠ 0 or lies in L_ε; P projects on ker(A ∘ X), T* = {n : P_nn > 0}",
)
FEW = Claim(
    sp.Symbol(r"\mathbb{E}_X V\left(L_\varepsilon(X, y)\right)"),
    Relation.AT_MOST,
    sp.Piecewise((N * 2 ** (-d1), sp.Eq(rho, 0)), (0, True)),
    proviso="if N ≤ d0",
)

# Inclusions between events of one region, as (inner, outer); the last means that no region is in both.
LADDER = (("suboptimal", "labels"), ("labels", "support"), ("support", "rank"), ("global", "fits"))
Answers = dict[str, bool | None]


def _errors_are_residuals() -> bool | None:
    """A sample with `e_n = 0` is classified like its label: more than εN errors are more than εN nonzeros."""
    label, residual = sp.symbols("y_n e_n", real=True)
    half = sp.Rational(1, 2)
    return bool(sp.Gt(label - residual, half).subs(residual, 0) == sp.Gt(label, half))


def _nonzeros_are_in_the_support() -> bool | None:
    """`P = Pᵀ = P²` gives `P_nn = Σ_k P_nk²`, so `P_nn = 0` makes row n zero, and `(P y)_n = 0` for all y."""
    n, size = sp.symbols("n N", integer=True, positive=True)
    P = sp.MatrixSymbol("P", size, size)
    square = (P * P.T)[n, n]
    k = square.variables[0]
    return bool(square.function == P[n, k] ** 2)


def _full_rank_has_no_kernel() -> bool | None:
    """With `rank G = N`, `G⁺ = (GᵀG)⁻¹Gᵀ` and `P = I − G⁺G = 0`."""
    rows, columns = sp.symbols("p N", integer=True, positive=True)
    G = sp.MatrixSymbol("G", rows, columns)
    projector = sp.Identity(columns) - sp.Inverse(G.T * G) * (G.T * G)
    return bool(projector.doit().is_ZeroMatrix)


def _disjoint() -> bool | None:
    """A region has one residual: zero for `G`, with an error above one half for `L_ε`, ε ≥ 0."""
    label = sp.Symbol("y_n", real=True)
    wrong = sp.Xor(sp.Gt(label - 0, sp.Rational(1, 2)), sp.Gt(label, sp.Rational(1, 2)))
    return bool(sp.simplify_logic(wrong) == sp.false)


def _few_samples() -> bool | None:
    """For `N = d0` one neuron has `det(X diag a) = det X ∏ a_n`, which is not zero if `ρ ≠ 0`."""
    size = sp.Symbol("N", integer=True, positive=True)
    X, D = sp.MatrixSymbol("X", size, size), sp.MatrixSymbol("D", size, size)
    product = sp.Determinant(X * D).doit() - sp.Determinant(X) * sp.Determinant(D)
    return bool(product == 0)


def answers(
    W: NDArray[np.float64], X: NDArray[np.float64], y: NDArray[np.float64], slope: float, epsilon: float
) -> Answers:
    """Which events the region of W belongs to; None where that is in doubt."""
    found = regions.kernels(W[None], X, slope)
    events = {
        "labels": regions.misclassified_above(found, y, epsilon),
        "support": regions.support_above(found, epsilon),
        "rank": regions.rank_deficient(found),
        "fits": regions.zero_residual(found, y),
    }
    result: Answers = {name: None if event.doubtful else bool(event.hits) for name, event in events.items()}
    try:
        minimum = find_minimum(W, X, y, slope)
    except RegionError:
        return result | {"suboptimal": None, "global": None}
    if minimum.witness is None:
        return result | {"suboptimal": minimum.contains_minimum, "global": minimum.contains_minimum}
    outputs = forward(*minimum.witness, X, slope)
    size = float(np.abs(outputs - y).max())
    wrong, tied = (outputs > 0.5) != (y > 0.5), np.abs(outputs - 0.5) < NOT_ZERO
    least = regions.errors_above(epsilon, len(y))
    surely, maybe = int((wrong & ~tied).sum()) >= least, int((wrong | tied).sum()) >= least
    return result | {
        "suboptimal": surely if surely == maybe else None,
        "global": None if ZERO < size < NOT_ZERO else size <= ZERO,
    }


def _ladder(point: Point, draw: Draw) -> Tally:
    """Regions drawn at random, and how many break each inclusion, or its converse."""
    n, d0, d1 = point.integer("N"), point.integer("d0"), point.integer("d1")
    names = [f"{inner} not {outer}" for pair in LADDER for inner, outer in (pair, pair[::-1])]
    tally = dict.fromkeys(("trials", "doubtful", "broken", "suboptimal", "both", "neither", *names), 0)
    for _ in range(BATCH):
        X, W = draw.rng.standard_normal((d0, n)), draw.rng.standard_normal((d1, d0))
        y = draw.rng.integers(0, 2, n).astype(np.float64)
        event = answers(W, X, y, point.real("rho"), point.real("epsilon"))
        tally["trials"] += 1
        if None in event.values():
            tally["doubtful"] += 1
            continue
        for inner, outer in LADDER:
            tally[f"{inner} not {outer}"] += bool(event[inner] and not event[outer])
            tally[f"{outer} not {inner}"] += bool(event[outer] and not event[inner])
        both = bool(event["suboptimal"] and event["global"])
        tally["both"] += both
        tally["neither"] += not (event["suboptimal"] or event["global"])
        tally["suboptimal"] += bool(event["suboptimal"])
        tally["broken"] += both or any(event[inner] and not event[outer] for inner, outer in LADDER)
    return dict(tally)


def count(name: str) -> Callable[[Tally, Point], Counterexamples]:
    """Reader: how many regions contradict, under the name they have in the tally."""

    def read(tally: Tally, point: Point) -> Counterexamples:
        return Counterexamples(int(tally[name]), int(tally["trials"]), int(tally["doubtful"]))  # type: ignore[arg-type]

    return read


def in_suboptimal(tally: Tally, point: Point) -> Proportion:
    """Frequency of `W ∈ L_ε`."""
    counts = (int(tally[name]) for name in ("suboptimal", "trials", "doubtful"))  # type: ignore[arg-type]
    return Proportion(*counts)


def _no_minimum() -> tuple[bool | None, str]:
    """The first small region, in rational arithmetic, with a positive first-order error and no minimum."""
    half = Fraction(1, 2)
    for columns in itertools.product(itertools.product((-2, -1, 1, 2), repeat=2), repeat=3):
        (a, b), (c, d), (e, f) = columns
        for w in ((1, 3), (3, 1), (3, -1), (1, -3)):
            active = [w[0] * x + w[1] * t > 0 for x, t in columns]
            if not all(w[0] * x + w[1] * t for x, t in columns) or active != [True, True, True]:
                continue
            for y in itertools.product((0, 1), repeat=3):
                # One neuron, active everywhere: the least-squares u is unique if the inputs span the plane.
                p, q, r = a * a + c * c + e * e, a * b + c * d + e * f, b * b + d * d + f * f
                if p * r == q * q:
                    continue
                s, t = (sum(k * column[i] for k, column in zip(y, columns, strict=True)) for i in (0, 1))
                u = Fraction(r * s - q * t, p * r - q * q), Fraction(p * t - q * s, p * r - q * q)
                outputs = [u[0] * x + u[1] * v for x, v in columns]
                errors = sum((output > half) != (k > half) for output, k in zip(outputs, y, strict=True))
                if errors and min(outputs) < 0 < max(outputs):
                    return True, (
                        f"With ρ = 0, one neuron w = {w}, inputs {columns} and labels {y}, the residual of the region "
                        f"would misclassify {errors} of 3 samples, but the only stationary u = z w is "
                        f"({u[0]}, {u[1]}), whose outputs {', '.join(map(str, outputs))} have both signs where the "
                        "region asks for one: it contains no minimum. The paper bounds the volume of the larger event."
                    )
    return None, "no example among the regions that were searched"


SAMPLER = Sampler("definition-4-ladder", _ladder)

_GRID = tuple(
    Point(N=n, d0=a, d1=b, epsilon=0.2, rho=slope)
    for n, a, b in ((6, 2, 3), (8, 3, 3), (10, 4, 4))
    for slope in (0.0, 0.1, -0.5)
)
_FEW = tuple(
    Point(N=n, d0=a, d1=b, epsilon=0.1, rho=slope) for slope in (0.0, 0.1, -0.5) for n, a, b in ((4, 4, 4), (4, 5, 3))
)

STATEMENT = Statement(
    id="definition-4",
    kind=Kind.DEFINITION,
    title="Regions with sub-optimal and with global minima",
    citation=paper("Definition 4"),
    summary=(
        "L_ε is the union of the regions with a differentiable local minimum that misclassifies more than a fraction ε "
        "of the samples, G of those with a global minimum. Both lie inside events that depend on the kernel of A∘X."
    ),
    variables=(SAMPLES, INPUTS, HIDDEN, ERROR, SLOPE),
    assumptions=(NOT_LINEAR,),
    claim=CLAIM,
    uses=("lemma-2",),
    steps=(
        Step(
            "A minimum of the region has the residual P y. Where that is zero, the sample is classified as its label.",
            r"(P y)_n = 0 \;\Rightarrow\; \left[y_n - (P y)_n > \tfrac12\right] = \left[y_n > \tfrac12\right]",
            _errors_are_residuals,
        ),
        Step(
            "It is zero for all labels wherever the diagonal of P is.",
            r"P_{nn} = \sum_k P_{nk}^2",
            _nonzeros_are_in_the_support,
        ),
        Step(
            "If A∘X has rank N, there is no kernel.",
            r"P = I - \left(G^{\top} G\right)^{-1} G^{\top} G = 0",
            _full_rank_has_no_kernel,
        ),
        Step(
            "A region has one residual only, so it cannot lie in L_ε and in G.",
            r"e = 0 \;\Rightarrow\; \mathrm{MCE} = 0",
            _disjoint,
        ),
        Step(
            "With N ≤ d0 and ρ ≠ 0 one neuron has full rank, and L_ε is empty; here for N = d0.",
            r"\det\left(X \operatorname{diag} a\right) = \det X\, \prod_n a_n \ne 0",
            _few_samples,
        ),
    ),
    derivation=Derivation.PARTIAL,
    checks=(
        Check(
            name="ladder",
            text=(
                "Draws X, labels and W, decides whether the region contains a minimum, evaluates that minimum as a "
                "network, and looks for regions that break one of the inclusions."
            ),
            sampler=SAMPLER,
            read=count("broken"),
            grid=_GRID,
            chunks=3,
            controls=(
                Control(
                    "existence",
                    "every region whose residual has more than εN errors contains a minimum",
                    read=count("labels not suboptimal"),
                ),
                Control(
                    "labels",
                    "a kernel with a large support makes the given labels misclassified",
                    read=count("support not labels"),
                ),
                Control("global", "every region with P y = 0 contains a minimum", read=count("fits not global")),
                Control("complement", "every region lies in L_ε or in G", read=count("neither")),
            ),
        ),
        Check(
            name="at most d0 samples",
            text=(
                "The same regions where N ≤ d0: none may lie in L_ε if ρ ≠ 0, and if ρ = 0 only those where no neuron "
                "is active on some sample."
            ),
            sampler=SAMPLER,
            read=in_suboptimal,
            grid=_FEW,
            claim=FEW,
            chunks=6,
            controls=(
                Control(
                    "more samples", "the same where N > d0", points=(Point(N=12, d0=1, d1=6, epsilon=0.1, rho=0.1),)
                ),
            ),
        ),
    ),
    findings=(Finding("no-minimum", "The first-order condition does not make a minimum", _no_minimum),),
    pictures=(TWO_NEURONS, ONE_NEURON_MOVES),
    notes=(
        "The two middle events do not depend on the labels: they bound L_ε for labels chosen after seeing X and W.",
    ),
)
