"""F13: Theorem 9 at every finite size, for the labels of a teacher.

A region contains a global minimum as soon as some of its neurons lie in the cells of the teacher's. A random neuron
rarely lies in a small cell, since there are not many cells.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import sympy as sp

from theorems.setting import CONFIDENCE, GAUSSIAN, HIDDEN, INPUTS, SAMPLES, N, d0, d1, delta, note
from verify.network.arrangements import cell_angles
from verify.network.memorize import gate_margins
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
from verify.statistics.estimates import Proportion
from verify.statistics.intervals import clopper_pearson
from verify.volume.caps import log_cap

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
    """For each of several `(X, W*)`, the log of a lower bound on the product of the volumes of the teacher's cells.

    In two dimensions a cell is an angle and its volume exact. Elsewhere it is the lower end of an exact interval.
    """
    n, inputs, k = point.integer("N"), point.integer("d0"), point.integer("k")
    logs = []
    for _ in range(16):
        X = draw.rng.standard_normal((inputs, n))
        teacher = draw.rng.standard_normal((k, inputs))
        active = teacher @ X > 0
        if inputs == 2:
            patterns, volumes = cell_angles(X)
            found = [volumes[(patterns > 0).tolist().index(row)] for row in active.tolist()]
            logs.append(math.log(math.prod(found)))
        else:
            drawn = draw.rng.standard_normal((_DRAWS, inputs)) @ X > 0
            hits = [int((drawn == row).all(axis=1).sum()) for row in active]
            sampled = [clopper_pearson(count, _DRAWS, _CELL_LEVEL).lower for count in hits]
            # A cell that was never hit still contains the cap around its neuron (F11).
            caps = log_cap(gate_margins(teacher, X), inputs)
            logs.append(float(np.maximum(sampled, caps).sum()))
    return {"log volume": logs}


TEACHER_CELLS = Sampler("teacher-cells", _teacher)


def _above(factor: float) -> Callable[[Tally, Point], Proportion]:
    """Reader of how often the volume is at least `factor` times the bound.

    A lower bound that falls short says no only where it is exact, in two dimensions; elsewhere it is doubtful.
    """

    def read(tally: Tally, point: Point) -> Proportion:
        logs, bound = entries(tally, "log volume"), CLAIM.log_bound(**point) + math.log(factor)
        above = sum(value >= bound for value in logs)
        return Proportion(above, len(logs), 0 if point["d0"] == 2 else len(logs) - above)

    return read


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


FREQUENCY = Claim(
    sp.Symbol(r"\mathbb{P}\left(\prod_{i \le k} p(C_i) \ge (\delta/(kK))^k\right)"), Relation.AT_LEAST, 1 - delta
)
_SURER = FREQUENCY.with_bound(lambda bound: 1 - delta**2 / 1000)
_EXACT = (Point(N=10, d0=2, d1=4, k=1, delta=0.5),)

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
                "lower confidence bounds elsewhere), whose product bounds V(G) from below, and counts how often it "
                "reaches the bound: at least with probability 1 − δ."
            ),
            sampler=TEACHER_CELLS,
            read=_above(1),
            claim=FREQUENCY,
            grid=tuple(
                Point(N=n, d0=a, d1=4, k=k, delta=level)
                for n, a, k, level in (
                    (10, 2, 1, 0.5),
                    (10, 2, 1, 0.25),
                    (40, 2, 2, 0.5),
                    (40, 2, 2, 0.1),
                    (8, 3, 1, 0.5),
                    (8, 3, 2, 0.5),
                    (12, 4, 1, 0.5),
                )
            ),
            chunks=12,
            controls=(
                Control("constant", "six times the volume", read=_above(6), points=_EXACT),
                Control("exponent", "1 − δ² / 1000 in place of 1 − δ", _SURER, points=_EXACT),
                Control("direction", "the probability is at most 1 − δ", FREQUENCY.reversed(), points=_EXACT),
            ),
        ),
    ),
    notes=("In two dimensions K = 2N, and the bound can be compared with exact angles.",),
)
