"""The runner: same numbers whatever the workers, resume, budgets, failures of modules."""

from __future__ import annotations

import json
import sqlite3

import pytest

from verify.errors import InputError
from verify.run import run
from verify.runner import Budget, Settings


def statement(results, identifier):
    return next(item for item in results["statements"] if item["id"] == identifier)


def without_times(results):
    return {key: value for key, value in results.items() if key != "times"}


def test_a_true_claim_holds_and_its_control_is_rejected(toy, tmp_path):
    settings = Settings(folders=(toy(),))
    results = run(["coin"], settings, tmp_path / "out", report=False).results
    coin = statement(results, "coin")
    assert coin["verdict"]["outcome"] == "holds"
    assert coin["verdict"]["evidence"] == "statistical"
    assert coin["checks"][0]["controls"][0]["rejected"]
    assert results["summary"]["exit_code"] == 0
    # Two points for the check and two for its control share the run's level.
    assert results["run"]["comparisons"] == 4
    assert results["run"]["level_each"] == pytest.approx(settings.level / 4)


def test_a_false_claim_is_violated(toy, tmp_path):
    settings = Settings(folders=(toy(bound="sp.Rational(1, 10)", control="sp.Rational(1, 100)"),))
    results = run(["coin"], settings, tmp_path / "out", report=False).results
    assert statement(results, "coin")["verdict"]["outcome"] == "violated"
    assert results["summary"]["exit_code"] == 1


def test_a_control_that_is_not_rejected_takes_away_the_support(toy, tmp_path):
    settings = Settings(folders=(toy(control="sp.Rational(9, 10)"),))
    results = run(["coin"], settings, tmp_path / "out", report=False).results
    assert statement(results, "coin")["verdict"]["outcome"] == "undecided"
    assert results["summary"]["exit_code"] == 1


def test_a_false_step_makes_the_statement_violated(toy, tmp_path):
    results = run(["coin"], Settings(folders=(toy(step="False"),)), tmp_path / "out", report=False).results
    assert statement(results, "coin")["verdict"] | {"text": ""} == {
        "outcome": "violated",
        "evidence": "proof",
        "leaning": None,
        "text": "",
    }


def test_results_do_not_depend_on_the_number_of_workers(toy, tmp_path):
    folder = toy()
    one = run(["coin"], Settings(folders=(folder,), seed=3, workers=1), tmp_path / "one", report=False).results
    two = run(["coin"], Settings(folders=(folder,), seed=3, workers=2), tmp_path / "two", report=False).results
    other = run(["coin"], Settings(folders=(folder,), seed=4, workers=1), tmp_path / "other", report=False).results
    assert json.dumps(without_times(one)) == json.dumps(without_times(two))
    assert statement(one, "coin")["checks"] != statement(other, "coin")["checks"]


def test_a_raising_sampler_is_an_error_and_spares_the_others(toy, tmp_path):
    toy("coin")
    folder = toy("broken-coin", body="raise ValueError('the coin rolled away')")
    results = run(["coin", "broken-coin"], Settings(folders=(folder,)), tmp_path / "out", report=False).results
    assert statement(results, "coin")["verdict"]["outcome"] == "holds"
    broken = statement(results, "broken-coin")
    assert broken["verdict"]["outcome"] == "error"
    assert "the coin rolled away" in json.dumps(broken)
    assert results["summary"]["exit_code"] == 3


@pytest.mark.parametrize("body", ["return {'hits': float('nan')}", "return [1]", "return {'hits': 'many'}"])
def test_a_sampler_that_returns_no_counts_is_an_error(toy, tmp_path, body):
    results = run(["coin"], Settings(folders=(toy(body=body),)), tmp_path / "out", report=False).results
    assert statement(results, "coin")["verdict"]["outcome"] == "error"


def test_a_dying_worker_costs_only_its_own_statement(toy, tmp_path):
    toy("coin")
    folder = toy("deadly-coin", body="import os; os._exit(7)")
    settings = Settings(folders=(folder,), workers=2)
    results = run(["coin", "deadly-coin"], settings, tmp_path / "out", report=False).results
    assert statement(results, "coin")["verdict"]["outcome"] == "holds"
    assert statement(results, "deadly-coin")["verdict"]["outcome"] == "error"
    assert "died" in json.dumps(statement(results, "deadly-coin"))


def test_resume_takes_finished_chunks_and_gives_the_same_result(toy, tmp_path):
    folder, out = toy(), tmp_path / "out"
    first = run(["coin"], Settings(folders=(folder,)), out, report=False).results
    with sqlite3.connect(out / "ledger.sqlite") as ledger:
        ledger.execute("DELETE FROM chunks WHERE chunk = 2")
        # A mark that only a chunk taken from the ledger can carry into the result.
        ledger.execute("""UPDATE chunks SET tally = '{"hits": 0, "trials": 400}' WHERE chunk = 1""")
    second = run(["coin"], Settings(folders=(folder,)), out, resume=True, report=False).results
    hits = [point["counts"]["hits"] for point in statement(second, "coin")["checks"][0]["points"]]
    before = [point["counts"]["hits"] for point in statement(first, "coin")["checks"][0]["points"]]
    assert all(now < then for now, then in zip(hits, before, strict=True))
    fresh = run(["coin"], Settings(folders=(folder,)), out, report=False).results
    assert json.dumps(without_times(fresh)) == json.dumps(without_times(first))


def test_resume_ignores_chunks_of_other_code(toy, tmp_path):
    out = tmp_path / "out"
    run(["coin"], Settings(folders=(toy(),)), out, report=False)
    changed = toy(body="return {'hits': 0, 'trials': 400}")
    results = run(["coin"], Settings(folders=(changed,)), out, resume=True, report=False).results
    assert all(p["counts"]["hits"] == 0 for p in statement(results, "coin")["checks"][0]["points"])


def test_more_budget_draws_more_and_keeps_the_first_chunks(toy, tmp_path):
    folder = toy()
    small = run(["coin"], Settings(folders=(folder,)), tmp_path / "a", report=False).results
    large = run(["coin"], Settings(folders=(folder,), budget=Budget(2.0)), tmp_path / "b", report=False).results
    few, many = (statement(item, "coin")["checks"][0]["points"][0]["counts"] for item in (small, large))
    assert (few["trials"], many["trials"]) == (1600, 3200)


def test_a_time_budget_caps_the_run_and_the_run_says_so(toy, tmp_path):
    folder = toy(body="time.sleep(0.05)")
    settings = Settings(folders=(folder,), budget=Budget(20.0, 0.3))
    results = run(["coin"], settings, tmp_path / "out", report=False).results
    assert results["run"]["capped"]
    trials = [p["counts"]["trials"] for p in statement(results, "coin")["checks"][0]["points"]]
    assert all(400 <= n < 20 * 1600 for n in trials)


@pytest.mark.parametrize("text", ["", "5", "x", "-2x", "0s", "1d", "2x;3s", "nan x", "1e3s"])
def test_a_budget_that_is_none_is_refused(text):
    with pytest.raises(InputError, match="budget"):
        Budget.parse(text)


def test_budgets_are_read():
    assert Budget.parse("2x") == Budget(2.0)
    assert Budget.parse("90s") == Budget(1.0, 90.0)
    assert Budget.parse("0.5x, 2m") == Budget(0.5, 120.0)


@pytest.mark.parametrize(
    "changes",
    [
        {"seed": -1},
        {"workers": 0},
        {"epsilon": 0.0},
        {"epsilon": 1.0},
        {"epsilon": float("nan")},
        {"slope": 1.0},
        {"slope": float("nan")},
        {"slope": float("inf")},
        {"level": 0.0},
        {"level": 1.0},
    ],
)
def test_settings_refuse_what_cannot_be(changes):
    with pytest.raises(InputError, match=f"got .*{next(iter(changes))}|got .*workers"):
        Settings(**changes)
