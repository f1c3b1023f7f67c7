"""Who computes the pieces of a run: this process, processes of this machine, or the workers of a Dask cluster."""

from __future__ import annotations

import os
import re
from abc import ABC, abstractmethod
from collections.abc import Callable
from concurrent.futures import Executor, Future
from concurrent.futures.process import BrokenProcessPool
from typing import Any

from verify import worker
from verify.backends import get_backend
from verify.code import Fingerprint
from verify.errors import InputError
from verify.executors import make_executor
from verify.worker import Surroundings

DASK = "dask://"


class Pool(ABC):
    """Workers behind `submit`, which gives futures of `concurrent.futures`; a context, which it closes at its end."""

    @abstractmethod
    def backend(self, name: str) -> str:
        """The array backend that `name` means for the workers.

        Raises:
            InputError: if a worker does not have it, or `auto` is not the same for all.
        """

    @abstractmethod
    def open(self, surroundings: Surroundings, expected: Fingerprint) -> None:
        """Make the workers ready.

        Args:
            surroundings: what each is told once.
            expected: what the code and the packages of each must be.

        Raises:
            InputError: if a worker has other code or packages, or cannot find the statements.
        """

    @property
    @abstractmethod
    def backlog(self) -> int:
        """Pieces to have under way: enough that no worker waits, few enough that a lost one costs little."""

    @abstractmethod
    def submit(self, call: Callable[..., Any], *arguments: Any) -> Future[Any]:
        """Have a function of `verify.worker` computed by any worker."""

    @abstractmethod
    def submit_alone(self, call: Callable[..., Any], *arguments: Any) -> Future[Any] | None:
        """The same, with nothing else that a death would take along; None as long as others have to finish before."""

    @abstractmethod
    def again(self, future: Future[Any]) -> bool:
        """Whether a finished future says nothing about its piece, which is to be submitted again.

        Raises:
            OSError: if there are no workers any more.
        """

    @abstractmethod
    def died(self, future: Future[Any]) -> bool:
        """Whether a finished future failed because its worker died, which may have been at another piece."""

    @abstractmethod
    def check(self) -> None:
        """Called now and then while nothing finishes.

        Raises:
            OSError: if there is no hope that anything will.
        """

    @abstractmethod
    def close(self) -> None:
        """Let go of the workers, whatever they are at."""

    def __enter__(self) -> Pool:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class LocalPool(Pool):
    """This process for one worker, otherwise so many processes, which are replaced when one of them dies.

    Threads are not offered: python-flint keeps its precision in one place for all threads of a process.
    """

    def __init__(self, workers: int) -> None:
        self._workers = workers
        self._under_way: set[Future[Any]] = set()
        self._draining = False
        self._arguments: tuple[Any, ...] = ()
        self._executor: Executor | None = None

    def backend(self, name: str) -> str:
        """See `Pool`."""
        return get_backend(name).name

    def open(self, surroundings: Surroundings, expected: Fingerprint) -> None:
        """See `Pool`; processes of this machine have this machine's code."""
        self._arguments = (surroundings,)

    @property
    def backlog(self) -> int:
        """See `Pool`."""
        if self._draining:
            return 0
        return 1 if self._workers == 1 else 2 * self._workers

    def submit(self, call: Callable[..., Any], *arguments: Any) -> Future[Any]:
        """See `Pool`."""
        future = self._submit(call, *arguments)
        self._under_way.add(future)
        return future

    def _submit(self, call: Callable[..., Any], *arguments: Any) -> Future[Any]:
        if self._executor is not None:
            try:
                return self._executor.submit(call, *arguments)
            except BrokenProcessPool:
                self.close()
        self._executor = make_executor(self._workers, worker.initialise, self._arguments)
        return self._executor.submit(call, *arguments)

    def submit_alone(self, call: Callable[..., Any], *arguments: Any) -> Future[Any] | None:
        """See `Pool`; one death breaks all pieces that are under way."""
        self._draining = True
        return None if self._under_way else self.submit(call, *arguments)

    def again(self, future: Future[Any]) -> bool:
        """See `Pool`."""
        self._under_way.discard(future)
        self._draining = self._draining and bool(self._under_way)
        return False

    def died(self, future: Future[Any]) -> bool:
        """See `Pool`."""
        return isinstance(future.exception(), BrokenProcessPool)

    def check(self) -> None:
        """See `Pool`; a process that has gone is noticed by its executor."""

    def close(self) -> None:
        """See `Pool`."""
        if self._executor is not None:
            self._executor.shutdown(wait=False, cancel_futures=True)
            self._executor = None


def parse_workers(text: str) -> int | str:
    """Read a number of processes, or the address `dask://HOST:PORT` of the scheduler of a Dask cluster.

    Raises:
        InputError: for anything else.
    """
    if text.isdecimal() and int(text) >= 1:
        return int(text)
    if re.fullmatch(rf"{DASK}[^\s:/]+:\d+", text):
        return text
    if text.startswith("threads"):
        raise InputError(
            f"got workers {text!r}; threads would share the precision of python-flint and change each other's "
            "results, so use processes: give their number"
        )
    raise InputError(f"got workers {text!r}; expected a whole number from 1, or dask://HOST:PORT of a scheduler")


def cores() -> int:
    """Cores that this process may use."""
    return max(1, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)


def make_pool(workers: int | str) -> Pool:
    """The pool that `workers` names: so many processes, or the Dask cluster at an address.

    Raises:
        InputError: if `workers` is neither, or no scheduler answers.
    """
    chosen = parse_workers(str(workers))
    if isinstance(chosen, int):
        return LocalPool(chosen)
    try:
        from verify.cluster import ClusterPool
    except ImportError as error:
        raise InputError(f"--workers {chosen} needs Dask ({error}): pip install 'verify[cluster]'") from None
    return ClusterPool(chosen.removeprefix(DASK))
