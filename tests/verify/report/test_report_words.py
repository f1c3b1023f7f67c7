import math

import pytest

from verify.report import numbers, words
from verify.report.pdf import _shortened
from verify.report.view import make_view


@pytest.mark.parametrize(
    ("log_value", "shown"),
    [
        (None, "—"),
        ("-inf", "0"),
        ("inf", "∞"),
        (0, "1"),
        (math.log(0.213), "0.213"),
        (math.log(0.0012), "0.0012"),
        (math.log(1.2e-14), "1.20×10⁻¹⁴"),
        (-14 * math.log(10), "10⁻¹⁴"),
        (math.log(9.9999e-5), "10⁻⁴"),
        (-1000, "5.08×10⁻⁴³⁵"),
        (1000, "1.97×10⁴³⁴"),
        (math.log(12345), "12345"),
    ],
)
def test_numbers_from_logs(log_value, shown):
    assert numbers.from_log(log_value) == shown


def test_intervals():
    def interval(lower, middle, upper):
        return numbers.interval({"log_lower": lower, "log_estimate": middle, "log_upper": upper})

    assert interval(math.log(0.205), math.log(0.213), math.log(0.221)) == "0.213 [0.205, 0.221]"
    assert interval("-inf", "-inf", math.log(0.003)) == "0 [0, 0.003]"
    assert interval("-inf", None, "inf") == "— [0, ∞]"
    assert interval(math.log(0.5), math.log(0.5), math.log(0.5)) == "0.5"
    assert numbers.interval(None) == "—"


def test_names_of_parameters():
    assert [numbers.name(x) for x in ("N", "d0", "epsilon", "rho", "width")] == ["N", "d₀", "ε", "ρ", "width"]


def test_ratio_is_left_out_where_it_means_nothing():
    def ratio(estimate, bound):
        return numbers.ratio({"estimate": {"log_estimate": estimate}, "log_bound": bound})

    assert ratio(-4.0, -2.0) == 2.0
    assert ratio("-inf", -2.0) is None
    assert ratio(-4.0, 3.0) is None
    assert ratio(-4.0, 0.0) is None
    assert ratio(-4.0, None) is None
    assert ratio(0.0, -2.0) == 0.0


def test_the_answers_name_what_matters(results):
    right, silent, controls = (f"{item['answer']} {item['more']}" for item in words.answers(results))
    assert "Not all of it: F10 (statistical) came out violated." in right
    assert "Lemma 2 (proof)" in right
    assert "support Theorem 6" in right
    assert "against F11" in right
    assert "do not resolve F12" in right
    assert "one finding" in right
    assert "F10 (1 of 9 points)" in silent
    assert "“direction” of F10" in controls
    assert "One control could not be judged." in controls
    checks = sum(len(item["checks"]) for item in results["statements"])
    assert f"Of {4 * checks} mutants made without a look at the checks, {checks} were rejected." in controls


def test_nothing_violated_is_said_plainly(results):
    results["statements"] = results["statements"][:2]
    assert words.answers(results)[0]["answer"].startswith("Nothing that was checked of Author & Author 2017 came out")


def test_a_trend_never_reads_as_holding(results):
    shown = [item for item in make_view(results)["board"] if "trend" in item["verdict"]["words"]]
    assert shown
    assert all(item["verdict"]["outcome"] == "undecided" for item in shown)


def test_data_that_break_an_assumption(data_results):
    view = make_view(data_results)
    assert "mnist.npz" in view["subtitle"]
    states = [item["status"] for item in view["statements"][1]["assumptions"]]
    assert states[0] == "met by the data: entries look normal"
    assert states[1] == "broken by the data: d0 = 784 is above N/10"
    assert "a-2 of Theorem 6" in view["answers"][1]["answer"]


def test_assumptions_count_their_points(results):
    states = [item["status"] for item in make_view(results)["statements"][1]["assumptions"]]
    assert states == ["not testable at the points", "met at all 8 points", "met at 6 of 8 points, broken at 2"]


def test_long_tables_say_what_is_not_printed(results):
    (table,) = make_view(results)["statements"][5]["checks"][0]["tables"]
    printed = _shortened(table, 10)
    assert len(printed["rows"]) == 10
    assert "10 of 96 points" in printed["note"]
    assert "results.json" in printed["note"]
    assert "58" in [row["cells"][0] for row in printed["rows"]]  # the one point that does not hold


def test_counterexamples_are_not_held_against_the_bound(results):
    check = make_view(results)["statements"][0]["checks"][0]
    assert check["universal"]
    assert not check["figures"]
    assert "0 of 4096" in check["tables"][0]["rows"][0]["cells"]
