"""Compilation of loops by Numba, kept on disk where there is a place for it.

Import modules that use it only when they are needed: Numba takes a fraction of a second to start.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

from numba import njit

Function = TypeVar("Function", bound=Callable[..., Any])

# Without "fastmath" the operations are those written, in that order, and none are contracted: results do not depend on
# the machine. A division by zero gives an infinity, as in NumPy.
_OPTIONS = {"nogil": True, "error_model": "numpy"}


def compiled(function: Function) -> Function:
    """The function, compiled when it is first called with each type of argument."""
    try:
        return cast(Function, njit(cache=True, **_OPTIONS)(function))
    except RuntimeError:  # neither the package's folder nor the user's can be written
        return cast(Function, njit(**_OPTIONS)(function))
