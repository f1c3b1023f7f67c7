"""What plain sampling costs where a volume is small, predicted and tried: `python -m benchmarks.plain_cost`.

The volume of the first-order event is known exactly for small data sets, here d0 = 2 and N = 6, at any width. Counting
needs so many hits that both ends of the exact 95 % interval lie within a factor of two of the frequency: twelve. So
`12/V` regions, each at the cost that a first chunk shows. The prediction is tried at a volume of about 1e-4, on the
workers that are named, which may be a cluster.
"""

from __future__ import annotations

import argparse
import math
import platform
import tempfile
import time
from functools import cache
from pathlib import Path

import numpy as np

from verify.network import regions
from verify.pools import cores
from verify.run import run
from verify.runner import Budget, Settings
from verify.statistics.intervals import clopper_pearson
from verify.volume.exact import RegionLattice

D0, N, SLOPE, EPSILON, LEVEL = 2, 6, 0.1, 0.1, 0.05
BATCH = 8192
STATEMENT = """
import numpy as np
import sympy as sp
from benchmarks.plain_cost import BATCH, data, hits
from verify.relations import Relation
from verify.statements import Check, Citation, Claim, Control, Kind, Point, Sampler, Statement, Variable
from verify.statistics.estimates import Proportion

width = sp.Symbol("width", positive=True)

def claim(bound):
    return Claim(sp.Symbol("V"), Relation.AT_MOST, bound)

STATEMENT = Statement(
    id="plain-cost", kind=Kind.EXPERIMENT, title="A known volume", citation=Citation("verify", "benchmark"),
    summary="The volume is at most twice what it is.",
    variables=(Variable(width, "width", sp.S.Naturals),), assumptions=(), claim=claim(sp.Float({bound})),
    checks=(Check(
        name="plain", text="Counts regions.", grid=(Point(width={width}),), chunks=1,
        sampler=Sampler("plain-cost", lambda point, draw: {{
            "hits": hits(draw.rng, point.integer("width")), "trials": BATCH}}),
        read=lambda tally, point: Proportion(tally["hits"], tally["trials"]),
        controls=(Control("tenth", "a twentieth of it", claim(sp.Float({bound} / 20))),),
    ),),
)
"""


def data() -> tuple[np.ndarray, np.ndarray]:
    """Normal samples, `d0 × N`, half of the labels 1."""
    rng = np.random.default_rng([0, D0, N])
    return rng.standard_normal((D0, N)), (rng.permutation(N) < N // 2).astype(np.float64)


def hits(rng: np.random.Generator, width: int) -> int:
    """Regions of a batch with the first-order event; doubtful ones do not occur in such small networks."""
    X, y = data()
    found = regions.misclassified_above(regions.kernels(rng.standard_normal((BATCH, width, D0)), X, SLOPE), y, EPSILON)
    assert found.doubtful == 0
    return found.hits


def hits_needed() -> int:
    """The least number of hits whose interval lies within a factor of two of the frequency, at a small volume."""
    trials, number = 10**12, 1
    while True:
        found = clopper_pearson(number, trials, LEVEL)
        if max(found.upper - found.estimate, found.estimate - found.lower) <= math.log(2):
            return number
        number += 1


@cache
def lattice() -> RegionLattice:
    """The closed sets of the data, which serve all widths."""
    return RegionLattice(*data(), SLOPE, EPSILON)


def volume(width: int) -> float:
    """The first-order volume, in closed form; boxes are of no use for it."""
    return math.exp(lattice().volumes(width, box_limit=1).first_order.log_estimate)


def seconds_each(width: int) -> float:
    """Seconds of one region on one core: the median of five chunks, after one that warms up."""
    taken = []
    for number in range(6):
        start = time.perf_counter()
        hits(np.random.default_rng(number), width)
        taken.append(time.perf_counter() - start)
    return float(np.median(taken[1:])) / BATCH


def nearest(target: float) -> tuple[int, float]:
    """The least width whose volume is at most `target`, and that volume; it falls with the width."""
    low, high = 2, 200
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if volume(middle) <= target else (middle, high)
    return high, volume(high)


def main() -> None:
    """Predicts both, tries the first, and writes what came out."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workers", default=str(cores()))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "plain_cost.md")
    args = parser.parse_args()
    needed, lines = hits_needed(), []
    for target in (1e-4, 1e-9):
        width, exact = nearest(target)
        each = seconds_each(width)
        trials = needed / exact
        lines.append(
            f"| {width} | {exact:.3e} | {trials:.2e} | {math.ceil(trials / BATCH)} | {1e6 * each:.1f} "
            f"| {trials * each:.3g} | {trials * each / 3600:.3g} |"
        )
        print(lines[-1], flush=True)
    width, exact = nearest(1e-4)
    chunks = math.ceil(needed / exact / BATCH)
    with tempfile.TemporaryDirectory() as name:
        (Path(name) / "plain.py").write_text(STATEMENT.format(width=width, bound=2 * exact))
        settings = Settings(seed=args.seed, folders=(name,), budget=Budget(chunks), workers=args.workers, level=LEVEL)
        results = run(["plain-cost"], settings, Path(name) / "out", report=False).results
    point = results["statements"][0]["checks"][0]["points"][0]
    seen, trials = point["counts"]["hits"], point["counts"]["trials"]
    interval = clopper_pearson(seen, trials, LEVEL)
    seconds = results["times"]["statements"]["plain-cost"]
    tried = (
        f"{chunks} chunks of {BATCH} regions at width {width}, {args.workers} workers: {seen} hits, frequency "
        f"{seen / trials:.3e}, 95 % interval {math.exp(interval.lower):.3e} … {math.exp(interval.upper):.3e}, exact "
        f"{exact:.3e}; {seconds:.2f} s of work, {results['times']['seconds']:.1f} s in all."
    )
    print(tried)
    text = (
        "# Plain sampling of a small volume\n\n"
        f"First-order event, d0 = {D0}, N = {N}, slope {SLOPE}, ε = {EPSILON}. Regions for {needed} hits, with which "
        "the exact 95 % interval lies within a factor of two of the frequency; seconds of one core, which was shared."
        f"\n\n`OPENBLAS_NUM_THREADS=1 python -m benchmarks.plain_cost --workers {args.workers} --seed {args.seed}`, "
        f"2026-11-21  \nPython {platform.python_version()}, NumPy {np.__version__}\n\n"
        "| width | exact volume | regions | chunks | µs a region | seconds of a core | hours of a core |\n"
        "|---|---|---|---|---|---|---|\n" + "\n".join(lines) + f"\n\nTried: {tried}\n"
    )
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
