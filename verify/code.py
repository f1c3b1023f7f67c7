"""Which code a result depends on, as one hash: that of the modules which can have a say in it.

The rule, which `docs/clusters.md` explains: the module of a function, the modules that those import, and so on. Modules
of this project, of its plug-ins and of the user count with their text; other packages count with their version; the
standard library does not count. What a function carries along, its closure and defaults, counts too.
"""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import site
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache, partial
from importlib.metadata import entry_points, packages_distributions, version
from pathlib import Path
from types import FunctionType, MethodType, ModuleType
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from verify.listing import BUILT_IN, ENTRY_POINTS
from verify.registry import Registry, module_name

ENGINE = "verify.worker"
"""What calls every function that draws, so that its code counts for all of them."""


@dataclass(frozen=True)
class _Source:
    """One module of our own: hash of its text, modules that it names, and those that it imports when it is imported."""

    digest: str
    named: frozenset[str]
    at_once: frozenset[str]


def code_of(function: Any) -> str:
    """Hash of all code that the result of `function` depends on, and of what the function carries along.

    It is the same on every machine that has the same code, whatever the folders are called.
    """
    modules, facts = {ENGINE}, [""]
    _carried(function, modules, facts, {})
    sources, packages = _closure(modules)
    return _hash(
        [*facts, *sorted(sources.values()), *(f"{name} {number}" for name, number in sorted(packages.items()))]
    )


@dataclass(frozen=True)
class Fingerprint:
    """What two machines must have in common to compute the same: versions of packages, and hashes of statements."""

    packages: dict[str, str]
    statements: dict[str, str]

    def against(self, theirs: Fingerprint) -> str:
        """What is wrong with another machine, as a clause whose subject it is; empty if nothing is."""
        versions = [name for name in self.packages if theirs.packages.get(name) != self.packages[name]]
        if versions:
            found = [f"{name} {theirs.packages.get(name, '(none)')}, not {self.packages[name]}" for name in versions]
            return f"has {'; '.join(found)}: install the same versions there"
        others = [name for name in self.statements if theirs.statements.get(name) != self.statements[name]]
        if others:
            shown = ", ".join(others[:3]) + (f" and {len(others) - 3} more" if len(others) > 3 else "")
            return f"has other code for {shown}: install the same verify there, and restart the worker"
        return ""


def fingerprint(registry: Registry, statements: Iterable[str]) -> Fingerprint:
    """The fingerprint of this process for the statements of these ids; those that are not there have none."""
    hashes: dict[str, str] = {}
    versions: dict[str, str] = {}
    for identifier in statements:
        if identifier in registry.statements:
            sources, packages = _closure({ENGINE, module_name(registry.modules[identifier])})
            hashes[identifier] = _hash(sorted(sources.values()))
            versions.update(packages)
    return Fingerprint(versions, hashes)


def _hash(parts: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _closure(modules: Iterable[str]) -> tuple[dict[str, str], dict[str, str]]:
    """Hashes of our own modules that can be reached, by name, and versions of the other packages."""
    sources: dict[str, str] = {}
    packages: dict[str, str] = {}
    waiting, seen = [(name, True) for name in modules], set()
    while waiting:
        name, whole = waiting.pop()
        if (name, whole) in seen:
            continue
        seen.add((name, whole))
        top = name.partition(".")[0]
        if top in sys.stdlib_module_names:
            continue
        if not _is_ours(top):
            packages.update(_versions(top))
            continue
        source = _source(name)
        if source is None:
            continue
        sources[name] = source.digest
        waiting += [(other, True) for other in (source.named if whole else source.at_once)]
        # A package is run before its modules; only what that imports matters, unless the package itself is named.
        parent = name.rpartition(".")[0]
        if parent:
            waiting.append((parent, False))
    return sources, packages


def _is_ours(top: str) -> bool:
    """Whether a top-level module counts with its text: our packages, and whatever was not installed."""
    if top in _own_packages():
        return True
    file = _file(top)
    return file is not None and not any(file.is_relative_to(folder) for folder in _installed())


@lru_cache(maxsize=1)
def _own_packages() -> frozenset[str]:
    plugins = (entry.value.partition(".")[0] for entry in entry_points(group=ENTRY_POINTS))
    return frozenset({"verify", BUILT_IN, *plugins})


@lru_cache(maxsize=1)
def _installed() -> tuple[Path, ...]:
    """Where packages are installed."""
    folders = (sysconfig.get_path("purelib"), sysconfig.get_path("platlib"), site.getusersitepackages())
    return tuple(Path(folder).resolve() for folder in folders)


@lru_cache(maxsize=1)
def _distributions() -> dict[str, list[str]]:
    return dict(packages_distributions())


@lru_cache(maxsize=256)
def _versions(top: str) -> dict[str, str]:
    return {name: version(name) for name in set(_distributions().get(top, ()))}


def _file(name: str) -> Path | None:
    """The file of a module, None where there is none."""
    module = sys.modules.get(name)
    if module is not None:
        origin = getattr(module, "__file__", None)
    else:
        try:
            spec = importlib.util.find_spec(name)
        except (ImportError, ValueError):
            return None
        origin = spec.origin if spec is not None and spec.has_location else None
    return None if origin is None else Path(origin).resolve()


# By the module itself: what was imported stays what it was when its file is edited, and a module that was imported
# anew is read anew.
_read: WeakKeyDictionary[ModuleType, _Source | None] = WeakKeyDictionary()


def _source(name: str) -> _Source | None:
    module = sys.modules.get(name)
    if module is None:
        return _parsed(name)
    if module not in _read:
        _read[module] = _parsed(name)
    return _read[module]


def _parsed(name: str) -> _Source | None:
    file = _file(name)
    if file is None:
        return None
    content = file.read_bytes()
    if file.suffix != ".py":
        return _Source(hashlib.sha256(content).hexdigest(), frozenset(), frozenset())
    tree = ast.parse(content)
    # The same text whatever the system that wrote its ends of lines.
    digest = hashlib.sha256(content.replace(b"\r\n", b"\n")).hexdigest()
    package = name if file.name == "__init__.py" else name.rpartition(".")[0]
    named = frozenset(_imports(tree, package, inside=True))
    return _Source(digest, named, frozenset(_imports(tree, package, inside=False)))


def _imports(node: ast.AST, package: str, *, inside: bool) -> Iterator[str]:
    """Modules that are imported under `node`, those inside of functions included or not; types do not count."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        base = node.module or ""
        if node.level:
            base = importlib.util.resolve_name("." * node.level + base, package)
        parts = [f"{base}.{alias.name}" for alias in node.names]
        modules = [part for part in parts if _is_module(part)]
        yield from modules
        if len(modules) < len(parts):
            yield base
    elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
        for statement in node.orelse:
            yield from _imports(statement, package, inside=inside)
    elif inside or not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
        for child in ast.iter_child_nodes(node):
            yield from _imports(child, package, inside=inside)


def _is_module(name: str) -> bool:
    top = name.partition(".")[0]
    return top not in sys.stdlib_module_names and _is_ours(top) and (name in sys.modules or _file(name) is not None)


def _carried(value: Any, modules: set[str], facts: list[str], seen: dict[int, Any]) -> None:
    """Collect the modules that an object's code comes from, and in `facts` the values that it carries along."""
    if value is None or isinstance(value, bool | int | float | complex | str | bytes):
        facts.append(repr(value))
        return
    if id(value) in seen:
        return
    seen[id(value)] = value  # kept alive, so that no other object gets its id
    if isinstance(value, ModuleType):
        modules.add(value.__name__)
    elif isinstance(value, FunctionType | type):
        modules.add(value.__module__)
        facts.append(value.__qualname__)
        if isinstance(value, FunctionType):
            inside = [cell.cell_contents for cell in value.__closure__ or ()]
            _carried([inside, value.__defaults__, value.__kwdefaults__], modules, facts, seen)
    elif isinstance(value, MethodType):
        _carried([value.__func__, value.__self__], modules, facts, seen)
    elif isinstance(value, partial):
        _carried([value.func, value.args, value.keywords], modules, facts, seen)
    elif isinstance(value, list | tuple):
        facts.append(f"{len(value)} items")
        for item in value:
            _carried(item, modules, facts, seen)
    elif isinstance(value, set | frozenset):
        _carried(sorted(value, key=repr), modules, facts, seen)
    elif isinstance(value, dict):
        _carried([item for pair in value.items() for item in pair], modules, facts, seen)
    elif isinstance(value, np.ndarray):
        facts += [str(value.dtype), str(value.shape), hashlib.sha256(value.tobytes()).hexdigest()]
    else:
        _carried(type(value), modules, facts, seen)
        state = getattr(value, "__dict__", None)
        if state:
            _carried(state, modules, facts, seen)
        elif " at 0x" not in repr(value):
            facts.append(repr(value))
