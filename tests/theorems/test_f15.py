"""F15: the numbers of the note, from its parts, and what it says where it has nothing to say."""

import math

import pytest

from theorems.any_labels import any_labels
from theorems.finite import f10, f13, f19
from theorems.finite.f15 import ONE_TEACHER, STATEMENT


def ratio(N, d0, d1, rho, **others):
    return STATEMENT.log_bound(N=N, d0=d0, d1=d1, epsilon=0.1, rho=rho, **others)


@pytest.mark.parametrize(
    ("size", "rho", "most"),
    [
        ((30, 15, 30), 0.1, -17),
        ((200, 60, 150), 0.1, -340),
        ((1000, 500, 500), 0.1, -8700),
        ((50, 25, 40), 0.0, -7),
        ((200, 60, 150), 0.0, -233),
        ((1000, 500, 500), 0.0, -3234),
    ],
)
def test_the_ratio_for_any_labels_is_small(size, rho, most):
    assert ratio(*size, rho) <= most


@pytest.mark.parametrize(("N", "rho", "width"), [(30, 0.1, 18), (30, 0.0, 27), (100, 0.0, 55)])
def test_the_first_widths_of_the_note(N, rho, width):
    assert ratio(N, width, width, rho) < 0 <= ratio(N, width - 1, width - 1, rho)


def test_it_is_the_quotient_of_its_parts():
    point = {"N": 50, "d0": 25, "d1": 40, "epsilon": 0.1, "rho": 0.1}
    upper = min(bound.STATEMENT.log_bound(**point) for bound in (f10, f19))
    volume = any_labels(50, 25, 40, 0.1, 0.02).log_volume
    assert STATEMENT.log_bound(**point, delta=0.02) == pytest.approx(upper - math.log(0.02) - volume, rel=1e-12)
    teacher = f13.STATEMENT.log_bound(N=50, d0=25, d1=40, delta=0.02, k=2)
    assert STATEMENT.log_bound(**point, delta=0.02, k=2) == pytest.approx(upper - math.log(0.02) - teacher, rel=1e-12)


def test_what_is_not_given_is_one_twentieth_and_any_labels():
    size = (50, 25, 40, 0.1)
    assert ratio(*size) == ratio(*size, delta=0.05) == ratio(*size, delta=0.05, k=0)
    point = {"N": 50, "d0": 25, "d1": 40, "epsilon": 0.1, "rho": 0.1}
    assert ONE_TEACHER.log_bound(**point) == ratio(*size, k=1)
    assert not any(symbol.name in ("k", "delta") for symbol, _ in ONE_TEACHER.where)


def test_it_is_infinite_where_nothing_bounds_the_denominator():
    assert ratio(100, 10, 5, 0.1) == math.inf
    assert ratio(100, 10, 5, 0.1, k=1) < math.inf
