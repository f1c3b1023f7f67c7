"""The statement model: what can be said wrongly is refused when it is said."""

from __future__ import annotations

import dataclasses
import math

import pytest
import sympy as sp

from verify.asymptotics import Scaling
from verify.errors import InputError
from verify.pictures import Curves, Series
from verify.relations import Relation
from verify.statements import (
    Assumption,
    Check,
    Citation,
    Claim,
    Control,
    Derivation,
    Kind,
    Path,
    Picture,
    Point,
    Sampler,
    Statement,
    Step,
    Variable,
)
from verify.statistics.estimates import Proportion

n = sp.Symbol("N", positive=True, integer=True)
c = sp.Symbol("c", positive=True)
CLAIM = Claim(sp.Symbol("V"), Relation.AT_MOST, sp.exp(-c * n), where=((c, sp.sqrt(n)),))
SAMPLER = Sampler("none", lambda point, draw: {})
PICTURE = Picture("some", "", "", lambda: Curves("", "", (Series("", (1,), (0.0,)),)))
STEP = Step("N is N", sp.Eq(n, n, evaluate=False), lambda: True)


def check(**changes):
    values = {
        "name": "check",
        "text": "",
        "sampler": SAMPLER,
        "read": lambda tally, point: Proportion(0, 1),
        "controls": (Control("direction", "", CLAIM.reversed()),),
        "grid": (Point(N=3),),
    }
    return Check(**(values | changes))


def statement(**changes):
    values = {
        "id": "some-claim",
        "kind": Kind.LEMMA,
        "title": "Some claim",
        "citation": Citation("Somebody", "1"),
        "summary": "",
        "variables": (Variable(n, "size", sp.S.Naturals),),
        "assumptions": (),
        "claim": CLAIM,
        "steps": (STEP,),
    }
    return Statement(**(values | changes))


def test_a_bound_is_evaluated_in_logs_from_the_expression_that_is_typeset():
    assert CLAIM.log_bound(N=10**8) == pytest.approx(-(10**12))
    assert CLAIM.latex() == r"V \le e^{- N c}"
    assert CLAIM.latex_where() == ("c = N^{1/2}",)
    assert CLAIM.parameters == {"N"}


def test_an_abbreviation_can_be_given_a_value():
    assert CLAIM.log_bound(N=4, c=3) == pytest.approx(-12)


def test_some_values_can_be_settled_beforehand():
    settled = CLAIM.at(c=sp.Rational(1, 2))
    assert settled.log_bound(N=6) == pytest.approx(-3)
    assert CLAIM.at(N=9).log_bound() == pytest.approx(-27)


def test_a_missing_value_is_named():
    with pytest.raises(InputError, match="needs a value for N"):
        CLAIM.log_bound(c=2)


@pytest.mark.parametrize(
    ("values", "message"), [({"N": 2.5}, "outside the domain"), ({"N": 0}, "outside"), ({"N": math.nan}, "outside")]
)
def test_values_outside_the_domain_are_refused(values, message):
    with pytest.raises(InputError, match=message):
        statement().log_bound(**values)
    with pytest.raises(InputError, match="no variable d7"):
        statement().log_bound(N=3, d7=1)


def test_a_mutant_must_differ():
    assert CLAIM.with_bound(lambda bound: bound**2).log_bound(N=4) == pytest.approx(-16)
    with pytest.raises(ValueError, match="as it was"):
        CLAIM.with_bound(lambda bound: bound)


@pytest.mark.parametrize("relation", Relation)
def test_turning_a_relation_round_changes_it(relation):
    assert relation.reversed is not relation
    if relation is not Relation.EQUAL:
        assert relation.reversed.reversed is relation
        assert relation.reversed.is_upper == relation.is_lower
        assert relation.reversed.is_asymptotic == relation.is_asymptotic


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"id": "Some Claim"}, "lower-case"),
        ({"steps": ()}, "neither a step nor a check"),
        ({"steps": (), "checks": (check(),), "derivation": Derivation.COMPLETE}, "has no steps"),
        ({"checks": (check(), check())}, "two checks of one name"),
        ({"checks": (check(controls=()),)}, "no control"),
        ({"checks": (check(grid=()),)}, "no points"),
        ({"pictures": (PICTURE, PICTURE)}, r"two pictures of one id among \['some', 'some'\]"),
        ({"variables": ()}, "does not declare|do not declare"),
    ],
)
def test_a_statement_that_lacks_something_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        statement(**changes)


def test_points_are_values():
    one, other = Point(N=3, rho=0.1), Point(rho=0.1, N=3)
    assert one == other
    assert hash(one) == hash(other)
    assert one.key == '{"N": 3, "rho": 0.1}'
    assert one.but(rho=0.0) != one
    assert (one.integer("N"), one.real("rho")) == (3, 0.1)


def test_an_assumption_is_tested_at_points_and_along_paths():
    finite = Assumption("large", "N is large", condition=n >= 10)
    assert [finite.at(Point(N=size), None) for size in (9, 10)] == [False, True]
    assert finite.at(Point(d0=3), None) is None
    growing = Assumption("growing", "d0 grows", along=lambda scaling: bool(scaling.a > 0))
    assert growing.at(Point(N=3), None) is None
    assert growing.at(Point(N=3), Scaling(sp.Rational(1, 2), 0)) is True
    assert growing.at(Point(N=3), Scaling(0, 0)) is False


def test_a_path_takes_its_sizes_from_the_scaling():
    path = Path.along(Scaling(sp.Rational(1, 2), sp.Rational(1, 2), k1=2), (16, 100), rho=0.0)
    assert [(p["d0"], p["d1"]) for p in path.points] == [(4, 8), (10, 20)]


def test_statements_are_immutable():
    with pytest.raises(dataclasses.FrozenInstanceError):
        statement().id = "other"  # type: ignore[misc]
