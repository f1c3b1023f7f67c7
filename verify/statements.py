"""What a statement is: a claim with its source, its assumptions, its derivation and its checks.

A statement is data. The runner, the report, the tests and the docs read it from here, so that the formula that
is typeset is the formula that is evaluated.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, is_dataclass, replace
from enum import StrEnum
from functools import lru_cache
from types import UnionType
from typing import TYPE_CHECKING, Any, Literal, Union, get_args, get_origin, get_type_hints

import sympy as sp
from sympy.concrete.expr_with_limits import ExprWithLimits

from verify.asymptotics import Scaling
from verify.errors import InputError
from verify.logspace import log_value
from verify.pictures import Drawing
from verify.relations import Relation
from verify.statistics.estimates import Estimate
from verify.typesetting import latex

if TYPE_CHECKING:
    from verify.data import Dataset
    from verify.experiments import Experiment
    from verify.sampling import Draw, Tally
    from verify.statistics.intervals import Interval

Scalar = int | float | str
Axis = Literal["d0 d1 / N", "d0 / N"]
ID_PATTERN = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")


class Kind(StrEnum):
    """The role of a statement in its source."""

    DEFINITION = "definition"
    LEMMA = "lemma"
    THEOREM = "theorem"
    COROLLARY = "corollary"
    EXTENSION = "extension"
    BOUND = "bound"
    EXPERIMENT = "experiment"
    CALIBRATION = "calibration"
    """A fact with a known value, from elsewhere, that the suite's own estimators must reproduce. Run first."""


class Point(Mapping[str, Scalar]):
    """One choice of parameters, immutable and ordered by name; `key` identifies it in streams and ledgers.

    Raises:
        ValueError: at construction, where a parameter is neither text nor a finite number.

    >>> point = Point(N=20, d0=5, rho=0.1)
    >>> point.integer("N"), point.but(d0=6)
    (20, Point(N=20, d0=6, rho=0.1))
    """

    def __init__(self, **parameters: Scalar) -> None:
        for name, value in parameters.items():
            if not isinstance(value, str) and not (isinstance(value, int | float) and abs(value) < math.inf):
                raise ValueError(f"got {name} = {value!r} in a point; expected a finite number, or text")
        self._items = dict(sorted(parameters.items()))
        self._key = json.dumps(self._items)

    @property
    def key(self) -> str:
        """Canonical JSON of the parameters."""
        return self._key

    def but(self, **changes: Scalar) -> Point:
        """The same point with some parameters set anew."""
        return Point(**{**self._items, **changes})

    def integer(self, name: str) -> int:
        """Parameter `name` as an integer."""
        return int(self[name])

    def real(self, name: str) -> float:
        """Parameter `name` as a float."""
        return float(self[name])

    def __getitem__(self, name: str) -> Scalar:
        return self._items[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)

    def __hash__(self) -> int:
        return hash(self.key)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Point) and self.key == other.key

    def __repr__(self) -> str:
        return f"Point({', '.join(f'{name}={value!r}' for name, value in self._items.items())})"


@dataclass(frozen=True)
class Citation:
    """Where a statement comes from."""

    work: str
    number: str
    url: str | None = None

    def __str__(self) -> str:
        return f"{self.work}, {self.number}"


@dataclass(frozen=True)
class Variable:
    """A symbol of the claim, what it stands for, and the values it takes."""

    symbol: sp.Symbol
    meaning: str
    domain: sp.Set


@dataclass(frozen=True)
class Assumption:
    """A condition under which a statement is claimed, testable at a point, along a scaling path, or on data.

    Attributes:
        id: permanent name.
        text: the condition in words.
        condition: SymPy truth value in the statement's symbols, tested at each point.
        along: for an asymptotic condition, decides it along a scaling; None where it cannot tell.
        on_data: tests it on a data set; returns the answer and the reason.
        latex: formula to show, where `condition` is not it.
        literally: for an asymptotic condition, what it says when read at one size, constants taken as one. Such a
            reading claims nothing; a survey uses it to say from what size on it could.
    """

    id: str
    text: str
    condition: sp.Basic | None = None
    along: Callable[[Scaling], bool | None] | None = None
    on_data: Callable[[Dataset], tuple[bool | None, str]] | None = None
    latex: str | None = None
    literally: sp.Basic | None = None

    def typeset(self) -> str | None:
        """LaTeX of the condition, None where it is words only."""
        if self.latex is not None:
            return self.latex
        return None if self.condition is None else latex(self.condition)

    def at(self, point: Point, scaling: Scaling | None) -> bool | None:
        """Whether it is satisfied at `point` (on a path that scales as `scaling`); None where it cannot tell."""
        if scaling is not None and self.along is not None:
            return self.along(scaling)
        return _decided(self.condition, point)

    def read_literally(self, point: Point) -> bool | None:
        """Whether it is satisfied at `point`, an asymptotic condition being read at this one size."""
        return _decided(self.condition if self.literally is None else self.literally, point)


def _decided(condition: sp.Basic | None, point: Point) -> bool | None:
    if condition is None:
        return None
    needed = {symbol.name: symbol for symbol in condition.free_symbols}
    if not needed.keys() <= point.keys():
        return None
    values = {symbol: sp.nsimplify(point[name], rational=True) for name, symbol in needed.items()}
    decided = condition.subs(values)
    return bool(decided) if decided in (sp.true, sp.false) else None


@dataclass(frozen=True)
class Claim:
    """`quantity relation bound`, with `where` naming abbreviations used in the bound.

    Attributes:
        quantity: left-hand side; a SymPy expression or symbol, typeset only.
        relation: how the two sides relate.
        bound: right-hand side, typeset and evaluated from this one object.
        where: abbreviations `(symbol, expression)`; a value given for such a symbol overrides its expression.
        proviso: words after the formula, such as "with probability at least 1 − δ over X".

    >>> n, t = sp.symbols("n t", positive=True)
    >>> claim = Claim(sp.Symbol("P"), Relation.AT_MOST, sp.exp(-2 * n * t**2))
    >>> claim.log_bound(n=10**6, t=0.1)  # of a bound that is no float
    -20000.0
    >>> claim.with_bound(lambda bound: bound**4).reversed().log_bound(n=10, t=1)
    -80.0
    """

    quantity: sp.Basic
    relation: Relation
    bound: sp.Expr
    where: tuple[tuple[sp.Symbol, sp.Expr], ...] = ()
    proviso: str = ""

    def latex(self) -> str:
        """The claim as one LaTeX formula."""
        return f"{latex(self.quantity)} {self.relation.latex} {latex(self.bound)}"

    def latex_where(self) -> tuple[str, ...]:
        """One LaTeX formula for each abbreviation."""
        return tuple(f"{latex(symbol)} = {latex(meaning)}" for symbol, meaning in self.where)

    @property
    def parameters(self) -> frozenset[str]:
        """Names of the symbols that the bound is written with; where some cancel, evaluation needs fewer."""
        return frozenset(symbol.name for symbol in _free_symbols(self.bound, self.where))

    def log_bound(self, **parameters: Scalar) -> float:
        """Natural log of the bound.

        Args:
            **parameters: a value for each free symbol, by name; those the bound does not use are ignored.

        Raises:
            InputError: if a value is missing or not a number.
        """
        given = {name: value for name, value in parameters.items() if not isinstance(value, str)}
        expression, symbols = _expanded(self.bound, tuple(pair for pair in self.where if pair[0].name not in given))
        missing = sorted(symbols.keys() - given.keys())
        if missing:
            raise InputError(f"the bound needs a value for {', '.join(missing)}; given were {sorted(given) or 'none'}")
        return log_value(expression, {symbol: given[name] for name, symbol in symbols.items()})

    def at(self, **values: sp.Expr | int) -> Claim:
        """The claim with some of its symbols, by name, set to values."""

        def settled(expression: sp.Expr) -> sp.Expr:
            return expression.subs(
                {symbol: values[symbol.name] for symbol in expression.free_symbols if symbol.name in values}
            )

        where = tuple((symbol, settled(meaning)) for symbol, meaning in self.where)
        return replace(self, bound=settled(self.bound), where=where)

    def with_bound(self, change: Callable[[sp.Expr], sp.Expr]) -> Claim:
        """The claim with another bound in place of its own: a mutant for a control.

        Raises:
            ValueError: if the change leaves the bound as it was, for then the control would be no control.
        """
        bound = change(self.bound)
        if bound == self.bound:
            raise ValueError(f"the change left the bound {self.bound} as it was; a control must differ from its claim")
        return replace(self, bound=bound)

    def reversed(self) -> Claim:
        """The claim with its relation turned round."""
        return replace(self, relation=self.relation.reversed)


def _free_symbols(expression: sp.Basic, where: tuple[tuple[sp.Symbol, sp.Expr], ...]) -> set[sp.Symbol]:
    """Free symbols of an expression with its abbreviations replaced, without replacing them: that takes seconds."""
    if isinstance(expression, sp.Symbol):
        for place, (symbol, meaning) in enumerate(where):
            if symbol == expression:
                return _free_symbols(meaning, where[place + 1 :])
        return {expression}
    if isinstance(expression, ExprWithLimits):
        inside = _free_symbols(expression.function, where) - {limit[0] for limit in expression.limits}
        ends = (_free_symbols(end, where) for limit in expression.limits for end in limit[1:])
        return inside.union(*ends)
    return set().union(*(_free_symbols(part, where) for part in expression.args))


@lru_cache(maxsize=1024)
def _expanded(bound: sp.Expr, where: tuple[tuple[sp.Symbol, sp.Expr], ...]) -> tuple[sp.Expr, dict[str, sp.Symbol]]:
    """The bound with its abbreviations replaced, in their order, and its free symbols by name."""
    needed = bound.atoms(sp.Symbol)
    for symbol, meaning in where:
        needed |= meaning.atoms(sp.Symbol) if symbol in needed else set()
    meanings: dict[sp.Basic, sp.Basic] = {}
    for symbol, meaning in reversed(where):  # each uses later ones only; small parts are rebuilt rather than the whole
        if symbol in needed:
            meanings[symbol] = meaning.xreplace(meanings)
    bound = bound.xreplace(meanings)
    return bound, {symbol.name: symbol for symbol in bound.free_symbols}


@dataclass(frozen=True)
class Step:
    """One link of a derivation, decided by SymPy.

    `formula` is typeset: a SymPy expression where there is one, else LaTeX. `decide` returns True (proved),
    False (refuted) or None (SymPy cannot tell).
    """

    text: str
    formula: sp.Basic | str
    decide: Callable[[], bool | None]

    @property
    def latex(self) -> str:
        """LaTeX of the formula."""
        return self.formula if isinstance(self.formula, str) else latex(self.formula)


@dataclass(frozen=True)
class Sampler:
    """Draws one chunk of evidence at a point.

    `name` is permanent: with the point, the seed and the chunk index it fixes the random stream, and two checks
    that name the same sampler share its chunks.
    """

    name: str
    draw: Callable[[Point, Draw], Tally]


@dataclass(frozen=True)
class Path:
    """Points that grow along one scaling, for evidence on an asymptotic claim."""

    scaling: Scaling
    points: tuple[Point, ...]

    @classmethod
    def along(cls, scaling: Scaling, sizes: Sequence[int], **parameters: Scalar) -> Path:
        """One point for each `N` of `sizes`, with `d0, d1` from the scaling, rounded."""
        points = []
        for size in sizes:
            d0, d1 = scaling.sizes(size)
            points.append(Point(N=size, d0=d0, d1=d1, **parameters))
        return cls(scaling, tuple(points))


@dataclass(frozen=True)
class Control:
    """The same check against a claim, or on samples, for which it must come out violated.

    What is None is taken from the check.
    """

    name: str
    text: str
    claim: Claim | None = None
    sampler: Sampler | None = None
    read: Callable[[Tally, Point], Estimate] | None = None
    points: tuple[Point, ...] | None = None
    paths: tuple[Path, ...] | None = None


@dataclass(frozen=True)
class Check:
    """Numeric evidence for a claim on a declared grid.

    Attributes:
        name: short name, unique in its statement.
        text: what is measured and how, in a sentence or two.
        sampler: draws the chunks.
        read: turns the merged chunks at a point into an estimate of the claim's quantity.
        controls: at least one; each must come out violated.
        grid: points apart from any path.
        paths: points along scalings.
        chunks: chunks at each point at the default budget.
        claim: the claim that is checked, where it is not the statement's own.
        beside: further bounds shown at each point, as `(label, claim)`.
        extends: name of another check of the statement that measures the same quantity by other means; the points of
            both are then fitted together where an exponent is estimated.
        leading: a claim whose bound is the leading term alone, where the check's own has factors that do not grow; the
            exponent is estimated against it.
        sufficient: whether `claim` is stronger than the statement's, so that it can support the statement while its
            own violation would leave the statement open.
        data_points: for a check that can run on a user's data, the points for it (`d1` and the like).
    """

    name: str
    text: str
    sampler: Sampler
    read: Callable[[Tally, Point], Estimate]
    controls: tuple[Control, ...]
    grid: tuple[Point, ...] = ()
    paths: tuple[Path, ...] = ()
    chunks: int = 4
    claim: Claim | None = None
    beside: tuple[tuple[str, Claim], ...] = ()
    extends: str | None = None
    leading: Claim | None = None
    sufficient: bool = False
    data_points: Callable[[Dataset], tuple[Point, ...]] | None = None

    def located(self) -> tuple[tuple[Point, Scaling | None], ...]:
        """Every point with the scaling it lies on."""
        alone: list[tuple[Point, Scaling | None]] = [(point, None) for point in self.grid]
        return tuple(alone + [(point, path.scaling) for path in self.paths for point in path.points])


@dataclass(frozen=True)
class Finding:
    """Something a reader of the source should know, produced by a computation.

    `compute` returns whether the finding is so and the sentence that says it, numbers included.
    """

    id: str
    title: str
    compute: Callable[[], tuple[bool | None, str]]


@dataclass(frozen=True)
class Picture:
    """Something to look at beside the numbers; it is evidence for nothing, and no verdict rests on it.

    Attributes:
        id: permanent name, unique in its statement.
        title: of the caption.
        text: the rest of the caption: what is shown, for which parameters, and what to see in it.
        compute: makes the curves, the arrangement or the map. What is random in it has a fixed seed of its own.
    """

    id: str
    title: str
    text: str
    compute: Callable[[], Drawing]

    def __post_init__(self) -> None:
        if not ID_PATTERN.fullmatch(self.id):
            raise ValueError(f"got id {self.id!r} of a picture; expected lower-case words and digits joined by '-'")


@dataclass(frozen=True)
class Survey:
    """Over which sizes it is asked what a bound is worth; `verify.vacuity` answers.

    Attributes:
        fixed: values of the variables that are not varied, among them any of `epsilon` and `rho`.
        sizes: the `N` of the report's map; beside 1 to 12 also those looked at for the first size.
        rows: the other values of the map, those of `axis`.
        axis: `d0 d1 / N`, the parameters a sample, or `d0 / N`, which asymptotic assumptions are about.
        known: natural log of what is known of the quantity without the statement, at a point: above it an upper
            bound, below it a lower one, says nothing. Without it 0 and `-inf`, what every probability satisfies.
        measure: an interval, in logs, for the quantity at a point, in seconds; or for one that is proved to be
            larger, if the bound is proved for that one too.
        measured: the largest `N` at which the report's map measures.
    """

    fixed: Mapping[str, Scalar]
    sizes: tuple[int, ...]
    rows: tuple[float, ...]
    axis: Axis = "d0 d1 / N"
    known: Callable[[Point], float] | None = None
    measure: Callable[[Point], Interval] | None = None
    measured: int = 0


class Derivation(StrEnum):
    """How far the steps of a statement prove it, given the statements it uses."""

    NONE = "none"
    PARTIAL = "partial"
    COMPLETE = "complete"


class DefectiveStatement(ValueError):
    """A statement that cannot be used; `defects` are all its faults, one sentence each."""

    def __init__(self, defects: tuple[str, ...]) -> None:
        super().__init__("; ".join(defects))
        self.defects = defects


@dataclass(frozen=True)
class Statement:
    """A definition, lemma, theorem, corollary, bound or experiment, with everything needed to check it.

    An `experiment` is what can be done at length besides the checks, outside a run; no verdict rests on it.

    Raises:
        DefectiveStatement: at construction, where a part is missing or inconsistent.
    """

    id: str
    kind: Kind
    title: str
    citation: Citation
    summary: str
    variables: tuple[Variable, ...]
    assumptions: tuple[Assumption, ...]
    claim: Claim
    uses: tuple[str, ...] = ()
    steps: tuple[Step, ...] = ()
    derivation: Derivation = Derivation.NONE
    checks: tuple[Check, ...] = ()
    findings: tuple[Finding, ...] = ()
    pictures: tuple[Picture, ...] = ()
    survey: Survey | None = None
    experiment: Experiment | None = None
    notes: tuple[str, ...] = field(default=())

    def __post_init__(self) -> None:
        found = tuple(self._defects())
        if found:
            raise DefectiveStatement(found)

    def _defects(self) -> Iterator[str]:
        """What is missing or inconsistent, one sentence each."""
        if isinstance(self.claim, Claim) and not isinstance(self.claim.bound, sp.Expr):
            given = type(self.claim.bound).__name__
            yield f"the bound of {self.id} is a {given}; expected one SymPy expression, with sp.Rational for a number"
            return
        wrong = list(_of_wrong_type(self, "STATEMENT"))
        if wrong:
            yield from wrong
            return
        if not ID_PATTERN.fullmatch(self.id):
            yield f"got id {self.id!r}; expected lower-case words and digits joined by '-'"
        if not self.steps and not self.checks:
            yield f"{self.id} has neither a step nor a check; a statement needs at least one"
        if self.derivation is not Derivation.NONE and not self.steps:
            yield f"{self.id} claims a {self.derivation} derivation but has no steps"
        names = [check.name for check in self.checks]
        if len(set(names)) < len(names):
            yield f"{self.id} has two checks of one name among {names}"
        for check in self.checks:
            if check.extends is not None and check.extends not in names:
                yield f"check {check.name!r} of {self.id} extends {check.extends!r}; expected one of {names}"
            if not check.controls:
                yield f"check {check.name!r} of {self.id} has no control; a check that cannot fail is no check"
            if not check.located():
                yield f"check {check.name!r} of {self.id} has no points"
        shown = [picture.id for picture in self.pictures]
        if len(set(shown)) < len(shown):
            yield f"{self.id} has two pictures of one id among {shown}"
        known = {variable.symbol.name for variable in self.variables}
        unknown = sorted(self.claim.parameters - known)
        if unknown:
            yield f"the bound of {self.id} uses {unknown}, which its variables do not declare"

    def log_bound(self, **parameters: Scalar) -> float:
        """Natural log of the claim's bound at the given values; see `Claim.log_bound`.

        Raises:
            InputError: if a value is missing, not a number, outside its domain, or of no variable of the statement.

        >>> import verify
        >>> round(verify.statement("f19").log_bound(N=100, d0=50, d1=50, epsilon=0.1, rho=0.1), 6)
        -240.485909
        >>> verify.statement("f19").log_bound(N=100, d0=50, d1=50, epsilon=2, rho=0.1)
        Traceback (most recent call last):
        verify.errors.InputError: epsilon = 2 is outside the domain Interval.open(0, 1) of f19
        """
        self.check_domains(**parameters)
        return self.claim.log_bound(**parameters)

    def check_domains(self, **parameters: Scalar) -> None:
        """Refuse values that are outside the domains of the statement's variables, or of none of them.

        Raises:
            InputError: naming the first such value.
        """
        unknown = sorted(parameters.keys() - {variable.symbol.name for variable in self.variables})
        if unknown:
            names = ", ".join(variable.symbol.name for variable in self.variables)
            raise InputError(f"{self.id} has no variable {', '.join(unknown)}; it has {names}")
        for variable in self.variables:
            value = parameters.get(variable.symbol.name)
            if value is not None and not _lies_in(value, variable.domain):
                raise InputError(
                    f"{variable.symbol.name} = {value} is outside the domain {variable.domain} of {self.id}"
                )

    def latex(self) -> str:
        """The claim as one LaTeX formula."""
        return self.claim.latex()

    def __repr__(self) -> str:
        return f"Statement({self.id!r}, {self.title!r}, {str(self.citation)!r})"

    def _repr_latex_(self) -> str:
        return f"${self.latex()}$"

    def _repr_html_(self) -> str:
        from verify.notebook import statement_html  # the typesetter is not needed to run a check

        return statement_html(self)


def _of_wrong_type(part: Any, where: str) -> Iterator[str]:
    """What in a statement is of another type than it is declared with; code that comes later relies on that."""
    for name, kind in _kinds(part.__class__).items():
        value, place = getattr(part, name), f"{where}.{name}"
        if not _fits(value, kind):
            yield f"{place} is {_brief(value)}; expected {_named(kind)}"
            continue
        for item in value if isinstance(value, tuple) else (value,):
            if is_dataclass(item) and type(item).__module__ == __name__:
                yield from _of_wrong_type(item, place)


@lru_cache(maxsize=64)
def _kinds(cls: Any) -> dict[str, Any]:
    """Types of the fields of a dataclass; of those whose modules are not imported here, anything."""
    return get_type_hints(cls, localns=dict.fromkeys(("Dataset", "Draw", "Experiment", "Interval", "Tally"), Any))


def _fits(value: Any, kind: Any) -> bool:
    origin, inside = get_origin(kind), get_args(kind)
    if kind is Any:
        return True
    if origin in (Union, UnionType):
        return any(_fits(value, one) for one in inside)
    if origin is Literal:
        return value in inside
    if origin is tuple:
        if not isinstance(value, tuple):
            return False
        kinds = inside[:1] * len(value) if inside[-1] is ... else inside
        return len(value) == len(kinds) and all(map(_fits, value, kinds))
    return isinstance(value, origin or kind)


def _named(kind: Any) -> str:
    return kind.__name__ if isinstance(kind, type) else re.sub(r"\b(?:\w+\.)+(?=\w)", "", str(kind))


def _brief(value: Any) -> str:
    shown = f"a {type(value).__name__}, {value!r}"
    return shown if len(shown) <= 80 else f"{shown[:77]}..."


def _lies_in(value: Any, domain: sp.Set) -> bool:
    try:
        number = sp.Rational(str(value))
    except (TypeError, ValueError):
        return False
    return bool(domain.contains(number) == sp.true)
