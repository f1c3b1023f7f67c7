"""The first pages: board, findings, maps of reach, and tightness."""

import json
import math
import xml.etree.ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from verify.pictures import Map
from verify.report import reach, tightness, words
from verify.report.pdf import _printable
from verify.report.tightness import Slack, Tightness
from verify.report.view import make_view
from verify.vacuity import VACUITY, Reach


def bounded(relation, *points):
    """A statement with one check, of points (lower, estimate, upper, bound, outcome) in natural logs."""
    names = ("log_lower", "log_estimate", "log_upper")
    return {
        "checks": [
            {
                "claim": {"relation": relation, "asymptotic": relation.endswith(".")},
                "points": [
                    {
                        "universal": False,
                        "estimate": dict(zip(names, ends, strict=True)),
                        "log_bound": bound,
                        "verdict": {"outcome": outcome},
                    }
                    for *ends, bound, outcome in points
                ],
            }
        ]
    }


def test_slack_is_the_log_of_the_factor_between_bound_and_value():
    upper = tightness.tightness(bounded("<=", (-5.0, -4.0, -3.5, -3.0, "holds")), "A", "a")
    (slack,) = upper.slacks
    assert (slack.near, slack.middle, slack.far) == (0.5, 1.0, 2.0)
    lower = tightness.tightness(bounded(">=.", (-5.0, -4.0, -3.5, -7.0, "undecided")), "A", "a")
    (slack,) = lower.slacks
    assert (slack.near, slack.middle, slack.far) == (2.0, 3.0, 3.5)
    assert (slack.upper, slack.asymptotic) == (False, True)
    assert upper.tightest == 2.0
    assert lower.loosest == 2.0


def test_what_says_nothing_has_no_slack():
    points = [
        (-5.0, -4.0, -3.0, 0.0, "vacuous"),
        (-5.0, -4.0, -3.0, "-inf", "holds"),
        (-5.0, -4.0, -3.0, None, "holds"),
        ("-inf", None, "inf", -1.0, "undecided"),
        (-5.0, -4.0, -3.0, -1.0, "not applicable"),
    ]
    assert tightness.tightness(bounded("<=", *points), "A", "a") is None
    assert tightness.tightness(bounded("=", (-1.0, -1.0, -1.0, -1.0, "holds")), "A", "a") is None


def test_a_bound_that_is_broken_is_not_tight():
    row = tightness.tightness(bounded("<=", (-1.1, -1.05, -1.01, -1.08, "violated")), "A", "a")
    assert row.tightest == math.inf
    assert row.text == "beyond"
    assert "No bound is known to be within 10 %" in tightness.answer([row])["answer"]


def test_zero_hits_make_no_bound_tight():
    row = tightness.tightness(bounded("<=", ("-inf", "-inf", -7.0, -2.0, "holds")), "A", "a")
    assert (row.tightest, row.loosest) == (math.inf, 5.0)
    assert row.text == "above 148"  # e^5
    assert "A: above 148" in tightness.draw([row]).alt


def test_the_answer_names_tight_and_loose():
    rows = [
        tightness.tightness(bounded("<=", (-1.0, -1.0, -1.0, -0.95, "holds")), "Near", "a"),
        tightness.tightness(bounded("<=", (-1.2, -1.1, -1.0, -0.95, "holds")), "Middling", "b"),
        tightness.tightness(bounded(">=", (-1.0, -1.0, -1.0, -1001.0, "holds")), "Far", "c"),
    ]
    said = tightness.answer(rows)
    assert said["headline"] == "1 of 3 bounds within 10 %"
    assert "at one point at least: Near." in said["answer"]
    assert "at every point: Far." in said["answer"]
    assert "Far's: a factor of 2.0×10⁴³⁴ or more" in said["answer"]  # e^1000
    assert [row.label for row in sorted(rows, key=lambda row: row.tightest)] == ["Near", "Middling", "Far"]


LOGS = st.floats(-1e6, 1e6) | st.sampled_from([-math.inf, 0.0])


@given(st.lists(st.tuples(st.lists(LOGS, min_size=3, max_size=3), st.booleans()), min_size=1, max_size=20))
def test_every_tightness_can_be_drawn_inside_its_frame(found):
    slacks = tuple(
        Slack(-high, -middle, -low, upper, False, violated=-high > 0)
        for ends, upper in found
        for low, middle, high in [sorted(ends)]
        if math.isfinite(low) or math.isfinite(high)
    )
    if not slacks:
        return
    figure = tightness.draw([Tightness("T" * 40, "s-1", slacks)])
    assert "nan" not in figure.svg
    for element in ET.fromstring(figure.svg).iter():
        for name in ("x", "x1", "x2"):
            assert 0 <= float(element.get(name, 0)) <= figure.width
        for name in ("y", "y1", "y2"):
            assert 0 <= float(element.get(name, 0)) <= figure.height


def test_many_bounds_keep_the_tightest_and_the_loosest():
    rows = [tightness.tightness(bounded("<=", (-n, -n, -n, 0.0, "holds")), f"T{n}", f"s-{n}") for n in range(1, 301)]
    figure = tightness.draw(rows)
    assert figure.height < 1300
    assert ">T1<" in figure.svg
    assert ">T300<" in figure.svg
    assert ">T150<" not in figure.svg
    assert "240 statements between the two halves are left out" in figure.alt


LABELS = tuple(item.words for item in Reach)


def mapped(*columns, label="A"):
    """A small map of so many sizes 10, 100, …, each with the categories of its rows."""
    size, rows = len(columns), len(columns[0])
    ticks = tuple(str(10 ** (place + 1)) for place in range(size))
    drawing = Map(
        tuple(range(size + 1)),
        tuple(range(rows + 1)),
        columns,
        LABELS[: 1 + max(map(max, columns))],
        "N",
        "d0 / N",
        ticks,
        tuple(map(str, range(rows))),
    )
    return reach.SmallMap(label, "s-1", drawing)


def test_a_bound_speaks_from_the_size_on_after_which_it_always_does():
    one = mapped((0, 1), (1, 1), (2, 0), (0, 0))
    assert one.first == "1000"
    assert one.speaks == 4 / 8
    assert mapped((0, 0), (1, 2)).first is None
    assert mapped((5, 1)).first == "10"
    said = reach.sentence([one, mapped((0, 0), (1, 2), label="B")])
    assert "A: from N = 1000 on" in said
    assert "B: nothing at the largest sizes on the map" in said


def test_maps_are_found_by_what_they_are(results):
    item = {"pictures": [{"id": VACUITY, "drawing": mapped((0, 1)).drawing.to_dict()}]}
    assert reach.small_map(item, "A", "s-1").first == "10"
    other = {**item["pictures"][0]["drawing"], "labels": ["good", "bad"]}
    for drawing in (None, {"kind": "film"}, other):
        assert reach.small_map({"pictures": [{"id": VACUITY, "drawing": drawing}]}, "A", "s-1") is None
    assert reach.small_map({}, "A", "s-1") is None  # results of before there were pictures
    assert all(reach.small_map(statement, "A", "s-1") is None for statement in results["statements"])


def test_all_maps_are_one_picture():
    figure = reach.draw([mapped((0, 1), (3, 2), label=f"T{n}") for n in range(30)], "r")
    root = ET.fromstring(figure.svg)
    names = [element.get("id") for element in root.iter() if element.get("id")]
    assert len(names) == len(set(names))
    assert "T0: at 50 % of the places" in figure.alt
    assert "6 more maps are with their statements" in figure.alt
    for element in root.iter():
        assert 0 <= float(element.get("x", 0)) <= figure.width
        assert 0 <= float(element.get("y", 0)) <= figure.height


def test_the_board_is_grouped_by_work_and_kind(results):
    results["statements"][3]["kind"] = "calibration"
    results["statements"][4]["kind"] = "experiment"
    results["statements"][5]["citation"]["work"] = "Another work"
    groups = {group["name"]: [row["id"] for row in group["rows"]] for group in make_view(results)["groups"]}
    assert list(groups)[-2:] == ["Experiments", "Calibrations"]
    assert groups["Calibrations"] == ["f11"]
    assert groups["Experiments"] == ["f12"]
    assert groups["Another work"] == ["f13"]
    assert groups["Other statements"] == ["f17"]
    assert sorted(name for rows in groups.values() for name in rows) == sorted(s["id"] for s in results["statements"])


def test_findings_begin_with_what_was_not_confirmed_and_end_with_what_is_said_of_every_bound(results):
    results["statements"][0]["findings"] = [
        {"id": VACUITY, "title": "From here on", "verdict": {"outcome": "holds", "text": "N = 3"}}
    ]
    outcomes = [(item["title"], item["verdict"]["outcome"]) for item in make_view(results)["findings"]]
    assert outcomes[0] == ("The constant is off", "violated")
    assert outcomes[-1] == ("From here on", "holds")


def test_many_names_are_counted():
    assert words.some(["A", "B"]) == "A and B"
    assert words.some(str(n) for n in range(11)).endswith("9 and 10")
    assert words.some(str(n) for n in range(30)).endswith("9 and 20 more")
    assert len(words.some(["x" * 500])) < 60


def test_a_run_that_reached_nothing_says_so(results):
    for item in results["statements"]:
        item["verdict"] = {"outcome": "not applicable", "evidence": None, "leaning": None, "text": "not reached"}
        item["checks"] = []
    headlines = [item["headline"] for item in make_view(results)["answers"]]
    assert headlines[:3] == ["nothing was reached", "no point was reached", "not measured"]


def test_assumptions_that_hold_at_some_points_are_shown_at_each(results):
    shown = make_view(results)["statements"][1]
    (table,) = shown["checks"][0]["tables"]
    place = [head["text"] for head in table["head"]].index("Assumptions a-3")
    assert [row["cells"][place] for row in table["rows"]] == ["✗", "✓", "✓", "✓"] * 2
    assert [item["places"] for item in shown["assumptions"]] == [[], [], ["paths: broken at #1, 5, met at #2–4, 6–8"]]
    assert [item["sign"] for item in shown["assumptions"]] == ["·", "✓", "✗"]


def test_paper_gets_the_leading_figure_and_little_of_the_rest(results):
    results["statements"][2]["checks"].append(json.loads(json.dumps(results["statements"][5]["checks"][0])))
    data, _ = _printable(make_view(results))
    lead, other = data["statements"][2]["checks"]
    assert len(lead["figures"]) == 1
    assert not other["figures"]
    assert len(other["tables"][0]["rows"]) == 4


@pytest.mark.parametrize("missing", ["pictures", "mutants", "exponents", "calibration"])
def test_results_of_earlier_versions_have_a_view(results, missing):
    def without(value):
        if isinstance(value, dict):
            return {name: without(item) for name, item in value.items() if name != missing}
        return [without(item) for item in value] if isinstance(value, list) else value

    assert len(make_view(without(results))["board"]) == len(results["statements"])
