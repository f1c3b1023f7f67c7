"""The runner: same numbers whatever the workers, resume, budgets, failures of modules."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import numpy as np
import pytest

from verify.data import Dataset
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
    first = run(["coin"], Settings(folders=(folder,), sequential=False), out, report=False).results
    with sqlite3.connect(out / "ledger.sqlite") as ledger:
        ledger.execute("DELETE FROM chunks WHERE chunk = 2")
        # A mark that only a chunk taken from the ledger can carry into the result.
        ledger.execute("""UPDATE chunks SET tally = '{"hits": 0, "trials": 400}' WHERE chunk = 1""")
    second = run(["coin"], Settings(folders=(folder,), sequential=False), out, resume=True, report=False).results
    hits = [point["counts"]["hits"] for point in statement(second, "coin")["checks"][0]["points"]]
    before = [point["counts"]["hits"] for point in statement(first, "coin")["checks"][0]["points"]]
    assert all(now < then for now, then in zip(hits, before, strict=True))
    fresh = run(["coin"], Settings(folders=(folder,), sequential=False), out, report=False).results
    assert json.dumps(without_times(fresh)) == json.dumps(without_times(first))


def test_resume_ignores_chunks_of_other_code(toy, tmp_path):
    out = tmp_path / "out"
    run(["coin"], Settings(folders=(toy(),)), out, report=False)
    changed = toy(body="return {'hits': 0, 'trials': 400}")
    results = run(["coin"], Settings(folders=(changed,)), out, resume=True, report=False).results
    assert all(p["counts"]["hits"] == 0 for p in statement(results, "coin")["checks"][0]["points"])


def test_more_budget_draws_more_and_keeps_the_first_chunks(toy, tmp_path):
    folder = toy()
    small = run(["coin"], Settings(folders=(folder,), sequential=False), tmp_path / "a", report=False).results
    large = run(
        ["coin"], Settings(folders=(folder,), sequential=False, budget=Budget(2.0)), tmp_path / "b", report=False
    ).results
    few, many = (statement(item, "coin")["checks"][0]["points"][0]["counts"] for item in (small, large))
    assert (few["trials"], many["trials"]) == (1600, 3200)


def test_a_time_budget_caps_the_run_and_the_run_says_so(toy, tmp_path):
    folder = toy(body="time.sleep(0.05)")
    settings = Settings(folders=(folder,), sequential=False, budget=Budget(20.0, 0.3))
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


PICTURES = """
import os
from dataclasses import replace
from pathlib import Path
from verify.pictures import Curves, Map, Series
from verify.statements import Picture

def curves():
    with (Path(__file__).parent / "drawn.txt").open("a") as log:
        log.write("x")
    return Curves("size", "chance", (Series("heads", (1, 2), (-0.1, float("-inf"))),))

def other():
    {body}

STATEMENT = replace(STATEMENT, pictures=(
    Picture("curve", "A curve", "It falls.", curves), Picture("other", "Another", "It is shown as well.", other),
))
"""


def with_pictures(folder, body="return Map((0, 1), (0, 1), ((0,),), ('a',))"):
    """Give the toy statement two pictures, the second computed by `body`."""
    with (Path(folder) / "coin.py").open("a") as module:
        module.write(PICTURES.format(body=body))
    return folder


def times_drawn(folder):
    return len((Path(folder) / "drawn.txt").read_text())


def test_pictures_are_in_the_results_and_in_the_report(toy, tmp_path):
    folder = with_pictures(toy())
    results = run(["coin"], Settings(folders=(folder,)), tmp_path / "out").results
    assert results == json.loads((tmp_path / "out" / "results.json").read_text(encoding="utf-8"))
    curve, other = statement(results, "coin")["pictures"]
    assert (curve["id"], curve["title"], curve["text"], curve["error"]) == ("curve", "A curve", "It falls.", None)
    assert curve["drawing"]["series"][0]["log_y"] == [-0.1, "-inf"]
    assert other["drawing"]["kind"] == "map"
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert page.count('<figure class="picture"') == 2
    assert "It is shown as well." in page
    assert results["summary"]["exit_code"] == 0


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("raise OSError('no paint left')", "OSError: no paint left"),
        ("return 'a drawing'", "TypeError: the picture other is a str; expected Curves, Arrangement or Map"),
        ("return Map((1, 0), (0, 1), ((0,),), ('a',))", "ValueError: the x_edges do not increase"),
    ],
)
def test_a_picture_that_fails_is_an_error_in_its_place(toy, tmp_path, body, message):
    folder = with_pictures(toy(), body)
    results = run(["coin"], Settings(folders=(folder,)), tmp_path / "out").results
    coin = statement(results, "coin")
    assert coin["verdict"]["outcome"] == "holds"
    assert coin["pictures"][0]["drawing"] is not None
    assert coin["pictures"][1]["drawing"] is None
    assert coin["pictures"][1]["error"].startswith(message)
    assert results["summary"]["exit_code"] == 3
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "The computation of this picture failed: " + message.split(":")[0] in page


def test_a_picture_that_kills_its_worker_costs_only_itself(toy, tmp_path):
    folder = with_pictures(toy(), "os._exit(7)")
    results = run(["coin"], Settings(folders=(folder,), workers=2), tmp_path / "out", report=False).results
    coin = statement(results, "coin")
    assert coin["verdict"]["outcome"] == "holds"
    assert coin["pictures"][0]["error"] is None
    assert "died" in coin["pictures"][1]["error"]


def test_pictures_do_not_depend_on_the_number_of_workers_or_the_seed(toy, tmp_path):
    folder = with_pictures(toy())
    made = [
        run(["coin"], Settings(folders=(folder,), **changes), tmp_path / str(place), report=False).results
        for place, changes in enumerate(({}, {"workers": 2}, {"seed": 9}))
    ]
    assert json.dumps(without_times(made[0])) == json.dumps(without_times(made[1]))
    assert statement(made[0], "coin")["pictures"] == statement(made[2], "coin")["pictures"]


def test_resume_takes_finished_pictures_of_the_same_code(toy, tmp_path):
    folder, out = with_pictures(toy()), tmp_path / "out"
    first = run(["coin"], Settings(folders=(folder,)), out, report=False).results
    assert times_drawn(folder) == 1
    again = run(["coin"], Settings(folders=(folder,)), out, resume=True, report=False).results
    assert times_drawn(folder) == 1
    assert json.dumps(without_times(again)) == json.dumps(without_times(first))
    changed = with_pictures(toy(), "raise OSError")
    run(["coin"], Settings(folders=(changed,)), out, resume=True, report=False)
    assert times_drawn(folder) == 2


def test_a_picture_that_failed_is_tried_again_on_resume(toy, tmp_path):
    body = "assert (Path(__file__).parent / 'ready.txt').exists(); return Map((0, 1), (0, 1), ((0,),), ('a',))"
    folder, out = with_pictures(toy(), body), tmp_path / "out"
    first = run(["coin"], Settings(folders=(folder,)), out, report=False).results
    assert statement(first, "coin")["pictures"][1]["error"] is not None
    (Path(folder) / "ready.txt").touch()
    second = run(["coin"], Settings(folders=(folder,)), out, resume=True, report=False).results
    assert statement(second, "coin")["pictures"][1]["drawing"] is not None


def test_a_time_budget_leaves_no_picture_out(toy, tmp_path):
    folder = with_pictures(toy(body="time.sleep(0.05)"))
    settings = Settings(folders=(folder,), budget=Budget(20.0, 0.001))
    results = run(["coin"], settings, tmp_path / "out", report=False).results
    assert results["run"]["capped"]
    assert all(picture["drawing"] for picture in statement(results, "coin")["pictures"])


def test_on_data_there_are_no_pictures(toy, tmp_path):
    folder = with_pictures(toy())
    with (Path(folder) / "coin.py").open("a") as module:
        module.write(
            "check = replace(STATEMENT.checks[0], data_points=lambda data: (Point(p=0.4),))\n"
            "STATEMENT = replace(STATEMENT, checks=(check,))\n"
        )
    data = Dataset.from_arrays(np.eye(4), np.array([0, 1, 0, 1]))
    results = run(["coin"], Settings(folders=(folder,), data=data), tmp_path / "out").results
    coin = statement(results, "coin")
    assert coin["checks"][0]["points"][0]["counts"]["trials"] > 0
    assert coin["pictures"] == []
    assert not (Path(folder) / "drawn.txt").exists()
    assert "<h3>Pictures</h3>" not in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")


def calibration(folder, name="calibration"):
    """Make the toy statement `name` a calibration."""
    file = Path(folder) / f"{name.replace('-', '_')}.py"
    file.write_text(file.read_text().replace("Kind.LEMMA", "Kind.CALIBRATION"))
    return folder


def test_calibrations_run_first_and_the_run_says_that_they_passed(toy, tmp_path):
    toy("coin")
    folder = calibration(toy("z-coin"), "z-coin")
    order = []

    def follow(statement, done, total):
        order.append(statement)

    settings = Settings(folders=(folder,), sequential=False)
    results = run(["coin", "z-coin"], settings, tmp_path / "out", report=False, progress=follow).results
    assert [item["id"] for item in results["statements"]] == ["z-coin", "coin"]
    # A step and four chunks at each of two points; the control shares them. Two pieces are under way at a time.
    assert len(order) == 18
    assert set(order[:9]) == {"z-coin"}
    assert set(order[9:]) == {"coin"}
    assert (results["summary"]["calibration"], results["summary"]["exit_code"]) == ("passed", 0)


@pytest.mark.parametrize(
    ("changes", "state", "code"),
    [
        ({"bound": "sp.Rational(1, 10)", "control": "sp.Rational(1, 100)"}, "failed", 1),
        ({"step": "False"}, "failed", 1),
        ({"body": "raise ValueError('oh')"}, "failed", 1),
        ({"bound": "sp.Rational(2, 5)"}, "undecided", 0),
        ({"control": "sp.Rational(9, 10)"}, "undecided", 1),
    ],
)
def test_a_calibration_that_does_not_hold_discredits_the_run(toy, tmp_path, changes, state, code):
    toy("coin")
    folder = calibration(toy("calibration", **changes))
    results = run(["coin", "calibration"], Settings(folders=(folder,)), tmp_path / "out").results
    assert statement(results, "coin")["verdict"]["outcome"] == "holds"
    assert (results["summary"]["calibration"], results["summary"]["exit_code"]) == (state, code)
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert page.count("Nothing else in this run is to be believed") >= 2  # at the top, and in the answers
    assert 'role="alert"' in page


def test_a_proof_does_not_stand_in_for_a_calibration_that_was_not_measured(toy, tmp_path):
    folder = calibration(toy("calibration", bound="sp.Rational(2, 5)"))
    file = Path(folder) / "calibration.py"
    text = file.read_text().replace("Citation, Claim,", "Citation, Claim, Derivation,")
    file.write_text(text.replace("    checks=(", "    derivation=Derivation.COMPLETE,\n    checks=("))
    results = run(["calibration"], Settings(folders=(folder,)), tmp_path / "out", report=False).results
    assert statement(results, "calibration")["verdict"]["outcome"] == "holds"
    assert results["summary"]["calibration"] == "undecided"


def test_without_calibrations_the_run_says_that_there_were_none(toy, tmp_path):
    results = run(["coin"], Settings(folders=(toy(),)), tmp_path / "out").results
    assert results["summary"]["calibration"] == "not run"
    assert 'role="alert"' not in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")


def test_a_capped_run_decides_the_steps_of_all_statements(toy, tmp_path):
    toy("coin")
    folder = calibration(toy("calibration", body="time.sleep(0.05)"))
    settings = Settings(folders=(folder,), sequential=False, budget=Budget(20.0, 0.2))
    results = run(["coin", "calibration"], settings, tmp_path / "out", report=False).results
    assert results["run"]["capped"]
    assert all(part["verdict"]["outcome"] == "holds" for item in results["statements"] for part in item["steps"])
    assert statement(results, "coin")["checks"][0]["points"][0]["counts"] == {}
