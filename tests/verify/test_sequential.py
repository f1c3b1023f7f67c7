"""Samples that grow where verdicts are undecided: the looks, who stops, who goes on, and that nothing else matters.

The toy coin has 400 throws in a chunk and 4 chunks planned, and p = 0.4 at its first point; the seed is fixed.
"""

from __future__ import annotations

import json
import sqlite3

import pytest

from verify.registry import discover
from verify.run import run
from verify.runner import Budget, Settings, make_plan
from verify.statistics.looks import share


def checked(folder, out, **settings):
    resume = settings.pop("resume", False)
    results = run(["coin"], Settings(folders=(folder,), **settings), out, resume=resume, report=False).results
    return results, results["statements"][0]["checks"][0]


def trials(check):
    return [point["counts"]["trials"] for point in check["points"]]


def without_times(results):
    return json.dumps({key: value for key, value in results.items() if key != "times"})


def test_a_claim_with_room_is_decided_at_the_first_look(toy, tmp_path):
    _, check = checked(toy(), tmp_path / "out")
    assert trials(check) == [400, 400]
    assert [point["verdict"]["outcome"] for point in check["points"]] == ["holds", "holds"]
    assert check["controls"][0]["rejected"]


def test_an_undecided_claim_gets_its_planned_sample_and_no_more_without_hope(toy, tmp_path):
    """The bound is the probability itself at the first point: no sample decides it. The second has half of it."""
    _, check = checked(toy(bound="sp.Rational(2, 5)"), tmp_path / "out")
    assert trials(check)[0] >= 1600
    assert trials(check)[1] == 400
    first = check["points"][0]
    assert first["verdict"]["outcome"] == "undecided"
    assert first["needed"] == "inf" or first["needed"] * trials(check)[0] > 4 * 1600


def test_a_decision_in_reach_is_waited_for(toy, tmp_path):
    """At the bound 0.43 some three thousand throws decide; 1600 are planned."""
    _, check = checked(toy(bound="sp.Rational(43, 100)"), tmp_path / "out")
    assert 1600 < trials(check)[0] <= 6400
    assert check["points"][0]["verdict"]["outcome"] == "holds"
    fixed, same = checked(toy(bound="sp.Rational(43, 100)"), tmp_path / "fixed", sequential=False)
    assert trials(same) == [1600, 1600]
    assert "--fixed" in fixed["run"]["command"]
    assert same["points"][0]["verdict"]["outcome"] == "undecided"
    assert 1 < same["points"][0]["needed"] < 4


def test_the_report_says_what_a_decision_would_take(toy, tmp_path):
    settings = Settings(folders=(toy(bound="sp.Rational(43, 100)"),), sequential=False)
    results = run(["coin"], settings, tmp_path / "out").results
    (cost,) = results["times"]["undecided"]
    assert (cost["statement"], cost["check"], cost["point"]) == ("coin", "flips", 0)
    text = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "#1: about 1.5 times the samples would be likely to decide this" in text


def test_a_control_that_is_not_yet_rejected_keeps_its_sample_growing(toy, tmp_path):
    """The claim is decided at once, and its mutant at 0.36 takes more than the planned 1600 throws."""
    _, check = checked(toy(control="sp.Rational(18, 50)"), tmp_path / "out")
    assert check["controls"][0]["rejected"]
    assert trials(check)[0] > 1600


def test_each_look_has_its_share_of_the_level(toy, tmp_path):
    """The interval at 400 throws is that of a sixteenth of the level, computed by SciPy."""
    from scipy.stats import binomtest

    results, check = checked(toy(), tmp_path / "out")
    point = check["points"][0]
    level = results["run"]["level_each"] * share(1, 4)
    assert level == results["run"]["level_each"] / 16
    expected = binomtest(point["counts"]["hits"], 400).proportion_ci(1 - level)
    from math import log

    assert point["estimate"]["log_lower"] == pytest.approx(log(expected.low), abs=1e-6)
    assert point["estimate"]["log_upper"] == pytest.approx(log(expected.high), abs=1e-6)


@pytest.mark.parametrize("bound", ["sp.Rational(43, 100)", "sp.Rational(2, 5)"])
def test_neither_workers_nor_a_resumed_run_change_anything(toy, tmp_path, bound):
    folder = toy(bound=bound)
    one, _ = checked(folder, tmp_path / "one")
    two, _ = checked(folder, tmp_path / "two", workers=2)
    again, _ = checked(folder, tmp_path / "one", resume=True)
    assert without_times(one) == without_times(two) == without_times(again)
    with sqlite3.connect(tmp_path / "one" / "ledger.sqlite") as ledger:
        ledger.execute("DELETE FROM chunks WHERE chunk % 2 = 1")
    mended, _ = checked(folder, tmp_path / "one", resume=True)
    assert without_times(mended) == without_times(one)


def test_more_budget_later_is_more_budget_at_once(toy, tmp_path):
    folder = toy(bound="sp.Rational(41, 100)")
    checked(folder, tmp_path / "out")
    later, check = checked(folder, tmp_path / "out", budget=Budget(4.0), resume=True)
    at_once, _ = checked(folder, tmp_path / "other", budget=Budget(4.0))
    assert without_times(later) == without_times(at_once)
    assert trials(check)[0] >= 6400


@pytest.mark.parametrize("factor", [0.25, 1.0, 1.5, 4.0])
def test_a_run_ended_between_two_looks_spends_no_share_twice(toy, factor):
    """The looks before the end and the end itself have at most the level of the comparison, wherever the end is.

    With 6 chunks on the way from 4 to 8, the share of the planned size alone, spent twice, would be all of it.
    """
    registry = discover((toy(),))
    plan = make_plan([registry["coin"]], Settings(budget=Budget(factor)), "numpy")
    task = plan.tasks[0]
    sizes = plan.looks_of(task)
    for end in range(1, sizes[-1] + 1):
        passed = [size for size in sizes if size < end]
        spent = [plan.level_at(task.sampler, task.point, size) for size in (*passed, end)]
        assert sum(spent) < plan.level


def test_chunks_of_a_longer_run_are_not_looked_at_too_early(toy, tmp_path):
    """A ledger with more than a run asks for gives what the run would have given by itself."""
    folder = toy()
    checked(folder, tmp_path / "out", sequential=False, budget=Budget(4.0))
    resumed, _ = checked(folder, tmp_path / "out", resume=True)
    fresh, _ = checked(folder, tmp_path / "fresh")
    assert without_times(resumed) == without_times(fresh)


def test_a_small_budget_looks_once(toy, tmp_path):
    _, check = checked(toy(bound="sp.Rational(2, 5)"), tmp_path / "out", budget=Budget(0.25))
    assert trials(check)[0] == 400


def test_a_failing_sampler_is_not_asked_again(toy, tmp_path):
    results, check = checked(toy(body="raise ValueError('the coin rolled away')"), tmp_path / "out")
    assert {point["verdict"]["outcome"] for point in check["points"]} == {"error"}
    assert results["summary"]["exit_code"] == 3
