"""Where chunks are computed: this process, or several processes, behind the interface of `concurrent.futures`."""

from __future__ import annotations

import multiprocessing
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
        except Exception as error:  # a future carries whatever its task raised
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
    return ProcessPoolExecutor(workers, mp_context=context, initializer=initializer, initargs=tuple(arguments))
