"""Comparing two runs: what is worse, what is better, what is neither, and what cannot be read."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from verify.cli import main
from verify.compare import Sort, Turn, compare_files
from verify.errors import InputError
from verify.verdicts import Outcome

REFERENCE = Path(__file__).parents[2] / "reports" / "reference"


def judged(outcome="holds", leaning=None, text="because"):
    return {"outcome": outcome, "evidence": "statistical", "leaning": leaning, "text": text}


def found(lower, upper):
    return {"log_lower": lower, "log_estimate": lower, "log_upper": upper}


def a_run():
    """Only the fields of docs/results-schema.md that a comparison needs."""
    point = {"parameters": {"p": 0.4}, "path": None, "estimate": found(-2.0, -1.0), "verdict": judged()}
    control = {"name": "constant", "rejected": True, "looked_at": True, "verdict": judged("violated")}
    check = {"name": "flips", "verdict": judged(), "points": [point], "controls": [control]}
    statement = {
        "id": "coin",
        "verdict": judged(),
        "steps": [{"verdict": judged()}],
        "findings": [{"id": "vacuity", "verdict": judged()}],
        "pictures": [{"id": "tail", "drawing": {"kind": "curves"}, "error": None}],
        "checks": [check],
    }
    settings = {name: None for name in ("budget", "epsilon", "slope", "level", "backend", "data")}
    return {
        "schema": "verify-results",
        "schema_version": 1,
        "run": {"seed": 0, **settings},
        "environment": {"packages": {"numpy": "2.1"}},
        "broken_modules": [],
        "statements": [statement],
        "times": {"statements": {"coin": 1.0}},
    }


@pytest.fixture
def compared(tmp_path):
    """Compares the run above with what `change` makes of a copy of it; `first` changes the earlier one as well."""

    def compare(change, first=lambda run: None, **options):
        runs = a_run(), a_run()
        first(runs[0])
        change(runs[1])
        files = tmp_path / "before.json", tmp_path / "after.json"
        for file, run in zip(files, runs, strict=True):
            file.write_text(json.dumps(run))
        return compare_files(*files, **options)

    return compare


def only(comparison):
    (change,) = comparison.changes
    return change


def statement(run):
    return run["statements"][0]


def check(run):
    return statement(run)["checks"][0]


def point(run):
    return check(run)["points"][0]


def control(run):
    return check(run)["controls"][0]


CHANGES = {
    "statement violated": (lambda r: statement(r).update(verdict=judged("violated")), Sort.VERDICT, "coin"),
    "statement undecided": (lambda r: statement(r).update(verdict=judged("undecided")), Sort.VERDICT, "coin"),
    "statement vacuous": (lambda r: statement(r).update(verdict=judged("vacuous")), Sort.VERDICT, "coin"),
    "check crashed": (lambda r: check(r).update(verdict=judged("error")), Sort.VERDICT, "coin · flips"),
    "point violated": (lambda r: point(r).update(verdict=judged("violated")), Sort.VERDICT, "coin · flips · p = 0.4"),
    "step refuted": (
        lambda r: statement(r)["steps"][0].update(verdict=judged("violated")),
        Sort.VERDICT,
        "coin · step 1",
    ),
    "finding gone wrong": (
        lambda r: statement(r)["findings"][0].update(verdict=judged("violated")),
        Sort.VERDICT,
        "coin · finding vacuity",
    ),
    "picture crashed": (
        lambda r: statement(r)["pictures"][0].update(drawing=None, error="boom"),
        Sort.VERDICT,
        "coin · picture tail",
    ),
    "control missed": (
        lambda r: control(r).update(rejected=False, verdict=judged("holds")),
        Sort.VERDICT,
        "coin · flips · control constant",
    ),
    "control not reached": (
        lambda r: control(r).update(rejected=False, looked_at=False, verdict=judged("not applicable")),
        Sort.VERDICT,
        "coin · flips · control constant",
    ),
    "control gone": (lambda r: check(r).update(controls=[]), Sort.VANISHED, "coin · flips · control constant"),
    "check gone": (lambda r: statement(r).update(checks=[]), Sort.VANISHED, "coin · flips"),
    "statement gone": (lambda r: r.update(statements=[]), Sort.VANISHED, "coin"),
    "module broken": (
        lambda r: r.update(broken_modules=[{"module": "bad.py", "reason": "SyntaxError"}]),
        Sort.APPEARED,
        "module bad.py",
    ),
}


@pytest.mark.parametrize(("change", "sort", "name"), CHANGES.values(), ids=CHANGES.keys())
def test_what_is_worse_is_one_line_and_exit_code_1(compared, change, sort, name):
    comparison = compared(change)
    worse = only(comparison)
    assert (worse.turn, worse.sort, worse.place.name) == (Turn.WORSE, sort, name)
    assert comparison.exit_code == 1


@pytest.mark.parametrize(("change", "sort", "name"), CHANGES.values(), ids=CHANGES.keys())
def test_the_way_back_is_not_worse(compared, change, sort, name):
    back = only(compared(lambda run: None, first=change))
    assert back.turn is not Turn.WORSE
    assert back.place.name == name


def test_a_trend_that_turns_is_worse_and_one_that_is_lost_is_not(compared):
    def leaning(way):
        return lambda run: statement(run).update(verdict=judged("undecided", way))

    assert only(compared(leaning("against"), leaning("supports"))).turn is Turn.WORSE
    assert only(compared(leaning(None), leaning("supports"))).turn is Turn.NEITHER
    assert only(compared(leaning("supports"), leaning("against"))).turn is Turn.BETTER


def test_a_statement_that_appears_violated_is_worse_and_so_is_what_is_violated_in_it(compared):
    def another(outcome):
        def change(run):
            new = copy.deepcopy(statement(run))
            new.update(id="die", verdict=judged(outcome))
            new["checks"][0]["verdict"] = judged(outcome)
            run["statements"].append(new)

        return change

    assert {c.place.name for c in compared(another("violated")).of(Turn.WORSE)} == {"die", "die · flips"}
    new = only(compared(another("holds")))
    assert (new.sort, new.turn, new.before) == (Sort.APPEARED, Turn.NEITHER, "")


@pytest.mark.parametrize(
    ("ends", "apart"),
    [
        ((-1.0, -0.5), False),
        ((-0.99, -0.5), True),
        ((-3.0, -2.01), True),
        (("-inf", -2.5), True),
        ((-1.5, "inf"), False),
    ],
)
def test_intervals_that_are_disjoint_moved_apart(compared, ends, apart):
    comparison = compared(lambda run: point(run).update(estimate=found(*ends)))
    assert [change.sort for change in comparison.changes] == ([Sort.INTERVAL] if apart else [])
    assert comparison.exit_code == 0


def test_exact_values_differ_by_rounding_on_other_machines(compared):
    def exact(value):
        return lambda run: point(run).update(estimate=found(value, value))

    assert compared(exact(-700.00000000001), exact(-700.0)).changes == ()
    assert only(compared(exact(-700.001), exact(-700.0))).sort is Sort.INTERVAL


def test_slower_takes_the_factor_and_a_second(compared):
    def takes(seconds):
        return lambda run: run["times"].update(statements={"coin": seconds})

    assert compared(takes(19.0), takes(10.0)).changes == ()
    assert only(compared(takes(21.0), takes(10.0))).sort is Sort.SLOWER
    assert only(compared(takes(19.0), takes(10.0), slower=1.5)).sort is Sort.SLOWER
    assert compared(takes(0.9), takes(0.1)).changes == ()
    assert compared(takes(21.0), takes(10.0)).exit_code == 0


def test_another_grid_and_missing_statements_that_are_allowed_are_not_worse(compared):
    moved = compared(lambda run: point(run).update(parameters={"p": 0.5}))
    assert {(change.sort, change.turn) for change in moved.changes} == {
        (Sort.APPEARED, Turn.NEITHER),
        (Sort.VANISHED, Turn.NEITHER),
    }
    assert compared(lambda run: run.update(statements=[]), missing=True).exit_code == 0


def test_settings_that_differ_are_named(compared):
    comparison = compared(lambda run: (run["run"].update(seed=7), run["environment"].update(packages={"numpy": "2.2"})))
    assert comparison.settings == (("seed", "0", "7"), ("numpy", "2.1", "2.2"))
    assert comparison.changes == ()


@given(st.sampled_from(list(Outcome)), st.sampled_from(list(Outcome)))
def test_no_change_of_an_outcome_is_worse_both_ways_but_between_violated_and_error(tmp_path_factory, one, other):
    folder = tmp_path_factory.mktemp("runs")
    for name, outcome in (("one", one), ("other", other)):
        run = a_run()
        statement(run)["verdict"] = judged(outcome.value)
        (folder / name).write_text(json.dumps(run))
    there, back = (compare_files(folder / a, folder / b) for a, b in (("one", "other"), ("other", "one")))
    if one is other:
        assert there.changes == back.changes == ()
    elif {one, other} == {Outcome.VIOLATED, Outcome.ERROR}:
        assert there.exit_code == back.exit_code == 1
    else:
        assert there.exit_code + back.exit_code <= 1
        assert (Outcome.VIOLATED in (one, other)) <= (there.exit_code + back.exit_code == 1)


def test_a_run_is_the_same_as_itself():
    comparison = compare_files(REFERENCE, REFERENCE / "results.json")
    assert comparison.changes == comparison.settings == ()
    assert comparison.compared > 500


BAD = {
    "missing": (None, "give the folder of a finished run"),
    "no json": ("{", "cannot be read"),
    "another file": ("{}", "not a results file"),
    "not whole": (json.dumps({"schema": "verify-results", "schema_version": 1}), "not whole"),
    "a word for an outcome": (json.dumps(a_run()).replace('"holds"', '"fine"'), "not whole"),
}


@pytest.mark.parametrize(("content", "message"), BAD.values(), ids=BAD.keys())
def test_bad_input_is_one_line_and_exit_code_2(capsys, tmp_path, content, message):
    good, bad = tmp_path / "good.json", tmp_path / "bad.json"
    good.write_text(json.dumps(a_run()))
    if content is not None:
        bad.write_text(content)
    with pytest.raises(SystemExit) as stop:
        main(["compare", str(good), str(bad)])
    out, err = capsys.readouterr()
    assert (stop.value.code, out) == (2, "")
    assert message in err
    assert "bad.json" in err
    assert len(err.splitlines()) == 1
    with pytest.raises(InputError, match="above 1"):
        compare_files(good, good, slower=1.0)


def test_two_real_runs_on_the_command_line(capsys, toy, tmp_path):
    def call(*arguments):
        with pytest.raises(SystemExit) as stop:
            main([str(item) for item in arguments])
        return stop.value.code, capsys.readouterr().out

    rest = ("--workers", 1, "--no-report", "--quiet")
    call("run", "coin", "--path", toy(), "--out", tmp_path / "one", *rest)
    changed = toy(bound="sp.Rational(1, 10)", control="sp.Rational(1, 100)")
    call("run", "coin", "--path", changed, "--out", tmp_path / "two", *rest)
    page = tmp_path / "changes.html"
    code, out = call("compare", tmp_path / "one", tmp_path / "two", "--html", page)
    assert code == 1
    assert "coin: holds · statistical → violated · statistical" in out
    assert "coin · flips · p = 0.4: holds · statistical → violated · statistical" in out
    assert "coin · flips · p = 0.4" in page.read_text()
    code, out = call("compare", tmp_path / "two", tmp_path / "one", "--json")
    assert code == 0
    assert json.loads(out)["summary"]["better"] > 0
    assert call("compare", tmp_path / "one", tmp_path / "one")[0] == 0


def test_texts_of_a_run_cannot_steer_the_page_or_the_terminal(tmp_path):
    from verify.report.page import render

    run, other = a_run(), a_run()
    statement(other)["verdict"] = judged("violated", text="<script>alert(1)</script>\x1b[31m")
    for name, content in (("one", run), ("two", other)):
        (tmp_path / name).write_text(json.dumps(content))
    comparison = compare_files(tmp_path / "one", tmp_path / "two")
    assert "\x1b" not in str(comparison)
    assert "<script>alert" not in render("comparison.html.j2", comparison=comparison)
