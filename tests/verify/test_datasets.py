"""Image sets: files that are missing, damaged or changed, the formats, ImageNet's layouts, and whitening."""

from __future__ import annotations

import gzip
import hashlib
import io
import pickle
import struct
import sys
import tarfile
import zlib

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
    with pytest.raises(InputError, match=r"no .*t10k-labels.*yann\.lecun\.com.*verify fetch mnist"):
        datasets.read_images("mnist", place)


def archive(path, members):
    with tarfile.open(path, "w:gz") as opened:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            opened.addfile(member, io.BytesIO(content))


def test_the_archive_of_cifar_counts_as_its_files(folder):
    place, _, rows = folder
    file = place / "cifar-10" / "data_batch_1.bin"
    content = file.read_bytes()
    file.unlink()
    with pytest.raises(InputError, match=r"nor cifar-10-binary\.tar\.gz"):
        datasets.read_images("cifar-10", place)
    whole = place / "cifar-10" / "cifar-10-binary.tar.gz"
    archive(whole, {"cifar-10-batches-bin/readme.html": b"x", "cifar-10-batches-bin/data_batch_1.bin": content})
    assert (rows[:, 1:] == datasets.read_images("cifar-10", place).X).all()
    assert list(place.glob("cifar-10/*")) == [whole]
    archive(whole, {"cifar-10-batches-bin/data_batch_1.bin": content[:-1]})
    with pytest.raises(InputError, match=r"data_batch_1\.bin in .*tar\.gz is damaged"):
        datasets.read_images("cifar-10", place)
    archive(whole, {"../data_batch_2.bin": content})
    with pytest.raises(InputError, match=r"has no data_batch_1\.bin"):
        datasets.read_images("cifar-10", place)
    whole.write_bytes(whole.read_bytes()[:40])
    with pytest.raises(InputError, match="cannot be read"):
        datasets.read_images("cifar-10", place)


def test_a_file_that_unpacks_without_end_is_refused(folder, monkeypatch):
    place, _, _ = folder
    monkeypatch.setattr(datasets, "_LARGEST", 1000)
    file = place / "mnist" / "train-images-idx3-ubyte"
    file.with_name(f"{file.name}.gz").write_bytes(gzip.compress(bytes(10**6)))
    file.unlink()
    with pytest.raises(InputError, match="damaged or another file"):
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
    with pytest.raises(InputError, match="unknown data set 'imagenet'; expected one of mnist"):
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


# --- ImageNet -----------------------------------------------------------------------------------------------


def png(pixels, color=2, depth=8, size=(64, 64)):
    """A PNG file written by hand, so that the decoder is held against another program than itself."""

    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    rows = b"".join(b"\0" + row.tobytes() for row in pixels)
    header = struct.pack(">IIBBBBB", *size, depth, color, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


@pytest.fixture
def pictures(tmp_path):
    """Two classes of two and one images, one of them deeper, and what they show: (3, rows, columns, channels)."""
    pytest.importorskip("PIL")
    pixels = np.random.default_rng(3).integers(0, 256, (3, 64, 64, 3), dtype=np.uint8)
    names = ("n02/a.png", "n02/images/b.PNG", "n01/c.png")
    for name, image in zip(names, pixels, strict=True):
        path = tmp_path / "imagenet-64" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(png(image))
    return tmp_path, pixels


def test_class_folders_of_images(pictures):
    place, pixels = pictures
    (place / "imagenet-64" / "n01" / "words.txt").write_text("left alone")
    found = datasets.read_imagenet(place)
    assert found.classes.tolist() == [0, 1, 1]
    planes = found.X.reshape(3, 3, 64, 64)
    for image, expected in zip(planes, pixels[[2, 0, 1]], strict=True):
        assert all((image[channel] == expected[:, :, channel]).all() for channel in range(3))
    assert hashlib.sha256(found.X.tobytes()).hexdigest() in found.note
    assert "3 images of 2 class folders" in found.note


def test_so_many_images_are_drawn_by_the_seed_and_only_they_are_decoded(pictures):
    place, _ = pictures
    whole = datasets.read_imagenet(place)
    drawn = {tuple(datasets.read_imagenet(place, 2, seed).X.tobytes() for _ in range(2)) for seed in range(20)}
    assert all(one == other for one, other in drawn)
    pairs = {whole.X[list(rows)].tobytes() for rows in ((0, 1), (0, 2), (1, 2))}
    assert {one for one, _ in drawn} == pairs  # each pair is missing in 20 draws with probability 3e-4
    for file in (place / "imagenet-64").rglob("*.png"):
        file.write_bytes(b"broken")
    with pytest.raises(InputError, match="cannot be decoded"):
        datasets.read_imagenet(place, 2)
    assert datasets.read_imagenet(place, 0).X.shape == (0, 12288)


def test_grey_images_and_jpeg(tmp_path):
    image = pytest.importorskip("PIL.Image")
    grey = np.arange(4096, dtype=np.uint8).reshape(64, 64)
    (tmp_path / "grey.png").write_bytes(png(grey, color=0))
    assert (datasets.decode_image(tmp_path / "grey.png").reshape(3, 64, 64) == grey).all()
    image.new("RGB", (64, 64), (200, 100, 50)).save(tmp_path / "flat.JPEG", quality=95)
    planes = datasets.decode_image(tmp_path / "flat.JPEG").reshape(3, 4096).astype(int)
    assert np.abs(planes - [[200], [100], [50]]).max() <= 3  # a flat colour survives compression but for rounding


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "cannot be decoded"),
        (b"GIF89a" + bytes(50), "cannot be decoded"),
        (png(np.zeros((64, 64, 3), dtype=np.uint8))[:-40], "cannot be decoded"),
        (png(np.zeros((32, 32, 3), dtype=np.uint8), size=(32, 32)), "32 × 32 pixels; expected 64 × 64"),
        (png(np.zeros((1, 1, 3), dtype=np.uint8), size=(10**5, 10**5)), "cannot be decoded|100000 pixels"),
        (png(np.zeros((64, 64), dtype=">u2"), color=0, depth=16), "8 bits a channel"),
    ],
    ids=["empty", "another format", "cut off", "another size", "huge by its header", "16 bits"],
)
def test_images_that_cannot_be_used_are_named(tmp_path, content, message):
    pytest.importorskip("PIL")
    file = tmp_path / "image.png"
    file.write_bytes(content)
    with pytest.raises(InputError, match=message) as caught:
        datasets.decode_image(file)
    assert "image.png" in str(caught.value)


def test_without_pillow_images_say_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(InputError, match=r"Pillow, which is not installed: pip install 'verify\[data\]'"):
        datasets.decode_image(tmp_path / "image.png")


def test_published_batches(tmp_path):
    place = tmp_path / "imagenet-64"
    place.mkdir()
    rng = np.random.default_rng(4)
    parts = [(rng.integers(0, 256, (size, 12288), dtype=np.uint8), rng.integers(1, 9, size)) for size in (4, 3)]
    for number, (data, labels) in enumerate(parts, 1):
        np.savez(place / f"train_data_batch_{number}.npz", data=data, labels=labels, mean=data.mean(axis=0))
    found = datasets.read_imagenet(tmp_path)
    assert (np.concatenate([data for data, _ in parts]) == found.X).all()
    assert (found.classes + 1 == np.concatenate([labels for _, labels in parts])).all()
    some = datasets.read_imagenet(tmp_path, 5, seed=1)
    rows = [found.X.tolist().index(row) for row in some.X.tolist()]
    assert rows == sorted(set(rows))
    assert (some.classes == found.classes[rows]).all()


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"data": np.zeros((2, 12288), dtype=np.uint8)}, "missing labels"),
        ({"data": np.zeros((2, 3072), dtype=np.uint8), "labels": [1, 2]}, r"shape \(2, 3072\)"),
        ({"data": np.zeros((2, 12288)), "labels": [1, 2]}, "float64"),
        ({"data": np.zeros((2, 12288), dtype=np.uint8), "labels": [1, 2, 3]}, r"\(3, 12288\)"),
        ({"data": np.zeros((2, 12288), dtype=np.uint8), "labels": [0, 1]}, "from 1"),
        ({"data": np.zeros((2, 12288), dtype=np.uint8), "labels": [0.5, 1]}, "from 1"),
        ({"data": np.zeros((0, 12288), dtype=np.uint8), "labels": np.zeros(0, dtype=int)}, "at least one"),
        ({"data": np.array([[None]], dtype=object), "labels": np.array([1])}, "cannot be read"),
    ],
)
def test_batches_that_cannot_be_used_are_refused(tmp_path, arrays, message):
    (tmp_path / "imagenet-64").mkdir()
    np.savez(tmp_path / "imagenet-64" / "train_data_batch_1.npz", **arrays)
    with pytest.raises(InputError, match=message):
        datasets.read_imagenet(tmp_path)


def test_a_pickle_is_never_loaded(tmp_path):
    (tmp_path / "imagenet-64").mkdir()
    (tmp_path / "imagenet-64" / "train_data_batch_1.npz").write_bytes(pickle.dumps({"data": 1}))
    with pytest.raises(InputError, match="cannot be read"):
        datasets.read_imagenet(tmp_path)


def test_a_folder_that_is_neither_layout_is_refused(pictures):
    place, _ = pictures
    with pytest.raises(InputError, match=r"0 \.npz files and 0 folders"):
        datasets.read_imagenet(place / "nowhere")
    (place / "imagenet-64" / "n03").mkdir()
    with pytest.raises(InputError, match="n03 has no PNG or JPEG"):
        datasets.read_imagenet(place)
    (place / "imagenet-64" / "a.npz").write_bytes(b"")
    with pytest.raises(InputError, match=r"1 \.npz files and 3 folders"):
        datasets.read_imagenet(place)


def test_the_stand_in_has_four_images_in_each_sample():
    rng = np.random.default_rng(5)
    images = datasets.Images("cifar-10", rng.integers(0, 256, (11, 3072), dtype=np.uint8), np.zeros(11))
    found = datasets.imagenet_stand_in(images, seed=1)
    assert found.X.shape == (2, 12288)
    for sample in range(2):
        for row in range(2):
            for column in range(2):
                tile = images.X[4 * sample + 2 * row + column].reshape(3, 32, 32)
                shown = found.X[sample].reshape(3, 64, 64)[:, 32 * row : 32 * row + 32, 32 * column : 32 * column + 32]
                assert (shown == tile).all()
    assert found.name == "imagenet-stand-in"
    assert "STAND-IN, not ImageNet" in found.note
    many = datasets.Images("cifar-10", np.zeros((4000, 3072), dtype=np.uint8), np.zeros(4000))
    assert 400 < datasets.imagenet_stand_in(many).classes.sum() < 600  # a fair coin is outside once in 1e10
    for shape in ((7, 3072), (20, 784), (20,)):
        with pytest.raises(InputError, match="at least 8"):
            datasets.imagenet_stand_in(datasets.Images("x", np.zeros(shape), np.zeros(20)))


# --- Ready for training -------------------------------------------------------------------------------------


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


@pytest.mark.parametrize("samples", [30, 12])
def test_whitening_is_the_same_from_either_side(samples):
    """By the singular value decomposition, with more samples than features and with fewer."""
    X = np.random.default_rng(2).standard_normal((samples, 20)) @ np.diag(np.logspace(0, 3, 20)) - 5
    left, _, right = np.linalg.svd(X - X.mean(axis=0), full_matrices=False)
    rank = min(samples - 1, 20)
    found = datasets.whiten(X)
    assert found.rank == rank
    assert pytest.approx(np.sqrt(samples) * left[:, :rank] @ right[:rank], abs=1e-8) == found.X


def test_the_stand_in_is_whitened_tile_by_tile():
    """Tiles have mean zero and the identity on their span; a tile is one of the images, whitened among all of them."""
    rng = np.random.default_rng(6)
    pixels = rng.integers(0, 256, (40, 8)).repeat(384, axis=1).astype(np.uint8)
    images = datasets.Images("cifar-10", pixels, np.zeros(40))
    stand_in = datasets.imagenet_stand_in(images)
    found = datasets.whiten_tiles(stand_in.X)
    assert found.rank == 4 * 8
    one = datasets.whiten(pixels).X
    for row, column in ((0, 0), (0, 1), (1, 0), (1, 1)):
        shown = found.X.reshape(10, 3, 64, 64)[:, :, 32 * row : 32 * row + 32, 32 * column : 32 * column + 32]
        assert shown.reshape(10, 3072) == pytest.approx(one[2 * row + column :: 4], abs=1e-9)


@pytest.mark.parametrize(
    ("X", "message"),
    [
        (np.zeros(3), "shape"),
        (np.zeros((0, 2)), "at least 2"),
        (np.zeros((3, 0)), "shape"),
        (np.array([[None, 1], [2, 3]], dtype=object), "type object"),
        (np.array([["a"], ["b"]]), "expected real numbers"),
        (np.full((3, 2), np.nan), "NaN"),
        (np.array([[1.0, np.inf], [0.0, 1.0]]), "NaN or infinite"),
        (np.ones((3, 2)), "all samples are the same"),
    ],
)
def test_what_cannot_be_whitened_is_refused(X, message):
    with pytest.raises(InputError, match=message):
        datasets.whiten(X)
