"""Where chunks are computed: this process, or several processes, behind the interface of `concurrent.futures`."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from multiprocessing.connection import Connection, wait
from typing import Any

from verify.errors import InputError


class SerialExecutor(Executor):
    """Runs each task at once in this process."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Run `fn` and return its finished future."""
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except (Exception, SystemExit) as error:  # a future carries whatever its task raised
            future.set_exception(error)
        return future


class Processes(ProcessPoolExecutor):
    """Processes that end when they are let go of, or when their parent ends, whatever they are at.

    They are spawned, not forked: libraries with threads of their own do not survive a fork. Ctrl-C in a terminal
    reaches a whole group of processes; it is for the parent alone, so these have the signal blocked from their start.
    """

    def __init__(self, workers: int, initializer: Callable[..., None], arguments: Sequence[Any]) -> None:
        context = multiprocessing.get_context("spawn")
        watched, self._held = context.Pipe(duplex=False)
        super().__init__(
            workers, mp_context=context, initializer=_start, initargs=(watched, initializer, tuple(arguments))
        )

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Hand over a task; a process that is started for it inherits the mask of signals."""
        if sys.platform == "win32":
            return super().submit(fn, *args, **kwargs)
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            return super().submit(fn, *args, **kwargs)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """As for any executor; without `wait` the processes end at once."""
        super().shutdown(wait, cancel_futures=cancel_futures)
        self._held.close()

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Wait for what is under way at the end of a context, but not where it ends by an exception, as of Ctrl-C."""
        self.shutdown(wait=kind is None, cancel_futures=kind is not None)


def make_executor(workers: int, initializer: Callable[..., None], arguments: Sequence[Any]) -> Executor:
    """An executor with `workers` processes; one worker is this process itself.

    Raises:
        InputError: if `workers` is not positive.
    """
    if workers < 1:
        raise InputError(f"got {workers} workers; expected at least 1")
    if workers == 1:
        initializer(*arguments)
        return SerialExecutor()
    return Processes(workers, initializer, arguments)


def _start(watched: Connection, initializer: Callable[..., None], arguments: Sequence[Any]) -> None:
    """Begin a worker process: one whose parent was killed would wait for work for ever, so it ends with it."""
    threading.Thread(target=_end_with_parent, args=(watched,), daemon=True).start()
    initializer(*arguments)


def _end_with_parent(watched: Connection) -> None:
    """The other end of the pipe is closed by the parent, or with it."""
    wait([watched])
    os._exit(1)
