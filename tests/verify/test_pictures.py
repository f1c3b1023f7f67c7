"""The data of pictures: what is wrong is refused when it is made, and JSON gives back what it got."""

from __future__ import annotations

import itertools
import json
import math
from dataclasses import replace

import numpy as np
import pytest

from verify.network.arrangements import cell_volumes
from verify.pictures import Arrangement, Curves, Line, Map, Polygon, Sector, Series, from_dict
from verify.statements import Picture

OCTANT = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))
LABELS = ("some", "others")


def polygons(X, category=lambda signs: 0):
    """All cells of samples in space, by trying every pair of planes at both of the points where they meet."""
    corners: dict[tuple[int, ...], list[np.ndarray]] = {}
    for i, j in itertools.combinations(range(X.shape[1]), 2):
        meeting = np.cross(X[:, i], X[:, j])
        for corner in (meeting / np.linalg.norm(meeting), -meeting / np.linalg.norm(meeting)):
            for sides in itertools.product((-1, 1), repeat=2):
                signs = np.sign(X.T @ corner).astype(int)
                signs[[i, j]] = sides
                corners.setdefault(tuple(signs.tolist()), []).append(corner)
    cells = {}
    for signs, found in sorted(corners.items()):
        middle = np.sum(found, axis=0)
        across = np.cross(middle, found[0])
        ahead = np.cross(across, middle)
        unit = across / np.linalg.norm(across), ahead / np.linalg.norm(ahead)
        found.sort(key=lambda at: math.atan2(at @ unit[0], at @ unit[1]))
        cells[signs] = Polygon(tuple(map(tuple, found)), category(signs))
    return cells


def space(count, seed=3):
    X = np.random.default_rng(seed).integers(-99, 100, size=(3, count))
    cells = polygons(X, lambda signs: sum(signs) % 2)
    return X, cells, Arrangement(tuple(cells.values()), LABELS, tuple(Line(X[:, n], n + 1) for n in range(count)))


CURVES = Curves(
    "width",
    "volume",
    (
        Series("rate", (1, 2, 3.5), (-1.0, -2.0, -1 / 3), style="dashed"),
        Series("seen", (1, 2), (-1.0, -math.inf), (-2.0, -math.inf), (-0.5, math.inf), "points"),
    ),
)
PLANE = Arrangement(
    (Sector(-0.5, 1.0, 0), Sector(1.0, math.pi - 0.5, 1), Sector(math.pi - 0.5, 2 * math.pi - 0.5, 0)),
    LABELS,
    (Line((1.0, 2.0), "1"),),
)
NAMED = Map((0, 10, 20), (0, 1), ((0,), (1,)), LABELS, "N", "factor", ("10", "20"), ("2 <b>",))
MAP = Map((0.0, 1.0, 3.0), (0.5, 0.75, 2.5), ((0, 1), (1, 1)), LABELS, "first", "second")


@pytest.mark.parametrize(
    "picture",
    [CURVES, replace(CURVES, x_scale="log", y_scale="linear"), PLANE, space(8)[2], MAP, NAMED],
    ids=["curves", "scales", "plane", "space", "map", "named"],
)
def test_what_goes_through_json_comes_back(picture):
    data = json.loads(json.dumps(picture.to_dict(), allow_nan=False))
    back = from_dict(data)
    assert type(back) is type(picture)
    assert back.to_dict() == data
    assert back.to_dict() == picture.to_dict()


def test_infinite_ends_survive_json():
    back = from_dict(json.loads(json.dumps(CURVES.to_dict())))
    assert back == Curves(
        "width",
        "volume",
        (
            Series("rate", (1, 2, 3.5), (-1.0, -2.0, -0.333333333), style="dashed"),
            Series("seen", (1, 2), (-1.0, -math.inf), (-2.0, -math.inf), (-0.5, math.inf), "points"),
        ),
    )


def test_arrays_and_numbers_as_labels_are_taken():
    series = Series("a", np.array([1, 2]), np.array([-1.0, -2.0]))
    assert series == Series("a", (1.0, 2.0), (-1.0, -2.0))
    made = Map(np.array([0, 1]), np.array([0, 1]), np.array([[np.int64(1)]]), ("a", 7))
    assert made == Map((0.0, 1.0), (0.0, 1.0), ((1,),), ("a", "7"))
    json.dumps(made.to_dict())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"x": ()}, "has 0 values; expected 1 to 500"),
        ({"x": (1, 2, 3)}, "3 x and 2 y"),
        ({"x": (1, math.inf)}, "not finite"),
        ({"x": (2, 1)}, "do not increase"),
        ({"x": (1, 1)}, "do not increase"),
        ({"y": (0.0, math.inf)}, r"\+inf"),
        ({"y": (0.0, math.nan)}, "not a number"),
        ({"y": "ab"}, "expected a sequence of numbers"),
        ({"style": "dotted"}, "got style 'dotted'.*expected line, points, dashed"),
        ({"lower": (-1, -1)}, "only one end"),
        ({"lower": (-1, -3), "upper": (1,)}, "expected as many intervals"),
        ({"lower": (-1, -1), "upper": (1, 1)}, "misses its value -2"),
        ({"lower": (-3, -3), "upper": (-1, -1)}, "misses its value 0"),
    ],
)
def test_a_series_that_cannot_be_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        Series(**({"label": "a", "x": (1, 2), "y": (0.0, -2.0)} | changes))


def test_points_need_no_order():
    assert Series("a", (2, 1), (0.0, 0.0), style="points").x == (2.0, 1.0)


def test_curves_need_something_finite_and_few_series():
    empty = Series("none", (1, 2), (-math.inf, -math.inf), (-math.inf,) * 2, (math.inf,) * 2)
    with pytest.raises(ValueError, match="no series has a finite value"):
        Curves("x", "y", (empty,))
    seven = tuple(Series(str(k), (1,), (0.0,)) for k in range(7))
    with pytest.raises(ValueError, match="got 7 series; expected 1 to 6"):
        Curves("x", "y", seven)
    with pytest.raises(ValueError, match="got 0 series"):
        Curves("x", "y", ())


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Sector(1.0, 1.0, 0), "expected start < end"),
        (lambda: Sector(0.0, 6.4, 0), "expected start < end <= start"),
        (lambda: Sector(0.0, math.nan, 0), "not a number"),
        (lambda: Polygon(OCTANT[:2], 0), "got a cell of 2 corners"),
        (lambda: Polygon((*OCTANT[:2], (0.0, 0.0, 2.0)), 0), "expected a unit vector"),
        (lambda: Polygon(((1.0, 0.0), (0.0, 1.0), (1.0, 0.0)), 0), "three coordinates"),
        (lambda: Polygon((*OCTANT, (-1.0, 0.0, 0.0)), 0), "are opposite"),
        (lambda: Polygon(((0.6, 0.8, 0.0), (-0.6, 0.8, 0.0), (0.6, 0, 0.8), (-0.6, 0, 0.8)), 0), "in order"),
        (lambda: Polygon(((1, 0, 0), (-0.5, 0.75**0.5, 0), (-0.5, -(0.75**0.5), 0)), 0), "half the sphere"),
        (lambda: Line((0.0, 0.0), "1"), "other than zero"),
        (lambda: Arrangement((), LABELS), "got 0 cells"),
        (lambda: Arrangement((Sector(0, 1, 0), Polygon(OCTANT, 0)), LABELS), "all Sector or all Polygon"),
        (lambda: Arrangement((Sector(0, 1, 2),), LABELS), r"got categories \[2\]; expected indices of the 2 labels"),
        (lambda: Arrangement((Sector(0, 1, -1),), LABELS), r"got categories \[-1\]"),
        (lambda: Arrangement((Sector(0, 1, 0),), tuple("abcdefg")), "got 7 labels; expected 1 to 6"),
        (lambda: Arrangement((Sector(0, 1, 0),), LABELS, (Line((1, 2, 3), "1"),)), "expected 2 coordinates"),
        (lambda: Arrangement((Sector(0, 1, 0), Sector(0.5, 2, 1)), LABELS), "reaches into the next"),
        (lambda: Arrangement((Sector(0, 1, 0), Sector(6, 6.5, 1)), LABELS), "reaches into the next"),
        (lambda: Arrangement((Polygon(OCTANT, 0),) * 9, LABELS), "expected no two to overlap"),
        (lambda: Map((0,), (0, 1), (), LABELS), "got 1 x_edges"),
        (lambda: Map((0, 1), (1, 0), ((0,),), LABELS), "y_edges do not increase"),
        (lambda: Map((0, 7), (0, 1), ((0,),), LABELS), "at most 2 pi"),
        (lambda: Map((0, 7), (0, 1), ((0,),), LABELS, x_ticks=("a", "b")), "got 2 x_ticks; expected 1"),
        (lambda: Map((0, 1, 2), (0, 1), ((0, 1),), LABELS), "expected 2 x 1"),
        (lambda: Map((0, 1), (0, 1, 2), ((0,),), LABELS), "expected 1 x 2"),
        (lambda: Map((0, 1), (0, 1), ((5,),), LABELS), r"got categories \[5\]"),
        (lambda: Picture("No Good", "", "", lambda: MAP), "got id 'No Good' of a picture"),
    ],
)
def test_what_is_no_picture_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize("value", [1.0, "1", None])
def test_a_category_is_a_whole_number(value):
    with pytest.raises(TypeError):
        Sector(0.0, 1.0, value)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({}, "incomplete: KeyError: 'kind'"),
        ({"kind": "film"}, "got a picture of kind 'film'; expected curves, arrangement or map"),
        ({"kind": "map", "labels": []}, "incomplete"),
        ({"kind": "curves", "x_label": "", "y_label": "", "series": 3}, "incomplete: TypeError"),
        ({"kind": "arrangement", "labels": ["a"], "cells": [{}], "lines": []}, "incomplete: KeyError: 'corners'"),
        ([], "incomplete"),
    ],
)
def test_data_that_are_no_picture_are_refused(data, message):
    with pytest.raises(ValueError, match=message):
        from_dict(data)


def test_shares_of_simple_shapes():
    assert Polygon(OCTANT, 0).share == pytest.approx(1 / 8)
    assert Polygon(OCTANT[::-1], 0).share == pytest.approx(1 / 8)
    lune = Polygon(((0, 0, 1), (1, 0, 0), (0, 0, -1), (0, 1, 0)), 0)
    assert lune.share == pytest.approx(1 / 4)
    assert PLANE.shares() == pytest.approx((1 / 2 + 1.5 / (2 * math.pi), 1 / 2 - 1.5 / (2 * math.pi)))
    assert MAP.shares() == pytest.approx((0.25 / 6, 5.75 / 6))
    assert sum(Map((0, 1), (0, 1), ((1,),), LABELS).shares()) == 1


@pytest.mark.parametrize("count", [3, 5, 8])
def test_shares_of_polygons_are_the_volumes_of_the_cells(count):
    X, cells, arrangement = space(count)
    patterns, volumes = cell_volumes(X)
    assert len(cells) == len(patterns)
    for signs, volume in zip(patterns.tolist(), volumes, strict=True):
        assert cells[tuple(signs)].share == pytest.approx(volume, abs=1e-9)
    assert sum(arrangement.shares()) == pytest.approx(1)


def test_scales_are_named_only_where_they_are_not_the_usual_ones():
    assert not {"x_scale", "y_scale"} & CURVES.to_dict().keys()
    other = replace(CURVES, x_scale="log", y_scale="linear").to_dict()
    assert (other["x_scale"], other["y_scale"]) == ("log", "linear")
    for name in ("x_scale", "y_scale"):
        with pytest.raises(ValueError, match=f"got {name} 'square'; expected linear or log"):
            replace(CURVES, **{name: "square"})
