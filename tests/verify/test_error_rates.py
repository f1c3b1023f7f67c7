"""Whole synthetic runs, few of them: `benchmarks/error_rates.py` has ten thousand.

A wrong verdict of any kind may occur in a fifth of the runs at level 0.2, and one false claim in twenty may be missed.
Each threshold is passed with probability below 1e-6 if that is so. A run that did not share its level among its 40
comparisons would err nearly always, and be found out with certainty.
"""

from __future__ import annotations

import importlib.util
import math
import sys
from collections import Counter
from pathlib import Path

import pytest
from scipy.stats import binom

from verify.assess import against, merged
from verify.statements import Point
from verify.statistics.estimates import Proportion

RUNS = 60


def _study():
    path = Path(__file__).parents[2] / "benchmarks" / "error_rates.py"
    spec = importlib.util.spec_from_file_location("error_rates", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules["error_rates"] = module  # dataclasses look their module up while it is made
    spec.loader.exec_module(module)
    return module


study = _study()


def test_wrong_verdicts_are_as_rare_and_false_claims_caught_as_often_as_declared():
    counts = Counter()
    for number in range(RUNS):
        counts.update(study.run_of(0.2, 1, number))
    assert counts["either"] <= binom.isf(1e-6, RUNS, 0.2)
    tried = counts["tried"]
    assert tried == RUNS // study.EVERY
    assert counts["false violated beside it"] <= binom.isf(1e-6, tried, 0.2)
    assert counts["caught"] >= binom.ppf(1e-6, tried, study.POWER)


@pytest.mark.parametrize("name", ["upper", "lower"])
def test_the_declared_margin_has_the_declared_power(name):
    """Summed over all counts, with the interval of the run itself at its planned sample."""
    law, value, level = study.LAWS[name], 0.3, 1e-3

    def power(truth):
        refuting = []
        for hits in range(law.trials + 1):
            seen = Proportion(hits, law.trials).interval(level / 2)
            refuting.append(seen.lower > math.log(value) if law.above else seen.upper < math.log(value))
        return binom.pmf(range(law.trials + 1), law.trials, truth)[refuting].sum()

    margin = study.detectable(law, value, level)
    assert power(margin) == pytest.approx(study.POWER, abs=1e-6)
    assert power(law.behind(value)) < level / 4


def test_the_plan_of_the_study_is_that_of_a_run():
    plan = study.synthetic_plan(0.2)
    assert plan.comparisons == 4 * len(plan.statements) == 40
    assert {task.point for task in plan.tasks} == {Point(p=value) for value in study.VALUES}


def test_e_values_of_runs_at_the_boundary_and_with_a_false_claim():
    """One of 27 e-values of true claims passes 1e8 with probability 3e-7 at most (Markov), whatever ended the samples.

    The quantity of one claim is three times its bound of 0.04. Its sample ends once the interval has left the bound
    out; the least e-value with which that can be is 33, at 1000 trials. It is averaged over two points, and twenty of
    the run.
    """
    plan = study.synthetic_plan(0.2)
    false = next(task for task in plan.tasks if task.sampler == "upper-0" and task.point.real("p") < 0.1)
    logs, controls = [], []
    for number in range(3):
        rng = study.np.random.default_rng([5, number])
        reports = study.simulated(plan, rng, {(false.sampler, false.point): 3 * false.point.real("p")})
        named = {report.statement.id: report.log_e for report in reports}
        assert named.pop("upper-0") > math.log(32 / 2)
        assert merged([point for report in reports for point in against(report)]) > math.log(32 / 20)
        logs += named.values()
        controls += [control.log_e for report in reports for check in report.checks for control in check.controls]
    assert len(logs) == 27
    assert max(logs) < math.log(1e8)
    assert min(controls) > math.log(100)
