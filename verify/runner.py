"""Runs statements: plan → chunks → executor → ledger → findings and verdicts.

The plan fixes every chunk and every look beforehand, so that a budget counts chunks. How many of them a sample gets
depends on what was seen at its looks, and neither on how fast the machine is nor on how many workers it has. A time
budget only caps a run; a capped run says so.
"""

from __future__ import annotations

import math
import re
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

from verify import worker
from verify.asymptotics import Scaling
from verify.code import code_of, fingerprint
from verify.data import Dataset
from verify.errors import InputError
from verify.foreign import Failed, answered, call, reason
from verify.ledger import MOST_SEED, ChunkKey, Ledger, picture_key
from verify.pictures import from_dict
from verify.pools import Pool, parse_workers
from verify.registry import Registry
from verify.sampling import Tally, merge
from verify.statements import Check, Control, Kind, Picture, Point, Statement
from verify.statistics.looks import MOST, doubling, looks, share
from verify.worker import Place, Surroundings, sampler_at

T = TypeVar("T")

DEFAULT_LEVEL = 1e-3
# Beyond it the shares of a level are no numbers any more; no run could tell.
LEAST_LEVEL = 1e-100
# The pieces of a round are laid out in memory.
MOST_BUDGET = 1e4
LEAST_PATIENCE = 60.0
# How often a pool with nothing to show for is asked whether it is still there.
_LOOK_SECONDS = 2.0


@dataclass(frozen=True)
class Budget:
    """How much to draw: a multiple of the default chunks, and a cap on the time."""

    factor: float = 1.0
    seconds: float | None = None

    @classmethod
    def parse(cls, text: str) -> Budget:
        """Read `2x` (multiple of the default), `90s` or `5m` (cap on the time), or both joined by a comma.

        Raises:
            InputError: for anything else.

        >>> Budget.parse("2x,90s")
        Budget(factor=2.0, seconds=90.0)
        """
        factor, seconds = 1.0, None
        for part in text.split(","):
            match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(x|s|m|h)\s*", part)
            if match is None or not 0 < float(match[1]) < math.inf:
                raise InputError(f"got budget {text!r}; expected for example 2x, 90s, 5m or 2x,90s")
            number = float(match[1])
            if match[2] == "x":
                if number > MOST_BUDGET:
                    raise InputError(f"got budget {text!r}; expected at most {MOST_BUDGET:g}x")
                factor = number
            else:
                seconds = number * {"s": 1, "m": 60, "h": 3600}[match[2]]
        return cls(factor, seconds)

    def chunks(self, default: int) -> int:
        """Chunks at this budget where the default budget has `default`."""
        return max(1, round(default * self.factor))


@dataclass(frozen=True)
class Part:
    """Part `number` of `of` about equal ones of the chunks of a run, for one of several machines."""

    number: int = 1
    of: int = 1

    @classmethod
    def parse(cls, text: str) -> Part:
        """Read `I/M`.

        Raises:
            InputError: unless 1 <= I <= M.
        """
        match = re.fullmatch(r"(\d+)/(\d+)", text)
        if match is None or not 1 <= int(match[1]) <= int(match[2]):
            raise InputError(f"got part {text!r}; expected I/M with 1 <= I <= M, for example 2/3")
        return cls(int(match[1]), int(match[2]))

    def has(self, place: int) -> bool:
        """Whether what stands at `place` belongs to it."""
        return place % self.of == self.number - 1


WHOLE = Part()


@dataclass(frozen=True)
class Settings:
    """What a run is asked for.

    `workers` is a number of processes or the address of a Dask scheduler, see `verify.pools.parse_workers`.
    `epsilon` and `slope`, where given, replace those of every grid. `level` is the probability, over the whole
    run, of any wrong *holds* or *violated* on statistical evidence. `sequential`: stop sampling where verdicts are
    decided, and go on where they nearly are; else every sample has its planned size. `chunk_timeout`: seconds that a
    chunk, step, finding or picture may take; a hundred times what any takes here.
    """

    seed: int = 0
    budget: Budget = Budget()
    workers: int | str = 1
    backend: str = "auto"
    epsilon: float | None = None
    slope: float | None = None
    level: float = DEFAULT_LEVEL
    folders: tuple[str, ...] = ()
    data: Dataset | None = None
    sequential: bool = True
    chunk_timeout: float = 1800.0

    @property
    def patience(self) -> float:
        """Seconds for what a module is asked in this process: to lay it out, to read and judge a point, to show it."""
        return max(LEAST_PATIENCE, self.chunk_timeout / 10)

    def __post_init__(self) -> None:
        if not 0 <= self.seed <= MOST_SEED:
            raise InputError(f"got seed {self.seed}; expected a whole number from 0 to {MOST_SEED}")
        parse_workers(str(self.workers))
        if self.epsilon is not None and not 0 < self.epsilon < 1:
            raise InputError(f"got epsilon {self.epsilon:g}; expected a number strictly between 0 and 1")
        if self.slope is not None and (self.slope == 1 or not abs(self.slope) < float("inf")):
            raise InputError(f"got slope {self.slope:g}; expected a finite number other than 1 (the linear network)")
        if not self.chunk_timeout > 0:
            raise InputError(f"got a chunk timeout of {self.chunk_timeout:g} s; expected more than 0")
        if not LEAST_LEVEL <= self.level < 1:
            raise InputError(f"got level {self.level:g}; expected a number from {LEAST_LEVEL:g} to below 1")


@dataclass(frozen=True)
class Site:
    """A point of a check, after the run's settings, with the scaling it lies on."""

    point: Point
    scaling: Scaling | None = None


@dataclass(frozen=True)
class Task:
    """The chunks of one sampler at one point: those planned at the default budget, and at the run's."""

    place: Place
    sampler: str
    point: Point
    planned: int
    chunks: int


@dataclass
class Outcomes:
    """What the workers returned: tallies by (sampler, point), answers of steps and findings, pictures, errors.

    `stuck` has the statements of which a reader, a bound or an assumption did not come to an end: none is asked again.
    `seconds` has the time spent for each statement, `kind_seconds` that for each kind of piece, `sampling_seconds` that
    for the chunks of a sampler at a point.
    """

    tallies: dict[tuple[str, Point], list[Tally]] = field(default_factory=dict)
    steps: dict[tuple[str, int], bool | None] = field(default_factory=dict)
    findings: dict[tuple[str, int], tuple[bool | None, str]] = field(default_factory=dict)
    pictures: dict[tuple[str, int], dict[str, Any]] = field(default_factory=dict)
    errors: dict[tuple[str, Any], str] = field(default_factory=dict)
    stuck: dict[str, str] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    kind_seconds: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    sampling_seconds: dict[tuple[str, Point], float] = field(default_factory=lambda: defaultdict(float))
    capped: bool = False
    interrupted: bool = False

    def tally(self, sampler: str, point: Point) -> Tally | None:
        """The merged chunks of a sampler at a point, None where there are none."""
        chunks = self.tallies.get((sampler, point))
        return merge(chunks) if chunks else None


@dataclass(frozen=True)
class Plan:
    """Every piece of work of a run, fixed beforehand.

    `codes` has the hash of the code of each sampler, under `(name,)`, and picture, under `(statement, id)`. `failures`
    has the statements that could not be laid out, with the reason: nothing of them is computed.
    """

    statements: tuple[Statement, ...]
    settings: Settings
    backend: str
    tasks: tuple[Task, ...]
    comparisons: int
    codes: Mapping[tuple[str, ...], str] = field(default_factory=dict)
    failures: Mapping[str, str] = field(default_factory=dict)

    @property
    def level(self) -> float:
        """Level of a single comparison: the run's level split evenly (Bonferroni)."""
        return self.settings.level / max(1, self.comparisons)

    @cached_property
    def by_place(self) -> Mapping[tuple[str, Point], Task]:
        """The tasks by sampler and point."""
        return {(task.sampler, task.point): task for task in self.tasks}

    def looks_of(self, task: Task) -> tuple[int, ...]:
        """Sizes at which the run looks at a task: up to its chunks, and beyond them once in each further doubling."""
        if not self.settings.sequential:
            return (task.chunks,)
        ended = doubling(task.chunks, task.planned)
        later = (n for n in looks(task.planned, MOST * task.chunks) if doubling(n, task.planned) > ended)
        return (*looks(task.planned, task.chunks), *later)

    def level_at(self, sampler: str, point: Point, chunks: int) -> float:
        """Level of a comparison on so many chunks: the share of a look at this size (`verify.statistics.looks`).

        A run that was ended between two looks has not spent the share of the second yet.
        """
        task = self.by_place[sampler, point]
        size = next((size for size in self.looks_of(task) if size >= chunks), chunks)
        return self.level * share(size, task.planned)


def sites(check: Check, settings: Settings, control: Control | None = None) -> tuple[Site, ...]:
    """The points of a check, or of one of its controls, under the run's settings; each once.

    On a user's data there is one size and no path, so an asymptotic claim cannot be contradicted there, nor can a
    mutant of it: its controls have no points.
    """
    if settings.data is not None:
        mutant = control.claim if control is not None else None
        if mutant is not None and mutant.relation.is_asymptotic:
            return ()
        points = check.data_points(settings.data) if check.data_points else ()
        located = [Site(_adjusted(point, settings)) for point in points]
    elif control is not None and (control.points or control.paths):
        # A control was chosen at these very parameters to be false; the run's own would make another claim of it.
        located = [Site(point) for point in control.points or ()]
        located += [Site(point, path.scaling) for path in control.paths or () for point in path.points]
    else:
        located = [Site(_adjusted(point, settings), scaling) for point, scaling in check.located()]
    return tuple(dict.fromkeys(located))


def pictures_of(statement: Statement, settings: Settings) -> tuple[Picture, ...]:
    """The pictures of a statement in a run; none on a user's data, for they show examples of the statement's own."""
    return statement.pictures if settings.data is None else ()


def _adjusted(point: Point, settings: Settings) -> Point:
    changes: dict[str, float] = {}
    if settings.epsilon is not None and "epsilon" in point:
        changes["epsilon"] = settings.epsilon
    if settings.slope is not None and "rho" in point:
        changes["rho"] = settings.slope
    return point.but(**changes) if changes else point


def make_plan(statements: Sequence[Statement], settings: Settings, backend: str) -> Plan:
    """Lay out a run.

    Args:
        statements: those that were chosen.
        settings: what the run is asked for.
        backend: the name of the array backend that the workers have.

    Raises:
        InputError: if data are given and no chosen statement has a check for data.
    """
    laid_out: list[Statement] = []
    failures: dict[str, str] = {}
    codes: dict[tuple[str, ...], str] = {}
    wanted: dict[tuple[str, Point], Task] = {}
    comparisons = 0
    for item in statements:
        try:
            settled = call(settings.patience, _settled, item, settings)
            if settled is None:
                continue
            tasks = call(settings.patience, _tasks, settled, settings)
            codes = call(settings.patience, _codes, settled) | codes
        except Failed as error:
            laid_out.append(item)
            failures[item.id] = str(error)
            continue
        laid_out.append(settled)
        comparisons += len(tasks)
        for task in tasks:
            before = wanted.get((task.sampler, task.point))
            if before is None or before.planned < task.planned:
                wanted[task.sampler, task.point] = replace(task, place=before.place) if before else task
    if not laid_out:
        names = ", ".join(item.id for item in statements)
        raise InputError(f"no check of {names} can run on data; choose other statements or leave out --data")
    return Plan(tuple(laid_out), settings, backend, tuple(wanted.values()), comparisons, codes, failures)


def _settled(statement: Statement, settings: Settings) -> Statement | None:
    """The statement with what its module says of a user's data, asked once; None if it has nothing to check there."""
    data = settings.data
    if data is None:
        return statement
    checks = tuple(
        check if check.data_points is None else replace(check, data_points=_always(_points_on(check, data)))
        for check in statement.checks
    )
    if not any(sites(check, settings) for check in checks):
        return None
    assumptions = tuple(
        item if item.on_data is None else replace(item, on_data=_always(answered(item.on_data(data), item.id)))
        for item in statement.assumptions
    )
    return replace(statement, checks=checks, assumptions=assumptions)


def _points_on(check: Check, data: Dataset) -> tuple[Point, ...]:
    points = check.data_points(data) if check.data_points else ()
    if not (isinstance(points, tuple) and all(isinstance(point, Point) for point in points)):
        raise TypeError(f"data_points of check {check.name} returned no tuple of Point")
    return points


def _always(answer: T) -> Callable[[Dataset], T]:
    return lambda data: answer


def _tasks(statement: Statement, settings: Settings) -> list[Task]:
    """One task for each comparison of a statement, whether or not another one has the same samples."""
    return [
        Task(
            place, sampler_at(check, place.control).name, site.point, check.chunks, settings.budget.chunks(check.chunks)
        )
        for number, check in enumerate(statement.checks)
        for place, control in _places(statement.id, number, check)
        for site in sites(check, settings, control)
    ]


def _codes(statement: Statement) -> dict[tuple[str, ...], str]:
    """Hashes of the code of a statement's samplers and pictures, as `Plan.codes` has them."""
    places = (
        (check, place)
        for number, check in enumerate(statement.checks)
        for place in _places(statement.id, number, check)
    )
    samplers = {
        (sampler.name,): sampler.draw for sampler in (sampler_at(check, place.control) for check, (place, _) in places)
    }
    pictures = {(statement.id, picture.id): picture.compute for picture in statement.pictures}
    return {name: code_of(function) for name, function in (samplers | pictures).items()}


def _places(identifier: str, number: int, check: Check) -> Iterator[tuple[Place, Control | None]]:
    yield Place(identifier, number), None
    for index, control in enumerate(check.controls):
        yield Place(identifier, number, index), control


@dataclass(frozen=True)
class _Piece:
    """One unit of work for an executor."""

    owner: str
    label: tuple[str, Any]
    call: tuple[Callable[..., Any], tuple[Any, ...]]
    key: ChunkKey | None = None


Progress = Callable[[str, int, int], None]
Further = Callable[[Plan, "Outcomes"], Mapping[Task, int]]


def execute(
    plan: Plan,
    registry: Registry,
    ledger: Ledger,
    pool: Pool,
    *,
    resume: bool,
    progress: Progress,
    part: Part = WHOLE,
    further: Further | None = None,
) -> Outcomes:
    """Do the work of a plan.

    Args:
        plan: what to do.
        registry: where the statements came from.
        ledger: receives every finished chunk and picture.
        pool: does it.
        resume: take what the ledger has instead of computing it again.
        progress: called after each piece with the statement, pieces done, and pieces in all.
        part: which of the chunks to do; other pieces are done only with the whole.
        further: called when all chunks that were asked for are there; says how many each task is to have next. Without
            it every task has its planned chunks at once.

    Returns:
        What was obtained. A piece that raised is recorded under `errors` and stops only its own task.

    Raises:
        InputError: if the workers cannot do it.
        OSError: if the ledger cannot be written, or the workers are lost; what was written before stays.
    """
    outcomes = Outcomes()
    found: dict[tuple[str, Point], dict[int, Tally]] = defaultdict(dict)
    deadline = None if plan.settings.budget.seconds is None else time.monotonic() + plan.settings.budget.seconds
    done = total = 0
    is_open = False

    def keep(piece: _Piece, result: Any, seconds: float) -> None:
        kind, where = piece.label
        outcomes.seconds[piece.owner] += seconds
        outcomes.kind_seconds[kind] += seconds
        if kind == "chunk":
            found[where[0], where[1]][where[2]] = result
            outcomes.sampling_seconds[where[:2]] += seconds
        elif kind == "step":
            outcomes.steps[where] = result
        elif kind == "picture":
            outcomes.pictures[where] = result
        else:
            outcomes.findings[where] = result

    def settle(piece: _Piece, future: Future[Any]) -> None:
        kind, where = piece.label
        error = future.exception()
        if error is not None:
            place = where[:2] if kind == "chunk" else where
            outcomes.errors[kind, place] = reason(error)
            return
        result, seconds = future.result()
        keep(piece, result, seconds)
        if piece.key is not None:
            ledger.write(piece.key, result, seconds)

    work = Work(plan, part, sequential=further is not None)
    pieces = list(_first_pieces(work))
    try:
        while pieces:
            total += len(pieces)
            queue: deque[_Piece] = deque()
            for piece in pieces:
                stored = _stored(ledger, piece) if resume else None
                if stored is None:
                    queue.append(piece)
                    continue
                keep(piece, *stored)
                done += 1
                progress(piece.owner, done, total)
            if queue and not is_open:
                # Absolute, for workers elsewhere have another working folder.
                folders = tuple(str(Path(folder).resolve()) for folder in plan.settings.folders)
                settings = plan.settings
                surroundings = Surroundings(folders, settings.seed, plan.backend, settings.data, settings.chunk_timeout)
                pool.open(
                    surroundings,
                    fingerprint(registry, [item.id for item in plan.statements if item.id not in plan.failures]),
                )
                is_open = True
            for piece, future in _completed(pool, queue, outcomes, deadline):
                settle(piece, future)
                done += 1
                progress(piece.owner, done, total)
            _gather(outcomes, found)
            pieces = list(work.chunks(further(plan, outcomes))) if further and not outcomes.capped else []
    except KeyboardInterrupt:
        outcomes.interrupted = True
    _gather(outcomes, found)
    return outcomes


def _stored(ledger: Ledger, piece: _Piece) -> tuple[Any, float] | None:
    """What the ledger has of a piece; None, so that it is computed again, also where that could not be its result."""
    stored = ledger.read(piece.key) if piece.key else None
    if stored is None:
        return None
    try:
        found, seconds = stored
        if _is_chunk(piece):
            return worker.plain_tally(found, piece.owner), seconds
        return from_dict(found).to_dict(), seconds
    except (TypeError, ValueError, ArithmeticError, AttributeError, LookupError, RecursionError):
        return None


def _gather(outcomes: Outcomes, found: dict[tuple[str, Point], dict[int, Tally]]) -> None:
    for where, chunks in found.items():
        outcomes.tallies[where] = [chunks[index] for index in sorted(chunks)]


def _completed(
    pool: Pool, queue: deque[_Piece], outcomes: Outcomes, deadline: float | None
) -> Iterator[tuple[_Piece, Future[Any]]]:
    """Feed the pool and yield finished pieces.

    A death may take along pieces that did not cause it. Each is tried once more, alone, and to blame if it dies again.
    """
    suspects: deque[_Piece] = deque()
    running: dict[Future[Any], _Piece] = {}
    alone: set[Future[Any]] = set()
    while queue or suspects or running:
        if deadline is not None and time.monotonic() > deadline and any(_is_chunk(piece) for piece in queue):
            outcomes.capped = True
            # Steps, findings and pictures are not sampled: they are not what a cap on the time is for.
            singles = [piece for piece in queue if not _is_chunk(piece)]
            queue.clear()
            queue.extend(singles)
        while suspects:
            if _is_given_up(suspects[0], outcomes):
                suspects.popleft()
                continue
            call, arguments = suspects[0].call
            future = pool.submit_alone(call, *arguments)
            if future is None:
                break
            alone.add(future)
            running[future] = suspects.popleft()
        while queue and len(running) < pool.backlog:
            piece = queue.popleft()
            if not _is_given_up(piece, outcomes):
                call, arguments = piece.call
                running[pool.submit(call, *arguments)] = piece
        if not running:
            continue
        ready, _ = wait(running, timeout=_LOOK_SECONDS, return_when=FIRST_COMPLETED)
        if not ready:
            pool.check()
        for future in ready:
            piece = running.pop(future)
            if pool.again(future):
                (suspects if future in alone else queue).appendleft(piece)
            elif not pool.died(future):
                yield piece, future
            elif future in alone:
                yield (
                    piece,
                    _failed(RuntimeError("the worker process died while computing this, or did not stop when told to")),
                )
            else:
                suspects.append(piece)
            alone.discard(future)


def _is_chunk(piece: _Piece) -> bool:
    return piece.label[0] == "chunk"


def _is_given_up(piece: _Piece, outcomes: Outcomes) -> bool:
    """Whether it is a chunk of a task of which another one failed."""
    kind, where = piece.label
    return _is_chunk(piece) and (kind, where[:2]) in outcomes.errors


def _failed(error: Exception) -> Future[Any]:
    future: Future[Any] = Future()
    future.set_exception(error)
    return future


def _first_pieces(work: Work) -> Iterator[_Piece]:
    """What is done first: for the calibrations, then for the other statements."""
    plan = work.plan
    calibrations = {item.id for item in plan.statements if item.kind is Kind.CALIBRATION}
    for first in (True, False):
        if work.part == WHOLE:
            yield from _singles([item for item in plan.statements if (item.id in calibrations) is first], plan)
        tasks = [task for task in plan.tasks if (task.place.statement in calibrations) is first]
        yield from work.chunks({task: plan.looks_of(task)[0] if work.sequential else task.chunks for task in tasks})


def _singles(statements: Sequence[Statement], plan: Plan) -> Iterator[_Piece]:
    """Steps, findings and pictures."""
    for item in statements:
        if item.id in plan.failures:
            continue
        for index in range(len(item.steps)):
            yield _Piece(item.id, ("step", (item.id, index)), (worker.decide_step, (item.id, index)))
        for index in range(len(item.findings)):
            yield _Piece(item.id, ("finding", (item.id, index)), (worker.compute_finding, (item.id, index)))
        for index, picture in enumerate(pictures_of(item, plan.settings)):
            call = (worker.compute_picture, (item.id, index))
            key = picture_key(item.id, picture.id, plan.codes[item.id, picture.id])
            yield _Piece(item.id, ("picture", (item.id, index)), call, key)


class Work:
    """The chunks of a plan, handed out in rounds; each once."""

    def __init__(self, plan: Plan, part: Part, *, sequential: bool) -> None:
        self.plan, self.part, self.sequential = plan, part, sequential
        self._handed_out: dict[Task, int] = defaultdict(int)
        self._numbers = {task: number for number, task in enumerate(plan.tasks)}

    def chunks(self, sizes: Mapping[Task, int]) -> Iterator[_Piece]:
        """The chunks of tasks up to these numbers, one of each task in turn: a capped run has looked everywhere."""
        starts = {task: self._handed_out[task] for task in sizes}
        self._handed_out.update({task: max(starts[task], size) for task, size in sizes.items()})
        for chunk in range(min(starts.values(), default=0), max(sizes.values(), default=0)):
            for task, size in sizes.items():
                if starts[task] <= chunk < size and self.part.has(self._numbers[task] + chunk):
                    label = ("chunk", (task.sampler, task.point, chunk))
                    call = (worker.draw_chunk, (task.place, task.point, chunk))
                    yield _Piece(task.place.statement, label, call, self._key(task, chunk))

    def _key(self, task: Task, chunk: int) -> ChunkKey:
        data, seed = self.plan.settings.data, self.plan.settings.seed
        context = f"{self.plan.backend} {data.digest if data else ''}"
        return ChunkKey(task.sampler, task.point.key, seed, chunk, context, self.plan.codes[(task.sampler,)])
