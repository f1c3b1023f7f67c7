"""verify: checks the theorems of a paper before a referee does.

>>> import verify
>>> verify.statement("theorem-6").log_bound(N=1000, d0=500, d1=500, epsilon=0.1, rho=0.1) < -500
True
"""

from __future__ import annotations

from importlib.metadata import version as _version
from typing import TYPE_CHECKING

from verify.errors import InputError

if TYPE_CHECKING:
    from verify.statements import Statement

__version__ = _version("verify")
__all__ = ["InputError", "__version__", "statement", "statements"]


def statements(*folders: str) -> dict[str, Statement]:
    """All statements that can be found, by id.

    Args:
        *folders: folders with statement modules of your own.
    """
    from verify.registry import discover

    return discover(folders).statements


def statement(identifier: str, *folders: str) -> Statement:
    """The statement called `identifier`.

    Args:
        identifier: a permanent id such as `theorem-6` or `f10`.
        *folders: folders with statement modules of your own.

    Raises:
        InputError: if there is no such statement, naming the nearest.
    """
    from verify.registry import discover

    return discover(folders)[identifier]
