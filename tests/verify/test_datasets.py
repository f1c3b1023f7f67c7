"""Image sets: files that are missing, damaged or changed, the two formats, and whitening."""

from __future__ import annotations

import gzip
import hashlib
import struct

import numpy as np
import pytest

from verify import datasets
from verify.errors import InputError


def idx(array):
    return struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.tobytes()


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A tiny set in the formats of MNIST and CIFAR-10, with its own sums."""
    rng = np.random.default_rng(0)
    shapes = {"train-images-idx3-ubyte": (5, 2, 3), "train-labels-idx1-ubyte": (5,)}
    shapes |= {"t10k-images-idx3-ubyte": (2, 2, 3), "t10k-labels-idx1-ubyte": (2,)}
    arrays = {name: rng.integers(0, 10, shape, dtype=np.uint8) for name, shape in shapes.items()}
    files = {"mnist": {name: idx(array) for name, array in arrays.items()}}
    rows = rng.integers(0, 10, (3, datasets.CIFAR_ROW), dtype=np.uint8)
    files["cifar-10"] = {"data_batch_1.bin": rows.tobytes()}
    sums = {}
    for name, contents in files.items():
        (tmp_path / name).mkdir()
        sums[name] = {file: hashlib.sha256(content).hexdigest() for file, content in contents.items()}
        for file, content in contents.items():
            (tmp_path / name / file).write_bytes(content)
    monkeypatch.setattr(datasets, "SUMS", sums)
    monkeypatch.setattr(datasets, "IDX", shapes)
    return tmp_path, arrays, rows


def test_both_parts_of_mnist_in_order(folder):
    place, arrays, _ = folder
    found = datasets.read_images("mnist", place)
    assert found.X.shape == (7, 6)
    assert (found.X[5] == arrays["t10k-images-idx3-ubyte"][0].ravel()).all()
    assert (found.classes[:5] == arrays["train-labels-idx1-ubyte"]).all()


def test_compressed_files_count_by_their_content(folder):
    place, arrays, _ = folder
    for file in (place / "mnist").iterdir():
        file.with_name(f"{file.name}.gz").write_bytes(gzip.compress(file.read_bytes()))
        file.unlink()
    assert (datasets.read_images("mnist", place).X[0] == arrays["train-images-idx3-ubyte"][0].ravel()).all()


def test_cifar_rows_are_a_class_and_pixels(folder):
    place, _, rows = folder
    found = datasets.read_images("cifar-10", place)
    assert (found.classes == rows[:, 0]).all()
    assert (rows[:, 1:] == found.X).all()


def test_a_missing_file_says_where_to_get_it(folder):
    place, _, _ = folder
    (place / "mnist" / "t10k-labels-idx1-ubyte").unlink()
    with pytest.raises(InputError, match=r"no .*t10k-labels.*yann\.lecun\.com"):
        datasets.read_images("mnist", place)


@pytest.mark.parametrize("change", [lambda content: content[:-1], lambda content: content[:-1] + b"\xff"])
def test_a_damaged_file_is_refused(folder, change):
    place, _, _ = folder
    file = place / "cifar-10" / "data_batch_1.bin"
    file.write_bytes(change(file.read_bytes()))
    with pytest.raises(InputError, match="damaged or another file"):
        datasets.read_images("cifar-10", place)


def test_a_broken_archive_is_refused(folder):
    place, _, _ = folder
    file = place / "mnist" / "train-images-idx3-ubyte"
    file.with_name(f"{file.name}.gz").write_bytes(gzip.compress(file.read_bytes())[:-9])
    file.unlink()
    with pytest.raises(InputError, match="cannot be read"):
        datasets.read_images("mnist", place)


def test_unknown_sets_and_formats_are_refused():
    with pytest.raises(InputError, match="unknown data set 'imagenet'"):
        datasets.read_images("imagenet", None)
    with pytest.raises(InputError, match="no idx file"):
        datasets.decode_idx(b"\x89PNG", "file")
    with pytest.raises(InputError, match="expected 14 for an array"):
        datasets.decode_idx(idx(np.zeros((2, 1), dtype=np.uint8)) + b"xx", "file")
    with pytest.raises(InputError, match="multiple of 3073"):
        datasets.decode_cifar(b"x", "file")


def test_the_published_sums_are_those_that_others_state():
    """The first of MNIST is stated by many; all are whole and different."""
    assert datasets.SUMS["mnist"]["train-images-idx3-ubyte"].startswith("ba891046")
    sums = [digest for files in datasets.SUMS.values() for digest in files.values()]
    assert len(set(sums)) == len(sums) == 13
    assert all(len(digest) == 64 and set(digest) <= set("0123456789abcdef") for digest in sums)


def test_the_digits_of_scikit_learn():
    found = datasets.digits()
    assert found.X.shape == (1797, 64)
    assert datasets.whiten(found.X).rank == 61


def test_labels_of_a_group():
    assert datasets.binary(np.array([0, 4, 5, 9]), range(5)).tolist() == [1, 1, 0, 0]
    with pytest.raises(InputError, match="all on one side"):
        datasets.binary(np.array([1, 2]), range(5))


def test_whitened_samples_have_mean_zero_and_the_identity_on_their_span():
    rng = np.random.default_rng(1)
    X = rng.standard_normal((50, 4)) @ rng.standard_normal((4, 7)) + 3
    found = datasets.whiten(X)
    assert found.rank == 4
    assert found.X.mean(axis=0) == pytest.approx(np.zeros(7), abs=1e-12)
    spectrum = np.linalg.svd(found.X, compute_uv=False) ** 2 / 50
    assert spectrum == pytest.approx([1] * 4 + [0] * 3, abs=1e-9)
    # Symmetric: what is white already stays as it is.
    again = datasets.whiten(found.X).X
    assert again == pytest.approx(found.X, abs=1e-9)


@pytest.mark.parametrize(
    ("X", "message"),
    [(np.zeros(3), "shape"), (np.full((3, 2), np.nan), "NaN"), (np.ones((3, 2)), "all samples are the same")],
)
def test_what_cannot_be_whitened_is_refused(X, message):
    with pytest.raises(InputError, match=message):
        datasets.whiten(X)
