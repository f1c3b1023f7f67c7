"""Public image sets, from files that were put into a folder by hand: checked, decoded, and made ready for training.

Nothing is downloaded. Every file must have the published content, by its SHA-256 without compression, so that a damaged
or changed copy is refused before anything is computed.
"""

from __future__ import annotations

import gzip
import hashlib
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from verify.errors import InputError

IDX = {
    "train-images-idx3-ubyte": (60000, 28, 28),
    "train-labels-idx1-ubyte": (60000,),
    "t10k-images-idx3-ubyte": (10000, 28, 28),
    "t10k-labels-idx1-ubyte": (10000,),
}
CIFAR_ROW = 1 + 3 * 32 * 32
_IDX_BYTES = 0x08  # the type code of unsigned bytes

SUMS = {
    "mnist": {
        "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    },
    "fashion-mnist": {
        "train-images-idx3-ubyte": "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
        "train-labels-idx1-ubyte": "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
        "t10k-images-idx3-ubyte": "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
        "t10k-labels-idx1-ubyte": "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
    },
    "cifar-10": {
        "data_batch_1.bin": "cee916563c9f80d84e3cc88e17fdc0941787f1244f00a67874d45b261883ada5",
        "data_batch_2.bin": "a591ca11fa1708a91ee40f54b3da4784ccd871ecf2137de63f51ada8b3fa57ed",
        "data_batch_3.bin": "bbe8596564c0f86427f876058170b84dac6670ddf06d79402899d93ceea26f67",
        "data_batch_4.bin": "014e562d6e23c72197cc727519169a60359f5eccd8945ad5a09d710285ff4e48",
        "data_batch_5.bin": "755304fc0b379caeae8c14f0dac912fbc7d6cd469eb67a1029a08a39453a9add",
    },
}
"""SHA-256 of each file of each set, uncompressed. Of CIFAR-10 the training samples only, as in Table 1."""

SOURCES = {
    "mnist": "http://yann.lecun.com/exdb/mnist/",
    "fashion-mnist": "https://github.com/zalandoresearch/fashion-mnist",
    "cifar-10": "https://www.cs.toronto.edu/~kriz/cifar.html (binary version)",
}


@dataclass(frozen=True)
class Images:
    """Samples with their classes.

    Attributes:
        name: of the set.
        X: samples × features, as stored.
        classes: class of each sample, from 0.
    """

    name: str
    X: NDArray[np.generic]
    classes: NDArray[np.generic]


def read_images(name: str, folder: Path) -> Images:
    """A whole set from the files in the subfolder of `folder` called `name`; each may be compressed with gzip.

    Args:
        name: `mnist`, `fashion-mnist` (training and test samples together) or `cifar-10` (training samples).
        folder: where the folders of the sets are.

    Raises:
        InputError: for an unknown set, or a file that is missing, damaged or not the published one.
    """
    if name not in SUMS:
        raise InputError(f"unknown data set {name!r}; expected one of {', '.join(SUMS)}")
    contents = {file: _checked(name, file, folder, digest) for file, digest in SUMS[name].items()}
    if name == "cifar-10":
        rows = np.concatenate([decode_cifar(content, file) for file, content in contents.items()])
        return Images(name, rows[:, 1:], rows[:, 0])
    parts = {file: decode_idx(content, file) for file, content in contents.items()}
    for file, part in parts.items():
        if part.shape != IDX[file]:
            raise InputError(f"{file} of {name} has shape {part.shape}; expected {IDX[file]}")
    images = [part.reshape(len(part), -1) for file, part in parts.items() if "images" in file]
    labels = [part for file, part in parts.items() if "labels" in file]
    return Images(name, np.concatenate(images), np.concatenate(labels))


def digits() -> Images:
    """The digits that come with scikit-learn: 1797 samples of 8 × 8 pixels, of rank 61.

    Raises:
        InputError: if scikit-learn is not installed.
    """
    try:
        from sklearn.datasets import load_digits
    except ImportError:
        raise InputError(
            "the digits come with scikit-learn, which is not installed: pip install scikit-learn"
        ) from None
    X, classes = load_digits(return_X_y=True)
    return Images("digits", np.asarray(X), np.asarray(classes))


def decode_idx(content: bytes, file: str) -> NDArray[np.uint8]:
    """An array of bytes in the idx format of MNIST.

    Raises:
        InputError: if the header or the length is not that of such an array.
    """
    if len(content) < 4 or content[:3] != bytes([0, 0, _IDX_BYTES]):
        raise InputError(f"{file} is no idx file of bytes: it begins with {content[:4].hex() or 'nothing'}")
    axes = content[3]
    start = 4 + 4 * axes
    shape = tuple(int.from_bytes(content[at : at + 4], "big") for at in range(4, start, 4))
    size = int(np.prod(shape))
    if len(content) != start + size:
        raise InputError(f"{file} has {len(content)} bytes; expected {start + size} for an array of {shape}")
    return np.frombuffer(content, dtype=np.uint8, offset=start).reshape(shape)


def decode_cifar(content: bytes, file: str) -> NDArray[np.uint8]:
    """Rows of a class and 3072 pixels, from a batch of the binary version of CIFAR-10.

    Raises:
        InputError: if it is not made of such rows.
    """
    if not content or len(content) % CIFAR_ROW:
        raise InputError(f"{file} has {len(content)} bytes; expected a multiple of {CIFAR_ROW}")
    return np.frombuffer(content, dtype=np.uint8).reshape(-1, CIFAR_ROW)


def _checked(name: str, file: str, folder: Path, digest: str) -> bytes:
    """The content of a file, uncompressed."""
    place = folder / name / file
    found = [path for path in (place, place.with_name(f"{file}.gz")) if path.is_file()]
    if not found:
        raise InputError(
            f"there is no {place}, nor {file}.gz; get {name} from {SOURCES[name]} and put {', '.join(SUMS[name])} there"
        )
    path = found[0]
    try:
        content = path.read_bytes()
        content = gzip.decompress(content) if path.suffix == ".gz" else content
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"{path} cannot be read: {error}; get it again from {SOURCES[name]}") from None
    seen = hashlib.sha256(content).hexdigest()
    if seen != digest:
        raise InputError(
            f"{path} is damaged or another file: its SHA-256 (uncompressed) is {seen}, expected {digest}; get it again "
            f"from {SOURCES[name]}"
        )
    return content


def binary(classes: NDArray[np.generic], positive: Sequence[int]) -> NDArray[np.float64]:
    """Labels 0 and 1 from classes: 1 for those of the group `positive`.

    Raises:
        InputError: if all samples are on one side.
    """
    labels = np.isin(classes, list(positive)).astype(np.float64)
    if len(np.unique(labels)) < 2:
        raise InputError(f"the classes {sorted(set(np.unique(classes).tolist()))} are all on one side of {positive}")
    return labels


FLAT = 1e-10
"""Directions with less than this share of the largest variance are left out by whitening."""


@dataclass(frozen=True)
class Whitened:
    """Samples with mean 0 and covariance the identity, on the space that they span.

    Attributes:
        X: samples × features.
        rank: dimension of that space.
    """

    X: NDArray[np.float64]
    rank: int


def whiten(X: NDArray[np.generic]) -> Whitened:
    """Whiten symmetrically (ZCA), so that a pixel stays where it was. Directions without variance become zero.

    Raises:
        InputError: for fewer than two samples, values that are not finite, or samples that are all the same.
    """
    values = np.asarray(X, dtype=np.float64)
    if values.ndim != 2 or len(values) < 2:
        raise InputError(f"got samples of shape {values.shape}; expected at least 2 × features")
    if not np.isfinite(values).all():
        raise InputError("the samples have NaN or infinite entries; remove or fill them first")
    values = values - values.mean(axis=0)
    variances, directions = np.linalg.eigh(values.T @ values / len(values))
    kept = variances > FLAT * variances[-1]
    if variances[-1] <= 0:
        raise InputError("all samples are the same; they cannot be whitened")
    directions = directions[:, kept]
    map_ = (directions / np.sqrt(variances[kept])) @ directions.T
    return Whitened(values @ map_, int(kept.sum()))
