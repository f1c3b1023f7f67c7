"""What runs in a worker: one chunk, one derivation step, one finding, or one picture at a time."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from threadpoolctl import threadpool_limits

from verify.backends import Backend, get_backend
from verify.data import Dataset
from verify.foreign import answered, call, json_data
from verify.pictures import Drawing
from verify.registry import Registry, discover
from verify.sampling import Draw, Tally, stream
from verify.statements import Check, Point, Sampler

T = TypeVar("T")


@dataclass(frozen=True)
class Surroundings:
    """What a worker is told once, when it starts; `limit` is how many seconds one piece of work may take."""

    folders: tuple[str, ...]
    seed: int
    backend: str
    data: Dataset | None
    limit: float = math.inf


@dataclass(frozen=True)
class Place:
    """Where a sampler stands: a check of a statement, or one of that check's controls."""

    statement: str
    check: int
    control: int | None = None


@dataclass(frozen=True)
class State:
    """What a worker makes of its surroundings."""

    surroundings: Surroundings
    registry: Registry
    backend: Backend


_state: State | None = None


def prepare(surroundings: Surroundings) -> State:
    """Find the statements and the backend.

    Raises:
        InputError: if a folder of statements is not there, or the backend is not available.
    """
    return State(surroundings, discover(surroundings.folders), get_backend(surroundings.backend))


def use(state: State) -> None:
    """Compute from now on with `state`, in all of this process."""
    global _state
    _state = state


def initialise(surroundings: Surroundings) -> None:
    """Prepare this process, for good.

    BLAS gets one thread: the workers are the parallelism, and the rounding of a product must not depend on how
    many there are.
    """
    threadpool_limits(1)
    use(prepare(surroundings))


def sampler_at(check: Check, control: int | None) -> Sampler:
    """The sampler of a check, or of one of its controls."""
    if control is None:
        return check.sampler
    return check.controls[control].sampler or check.sampler


def draw_chunk(place: Place, point: Point, chunk: int) -> tuple[Tally, float]:
    """Draw one chunk; returns its tally and the seconds it took.

    Raises:
        Failed: if the sampler fails, or returns something that is no tally of finite numbers.
    """
    state = _ready()
    check = state.registry[place.statement].checks[place.check]
    sampler = sampler_at(check, place.control)
    rng = stream(state.surroundings.seed, sampler.name, point.key, chunk)

    def draw() -> Tally:
        tally = sampler.draw(point, Draw(rng, state.backend, state.surroundings.data))
        return plain_tally(tally, sampler.name)

    return _timed(draw)


def decide_step(statement: str, index: int) -> tuple[bool | None, float]:
    """Decide one derivation step; returns the answer and the seconds it took.

    Raises:
        Failed: if it cannot be asked.
    """
    step = _ready().registry[statement].steps[index]

    def decide() -> bool | None:
        answer = step.decide()
        return None if answer is None else bool(answer)

    return _timed(decide)


def compute_finding(statement: str, index: int) -> tuple[tuple[bool | None, str], float]:
    """Compute one finding; returns whether it is so with its sentence, and the seconds it took.

    Raises:
        Failed: if it fails, or returns something else.
    """
    finding = _ready().registry[statement].findings[index]
    return _timed(lambda: answered(finding.compute(), f"the finding {finding.id}"))


def compute_picture(statement: str, index: int) -> tuple[dict[str, Any], float]:
    """Compute one picture; returns it as JSON-ready data, and the seconds it took.

    Raises:
        Failed: if it fails, or what was computed is no picture.
    """
    picture = _ready().registry[statement].pictures[index]

    def compute() -> dict[str, Any]:
        drawing = picture.compute()
        if not isinstance(drawing, Drawing):
            raise TypeError(
                f"the picture {picture.id} is a {type(drawing).__name__}; "
                "expected Curves, Arrangement or Map of verify.pictures"
            )
        data: dict[str, Any] = json_data(drawing.to_dict())
        return data

    return _timed(compute)


def _timed(function: Callable[[], T]) -> tuple[T, float]:
    start = time.perf_counter()
    found = call(_ready().surroundings.limit, function)
    return found, time.perf_counter() - start


def _ready() -> State:
    if _state is None:
        raise RuntimeError("initialise() has not run in this process")
    return _state


def plain_tally(tally: Any, sampler: str) -> Tally:
    """The tally as plain Python numbers, so that it is the same before and after the ledger.

    Raises:
        TypeError, ValueError: if it is no dict of finite numbers and lists of them, or too large.
    """
    if not isinstance(tally, dict):
        raise TypeError(f"sampler {sampler} returned a {type(tally).__name__}; expected a dict of counts")
    plain: Tally = json_data({str(name): _plain_value(value, f"{sampler}: {name}") for name, value in tally.items()})
    return plain


def _plain_value(value: Any, label: str) -> Any:
    if isinstance(value, list | tuple):
        return [_plain_value(item, label) for item in value]
    if hasattr(value, "tolist"):
        return _plain_value(value.tolist(), label)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{label} is a {type(value).__name__}; expected a number or a list of numbers")
    if not math.isfinite(value):
        raise ValueError(f"{label} is {value}; expected a finite number")
    return value
