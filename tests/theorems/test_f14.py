"""F14: what its samplers and readers make of labels that fit, that do not, and of a search without an answer."""

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest

from theorems.finite import f14
from verify.network.memorize import forward_exact, memorize_exact
from verify.network.oracle import YES, examine
from verify.sampling import Draw
from verify.statements import Point
from verify.statistics.estimates import judge
from verify.statistics.intervals import clopper_pearson
from verify.verdicts import Outcome


def judged(estimate, claim, point):
    return judge(estimate, claim.relation, claim.log_bound(**point), 1e-6).outcome


def draw(seed):
    return Draw(np.random.default_rng(seed), None)


@pytest.mark.parametrize("kind", ["random", "moment curve"])
def test_inputs_are_in_general_position(kind):
    for n, inputs in ((3, 4), (7, 3)):
        X = np.array(f14._inputs(Point(N=n, d0=inputs, inputs=kind), draw(n)))
        for chosen in itertools.combinations(range(n), min(n, inputs)):
            assert np.linalg.matrix_rank(X[:, chosen]) == min(n, inputs)


def test_labels_are_real_and_of_every_size():
    labellings = list(f14._labellings(6, np.random.default_rng(0)))
    assert all(len(y) == 6 for y in labellings)
    assert any(label.denominator > 1 and label not in (0, 1) for label in labellings[0])
    assert any(len(set(y)) == 1 for y in labellings)


@pytest.mark.parametrize("rho", [0.0, 0.1])
def test_a_network_that_misses_is_reported(rho):
    point = Point(N=7, d0=3, rho=rho, inputs="random")
    built, short = (sampler.draw(point, draw(1)) for sampler in (f14.BUILT, f14.SHORT))
    assert judged(f14._width(built, point), f14.CLAIM, point) is Outcome.HOLDS
    assert built["widths"] == [6] * 6
    assert judged(f14._width(short, point), f14.CLAIM, point) is Outcome.VIOLATED


def test_a_search_without_an_answer_decides_nothing():
    point = Point(N=4, d0=2, rho=0.1)
    tally = {"suffices": [2, 5], "needed": [2, 2], "log ratio": [3.0, -1e9], "log volume, narrow": [-1e9], "open": 1}
    assert judged(f14._suffices(tally, point), f14.CLAIM, point) is Outcome.UNDECIDED
    assert judged(f14._ratio(tally, point), f14.SHARE, point) is Outcome.UNDECIDED
    answered = {**tally, "open": 0}
    assert judged(f14._suffices(answered, point), f14.CLAIM, point) is Outcome.VIOLATED
    assert judged(f14._ratio(answered, point), f14.SHARE, point) is Outcome.VIOLATED


@pytest.mark.parametrize(("n", "inputs", "rho"), [(4, 3, 0.0), (4, 3, 0.1), (5, 3, -0.5), (6, 3, 0.1)])
def test_the_cells_of_the_network_against_sampled_regions(n, inputs, rho):
    """`V(G)` by deciding 60 random regions, without listing any: its lower end, at level 1e-9, exceeds the cells."""
    rng = np.random.default_rng([6, n, inputs])
    X, y = rng.integers(-20, 21, (inputs, n)), rng.integers(-9, 10, n)
    network = memorize_exact(X.tolist(), y.tolist(), Fraction(repr(rho)))
    assert forward_exact(network.W, network.z, X.tolist(), Fraction(repr(rho))) == y.tolist()
    width = len(network.W)
    seen = examine(rng.standard_normal((60, width, inputs)), X.astype(float), y.astype(float), rho, epsilon=0.1)
    answers = seen.globalmin()
    hits = int((answers == YES).sum())
    found = clopper_pearson(hits, 60, 1e-9)
    cells = f14._log_cells(X.tolist(), network)
    assert hits > 0
    assert cells < found.lower
    assert cells == pytest.approx(math.log(_product(X, network)), rel=0.1)


def _product(X, network):
    """The same product from 400 000 directions; the smallest cell here is hit some hundred times."""
    drawn = np.random.default_rng(7).standard_normal((400_000, len(X))) @ X > 0
    rows = np.array([[float(c) for c in row] for row in network.W]) @ X > 0
    return math.prod((drawn == row).all(axis=1).mean() for row in rows)
