"""State of a long computation in a file: arrays, and what they belong to."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from verify.data import read_archive
from verify.errors import InputError
from verify.files import replacing


def write(path: Path, identity: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> None:
    """Write arrays to an `.npz` file in one piece: whoever is stopped meanwhile leaves the last one whole.

    Args:
        path: the file.
        identity: what the arrays belong to, JSON-ready.
        arrays: by name.
    """
    with replacing(path) as stream:
        np.savez(stream, allow_pickle=False, identity=np.array(json.dumps(identity, sort_keys=True)), **arrays)


def read(path: Path, identity: dict[str, Any]) -> dict[str, NDArray[Any]]:
    """The arrays of a file that `write` made.

    Raises:
        InputError: if it cannot be read, or belongs to something else.
    """
    arrays = read_archive(path, ("identity",))
    stored, wanted = str(arrays.pop("identity")), json.dumps(identity, sort_keys=True)
    if stored != wanted:
        raise InputError(f"the checkpoint {path} belongs to {stored}, not to {wanted}; remove it or name another file")
    return arrays
