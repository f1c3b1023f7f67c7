"""F13: Theorem 9 at every finite size, for the labels of a teacher.

A region contains a global minimum as soon as some of its neurons lie in the cells of the teacher's. A random neuron
rarely lies in a small cell, since there are not many cells.
"""

from __future__ import annotations

import math

import sympy as sp

from theorems.setting import CONFIDENCE, GAUSSIAN, HIDDEN, INPUTS, SAMPLES, N, d0, d1, delta, note
from verify.network.arrangements import cell_angles
from verify.relations import Relation
from verify.sampling import Draw, Tally, entries
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
from verify.statistics.estimates import CertifiedQuantile, Proportion
from verify.statistics.intervals import clopper_pearson

teachers = sp.Symbol("k", integer=True, positive=True)
cells = sp.Symbol("K", positive=True)
_index = sp.Symbol("j", integer=True, nonnegative=True)

# Cover's count of the cells of N hyperplanes in general position (F6).
CELLS = 2 * sp.Sum(sp.binomial(N - 1, _index), (_index, 0, d0 - 1))
CLAIM = Claim(
    sp.Symbol(r"V\left(\mathcal{G}(X, y)\right)"),
    Relation.AT_LEAST,
    (delta / (teachers * cells)) ** teachers,
    where=((cells, CELLS),),
    proviso="with probability at least 1 − δ over X, for the labels of a teacher with k neurons independent of X",
)
TEACHERS = Variable(teachers, "neurons of the teacher", sp.S.Naturals)
NARROW_TEACHER = Assumption("teacher-fits", "The network is at least as wide as the teacher.", condition=teachers <= d1)

_DRAWS = 20_000
# Level of the lower bound on one cell's volume; far below the level of any comparison.
_CELL_LEVEL = 1e-9


def _teacher(point: Point, draw: Draw) -> Tally:
    """For each of several `(X, W*)`, the log of a lower bound on the volume of the cells of the teacher's neurons.

    In two dimensions a cell is an angle and its volume exact. Elsewhere it is the lower end of an exact interval.
    """
    n, inputs, k = point.integer("N"), point.integer("d0"), point.integer("k")
    logs = []
    for _ in range(16):
        X = draw.rng.standard_normal((inputs, n))
        active = draw.rng.standard_normal((k, inputs)) @ X > 0
        if inputs == 2:
            patterns, volumes = cell_angles(X)
            found = [volumes[(patterns > 0).tolist().index(row)] for row in active.tolist()]
            logs.append(math.log(math.prod(found)))
        else:
            drawn = draw.rng.standard_normal((_DRAWS, inputs)) @ X > 0
            hits = [int((drawn == row).all(axis=1).sum()) for row in active]
            # A cell that was never hit has no lower bound; e^-700 stands for it, below every bound compared.
            logs.append(sum(max(-700.0, clopper_pearson(count, _DRAWS, _CELL_LEVEL).lower) for count in hits))
    return {"log volume": logs}


TEACHER_CELLS = Sampler("teacher-cells", _teacher)


def quantile(tally: Tally, point: Point) -> CertifiedQuantile:
    """The `δ` quantile over `(X, W*)` of the volume, from its lower bounds."""
    return CertifiedQuantile(entries(tally, "log volume"), point.real("delta"))


def _exceeds(tally: Tally, point: Point) -> Proportion:
    """How often the volume is proved to exceed the bound."""
    logs, bound = entries(tally, "log volume"), CLAIM.log_bound(**point)
    return Proportion(sum(value > bound for value in logs), len(logs))


def _small_cells() -> bool | None:
    """At most K cells are smaller than η/K; together they hold at most a volume of η."""
    eta, slack, others = sp.symbols("eta slack others", nonnegative=True)
    small = cells - others  # how many of the K cells are small
    volume = small * (eta / cells) - slack  # each at most η/K
    return bool(sp.expand(eta - volume - others * eta / cells - slack) == 0)


def _cover_recurrence() -> bool | None:
    """A new hyperplane cuts as many cells in two as the others have in one dimension less (Cover 1965)."""
    size = sp.Symbol("N", integer=True, positive=True)

    def count(samples: sp.Expr, dimension: int) -> sp.Expr:
        return 2 * sum((sp.binomial(samples - 1, j) for j in range(dimension)), sp.Integer(0))

    answers = [
        sp.simplify(sp.expand_func(count(size + 1, d) - count(size, d) - count(size, d - 1))) == 0 for d in range(2, 6)
    ]
    return all(answers)


_HALF = sp.Rational(1, 2)

STATEMENT = Statement(
    id="f13",
    kind=Kind.BOUND,
    title="Theorem 9 at finite size, teacher labels",
    citation=note("F13"),
    summary=(
        "At every size, and for the labels of any teacher that is independent of the inputs, the volume of the regions "
        "with a global minimum is at least a power of δ over the number of cells."
    ),
    variables=(SAMPLES, INPUTS, HIDDEN, CONFIDENCE, TEACHERS),
    assumptions=(GAUSSIAN, NARROW_TEACHER),
    claim=CLAIM,
    steps=(
        Step(
            "There are at most K cells, so those smaller than η/K have a total volume of at most η: a Gaussian neuron "
            "lies in one of them with probability at most η.",
            r"\sum_{p(C) < \eta/K} p(C) \le K \cdot \frac{\eta}{K} = \eta",
            _small_cells,
        ),
        Step(
            "Cover's count of the cells satisfies the recurrence of adding one hyperplane (dimensions 2 to 5).",
            r"K(N + 1, d) = K(N, d) + K(N, d - 1)",
            _cover_recurrence,
        ),
    ),
    derivation=Derivation.PARTIAL,
    checks=(
        Check(
            name="teacher's cells",
            text=(
                "Draws X and a teacher, measures the volumes of the cells of its neurons (exactly for d0 = 2, by exact "
                "lower confidence bounds elsewhere), whose product bounds V(G) from below, and holds the δ quantile "
                "against the bound."
            ),
            sampler=TEACHER_CELLS,
            read=quantile,
            grid=tuple(
                Point(N=n, d0=a, d1=4, k=k, delta=level)
                for n, a, k in ((10, 2, 1), (40, 2, 2), (8, 3, 1), (12, 4, 1))
                for level in (0.5, 0.25)
            ),
            chunks=12,
            controls=(
                Control(
                    "direction",
                    "the volume exceeds the bound at most half of the time",
                    claim=Claim(
                        sp.Symbol(r"\mathbb{P}\left(V(\mathcal{G}) > (\delta/(kK))^k\right)"), Relation.AT_MOST, _HALF
                    ),
                    read=_exceeds,
                ),
            ),
        ),
    ),
    notes=("In two dimensions K = 2N, and the bound can be compared with exact angles.",),
)
