"""Public image sets, from files in a folder: checked, decoded, and made ready for training.

Nothing is downloaded here: files are put into the folder by hand, or by `verify.fetch`. Every file must have the
published content, by its SHA-256 without compression, so that a damaged or changed copy is refused before anything is
computed. Of ImageNet no sums of the 64 × 64 images are published in a form that could be checked here, so its loader
says what it read by a sum of its own.
"""

from __future__ import annotations

import gzip
import hashlib
import tarfile
import warnings
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from verify.data import read_archive
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

ARCHIVES = {"cifar-10": "cifar-10-binary.tar.gz"}
"""Sets that are published as one archive; it may lie in the folder as it is."""

_LARGEST = 2**26  # bytes of any of these files; more is not unpacked

IMAGENET = "imagenet-64"
SIDE = 64  # pixels
_SUFFIXES = {".png", ".jpg", ".jpeg"}
_EIGHT_BITS = {"1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr"}  # Pillow's names of what becomes RGB without loss


@dataclass(frozen=True)
class Images:
    """Samples with their classes.

    Attributes:
        name: of the set.
        X: samples × features, as stored.
        classes: class of each sample, from 0.
        note: what a reader of results must know about the set, empty for a published one as it is.
    """

    name: str
    X: NDArray[np.generic]
    classes: NDArray[np.generic]
    note: str = ""


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
    contents = _contents(name, folder)
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


def _contents(name: str, folder: Path) -> dict[str, bytes]:
    """The content of every file of a set, uncompressed and checked; from its archive where it does not lie there."""
    places = {file: _place(folder / name / file) for file in SUMS[name]}
    found = {
        file: _published(_unpacked(place, name), name, file, str(place)) for file, place in places.items() if place
    }
    missing = [file for file in SUMS[name] if file not in found]
    archive = folder / name / ARCHIVES[name] if name in ARCHIVES else None
    if missing and archive is not None and archive.is_file():
        for file, content in _members(archive, missing, name).items():
            found[file] = _published(content, name, file, f"{file} in {archive}")
    elif missing:
        other = "" if archive is None else f", nor {archive.name}"
        raise InputError(
            f"there is no {folder / name / missing[0]}, nor {missing[0]}.gz{other}; get {name} from {SOURCES[name]} "
            f"and put {', '.join(SUMS[name])} there, or: python -m verify fetch {name} --data-dir {folder}"
        )
    return {file: found[file] for file in SUMS[name]}


def _published(content: bytes, name: str, file: str, where: str) -> bytes:
    """The content, if it is the published one."""
    seen, digest = hashlib.sha256(content).hexdigest(), SUMS[name][file]
    if seen != digest:
        raise InputError(
            f"{where} is damaged or another file: its SHA-256 (uncompressed) is {seen}, expected {digest}; remove it "
            f"and get it again from {SOURCES[name]}"
        )
    return content


def _place(plain: Path) -> Path | None:
    """Where a file lies, as it is or compressed."""
    return next((path for path in (plain, plain.with_name(f"{plain.name}.gz")) if path.is_file()), None)


def _unpacked(path: Path, name: str) -> bytes:
    """The content of a file; of one that is far too large only as much as shows that."""
    try:
        with path.open("rb") as stored:
            if path.suffix != ".gz":
                return stored.read(_LARGEST)
            with gzip.GzipFile(fileobj=stored) as unpacked:
                return unpacked.read(_LARGEST)
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"{path} cannot be read: {error}; get it again from {SOURCES[name]}") from None


def _members(archive: Path, files: Sequence[str], name: str) -> dict[str, bytes]:
    """Files of an archive by the last part of their names, in one pass; nothing is written anywhere."""
    found: dict[str, bytes] = {}
    try:
        with tarfile.open(archive, "r|gz") as opened:
            for member in opened:
                file = member.name.rpartition("/")[2]
                if file in files and member.isfile() and (stream := opened.extractfile(member)) is not None:
                    found[file] = stream.read(_LARGEST)
    except (OSError, EOFError, zlib.error, tarfile.TarError) as error:
        raise InputError(f"{archive} cannot be read: {error}; get it again from {SOURCES[name]}") from None
    missing = [file for file in files if file not in found]
    if missing:
        raise InputError(f"{archive} has no {', '.join(missing)}; get it again from {SOURCES[name]}")
    return found


# --- ImageNet -----------------------------------------------------------------------------------------------


def read_imagenet(folder: Path, most: int | None = None, seed: int = 0) -> Images:
    """ImageNet at 64 × 64 from the subfolder `imagenet-64` of `folder`, as it is published or unpacked.

    Either the published batches, `.npz` files with `data` (samples × 12288 bytes, the red pixels of a sample before the
    green and the blue) and `labels` (from 1), or one folder a class of PNG or JPEG files, at any depth. Classes of
    folders are numbered by their names in order. Pixels are never scaled: an image of another size is refused.

    Args:
        folder: where the folders of the sets are.
        most: read so many, drawn with `seed`; None for all.
        seed: of that draw.

    Raises:
        InputError: if there is no such folder, it holds neither or both, or an image or batch cannot be used, is of
            another size, or has pickled arrays; or Pillow, which decodes images, is not installed.
    """
    place = folder / IMAGENET
    batches = sorted(place.glob("*.npz"))
    classes = sorted(path for path in place.iterdir() if path.is_dir()) if place.is_dir() else []
    if bool(batches) == bool(classes):
        raise InputError(
            f"{place} has {len(batches)} .npz files and {len(classes)} folders; expected either the published batches "
            "of 64 × 64 images (.npz), or one folder a class of PNG or JPEG files of 64 × 64 pixels"
        )
    X, labels = _batches(batches, most, seed) if batches else _class_folders(classes, most, seed)
    digest = hashlib.sha256(np.ascontiguousarray(X).data).hexdigest()
    kind = f"{len(batches)} batches" if batches else f"{len(classes)} class folders"
    return Images(IMAGENET, X, labels, f"{IMAGENET}: {len(X)} images of {kind}, SHA-256 of their pixels {digest}.")


def _chosen(total: int, most: int | None, seed: int) -> NDArray[np.int64]:
    if most is None or most >= total:
        return np.arange(total)
    return np.sort(np.random.default_rng(seed).permutation(total)[:most])


def _batches(files: Sequence[Path], most: int | None, seed: int) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    labels = [_labels(file) for file in files]
    starts = np.cumsum([0, *map(len, labels)])
    chosen = _chosen(int(starts[-1]), most, seed)
    X = np.empty((len(chosen), 3 * SIDE * SIDE), dtype=np.uint8)
    for file, start, end in zip(files, starts, starts[1:], strict=False):
        here = (chosen >= start) & (chosen < end)
        if not here.any():
            continue
        data = read_archive(file, ("data",), only=True)["data"]
        if data.shape != (end - start, X.shape[1]) or data.dtype != np.uint8:
            raise InputError(
                f"data of {file} has shape {data.shape} and type {data.dtype}; expected bytes of shape "
                f"({end - start}, {X.shape[1]}), a row for each of its labels"
            )
        X[here] = data[chosen[here] - start]
    return X, np.concatenate(labels)[chosen] - 1


def _labels(file: Path) -> NDArray[np.int64]:
    labels = read_archive(file, ("labels",), only=True)["labels"]
    if labels.ndim != 1 or labels.dtype.kind not in "iu" or not labels.size or labels.min() < 1:
        raise InputError(
            f"labels of {file} have shape {labels.shape} and type {labels.dtype}; expected whole numbers from 1, at "
            "least one"
        )
    return labels.astype(np.int64)


def _class_folders(folders: Sequence[Path], most: int | None, seed: int) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    found = [(path, number) for number, folder in enumerate(folders) for path in _image_files(folder)]
    chosen = [found[index] for index in _chosen(len(found), most, seed)]
    X = np.empty((len(chosen), 3 * SIDE * SIDE), dtype=np.uint8)
    for row, (path, _) in zip(X, chosen, strict=True):
        row[:] = decode_image(path)
    return X, np.array([number for _, number in chosen], dtype=np.int64)


def _image_files(folder: Path) -> Iterator[Path]:
    files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in _SUFFIXES and path.is_file())
    if not files:
        raise InputError(f"{folder} has no PNG or JPEG file; expected the images of one class, or no such folder")
    yield from files


def decode_image(path: Path) -> NDArray[np.uint8]:
    """The 12288 bytes of a PNG or JPEG file of 64 × 64 pixels: all red ones, then green, then blue.

    Grey and indexed images become RGB; an alpha channel is left out.

    Raises:
        InputError: if it cannot be decoded, is of another size or of more than 8 bits a channel, or Pillow is not
            installed.
    """
    try:
        from PIL import Image
    except ImportError:
        raise InputError("images are decoded with Pillow, which is not installed: pip install 'verify[data]'") from None
    try:
        with warnings.catch_warnings():
            # Of a file that claims millions of pixels: it is refused by its size below, before it is decoded.
            warnings.simplefilter("ignore")
            with Image.open(path, formats=("PNG", "JPEG")) as image:
                if image.size != (SIDE, SIDE):
                    width, height = image.size
                    raise InputError(f"{path} has {width} × {height} pixels; expected {SIDE} × {SIDE}: scale it before")
                if image.mode not in _EIGHT_BITS:
                    raise InputError(f"{path} has pixels of mode {image.mode}; expected 8 bits a channel")
                pixels = np.asarray(image.convert("RGB"), dtype=np.uint8)
    except InputError:
        raise
    except Exception as error:
        # Decoders raise whatever a broken file leads them to: OSError, SyntaxError, struct.error and others.
        raise InputError(f"{path} cannot be decoded as PNG or JPEG: {error}") from None
    return np.ascontiguousarray(pixels.transpose(2, 0, 1)).reshape(-1)


STAND_IN = "imagenet-stand-in"


def imagenet_stand_in(images: Images, seed: int = 0) -> Images:
    """Samples of ImageNet's shape that are *not* ImageNet: 2 × 2 tiles of CIFAR-10 images, with labels by a fair coin.

    Four consecutive images make one of 64 × 64 pixels, each image in one tile; 50 000 make 12 500. The pixels are real.
    Tiles of four things have no natural label, so labels are drawn, which is harder than any natural one.

    Args:
        images: CIFAR-10, or others of 3 × 32 × 32 pixels.
        seed: of the labels.

    Raises:
        InputError: if the images are of another size, or fewer than eight.
    """
    count = len(images.X) // 4
    if images.X.ndim != 2 or images.X.shape[1] != CIFAR_ROW - 1 or count < 2:
        raise InputError(f"got images of shape {images.X.shape}; expected at least 8 of {CIFAR_ROW - 1} pixels")
    X = _tiled(images.X[: 4 * count])
    coins = np.random.default_rng(seed).integers(0, 2, count)
    note = (
        f"{STAND_IN} is a STAND-IN, not ImageNet: {count} samples of its shape, each 2 × 2 tiles of {images.name} "
        "images, with labels by a fair coin, as tiles have no natural label. Each tile is whitened by the covariance "
        "of all tiles."
    )
    return Images(STAND_IN, X, coins, note)


def _tiled(X: NDArray[Any]) -> NDArray[Any]:
    """Four consecutive images of 3 × 32 × 32 as one of 3 × 64 × 64, row by row of tiles."""
    half = SIDE // 2
    tiles = X.reshape(-1, 2, 2, 3, half, half)
    return np.ascontiguousarray(tiles.transpose(0, 3, 1, 4, 2, 5)).reshape(len(tiles), -1)


def _cut(X: NDArray[Any]) -> NDArray[Any]:
    """The four tiles of each sample: what `_tiled` was given."""
    half = SIDE // 2
    tiles = X.reshape(-1, 3, 2, half, 2, half)
    return np.ascontiguousarray(tiles.transpose(0, 2, 4, 1, 3, 5)).reshape(4 * len(tiles), -1)


# --- Ready for training -------------------------------------------------------------------------------------


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
    given = np.asarray(X)
    if given.ndim != 2 or len(given) < 2 or not given.shape[1]:
        raise InputError(f"got samples of shape {given.shape}; expected at least 2 × features")
    if given.dtype.kind not in "fiub":
        raise InputError(f"got samples of type {given.dtype}; expected real numbers")
    values = given.astype(np.float64)
    if not np.isfinite(values).all():
        raise InputError("the samples have NaN or infinite entries; remove or fill them first")
    values = values - values.mean(axis=0)
    # With fewer samples than features the same map from the other side: a smaller matrix has the same spectrum.
    few = len(values) < values.shape[1]
    variances, directions = np.linalg.eigh((values @ values.T if few else values.T @ values) / len(values))
    kept = variances > FLAT * variances[-1]
    if variances[-1] <= 0:
        raise InputError("all samples are the same; they cannot be whitened")
    directions = directions[:, kept]
    roots = directions / np.sqrt(variances[kept])
    white = roots @ (directions.T @ values) if few else values @ (roots @ directions.T)
    return Whitened(white, int(kept.sum()))


def whiten_tiles(X: NDArray[np.generic]) -> Whitened:
    """Whiten samples of the stand-in by the covariance of their tiles.

    Tiles are images drawn one like the other, so between them nothing is correlated but by chance, and a matrix of a
    tile's size says all: a hundredth of the work, and four times the samples for what is estimated.

    Raises:
        InputError: as `whiten`.
    """
    found = whiten(_cut(np.asarray(X)))
    return Whitened(_tiled(found.X), 4 * found.rank)
