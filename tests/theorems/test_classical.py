"""The calibrations: what they compute against facts known by hand, and that they notice a wrong estimator."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from flint import fmpq

from theorems.classical import baum, cover, orthants, wendel
from verify.registry import discover
from verify.run import run
from verify.runner import Settings
from verify.sampling import Draw, stream
from verify.statements import Kind, Point

ALL = ("cover-1965", "wendel-1962", "orthants", "baum-1988")


def draw(name="test"):
    return Draw(stream(0, name, "", 0), backend=None)


def outcome(results, identifier):
    return next(item["verdict"]["outcome"] for item in results["statements"] if item["id"] == identifier)


def test_they_are_calibrations_of_works_of_their_own():
    found = discover()
    assert [name for name, item in found.statements.items() if item.kind is Kind.CALIBRATION] == list(ALL)
    assert all(found[name].citation.work != "Soudry & Hoffer 2017" for name in ALL)


@pytest.mark.parametrize(("columns", "answer"), [([[1, 0], [0, 1]], True), ([[1, 0], [-1, 0]], False),
                                                 ([[1, 0], [-1, 1], [-1, -1]], False), ([[3]], True)])  # fmt: skip
def test_half_spaces_by_rational_programs(columns, answer):
    assert cover.in_half_space(columns) is answer


def test_counts_agree_with_a_circle_walked_by_hand():
    """In the plane: walk round the circle, between all angles at which a sign changes."""
    X = np.array([[3, -1, 5, 2], [1, 4, 2, -7]])
    angles = np.sort(np.concatenate([np.arctan2(X[0], -X[1]), np.arctan2(-X[0], X[1])]))
    between = (angles + np.roll(angles, -1)) / 2 + np.pi * (np.roll(angles, -1) < angles)
    seen = {tuple(np.sign(np.array([math.cos(a), math.sin(a)]) @ X)) for a in between}
    assert len(seen) == cover._by_programs(X) == cover._by_directions(X, draw()) == 8


def test_answers_of_the_float_solver_are_checked():
    assert wendel._decided(np.array([[1.0, 0.0], [0.6, 0.8]])) is True
    assert wendel._decided(np.array([[1.0, 0.0], [-0.5, 0.75**0.5], [-0.5, -(0.75**0.5)]])) is False
    assert wendel._decided(np.array([[1.0, 0.0], [-1.0, 1.5e-9]])) is None


def test_orthants_known_by_hand():
    claim = orthants.CLAIM
    assert claim.log_bound(n=2, c=0) == pytest.approx(-math.log(4))
    assert claim.log_bound(n=2, c=0.5) == claim.log_bound(n=2, c=0.5) == pytest.approx(-math.log(3))
    assert claim.log_bound(n=3, c=0.5) == pytest.approx(-math.log(4))
    assert claim.log_bound(n=7, c=0.5) == pytest.approx(-math.log(8))
    assert orthants.THREE.log_bound(c12=0.5, c13=0.5, c23=0.5) == pytest.approx(-math.log(4))
    assert orthants.ABOVE.log_bound(n=3, c=0.5, m=5) == pytest.approx(math.log(6) - 5 * math.log(4))


def test_vectors_have_the_correlations_they_should():
    point = Point(n=3, c12=0.6, c13=-0.3, c23=0.1)
    X = orthants._vectors(point, draw())
    np.testing.assert_allclose(X.T @ X, [[1, 0.6, -0.3], [0.6, 1, 0.1], [-0.3, 0.1, 1]], atol=1e-14)


@pytest.mark.parametrize("points", [[[0], [1], [2], [5]], [[0, 0], [4, 1], [1, 5], [7, 8], [3, -6]]])
def test_every_dichotomy_is_computed(points):
    for labels in itertools.product((0, 1), repeat=len(points)):
        units, constant = baum.construct(points, labels)
        assert len(units) <= math.ceil(len(points) / len(points[0]))
        planes = [[float(entry.p) / float(entry.q) for entry in plane] for plane, _ in units]
        outputs = [
            constant + sum(w for plane, (_, w) in zip(planes, units, strict=True) if np.dot(plane, [*point, 1]) > 0)
            for point in points
        ]
        assert [output > 0.5 for output in outputs] == [bool(label) for label in labels]


def test_exclusive_or_takes_two_units():
    """On the corners of a square no single threshold unit will do, and the construction uses two."""
    points = [[0, 0], [7, 8], [0, 7], [8, 0]]
    units, constant = baum.construct(points, [0, 0, 1, 1])
    assert len(units) == 2
    assert baum.misses(points, [0, 0, 1, 1], units, constant) == 0
    assert baum.misses(points, [0, 1, 1, 1], units, constant) == 1


def test_a_point_on_a_hyperplane_counts_as_missed():
    assert baum.misses([[1, 1]], [1], [([fmpq(1), fmpq(-1), fmpq(0)], 1)], 1) == 1


def test_points_on_a_line_have_no_such_network():
    with pytest.raises(ValueError, match="expected general position"):
        baum.construct([[0, 0], [1, 1], [2, 2], [3, 3], [5, 1]], [0, 1, 0, 1, 0])


@pytest.mark.parametrize(
    ("module", "name", "wrong", "identifier"),
    [
        (cover, "cells", lambda X: np.ones((3, X.shape[1])), "cover-1965"),
        (cover, "in_half_space", lambda columns: len(columns) < 4, "cover-1965"),
        (wendel, "_decided", lambda rows: bool(rows[0, 0] > 0), "wendel-1962"),
        (orthants, "cell_volumes", lambda X: (np.ones((1, X.shape[1])), np.array([0.3])), "orthants"),
        (baum, "_tilted", lambda lifted, plane, sides: [entry + 1 for entry in plane], "baum-1988"),
    ],
)
def test_a_wrong_estimator_discredits_the_run(tmp_path, monkeypatch, module, name, wrong, identifier):
    monkeypatch.setattr(module, name, wrong)
    results = run([identifier], Settings(workers=1), tmp_path / "out", report=False).results
    assert outcome(results, identifier) == "violated"
    assert (results["summary"]["calibration"], results["summary"]["exit_code"]) == ("failed", 1)
