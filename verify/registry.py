"""Finds statements: the package `theorems`, folders given by the user, and installed packages.

A statement module is any module with a `STATEMENT`; nothing else has to be edited to add one. A module that
cannot be imported is reported as broken and leaves all others usable.
"""

from __future__ import annotations

import difflib
import fnmatch
import hashlib
import importlib
import importlib.util
import pkgutil
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType

from verify.errors import InputError
from verify.foreign import Failed, call
from verify.listing import BUILT_IN, ENTRY_POINTS
from verify.statements import Kind, Statement
from verify.vacuity import with_reach

IMPORT_SECONDS = 600.0
"""A module that is not imported by then is broken."""


@dataclass(frozen=True)
class Broken:
    """A module that should hold a statement and could not be used."""

    module: str
    reason: str


@dataclass(frozen=True)
class Registry:
    """The statements that were found, by id: calibrations first, then the others, in the order of their sources."""

    statements: dict[str, Statement]
    modules: dict[str, str]
    broken: tuple[Broken, ...]
    folders: tuple[str, ...] = ()

    def __getitem__(self, identifier: str) -> Statement:
        """The statement called `identifier`.

        Raises:
            InputError: if there is none, naming the nearest.
        """
        if identifier in self.statements:
            return self.statements[identifier]
        near = difflib.get_close_matches(identifier, self.statements, n=3, cutoff=0.5)
        hint = f"did you mean {' or '.join(near)}?" if near else "`python -m verify list` shows what there is"
        raise InputError(f"unknown statement {identifier!r}; {hint}{self._elsewhere()}")

    def select(self, patterns: Sequence[str]) -> list[Statement]:
        """The statements whose id is, or matches, one of the patterns; all where none is given.

        Raises:
            InputError: if a pattern selects nothing.
        """
        if not patterns:
            return list(self.statements.values())
        chosen: set[str] = set()
        for pattern in patterns:
            if any(sign in pattern for sign in "*?["):
                matched = fnmatch.filter(self.statements, pattern)
                if not matched:
                    hint = f"`python -m verify list` shows what there is{self._elsewhere()}"
                    raise InputError(f"no statement matches {pattern!r}; {hint}")
                chosen.update(matched)
            else:
                chosen.add(self[pattern].id)
        return [statement for identifier, statement in self.statements.items() if identifier in chosen]

    def _elsewhere(self) -> str:
        """Where a statement may be that is not there: in a module that could not be imported, or in another folder."""
        unusable = "".join(f"; {item.module} cannot be used: {item.reason}" for item in self.broken)
        return unusable or ("" if self.folders else "; for modules of your own give --path DIR")


def discover(folders: Sequence[str] = ()) -> Registry:
    """Find every statement.

    Args:
        folders: folders of the user's own modules, searched without descending into packages.

    Raises:
        InputError: if a folder does not exist, two modules claim one id, or `uses` names an unknown id or a cycle.
    """
    found: dict[str, Statement] = {}
    modules: dict[str, str] = {}
    broken: list[Broken] = []
    for name, module in _modules(folders):
        if isinstance(module, Broken):
            broken.append(module)
            continue
        statement = getattr(module, "STATEMENT", None)
        if statement is None:
            continue
        if not isinstance(statement, Statement):
            broken.append(Broken(name, f"STATEMENT is a {type(statement).__name__}; expected a verify.Statement"))
            continue
        if statement.id in found and modules[statement.id] != name:
            raise InputError(f"{name} and {modules[statement.id]} both define the statement {statement.id!r}")
        try:
            found[statement.id] = call(IMPORT_SECONDS, with_reach, statement)
        except Failed as error:
            broken.append(Broken(name, str(error)))
            continue
        modules[statement.id] = name
    _check_uses(found, broken)
    # What the others rest on comes first, in every list and in every run; sorting keeps the order otherwise.
    ordered = sorted(found, key=lambda name: found[name].kind is not Kind.CALIBRATION)
    return Registry({name: found[name] for name in ordered}, modules, tuple(broken), tuple(folders))


def _check_uses(found: dict[str, Statement], broken: Sequence[Broken]) -> None:
    for statement in found.values():
        unknown = [used for used in statement.uses if used not in found]
        if unknown and not broken:
            raise InputError(f"{statement.id} uses {', '.join(unknown)}, which no module defines")
    graph = {name: [used for used in item.uses if used in found] for name, item in found.items()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        raise InputError(f"statements use one another in a circle: {' → '.join(error.args[1])}") from None


def _modules(folders: Sequence[str]) -> Iterator[tuple[str, ModuleType | Broken]]:
    for package in (BUILT_IN, *(entry.value for entry in entry_points(group=ENTRY_POINTS))):
        yield from _package_modules(package)
    for folder in folders:
        root = Path(folder).resolve()
        if not root.is_dir():
            raise InputError(f"--path {folder} is not a folder")
        for file in sorted(root.glob("*.py")):
            if not file.stem.startswith("_"):
                yield str(file), _import_file(file)


def _package_modules(package: str) -> Iterator[tuple[str, ModuleType | Broken]]:
    root = _import(package)
    yield package, root
    if isinstance(root, Broken) or not hasattr(root, "__path__"):
        return
    names = [info.name for info in pkgutil.walk_packages(root.__path__, f"{package}.")]
    public = [name for name in names if not name.rsplit(".", 1)[-1].startswith("_")]
    for name in sorted(public, key=_reading_order):
        yield name, _import(name)


def _reading_order(name: str) -> tuple[object, ...]:
    """`reading_order` of a package, where it has one, puts its modules in the order of their source."""
    package, _, leaf = name.rpartition(".")
    order: Sequence[str] = getattr(sys.modules.get(package), "READING_ORDER", ())
    place = order.index(leaf) if leaf in order else len(order)
    parent: Sequence[str] = getattr(sys.modules.get(package.rpartition(".")[0]), "READING_ORDER", ())
    room = package.rpartition(".")[2]
    return (parent.index(room) if room in parent else len(parent), package, place, leaf)


def _import(name: str) -> ModuleType | Broken:
    try:
        return call(IMPORT_SECONDS, importlib.import_module, name)
    except Failed as error:  # a plug-in must not take the others along
        return Broken(name, str(error))


def module_name(where: str) -> str:
    """The name under which a module of a registry was imported; a file of the user has one of its own."""
    if not where.endswith(".py"):
        return where
    # Two folders may have files of one name.
    return f"verify_user_{Path(where).stem}_{hashlib.sha256(where.encode()).hexdigest()[:8]}"


def _import_file(file: Path) -> ModuleType | Broken:
    try:
        return call(IMPORT_SECONDS, load_file, file)
    except Failed as error:  # as above
        return Broken(str(file), str(error))


def load_file(file: Path) -> ModuleType:
    """Import a file of the user's, under a name of its own.

    Raises:
        Exception, SystemExit: whatever its code raises; nothing is left of the module then.
    """
    name = module_name(str(file))
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise ImportError("not a Python module")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module
