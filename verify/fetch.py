"""Public image sets from their canonical addresses into a folder, through pooch.

What arrives is held against the SHA-256 of the published file before it is put in place, and then read by the loader
of `verify.datasets`, which checks the content once more: a file that was fetched and one that was put there by hand are
treated alike, and where all is there already nothing is asked of the network.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from verify.datasets import SOURCES, read_images
from verify.errors import InputError

TIMEOUT = 60.0
"""Seconds without an answer after which an address is given up."""


@dataclass(frozen=True)
class Remote:
    """A published file.

    Attributes:
        file: its name, also in the folder of the set.
        digest: SHA-256 of the file as it is published, compressed.
        addresses: where it can be had, the canonical one first.
    """

    file: str
    digest: str
    addresses: tuple[str, ...]


def _remotes(digests: dict[str, str], *folders: str) -> tuple[Remote, ...]:
    return tuple(
        Remote(file, digest, tuple(f"{folder}{file}" for folder in folders)) for file, digest in digests.items()
    )


REMOTES = {
    "mnist": _remotes(
        {
            "train-images-idx3-ubyte.gz": "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
            "train-labels-idx1-ubyte.gz": "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
            "t10k-images-idx3-ubyte.gz": "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
            "t10k-labels-idx1-ubyte.gz": "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
        },
        "http://yann.lecun.com/exdb/mnist/",
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
    ),
    "fashion-mnist": _remotes(
        {
            "train-images-idx3-ubyte.gz": "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
            "train-labels-idx1-ubyte.gz": "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
            "t10k-images-idx3-ubyte.gz": "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
            "t10k-labels-idx1-ubyte.gz": "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
        },
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
    ),
    "cifar-10": _remotes(
        {"cifar-10-binary.tar.gz": "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9dddda3db29a59bca1dd"},
        "https://www.cs.toronto.edu/~kriz/",
    ),
}


def fetch(name: str, folder: Path, tell: Callable[[str], None] = lambda line: None) -> Path:
    """Make a set be in the subfolder of `folder` called `name`, whole and checked.

    Args:
        name: `mnist`, `fashion-mnist` or `cifar-10`.
        folder: where the folders of the sets are; made where it is missing.
        tell: takes a line of progress.

    Returns:
        The folder of the set.

    Raises:
        InputError: for an unknown set; if a file cannot be had, or is not the published one; if pooch is not installed
            and something must be fetched.
    """
    if name not in REMOTES:
        raise InputError(
            f"got data set {name!r}; expected one of {', '.join(REMOTES)} (ImageNet is given out to registered users "
            "only: put it into a folder imagenet-64 by hand)"
        )
    place = folder / name
    if _is_there(name, folder):
        tell(f"{name}: already in {place}")
        return place
    try:
        place.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{place} cannot be made: {error.strerror or error}") from None
    for remote in REMOTES[name]:
        tell(f"{name}: {remote.file}")
        _retrieve(remote, place, name)
    # Raises where a damaged file that was put there by hand stands before the one that was fetched.
    read_images(name, folder)
    tell(f"{name}: in {place}, all SHA-256 as published")
    return place


def default_folder() -> Path:
    """The user's cache folder for this package.

    Raises:
        InputError: if pooch is not installed.
    """
    try:
        from pooch import os_cache
    except ImportError:
        raise InputError(_WITHOUT_POOCH) from None
    return Path(os_cache("verify"))


_WITHOUT_POOCH = (
    "data are fetched with pooch, which is not installed: pip install 'verify[data]'; or put the files into a folder "
    "by hand (docs/experiments.md) and name it with --data-dir"
)


def _is_there(name: str, folder: Path) -> bool:
    if not (folder / name).is_dir():
        return False
    try:
        read_images(name, folder)
    except InputError:
        return False
    return True


def _retrieve(remote: Remote, place: Path, name: str) -> None:
    """Fetch a file from the first address that gives the published one; a file that is it already is kept."""
    try:
        import pooch
    except ImportError:
        raise InputError(_WITHOUT_POOCH) from None
    pooch.get_logger().setLevel("ERROR")  # what it has to say is said by `tell` and in the errors below
    failures = []
    for address in remote.addresses:
        try:
            # pooch writes beside the target and moves what has the right sum into place: never half a file.
            pooch.retrieve(
                address,
                known_hash=f"sha256:{remote.digest}",
                fname=remote.file,
                path=place,
                downloader=pooch.HTTPDownloader(timeout=TIMEOUT),
            )
        except (OSError, ValueError) as error:
            # Errors of requests are OSErrors; a sum that differs is a ValueError.
            failures.append(f"{address}: {_in_a_line(error)}")
        else:
            return
    raise InputError(
        f"{remote.file} of {name} could not be fetched ({'; '.join(failures)}); try again later, or get it from "
        f"{SOURCES[name]} on a machine with a network and put it into {place}"
    )


def _in_a_line(error: Exception) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 300 else f"{text[:299]}…"
