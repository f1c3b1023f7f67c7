"""Array backends: NumPy, and CuPy where there is a device, behind the array-API standard.

Samplers take the namespace from here (`backend.xp`) and use the functions of the standard only, so the same code
runs on either; the tests run it on `array-api-strict` as well.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import Any

import array_api_compat
import numpy as np
from numpy.typing import NDArray

from verify.errors import InputError

Array = Any  # an array of the backend's namespace; the standard has no static type yet

NAMES = ("auto", "numpy", "cupy")


@dataclass(frozen=True)
class Backend:
    """An array namespace and the way to and from it."""

    name: str
    xp: Any

    def asarray(self, array: NDArray[Any]) -> Array:
        """Move a NumPy array to the backend."""
        return self.xp.asarray(array)

    def to_numpy(self, array: Array) -> NDArray[Any]:
        """Move an array of the backend to NumPy."""
        if self.name == "cupy":
            return np.asarray(array.get())
        return np.asarray(array)


def get_backend(name: str = "auto") -> Backend:
    """The backend called `name`; `auto` takes CuPy where it finds a device, NumPy elsewhere.

    Raises:
        InputError: if the name is unknown, or CuPy is asked for and there is no CuPy or no device.
    """
    if name not in (*NAMES, "array-api-strict"):
        raise InputError(f"unknown backend {name!r}; expected one of {', '.join(NAMES)}")
    if name == "array-api-strict":
        return Backend(name, importlib.import_module("array_api_strict"))
    if name == "numpy":
        return _numpy()
    reason = _no_device()
    if reason is None:
        cupy = importlib.import_module("cupy")
        return Backend("cupy", array_api_compat.array_namespace(cupy.zeros(1)))
    if name == "cupy":
        raise InputError(f"backend cupy is not available: {reason}; use --backend numpy")
    return _numpy()


def _numpy() -> Backend:
    return Backend("numpy", array_api_compat.array_namespace(np.zeros(1)))


def _no_device() -> str | None:
    """Why CuPy cannot be used, or None if it can."""
    try:
        cupy = importlib.import_module("cupy")
    except ImportError:
        return "the package cupy is not installed (pip install 'verify[gpu]')"
    try:
        return None if cupy.cuda.runtime.getDeviceCount() > 0 else "no CUDA device was found"
    except Exception as error:  # CuPy raises its own type, which cannot be named without CuPy
        return f"CUDA does not answer ({error})"
