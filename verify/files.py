"""Files that are written in one piece: whoever is stopped meanwhile leaves the last one whole."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """A stream whose content becomes the file `path` once it is whole and on the disk.

    A process that is killed can leave a `*.partial` file beside it, which nothing reads.

    Raises:
        OSError: if the disk is full or the folder cannot be written; `path` is as it was then.
    """
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")  # its own, if two runs write to one folder
    try:
        with partial.open("wb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def replace(path: Path, content: bytes) -> None:
    """Write a file so that it is either whole or as it was before.

    Raises:
        OSError: as `replacing` does.
    """
    with replacing(path) as stream:
        stream.write(content)
