"""Error rates of whole runs, measured: `python -m benchmarks.error_rates [--runs 10000] [--seed 0] [--workers 1]`.

A synthetic run has ten statements about laws that can be drawn from at once: probabilities bounded from above, from
below and by an equality, ratios, and quantiles. It goes through the plan, the looks and the judge of real runs
(`make_plan`, `further`, `assess`), only without processes and ledger.

*True claims at the boundary*: every quantity equals its bound, where a false verdict is likeliest. There, what a run
says of an inequality is wrong whichever it says: *violated*, for the claim is true; and *holds*, for the quantity could
be beyond the bound by a hair.

*One false claim*: in further runs one quantity lies beyond its bound by the declared margin: the least at which an
exact binomial calculation, which shares no code with the intervals, gives the planned sample the declared power. An
equality is supported down to a resolution only, so that its margin is at least that.
"""

from __future__ import annotations

import argparse
import math
import platform
import time
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import scipy
import sympy as sp
from scipy.stats import binom

from verify.assess import StatementReport, assess, further
from verify.relations import Relation
from verify.runner import Outcomes, Plan, Settings, Task, make_plan
from verify.sampling import Draw, Tally
from verify.statements import Check, Citation, Claim, Control, Kind, Point, Sampler, Statement, Variable
from verify.statistics.estimates import EQUALITY_RESOLUTION, CertifiedQuantile, Estimate, Odds, Proportion
from verify.statistics.intervals import clopper_pearson
from verify.statistics.looks import looks
from verify.verdicts import Outcome

CHUNKS = 4
POWER = 0.95
COPIES = 2
VALUES = (0.3, 0.04)
TAIL = 0.25
EVENTS = 0.5
EVERY = 4

p = sp.Symbol("p", positive=True)


def _hits(tally: Tally, point: Point) -> Estimate:
    return Proportion(tally["hits"], tally["trials"])


def _odds(tally: Tally, point: Point) -> Estimate:
    return Odds(tally["first"], tally["second"], tally["trials"])


def _quantile(tally: Tally, point: Point) -> Estimate:
    logs = tuple(tally["logs"])
    return CertifiedQuantile(logs, TAIL, logs, log_most=math.inf)


def _draw_hits(truth: float, point: Point, rng: np.random.Generator) -> Tally:
    return {"hits": int(rng.binomial(250, truth)), "trials": 250}


def _draw_odds(truth: float, point: Point, rng: np.random.Generator) -> Tally:
    """Two disjoint events with probability `EVENTS` together, the first with share `truth` of it."""
    both = int(rng.binomial(250, EVENTS))
    first = int(rng.binomial(both, truth))
    return {"first": first, "second": both - first, "trials": 250}


def _draw_quantile(truth: float, point: Point, rng: np.random.Generator) -> Tally:
    """Fifty values of which the claimed quantile is above a share `truth`."""
    return {"logs": [math.log(point.real("p") * u / truth) for u in rng.random(50)]}


@dataclass(frozen=True)
class Law:
    """A kind of claim whose samples are binomial counts under another name.

    Attributes:
        relation: how it is claimed to relate to `p`.
        read: its estimate.
        draw: one chunk, for the probability that is behind it.
        behind: that probability where the claim holds with equality.
        trials: binomial trials in the planned sample.
        above: whether the claim is false for larger probabilities; else for smaller ones.
        rate: with what probability a trial is seen at all.
    """

    relation: Relation
    read: Callable[[Tally, Point], Estimate]
    draw: Callable[[float, Point, np.random.Generator], Tally]
    behind: Callable[[float], float]
    trials: int
    above: bool = True
    rate: float = 1.0


LAWS = {
    "upper": Law(Relation.AT_MOST, _hits, _draw_hits, lambda value: value, 250 * CHUNKS),
    "lower": Law(Relation.AT_LEAST, _hits, _draw_hits, lambda value: value, 250 * CHUNKS, above=False),
    "equal": Law(Relation.EQUAL, _hits, _draw_hits, lambda value: value, 250 * CHUNKS),
    "ratio": Law(Relation.AT_MOST, _odds, _draw_odds, lambda value: value / (1 + value), 250 * CHUNKS, rate=EVENTS),
    "quantile": Law(Relation.AT_LEAST, _quantile, _draw_quantile, lambda value: TAIL, 50 * CHUNKS),
}


def _undrawn(point: Point, draw: Draw) -> Tally:
    raise RuntimeError("these samples are drawn by `simulated`, not by the runner")


def synthetic_plan(level: float, copies: int = COPIES) -> Plan:
    """The plan of a run over `copies` statements of each law, with two points each."""
    statements = []
    for name, law in LAWS.items():
        for copy in range(copies):
            claim = Claim(sp.Symbol("q"), law.relation, p)
            false = Claim(sp.Symbol("q"), law.relation, 3 * p if law.relation.is_lower else p / 3)
            check = Check(
                name="check",
                text="",
                sampler=Sampler(f"{name}-{copy}", _undrawn),
                read=law.read,
                controls=(Control("constant", "", false),),
                grid=tuple(Point(p=value) for value in VALUES),
                chunks=CHUNKS,
            )
            statements.append(
                Statement(
                    id=f"{name}-{copy}",
                    kind=Kind.LEMMA,
                    title="",
                    citation=Citation("", ""),
                    summary="",
                    variables=(Variable(p, "", sp.Interval.open(0, 1)),),
                    assumptions=(),
                    claim=claim,
                    checks=(check,),
                )
            )
    return make_plan(statements, Settings(level=level), "numpy")


def simulated(
    plan: Plan, rng: np.random.Generator, beyond: Mapping[tuple[str, Point], float] | None = None
) -> list[StatementReport]:
    """The reports of one run in which the quantities equal their bounds, but for those with another law `beyond`."""
    outcomes = Outcomes()
    sizes: Mapping[Task, int] = {task: looks(task.planned, task.chunks)[0] for task in plan.tasks}
    while sizes:
        for task, size in sizes.items():
            place = task.sampler, task.point
            law = LAWS[task.sampler.split("-")[0]]
            truth = (beyond or {}).get(place, law.behind(task.point.real("p")))
            chunks = outcomes.tallies.setdefault(place, [])
            chunks += [law.draw(truth, task.point, rng) for _ in range(len(chunks), size)]
        sizes = further(plan, outcomes)
    return assess(plan, outcomes)


def detectable(law: Law, value: float, level: float) -> float:
    """The probability nearest to that at the boundary at which the planned sample has the declared power.

    Args:
        law: of the claim.
        value: its bound.
        level: of one comparison; the planned sample has half of it, and each end of an interval half of that.
    """
    boundary, alpha = law.behind(value), level / 4
    seen = np.arange(law.trials + 1)
    weights = binom.pmf(seen, law.trials, law.rate)
    counted = seen[weights > 1e-12]
    weights = weights[counted]
    critical = binom.isf(alpha, counted, boundary) + 1 if law.above else binom.ppf(alpha, counted, boundary) - 1

    def power(truth: float) -> float:
        caught = binom.sf(critical - 1, counted, truth) if law.above else binom.cdf(critical, counted, truth)
        return float(weights @ caught)

    near, far = boundary, 1.0 if law.above else 0.0
    for _ in range(40):
        middle = (near + far) / 2
        near, far = (near, middle) if power(middle) >= POWER else (middle, far)
    if law.relation is Relation.EQUAL:
        # An interval of twice the resolution that contains the bound contains nothing beyond this.
        return max(far, boundary * math.exp(2 * EQUALITY_RESOLUTION))
    return far


def run_of(level: float, seed: int, number: int) -> dict[str, bool]:
    """What came of a run at the boundary and, for one number in `EVERY`, of a run with one false claim."""
    plan = _plan(level)
    rng = np.random.default_rng([seed, number])
    points = [
        (report.statement.claim.relation, point.verdict.outcome)
        for report in simulated(plan, rng)
        for check in report.checks
        for point in check.points
    ]
    violated = any(outcome is Outcome.VIOLATED for _, outcome in points)
    held = any(outcome is Outcome.HOLDS and relation is not Relation.EQUAL for relation, outcome in points)
    came = {"false violated": violated, "false holds": held, "either": violated or held}
    if number % EVERY:
        return came
    task = plan.tasks[number // EVERY % len(plan.tasks)]
    name = task.sampler.split("-")[0]
    truth = _margins(level)[name, task.point]
    reports = simulated(plan, rng, {(task.sampler, task.point): truth})
    violated_ids = {report.statement.id for report in reports if report.verdict.outcome is Outcome.VIOLATED}
    return came | {
        "caught": task.sampler in violated_ids,
        "caught " + name: task.sampler in violated_ids,
        "tried": True,
        "tried " + name: True,
        "false violated beside it": bool(violated_ids - {task.sampler}),
    }


_plans: dict[float, Plan] = {}
_found: dict[float, dict[tuple[str, Point], float]] = {}


def _plan(level: float) -> Plan:
    if level not in _plans:
        _plans[level] = synthetic_plan(level)
    return _plans[level]


def _margins(level: float) -> dict[tuple[str, Point], float]:
    if level not in _found:
        each = _plan(level).level
        points = [Point(p=value) for value in VALUES]
        _found[level] = {
            (name, point): detectable(law, point.real("p"), each) for name, law in LAWS.items() for point in points
        }
    return _found[level]


def _share(count: int, runs: int) -> str:
    ends = clopper_pearson(count, runs, 0.05)
    return f"{count / runs:.4f} ({math.exp(ends.lower):.4f}–{math.exp(ends.upper):.4f})"


def main() -> None:
    """Simulate, print the tables, and write them to `benchmarks/results`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--levels", type=float, nargs="+", default=[0.001, 0.05])
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "error_rates.md")
    arguments = parser.parse_args()
    runs, started = arguments.runs, time.monotonic()
    rates, margins = [], []
    with ProcessPoolExecutor(arguments.workers) as pool:
        for level in arguments.levels:
            counts: Counter[str] = Counter()
            for outcome in pool.map(partial(run_of, level, arguments.seed), range(runs), chunksize=25):
                counts.update(outcome)
            shares = [_share(counts[name], runs) for name in ("false violated", "false holds", "either")]
            shares += [_share(counts[name], counts["tried"]) for name in ("false violated beside it", "caught")]
            rates.append(f"| {level:g} | {' | '.join(shares)} |")
            for name in LAWS:
                truths = ", ".join(
                    f"{LAWS[name].behind(point.real('p')):.4f} → {_margins(level)[name, point]:.4f}"
                    for point in (Point(p=value) for value in VALUES)
                )
                caught = _share(counts["caught " + name], counts["tried " + name])
                margins.append(f"| {level:g} | {name} | {truths} | {caught} |")
    plan = _plan(arguments.levels[0])
    text = "\n".join(
        [
            "# Error rates of whole runs",
            "",
            f"{runs} synthetic runs at the boundary and {-(-runs // EVERY)} with a false claim for each level, "
            f"{len(plan.statements)} statements and\n{plan.comparisons} comparisons each, sequential looks on. "
            "Shares of runs with 95 % exact intervals.",
            "",
            f"`python -m benchmarks.error_rates --runs {runs} --seed {arguments.seed}"
            f" --levels {' '.join(f'{level:g}' for level in arguments.levels)}`  ",
            f"Python {platform.python_version()}, NumPy {np.__version__}, SciPy {scipy.__version__}, 2026-11-21, "
            f"{time.monotonic() - started:.0f} s on {arguments.workers} process(es)",
            "",
            "Columns two to four: all claims at the boundary; any *violated*, any *holds* of an inequality, and "
            "either,\nwhich is to be at most the level. The next: any *violated* of a true claim in runs with one "
            f"false one. The\nlast: the false one *violated*, which is to be at least the declared power, {POWER:g}.",
            "",
            "| level | false *violated* | false *holds* | either | false *violated* beside a false claim | caught |",
            "|---|---|---|---|---|---|",
            *rates,
            "",
            "The declared margins: the probability behind a claim, at the boundary → where it is false.",
            "",
            "| level | law | probabilities | caught |",
            "|---|---|---|---|",
            *margins,
            "",
        ]
    )
    arguments.out.write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
