"""What runs in a worker: one chunk, one derivation step, one finding, or one picture at a time."""

from __future__ import annotations

import faulthandler
import math
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Any

from threadpoolctl import threadpool_limits

from verify.backends import Backend, get_backend
from verify.data import Dataset
from verify.pictures import Drawing
from verify.registry import Registry, discover
from verify.sampling import Draw, Tally, stream
from verify.statements import Check, Point, Sampler


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


@contextmanager
def _limited(seconds: float) -> Iterator[None]:
    """Let what runs inside take so many seconds.

    Code that comes back to the interpreter gets an exception. A worker process in which it does not, or in which the
    exception is caught, ends after twice the time. Threads, which workers of a cluster use, cannot be interrupted.

    Raises:
        TimeoutError: if it takes longer.
    """
    in_main_thread = threading.current_thread() is threading.main_thread()
    if math.isinf(seconds) or not in_main_thread or not hasattr(signal, "SIGALRM"):
        yield
        return

    def stop(number: int, frame: FrameType | None) -> None:
        raise TimeoutError(f"it took longer than {seconds:g} s; allow more with --chunk-timeout")

    before = signal.signal(signal.SIGALRM, stop)
    is_apart = multiprocessing.parent_process() is not None
    with open(os.devnull, "w") as nowhere:
        if is_apart:
            faulthandler.dump_traceback_later(2 * seconds, exit=True, file=nowhere)
        signal.setitimer(signal.ITIMER_REAL, seconds)
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)
            if is_apart:
                faulthandler.cancel_dump_traceback_later()


def draw_chunk(place: Place, point: Point, chunk: int) -> tuple[Tally, float]:
    """Draw one chunk; returns its tally and the seconds it took.

    Raises:
        TypeError, ValueError: if the sampler returns something that is no tally of finite numbers.
    """
    state = _ready()
    check = state.registry[place.statement].checks[place.check]
    sampler = sampler_at(check, place.control)
    rng = stream(state.surroundings.seed, sampler.name, point.key, chunk)
    start = time.perf_counter()
    with _limited(state.surroundings.limit):
        tally = sampler.draw(point, Draw(rng, state.backend, state.surroundings.data))
    return plain_tally(tally, sampler.name), time.perf_counter() - start


def decide_step(statement: str, index: int) -> tuple[bool | None, float]:
    """Decide one derivation step; returns the answer and the seconds it took."""
    state = _ready()
    step = state.registry[statement].steps[index]
    start = time.perf_counter()
    with _limited(state.surroundings.limit):
        answer = step.decide()
    return (None if answer is None else bool(answer)), time.perf_counter() - start


def compute_finding(statement: str, index: int) -> tuple[tuple[bool | None, str], float]:
    """Compute one finding; returns whether it is so with its sentence, and the seconds it took."""
    state = _ready()
    finding = state.registry[statement].findings[index]
    start = time.perf_counter()
    with _limited(state.surroundings.limit):
        found = finding.compute()
    return found, time.perf_counter() - start


def compute_picture(statement: str, index: int) -> tuple[dict[str, Any], float]:
    """Compute one picture; returns it as JSON-ready data, and the seconds it took.

    Raises:
        TypeError: if what was computed is no picture.
    """
    state = _ready()
    picture = state.registry[statement].pictures[index]
    start = time.perf_counter()
    with _limited(state.surroundings.limit):
        drawing = picture.compute()
    if not isinstance(drawing, Drawing):
        raise TypeError(
            f"the picture {picture.id} is a {type(drawing).__name__}; "
            "expected Curves, Arrangement or Map of verify.pictures"
        )
    return drawing.to_dict(), time.perf_counter() - start


def _ready() -> State:
    if _state is None:
        raise RuntimeError("initialise() has not run in this process")
    return _state


def plain_tally(tally: Any, sampler: str) -> Tally:
    """The tally as plain Python numbers, so that it is the same before and after the ledger."""
    if not isinstance(tally, dict):
        raise TypeError(f"sampler {sampler} returned a {type(tally).__name__}; expected a dict of counts")
    return {str(name): _plain_value(value, f"{sampler}: {name}") for name, value in tally.items()}


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
