"""verify: checks the theorems of a paper before a referee does.

>>> import verify
>>> verify.statement("theorem-6").log_bound(N=1000, d0=500, d1=500, epsilon=0.1, rho=0.1) < -500
True
"""

from __future__ import annotations

from importlib.metadata import version as _version
from typing import TYPE_CHECKING, Any

from verify.errors import InputError

if TYPE_CHECKING:
    from verify.certificate.certify import certify
    from verify.certificate.result import Certificate
    from verify.statements import Statement
    from verify.volume.angular import volumes
    from verify.volume.result import Volume, Volumes

__version__ = _version("verify")
__all__ = [
    "Certificate",
    "InputError",
    "Volume",
    "Volumes",
    "__version__",
    "all_statements",
    "certify",
    "statement",
    "volumes",
]


def all_statements(*folders: str) -> dict[str, Statement]:
    """All statements that can be found, by id.

    Args:
        *folders: folders with statement modules of your own.

    >>> found = all_statements()
    >>> found["theorem-6"].title
    'Sub-optimal minima have exponentially small volume'
    >>> [name for name, item in found.items() if "f10" in item.uses and name.startswith("theorem")]
    ['theorem-6']
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

    >>> statement("f19")
    Statement('f19', 'Theorem 6 at finite size, near the threshold', 'finite-N note, F19')
    """
    from verify.registry import discover

    return discover(folders)[identifier]


def __getattr__(name: str) -> Any:
    """Volumes and certificates are imported when first asked for: `import verify` stays quick."""
    if name == "certify":
        from verify.certificate.certify import certify

        return certify
    if name == "Certificate":
        from verify.certificate.result import Certificate

        return Certificate
    if name == "volumes":
        from verify.volume.angular import volumes

        return volumes
    if name in ("Volume", "Volumes"):
        from verify.volume import result

        return getattr(result, name)
    raise AttributeError(f"module 'verify' has no attribute {name!r}")


def __dir__() -> list[str]:
    """What is public, before it is imported too: for completion, and for the API reference."""
    return __all__
