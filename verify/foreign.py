"""Code of statement modules, called so that what it does is told of its own statement and stops nothing else.

It may raise anything, never end, or return what is no answer. It is not confined: it can do what its user can.
"""

from __future__ import annotations

import faulthandler
import json
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from types import FrameType
from typing import Any, TypeVar

from verify.errors import InputError

T = TypeVar("T")

_UNLIMITED = 3e7
# A reason is a line in a table; an exception may carry whatever its code was at.
_MOST_SAID = 1000
MOST_RETURNED = 1 << 24
"""Bytes, as JSON, that one piece of work may return: some hundred times what any does here."""


class Failed(Exception):
    """What went wrong in a module's code, as text: an exception of its own class could not leave its process."""


class TooLong(Failed):
    """It did not come to an end."""


def reason(error: BaseException) -> str:
    """Class and message of an exception as one text of bounded length; its own `__str__` may fail too."""
    if isinstance(error, Failed):
        return str(error)
    try:
        text = f"{type(error).__name__}: {error}"
    except Exception:
        text = f"{type(error).__name__}, which cannot say what it is"
    return text if len(text) <= _MOST_SAID else f"{text[:_MOST_SAID]}… ({len(text)} characters)"


def call(seconds: float, function: Callable[..., T], *arguments: Any) -> T:
    """Call a function of a module; what it prints goes to standard error, for standard output is the command's.

    Args:
        seconds: how long it may take, see `limited`.
        function: to be called.
        *arguments: for it.

    Raises:
        Failed: whatever it raises, even to leave the process; but Ctrl-C passes.
    """
    try:
        with limited(seconds), redirect_stdout(sys.stderr):
            return function(*arguments)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        kind = TooLong if isinstance(error, TimeoutError) else Failed
        raise kind(reason(error)) from None


@contextmanager
def blamed_on(statement: str) -> Iterator[None]:
    """Around work with one statement that nothing else waits for; what it prints goes to standard error.

    Raises:
        Failed: naming the statement, for any exception other than `InputError` and `OSError`.
    """
    try:
        with redirect_stdout(sys.stderr):
            yield
    except (InputError, OSError):
        raise
    except Exception as error:
        raise Failed(f"the code of {statement} failed: {reason(error)}") from None


@contextmanager
def limited(seconds: float) -> Iterator[None]:
    """Let what runs inside take so many seconds, by a clock that nobody sets; more than a year is no limit.

    Code that comes back to the interpreter gets an exception. A worker process in which it does not, or in which the
    exception is caught, ends after twice the time. Threads, which workers of a cluster use, cannot be interrupted.

    Raises:
        TimeoutError: if it takes longer.
    """
    in_main_thread = threading.current_thread() is threading.main_thread()
    if seconds > _UNLIMITED or not in_main_thread or not hasattr(signal, "SIGALRM"):
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


def json_data(value: Any) -> Any:
    """What a module returned as JSON holds it: numbers, text and lists, of no class of its own.

    Raises:
        TypeError, ValueError: if it is something else, has NaN or infinity, or is larger than `MOST_RETURNED`.
    """
    text = json.dumps(value, allow_nan=False)
    if len(text) > MOST_RETURNED:
        raise ValueError(f"it returned {len(text)} bytes; expected at most {MOST_RETURNED}")
    return json.loads(text)


def answered(value: Any, what: str) -> tuple[bool | None, str]:
    """The pair of an answer and its sentence that a module is asked for.

    Raises:
        TypeError: if it is something else.
    """
    if not (isinstance(value, tuple) and len(value) == 2 and isinstance(value[1], str)):
        raise TypeError(f"{what} returned {_brief(value)}; expected a pair (True, False or None; text)")
    answer = value[0]
    if not (answer is None or answer == True or answer == False):  # noqa: E712 - of NumPy and SymPy as well
        raise TypeError(f"{what} answered {_brief(answer)}; expected True, False or None")
    return None if answer is None else bool(answer), json_data(value[1])


def _brief(value: Any) -> str:
    shown = repr(value)
    return shown if len(shown) <= 80 else f"{shown[:77]}..."
