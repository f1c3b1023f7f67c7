"""A user's data set: loading, validation, and what it says about the paper's assumptions."""

from __future__ import annotations

import hashlib
import math
import warnings
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from verify.errors import InputError
from verify.foreign import reason
from verify.network.activations import IN_RANGE

MOST_BYTES = 4 << 30
"""Of all arrays read from one file together, as double precision numbers: ten times MNIST."""


@dataclass(frozen=True)
class Dataset:
    """Samples and binary labels.

    Attributes:
        X: inputs, `d0 × N`, one column per sample as in Soudry & Hoffer 2017.
        y: labels, `N`, each 0 or 1.
        name: file name, for the report.
        digest: SHA-256 of the two arrays' bytes.
    """

    X: NDArray[np.float64]
    y: NDArray[np.float64]
    name: str
    digest: str

    @property
    def samples(self) -> int:
        """Number of samples, `N`."""
        return int(self.X.shape[1])

    @property
    def features(self) -> int:
        """Input dimension, `d0`."""
        return int(self.X.shape[0])

    def subset(self, limit: int, seed: int) -> Dataset:
        """At most `limit` samples, drawn with `seed` so that both labels stay; the set itself if no larger."""
        if self.samples <= limit:
            return self
        rng = np.random.default_rng(seed)
        kept = np.concatenate([rng.permutation(np.flatnonzero(self.y == label))[:1] for label in (0.0, 1.0)])
        others = rng.permutation(np.setdiff1d(np.arange(self.samples), kept))[: limit - kept.size]
        chosen = np.sort(np.concatenate([kept, others]))
        name = f"{self.name} ({limit} of {self.samples} samples, drawn with seed {seed})"
        return Dataset.from_arrays(self.X[:, chosen].T, self.y[chosen], name)

    @classmethod
    def from_arrays(cls, X: NDArray[np.generic], y: NDArray[np.generic], name: str = "arrays") -> Dataset:
        """Validate `X` (samples × features, as in scikit-learn) and `y` (samples).

        Raises:
            InputError: for wrong shapes or types, NaN or infinity, labels other than 0 and 1, constant labels,
                fewer than two samples or features, or a zero sample.
        """
        X, y = np.asarray(X), np.asarray(y)
        if X.ndim != 2:
            raise InputError(f"X has shape {X.shape}; expected two axes, samples × features")
        if y.ndim != 1 or y.shape[0] != X.shape[0]:
            raise InputError(f"y has shape {y.shape}; expected ({X.shape[0]},), one label for each row of X")
        for label, array in (("X", X), ("y", y)):
            if array.dtype.kind not in "fiub":
                raise InputError(f"{label} has type {array.dtype}; expected real numbers")
        if X.shape[0] < 2:
            raise InputError(f"X has {X.shape[0]} sample(s); expected at least 2")
        if X.shape[1] < 2:
            raise InputError(f"X has d0 = {X.shape[1]} feature(s); expected at least 2")
        inputs, labels = X.astype(np.float64), y.astype(np.float64)
        if not np.isfinite(inputs).all() or not np.isfinite(labels).all():
            raise InputError("X or y has NaN or infinite entries; remove or fill them first")
        values = np.unique(labels)
        if not np.isin(values, (0.0, 1.0)).all():
            raise InputError(f"y takes the values {values[:5].tolist()}; expected only 0 and 1")
        if values.size < 2:
            raise InputError(f"all labels are {values[0]:g}; expected both 0 and 1")
        zero = np.flatnonzero(~inputs.any(axis=1))
        if zero.size:
            raise InputError(f"sample {zero[0]} is zero (of {zero.size} such); a zero input has no activation pattern")
        sizes = np.abs(inputs).max(axis=1)
        if sizes.min() < 1 / IN_RANGE or sizes.max() > IN_RANGE:
            raise InputError(
                f"samples of X have entries up to {sizes.min():.1e} and up to {sizes.max():.1e}, whose products leave "
                "the range of floats; multiply all by one number: nothing that is computed depends on it"
            )
        columns = np.ascontiguousarray(inputs.T)
        digest = hashlib.sha256(columns.tobytes() + labels.tobytes()).hexdigest()
        return cls(columns, labels, name, digest)


def load(path: str | Path) -> Dataset:
    """Read an `.npz` file with arrays `X` (samples × features) and `y` (samples).

    Raises:
        InputError: if the file cannot be read, lacks an array, or fails the validation of `Dataset.from_arrays`.
    """
    return Dataset.from_arrays(*read_arrays(path), Path(path).name)


def read_arrays(path: str | Path) -> tuple[NDArray[np.generic], NDArray[np.generic]]:
    """The arrays `X` and `y` of an `.npz` file, as they are.

    Raises:
        InputError: if the file cannot be read or lacks an array.
    """
    arrays = read_archive(path, ("X", "y"), only=True)
    return arrays["X"], arrays["y"]


def read_archive(path: str | Path, names: tuple[str, ...], *, only: bool = False) -> dict[str, NDArray[np.generic]]:
    """The arrays of an `.npz` file, by name; pickled ones are refused.

    Args:
        path: the file.
        names: arrays that must be there.
        only: read no others.

    Raises:
        InputError: if the file cannot be read or lacks one of them, or the arrays are larger than `MOST_BYTES`.
    """
    path = Path(path)
    if not path.exists():
        raise InputError(f"there is no file {path}")
    if not path.is_file():
        raise InputError(f"{path} is no file; expected an .npz archive with arrays {' and '.join(names)}")
    try:
        if not zipfile.is_zipfile(path):
            raise InputError(
                f"{path} cannot be read: it is not an .npz archive; expected one with arrays {' and '.join(names)}"
            )
        with zipfile.ZipFile(path) as archive:
            members = _members(archive, path)
            missing = [name for name in names if name not in members]
            if missing:
                raise InputError(
                    f"{path} has arrays {list(members)}; expected {' and '.join(names)}, missing {', '.join(missing)}"
                )
            chosen = {name: members[name] for name in (names if only else members)}
            return dict(_arrays(archive, chosen, path))
    except InputError:
        raise
    except Exception as error:  # zipfile, its decompressors and NumPy raise whatever they meet in a damaged file
        raise InputError(f"{path} cannot be read as an .npz archive of numbers: {reason(error)}") from None


def _members(archive: zipfile.ZipFile, path: Path) -> dict[str, zipfile.ZipInfo]:
    """The members of an archive by the names of their arrays."""
    members: dict[str, zipfile.ZipInfo] = {}
    for info in archive.infolist():
        name = info.filename.removesuffix(".npy")
        if name in members:
            raise InputError(f"{path} has two arrays {name}; expected one of each name")
        members[name] = info
    return members


def _arrays(
    archive: zipfile.ZipFile, members: Mapping[str, zipfile.ZipInfo], path: Path
) -> Iterator[tuple[str, NDArray[np.generic]]]:
    """Read arrays; memory is taken only for what their headers and the sizes of the members agree on."""
    total = 0
    for name, info in members.items():
        with archive.open(info) as stream, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of NumPy, about files that Python 2 wrote
            shape, dtype, start = _header(stream)
            count = math.prod(shape)
            total += count * max(dtype.itemsize, np.dtype(np.float64).itemsize)
            if total > MOST_BYTES:
                raise InputError(
                    f"{path} has an array {name} of shape {shape} and type {dtype}; expected at most "
                    f"{MOST_BYTES / 2**30:g} GiB as double precision numbers in all; take a part of it"
                )
            if start + count * dtype.itemsize != info.file_size:
                raise InputError(
                    f"{path} has {info.file_size} bytes for its array {name}, and {start + count * dtype.itemsize} by "
                    "its header; it is damaged, so write it anew"
                )
            stream.seek(0)
            yield name, np.lib.format.read_array(stream, allow_pickle=False)


def _header(stream: IO[bytes]) -> tuple[tuple[int, ...], np.dtype[Any], int]:
    """Shape, type and first byte of an array in NumPy's format."""
    version = np.lib.format.read_magic(stream)
    if version not in ((1, 0), (2, 0)):
        raise ValueError(f"got an array in version {version} of NumPy's format; expected plain numbers, in 1.0 or 2.0")
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, dtype = read(stream)
    if dtype.hasobject:
        raise ValueError("got an array of Python objects, which are never loaded; save numbers")
    return shape, dtype, stream.tell()
