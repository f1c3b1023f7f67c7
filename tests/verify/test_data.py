"""A user's own data: loading, subsets, and a run on scikit-learn's digits."""

from __future__ import annotations

import io
import os
import tracemalloc
import zipfile

import numpy as np
import pytest

from verify.data import Dataset, load
from verify.errors import InputError
from verify.run import run
from verify.runner import Budget, Settings


@pytest.fixture(scope="module")
def digits():
    datasets = pytest.importorskip("sklearn.datasets")
    bunch = datasets.load_digits()
    return Dataset.from_arrays(bunch.data, bunch.target % 2, "digits")


def test_rows_are_samples_and_columns_come_out(tmp_path):
    X = np.arange(1, 7, dtype=np.int32).reshape(3, 2)
    np.savez(tmp_path / "d.npz", X=X, y=np.array([True, False, True]))
    data = load(tmp_path / "d.npz")
    assert (data.samples, data.features) == (3, 2)
    assert data.X.tolist() == [[1, 3, 5], [2, 4, 6]]
    assert data.y.tolist() == [1, 0, 1]


def test_the_digest_is_of_the_numbers_not_of_the_file(tmp_path):
    X, y = np.eye(3) + 1, np.array([0, 1, 0])
    one = Dataset.from_arrays(X, y)
    assert one.digest == Dataset.from_arrays(X.astype(np.float32), y.astype(bool)).digest
    assert one.digest != Dataset.from_arrays(X * 2, y).digest
    assert one.digest != Dataset.from_arrays(X, 1 - y).digest


def test_a_subset_keeps_both_labels_and_pairs(digits):
    rare = Dataset.from_arrays(np.arange(2, 2002).reshape(1000, 2), np.arange(1000) == 77)
    small = rare.subset(10, seed=1)
    assert small.samples == 10
    assert sorted(np.unique(small.y)) == [0, 1]
    assert small.X[0, small.y == 1].tolist() == [2 + 2 * 77]
    assert small.digest == rare.subset(10, seed=1).digest != rare.subset(10, seed=2).digest
    assert "10 of 1000" in small.name
    assert digits.subset(5000, seed=0) is digits


def test_digits_even_against_odd(digits, tmp_path):
    data = digits.subset(150, seed=0)
    settings = Settings(data=data, budget=Budget(0.5), workers=2)
    results = run(["lemma-2", "theorem-6"], settings, tmp_path, report=False).results
    lemma, theorem = results["statements"]
    assert results["run"]["data"]["N"] == 150
    assert lemma["verdict"]["outcome"] == "holds"
    # The theorem assumes Gaussian inputs: what was measured is shown, and nothing is claimed.
    broken = {item["id"]: item["reason"] for item in theorem["assumptions"] if item["on_data"] is False}
    assert "features are constant" in broken["assumption-1"]
    assert theorem["verdict"]["outcome"] == "not applicable"
    points = theorem["checks"][0]["points"]
    assert len({point["parameters"]["d1"] for point in points}) >= 3
    assert all(point["counts"]["trials"] > 0 for point in points)
    assert results["summary"]["exit_code"] == 0


def test_gaussian_data_break_no_assumption(tmp_path):
    rng = np.random.default_rng(5)
    data = Dataset.from_arrays(rng.standard_normal((40, 12)), rng.integers(0, 2, 40), "noise")
    results = run(["theorem-6"], Settings(data=data, budget=Budget(0.3)), tmp_path, report=False).results
    (theorem,) = results["statements"]
    assert not [item["id"] for item in theorem["assumptions"] if item["on_data"] is False]
    assert theorem["verdict"]["outcome"] == "undecided"
    assert results["summary"]["exit_code"] == 0


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_one_bad_entry_is_found(value):
    X = np.ones((4, 3))
    X[2, 1] = value
    with pytest.raises(InputError, match="NaN or infinite"):
        Dataset.from_arrays(X, np.array([0, 1, 0, 1]))


def header(shape, descr="'<f8'", order="False"):
    text = f"{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, }}".encode()
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text


def members(**content):
    """An archive of these bytes, packed."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, raw in content.items():
            archive.writestr(f"{name}.npy", raw)
    return bytearray(stream.getvalue())


def with_size(content, size):
    """The archive with another size of its first member written in its directory, which readers believe."""
    at = content.rfind(b"PK\x01\x02", 0, content.rfind(b"PK\x01\x02")) + 24
    content[at : at + 4] = size.to_bytes(4, "little")
    return content


GOOD = header("(2,)", "'|b1'") + b"\x00\x01"
HOSTILE = {
    "says that it is huge": (members(X=header("(1000000000000, 2)"), y=GOOD), "at most 4 GiB"),
    "huge in small numbers": (members(X=header("(3000000000, 1)", "'|i1'"), y=GOOD), "at most 4 GiB"),
    "more than it has": (members(X=header("(50000000, 2)"), y=GOOD), "it is damaged"),
    "less than it has": (members(X=header("(1, 2)") + bytes(10**6), y=GOOD), "it is damaged"),
    "beyond all numbers": (members(X=header("(4611686018427387904, 4)"), y=GOOD), "at most 4 GiB"),
    "negative": (members(X=header("(-2, 2)") + bytes(32), y=GOOD), "it is damaged"),
    "code in the header": (members(X=header("(__import__('os').getpid(), 2)"), y=GOOD), "cannot be read"),
    "deep header": (members(X=header("(" * 300 + ")" * 300), y=GOOD), "cannot be read"),
    "objects": (members(X=header("(2, 2)", "'|O'") + bytes(32), y=GOOD), "never loaded"),
    "no bytes": (members(X=b"", y=GOOD), "cannot be read"),
    "size of a bomb": (with_size(members(X=header("(2, 2)") + bytes(32), y=GOOD), 2**32 - 2), "damaged"),
}


@pytest.mark.parametrize(("content", "message"), HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_archives_are_refused_before_memory_is_taken(tmp_path, content, message):
    (tmp_path / "d.npz").write_bytes(content)
    tracemalloc.start()
    try:
        with pytest.raises(InputError, match=message):
            load(tmp_path / "d.npz")
        assert tracemalloc.get_traced_memory()[1] < 10e6
    finally:
        tracemalloc.stop()


def test_a_name_that_occurs_twice_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "d.npz", "w") as archive:
        for name in ("X", "y"):
            archive.writestr(f"{name}.npy", GOOD)
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("X.npy", GOOD)
    with pytest.raises(InputError, match="two arrays X"):
        load(tmp_path / "d.npz")


@pytest.mark.parametrize("kind", ["folder", "pipe"])
def test_what_is_no_file_is_refused_and_not_waited_for(tmp_path, kind):
    place = tmp_path / "d.npz"
    place.mkdir() if kind == "folder" else os.mkfifo(place)
    with pytest.raises(InputError, match="is no file"):
        load(place)


@pytest.mark.parametrize("factor", [1e-200, 1e200])
def test_samples_whose_products_leave_the_range_of_floats_are_refused(factor):
    with pytest.raises(InputError, match="multiply all by one number"):
        Dataset.from_arrays(np.array([[1.0, 2.0], [3.0, 1.0]]) * factor, np.array([0, 1]))
