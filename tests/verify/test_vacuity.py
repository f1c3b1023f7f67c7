"""The reach of a bound, held against bounds whose reach is known by hand."""

from __future__ import annotations

import json
import math

import pytest
import sympy as sp
from hypothesis import given
from hypothesis import strategies as st

from verify.cli import main
from verify.errors import InputError
from verify.pictures import from_dict
from verify.registry import discover
from verify.relations import Relation
from verify.statements import Assumption, Citation, Claim, Kind, Point, Statement, Step, Survey, Variable
from verify.statistics.intervals import Interval
from verify.vacuity import Reach, first_size, place_at, vacuity_map, widths, with_reach

N, d0, d1 = sp.symbols("N d0 d1", positive=True, integer=True)
c = sp.Symbol("c", positive=True)


def statement(bound, relation=Relation.AT_MOST, assumptions=(), sizes=(5, 20, 80), rows=(1.0, 4.0, 16.0), **survey):
    variables = tuple(Variable(symbol, "", sp.S.Naturals) for symbol in (N, d0, d1))
    return Statement(
        id="some-bound",
        kind=Kind.BOUND,
        title="",
        citation=Citation("Somebody", "1"),
        summary="",
        variables=(*variables, Variable(c, "", sp.Interval.open(0, 100))),
        assumptions=assumptions,
        claim=Claim(sp.Symbol("V"), relation, bound),
        steps=(Step("", "", lambda: True),),
        survey=Survey({"c": 2.0}, sizes, rows, **survey),
    )


# exp(cN − d0 d1): below one exactly where d0 d1 > cN.
STATEMENT = statement(sp.exp(c * N - d0 * d1))


def test_it_says_something_where_the_bound_is_below_one():
    found = vacuity_map(STATEMENT)
    for size, column in zip(found.sizes, found.places, strict=True):
        for place in column:
            product = place.point.integer("d0") * place.point.integer("d1")
            assert place.log_bound == pytest.approx(2 * size - product)
            assert place.reach is (Reach.BELOW if product > 2 * size else Reach.NOTHING)
    assert {place.reach for column in found.places for place in column} == {Reach.BELOW, Reach.NOTHING}


def test_other_sizes_shapes_and_parameters():
    found = vacuity_map(STATEMENT, sizes=(100,), rows=(4.0,), aspect=4.0, c=3.0)
    (place,) = found.places[0]
    assert (place.point["d0"], place.point["d1"], place.point["c"]) == (10, 40, 3.0)
    assert place.log_bound == pytest.approx(300 - 400)


def test_workers_find_the_same():
    statement = discover()["f10"]
    one = vacuity_map(statement, sizes=(8, 30), rows=(2.0, 9.0))
    assert one.to_dict() == vacuity_map(statement, sizes=(8, 30), rows=(2.0, 9.0), workers=2).to_dict()


@given(st.integers(1, 10**6), st.floats(0.01, 1000), st.floats(0.01, 100))
def test_widths_have_at_least_the_factor_and_nearly_the_shape(size, row, aspect):
    a, b = widths(size, row, aspect, "d0 d1 / N")
    assert a * b >= row * size * (1 - 1e-6)
    assert b == 1 or a * (b - 1) < row * size
    assert abs(a - max(1.0, math.sqrt(row * size / aspect))) <= 1


def test_a_broken_assumption_comes_before_the_bound():
    narrow = Assumption("narrow", "", condition=d1 < N)
    literal = Assumption("many", "", literally=d0**2 > N)
    known = statement(sp.exp(-N), assumptions=(narrow, literal))
    for a, b, broken in ((5, 5, ()), (5, 20, ("narrow",)), (4, 5, ("many",)), (4, 20, ("narrow", "many"))):
        place = place_at(known, Point(N=20, d0=a, d1=b, c=2.0), False)
        assert place.broken == broken
        assert place.reach is (Reach.UNCLAIMED if broken else Reach.BELOW)


@pytest.mark.parametrize(
    ("lower", "reach"),
    [
        (-10.0, Reach.WITHIN_1_1),
        (-11.0, Reach.WITHIN_1_1),
        (-11.1, Reach.WITHIN_2),
        (-20.0, Reach.WITHIN_2),
        (-20.1, Reach.WITHIN_10),
        (-100.0, Reach.WITHIN_10),
        (-100.1, Reach.BELOW),
        (-math.inf, Reach.BELOW),
    ],
)
def test_factors_are_those_of_the_logs_and_use_the_lower_end(lower, reach):
    seen = Interval(lower, max(lower, -30.0), 0.0)
    known = statement(sp.exp(-10 * N / N), measure=lambda point: seen)
    place = place_at(known, Point(N=5, d0=2, d1=2, c=2.0), True)
    assert (place.reach, place.measured) == (reach, seen)


@pytest.mark.parametrize(
    ("upper", "reach"),
    [
        (-9.1, Reach.WITHIN_1_1),
        (-9.0, Reach.WITHIN_2),
        (-5.0, Reach.WITHIN_2),
        (-1.0, Reach.WITHIN_10),
        (-0.9, 0),
        (0, 0),
    ],
)
def test_factors_of_a_lower_bound_use_the_upper_end(upper, reach):
    seen = Interval(-math.inf, -9.5, upper)
    known = statement(sp.exp(-10 * N / N), Relation.AT_LEAST, measure=lambda point: seen)
    assert place_at(known, Point(N=5, d0=2, d1=2, c=2.0), True).reach is Reach(reach)


def test_nothing_is_measured_where_nobody_asks_or_the_bound_says_nothing():
    def measure(point):
        raise AssertionError("measured")

    known = statement(sp.exp(c * N - d0 * d1), measure=measure)
    assert place_at(known, Point(N=5, d0=9, d1=9, c=2.0), False).measured is None
    assert place_at(known, Point(N=5, d0=2, d1=2, c=2.0), True).reach is Reach.NOTHING
    with pytest.raises(AssertionError, match="measured"):
        place_at(known, Point(N=5, d0=9, d1=9, c=2.0), True)


def test_a_lower_bound_says_nothing_where_it_is_zero_or_known():
    known = statement(sp.Piecewise((0, d1 < 5), (sp.exp(-N), True)), Relation.AT_LEAST)
    assert place_at(known, Point(N=5, d0=2, d1=4, c=2.0), False).reach is Reach.NOTHING
    assert place_at(known, Point(N=5, d0=2, d1=5, c=2.0), False).reach is Reach.BELOW
    better = statement(sp.exp(-N), Relation.AT_LEAST, known=lambda point: -4.0)
    assert place_at(better, Point(N=5, d0=2, d1=4, c=2.0), False).reach is Reach.NOTHING
    assert place_at(better, Point(N=3, d0=2, d1=4, c=2.0), False).reach is Reach.BELOW


@pytest.mark.parametrize("constant", [3, 7, 11, 12, 13, 19, 60, 77.5])
def test_the_first_size_is_found(constant):
    """With d0 = d1 = N the bound exp(kN − d0 d1) is below one from the first N above k on."""
    found = first_size(STATEMENT, c=float(constant))
    assert found.place.point["N"] == math.floor(constant) + 1
    assert found.exhaustive is (math.floor(constant) <= 12)


def test_a_small_size_at_which_it_happens_to_say_something_is_not_the_first():
    """An assumption such as d0 d1 > N log⁴N is satisfied at N = 2 and at 3, and then not for long."""
    known = statement(sp.exp(-N), assumptions=(Assumption("a", "", literally=d0 * d1 > N * sp.log(N) ** 4),))
    size = 20
    while not size > math.log(size) ** 4:
        size += 1
    wide = statement(sp.exp(-N), assumptions=known.assumptions, sizes=(100, 10_000))
    assert first_size(wide).place.point["N"] == size
    assert first_size(statement(sp.exp(-N), assumptions=known.assumptions, sizes=(100,))).place is None


def test_the_registry_adds_a_map_and_a_finding():
    found = with_reach(STATEMENT)
    assert [picture.id for picture in found.pictures] == ["vacuity"]
    drawing = found.pictures[0].compute()
    assert from_dict(json.loads(json.dumps(drawing.to_dict()))) == drawing
    so, text = found.findings[0].compute()
    assert so
    assert "N = 3" in text
    assert with_reach(statement(sp.exp(-N))).survey is not None
    for item in discover().statements.values():
        assert ("vacuity" in {picture.id for picture in item.pictures}) is (item.survey is not None)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sizes": (5, 3)}, "increasing whole numbers"),
        ({"sizes": (0,)}, "increasing whole numbers"),
        ({"rows": (-1.0,)}, "increasing positive"),
        ({"rows": (math.nan,)}, "increasing positive"),
        ({"aspect": 0.0}, "aspect"),
        ({"c": 200.0}, "outside the domain"),
        ({"epsilon": 0.1}, "holds c fixed"),
    ],
)
def test_bad_values_are_refused(changes, message):
    with pytest.raises(InputError, match=message):
        vacuity_map(STATEMENT, **changes)


def call(capsys, *arguments):
    with pytest.raises(SystemExit) as stop:
        main([str(item) for item in arguments])
    out, err = capsys.readouterr()
    return stop.value.code, out, err


def test_the_command(capsys):
    options = ("map", "f10", "--size", 8, "--size", 100, "--row", 2, "--row", 16, "--workers", 1, "--no-first")
    code, out, _ = call(capsys, *options)
    assert code == 0
    assert "f10: d1 = 1 d0, ε = 0.1, ρ = 0" in out
    code, out, _ = call(capsys, *options, "--json", "--aspect", 1, "--aspect", 4, "--set", "rho=0.1")
    found = json.loads(out)
    assert [item["aspect"] for item in found["maps"]] == [1, 4]
    assert {place["reach"] for item in found["maps"] for place in item["places"]} == {"below", "nothing"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("map", "f1"), "no survey"),
        (("map", "f100"), "f10"),
        (("map", "f10", "--set", "rho"), "a name and a number"),
        (("map", "f10", "--set", "rho=1"), "outside the domain"),
        (("map", "f10", "--set", "delta=1"), "holds epsilon, rho fixed"),
        (("map", "f10", "--size", "0"), "increasing whole numbers"),
        (("map", "theorem-9", "--measure", "10"), "nothing is measured beside the bound of theorem-9"),
    ],
)
def test_bad_usage_is_one_line_and_exit_code_2(capsys, arguments, message):
    code, _, err = call(capsys, *arguments)
    assert code == 2
    assert message in err
    assert len(err.splitlines()) == 1
