"""Where chunks are computed: this process, or several processes, behind the interface of `concurrent.futures`."""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor
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


def make_executor(workers: int, initializer: Callable[..., None], arguments: Sequence[Any]) -> Executor:
    """An executor with `workers` processes; one worker is this process itself.

    Processes are spawned, not forked: libraries with threads of their own do not survive a fork.

    Raises:
        InputError: if `workers` is not positive.
    """
    if workers < 1:
        raise InputError(f"got {workers} workers; expected at least 1")
    if workers == 1:
        initializer(*arguments)
        return SerialExecutor()
    context = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(workers, mp_context=context, initializer=_start, initargs=(initializer, arguments))


def _start(initializer: Callable[..., None], arguments: Sequence[Any]) -> None:
    """Begin a worker process: one whose parent was killed would wait for work for ever, so it ends with it."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    initializer(*arguments)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
