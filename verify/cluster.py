"""The workers of a Dask cluster that exists already, as a pool; `docs/clusters.md` says how to start one.

Nothing is installed on the scheduler. A worker that knows nothing of a run answers its first piece with `Unprepared`,
and is then sent what it needs, once: so it is with workers that join later, or come back after a crash.
"""

from __future__ import annotations

import logging
import threading
import time
import uuid
from collections.abc import Callable
from concurrent.futures import CancelledError, Future, InvalidStateError
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from distributed import Client, KilledWorker, get_worker
from threadpoolctl import ThreadpoolController

from verify import worker
from verify.backends import get_backend
from verify.code import Fingerprint, fingerprint
from verify.errors import InputError
from verify.pools import Pool
from verify.worker import Surroundings

ANSWER_SECONDS = 15.0
"""The scheduler must answer in this time, and have a worker."""

PATIENCE_SECONDS = 600.0
"""A run that has had no worker at all for so long ends; what is finished is kept."""

_LOG = logging.getLogger("distributed.client")
_LOOK_SECONDS = 1.0
_EACH = 2  # pieces at a worker: the next is there when one is done
_RUNS_KEPT = 4  # by a worker: of a client that was killed nobody says that it has gone


class Unprepared(Exception):
    """The worker of this address has not been told about the run yet."""


class SchedulerLost(Exception):
    """Nobody will say what became of a piece."""


class WorkerDied(Exception):
    """The worker has gone that a piece was given to."""


class Displaced(Exception):
    """The worker has gone that a piece was to be given to."""


@dataclass
class _Alone:
    """A piece that has a worker for itself, once that has done what it was given before."""

    future: Future[Any]
    call: Callable[..., Any]
    arguments: tuple[Any, ...]
    is_given: bool = False


class ClusterPool(Pool):
    """Workers of the Dask cluster whose scheduler is at `address`, which is `HOST:PORT`.

    Each piece is given to one worker, so that it is known what a lost worker had. Dask's own way, to try all of that
    elsewhere until `allowed-failures` workers are lost, would let one bad chunk kill several workers, and blame others.

    Raises:
        InputError: if no scheduler answers there, or it has no worker.
    """

    def __init__(self, address: str) -> None:
        self._address = f"tcp://{address}"
        self._run: tuple[str, Surroundings, Fingerprint] | None = None
        # What each worker has to do: futures of ours with those of Dask.
        self._given: dict[str, dict[Future[Any], Any]] = {}
        self._alone: dict[str, _Alone] = {}
        # What goes wrong is said once, by the exceptions of this class.
        self._logged = _LOG.level
        _LOG.setLevel(logging.CRITICAL)
        try:
            self._client = Client(self._address, timeout=ANSWER_SECONDS, set_as_default=False)
        except (OSError, TimeoutError) as error:
            _LOG.setLevel(self._logged)
            raise InputError(
                f"no Dask scheduler answers at {self._address} ({error}); start one with `dask scheduler`, or mend "
                "the address"
            ) from None
        try:
            self._client.wait_for_workers(1, timeout=ANSWER_SECONDS)
        except TimeoutError:
            self.close()
            raise InputError(
                f"the Dask scheduler at {self._address} has no workers; start some with "
                f"`dask worker {self._address} --nthreads 1`"
            ) from None
        self._looked = self._seen = time.monotonic()
        self._look()

    def backend(self, name: str) -> str:
        """See `Pool`."""
        answers = self._ask(_backend, name)
        kinds: dict[str, list[str]] = {}
        for address, (found, reason) in sorted(answers.items()):
            if reason:
                raise InputError(f"backend {name} is not there on all workers; {address}: {reason}")
            kinds.setdefault(found, []).append(address)
        if len(kinds) > 1:
            lists = "; ".join(f"{found} on {', '.join(where)}" for found, where in sorted(kinds.items()))
            raise InputError(f"backend {name} means {lists}; choose with --backend numpy, or use workers of one kind")
        return next(iter(kinds))

    def _ask(self, function: Callable[..., Any], *arguments: Any) -> dict[str, Any]:
        """Answers of all workers, by address, less those that have gone meanwhile.

        Raises:
            InputError: if one cannot answer, or none is left.
        """
        answers = self._client.run(function, *arguments, on_error="return")
        present = {address: answer for address, answer in answers.items() if not isinstance(answer, OSError)}
        for address, answer in present.items():
            if isinstance(answer, BaseException):
                raise InputError(_unusable(address, answer))
        if not present:
            raise InputError(f"all workers of the Dask scheduler at {self._address} have gone; start some anew")
        return present

    def open(self, surroundings: Surroundings, expected: Fingerprint) -> None:
        """See `Pool`."""
        self._run = uuid.uuid4().hex, surroundings, expected
        for address, wrong in self._ask(prepare, *self._run).items():
            if wrong:
                raise InputError(f"the worker {address} {wrong}")

    @property
    def backlog(self) -> int:
        """See `Pool`; workers may come and go."""
        if time.monotonic() - self._looked > _LOOK_SECONDS:
            self._look()
        return max(1, _EACH * (len(self._given) - len(self._alone)) + len(self._alone))

    def submit(self, call: Callable[..., Any], *arguments: Any) -> Future[Any]:
        """See `Pool`; the worker with the least to do gets it. Waits where there is none at present."""
        self._await_worker()
        future: Future[Any] = Future()
        shared = [address for address in self._given if address not in self._alone] or list(self._given)
        self._give(min(shared, key=lambda address: len(self._given[address])), future, call, arguments)
        return future

    def submit_alone(self, call: Callable[..., Any], *arguments: Any) -> Future[Any] | None:
        """See `Pool`; a worker is kept for it."""
        self._await_worker()
        shared = [address for address in self._given if address not in self._alone]
        if not shared:
            return None
        address = min(shared, key=lambda address: len(self._given[address]))
        future: Future[Any] = Future()
        self._alone[address] = _Alone(future, call, arguments)
        self._give_alone(address)
        return future

    def _await_worker(self) -> None:
        while not self._given:
            time.sleep(_LOOK_SECONDS)
            self.check()

    def _give(self, address: str, future: Future[Any], call: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
        assert self._run is not None, "open() comes first"
        inner = self._client.submit(
            compute, self._run[0], call, arguments, pure=False, workers=[address], allow_other_workers=False
        )
        self._given[address][future] = inner
        self._client.loop.add_callback(_pass_on, inner, future)

    def _give_alone(self, address: str) -> None:
        """Give a worker the piece that it is kept for, if it is through with the others."""
        alone = self._alone[address]
        if not alone.is_given and not self._given[address]:
            alone.is_given = True
            self._give(address, alone.future, alone.call, alone.arguments)

    def again(self, future: Future[Any]) -> bool:
        """See `Pool`."""
        for address, given in self._given.items():
            given.pop(future, None)
            alone = self._alone.get(address)
            if alone is not None and alone.future is future:
                del self._alone[address]
            elif alone is not None:
                self._give_alone(address)
        error = future.exception()
        if isinstance(error, SchedulerLost):
            raise ConnectionError(f"the Dask scheduler at {self._address} was lost")
        if isinstance(error, Displaced):
            return True
        if not isinstance(error, Unprepared):
            return False
        assert self._run is not None
        (address,) = error.args
        # Of several pieces that came back, the first is answered with what the worker needs.
        if not self._tell(address, is_prepared, self._run[0]):
            wrong = self._tell(address, prepare, *self._run)
            if wrong:
                raise OSError(f"the worker {address}, which came later, {wrong}")
        return True

    def _tell(self, address: str, function: Callable[..., Any], *arguments: Any) -> Any:
        """The answer of one worker, None if it has gone."""
        try:
            answer = self._client.run(function, *arguments, workers=[address], on_error="return").get(address)
        except (OSError, ValueError):
            return None
        if isinstance(answer, BaseException) and not isinstance(answer, OSError):
            raise OSError(_unusable(address, answer))
        return None if isinstance(answer, OSError) else answer

    def died(self, future: Future[Any]) -> bool:
        """See `Pool`; a worker that came back at the same address before it was missed is Dask's to notice."""
        return isinstance(future.exception(), WorkerDied | KilledWorker)

    def check(self) -> None:
        """See `Pool`."""
        self._look()
        if time.monotonic() - self._seen > PATIENCE_SECONDS:
            raise OSError(f"the Dask scheduler at {self._address} has had no worker for {PATIENCE_SECONDS:g} s")

    def _look(self) -> None:
        """See which workers there are, and give up what was given to those that have gone."""
        try:
            present = set(self._client.nthreads())
        except (OSError, TimeoutError):
            raise ConnectionError(f"the Dask scheduler at {self._address} was lost") from None
        self._looked = time.monotonic()
        if present:
            self._seen = self._looked
        for address in present - self._given.keys():
            self._given[address] = {}
        for address in self._given.keys() - present:
            alone = self._alone.pop(address, None)
            if alone is not None and not alone.is_given:
                alone.future.set_exception(Displaced())
            for future, inner in self._given.pop(address).items():
                with suppress(InvalidStateError):  # finished at the last moment
                    future.set_exception(WorkerDied())
                inner.cancel()

    def close(self) -> None:
        """See `Pool`."""
        if self._client.status == "running":
            self._client.cancel([inner for given in self._given.values() for inner in given.values()])
            if self._run is not None:
                self._client.run(forget, self._run[0], on_error="ignore")
        self._client.close()
        _LOG.setLevel(self._logged)


async def _pass_on(inner: Any, future: Future[Any]) -> None:
    """Hand the outcome of a future of Dask on to one of ours, unless that was given up."""
    try:
        result = await inner
    except CancelledError:
        outcome: Exception = SchedulerLost()
    except Exception as error:
        outcome = error
    else:
        with suppress(InvalidStateError):
            future.set_result(result)
        return
    with suppress(InvalidStateError):
        future.set_exception(outcome)


def _unusable(address: str, error: BaseException) -> str:
    return (
        f"the worker {address} cannot be used ({type(error).__name__}: {error}); install the same verify there, "
        "and restart the worker"
    )


# What follows runs on the workers. One piece at a time in a process, whatever its threads: see LocalPool.
_computing = threading.Lock()
_states: dict[str, tuple[worker.State, ThreadpoolController]] = {}


def _backend(name: str) -> tuple[str, str]:
    """Name of the backend, and why it is not there where it is not."""
    try:
        return get_backend(name).name, ""
    except InputError as error:
        return "", str(error)


def prepare(run: str, surroundings: Surroundings, expected: Fingerprint) -> str:
    """Get this process ready for a run.

    Returns:
        What stands against it: a clause whose subject is the worker. Empty if nothing does.
    """
    try:
        state = worker.prepare(surroundings)
    except InputError as error:
        return f"cannot find what the run needs: {error}"
    wrong = expected.against(fingerprint(state.registry, expected.statements))
    if wrong:
        return wrong
    while len(_states) >= _RUNS_KEPT:
        _states.pop(next(iter(_states)), None)
    _states[run] = state, ThreadpoolController()
    return ""


def is_prepared(run: str) -> bool:
    """Whether this process knows the run."""
    return run in _states


def forget(run: str) -> None:
    """Let go of a run."""
    _states.pop(run, None)


def compute(run: str, call: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
    """One piece.

    Raises:
        Unprepared: if this process knows nothing of the run.
    """
    with _computing:
        known = _states.get(run)
        if known is None:
            raise Unprepared(get_worker().address)
        state, threads = known
        worker.use(state)
        with threads.limit(limits=1):
            return call(*arguments)
