"""Code of modules: whatever it raises, returns or prints becomes one bounded reason."""

from __future__ import annotations

import pickle
import signal
import time

import numpy as np
import pytest
import sympy as sp

from verify.errors import InputError
from verify.foreign import MOST_RETURNED, Failed, TooLong, answered, blamed_on, call, json_data, reason


class Silent(Exception):
    def __str__(self):
        raise RuntimeError("no words")


class Leaving(BaseException):
    pass


def throw(error):
    raise error


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (ValueError("no"), "ValueError: no"),
        (Failed("ValueError: no"), "ValueError: no"),
        (Silent(), "Silent, which cannot say what it is"),
        (Leaving("off"), "Leaving: off"),
        (SystemExit(0), "SystemExit: 0"),
        (GeneratorExit(), "GeneratorExit: "),
    ],
)
def test_what_is_raised_becomes_text_that_can_leave_its_process(error, text):
    with pytest.raises(Failed) as raised:
        call(10.0, throw, error)
    assert reason(raised.value) == text
    assert str(pickle.loads(pickle.dumps(raised.value))) == text


def test_a_reason_is_no_longer_than_a_line_of_a_table():
    text = reason(ValueError("x" * 10**7))
    assert len(text) < 1100
    assert text.endswith("(10000012 characters)")


def test_an_interrupt_passes():
    with pytest.raises(KeyboardInterrupt):
        call(10.0, throw, KeyboardInterrupt())


@pytest.mark.skipif(not hasattr(signal, "SIGALRM"), reason="the limit is that of POSIX")
def test_what_does_not_end_is_ended_and_the_limit_is_gone_afterwards():
    before = signal.getsignal(signal.SIGALRM)
    with pytest.raises(TooLong, match=r"longer than 0\.05 s"):
        call(0.05, time.sleep, 30)
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
    assert signal.getsignal(signal.SIGALRM) is before
    assert call(1e300, lambda: 7) == 7, "a year and more is no limit"


def test_what_it_prints_is_not_the_output_of_the_command(capsys):
    call(10.0, print, "from a module")
    with blamed_on("coin"):
        print("from its map")
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err == "from a module\nfrom its map\n"


def test_blame_names_the_statement_and_leaves_what_a_user_can_mend():
    with pytest.raises(Failed, match="the code of coin failed: ZeroDivisionError"), blamed_on("coin"):
        throw(ZeroDivisionError("division by zero"))
    for error in (InputError("got x"), OSError("disk full")):
        with pytest.raises(type(error)), blamed_on("coin"):
            throw(error)


class Text(str):
    pass


def test_what_is_returned_is_of_no_class_of_the_module():
    found = json_data({Text("a"): (Text("b"), np.float64(0.1), True, None)})
    assert found == {"a": ["b", 0.1, True, None]}
    assert [type(found["a"][0]), type(found["a"][1])] == [str, float]


@pytest.mark.parametrize(
    "value",
    [{1, 2}, float("nan"), [float("inf")], object(), "x" * MOST_RETURNED, 10**5000],
    ids=["set", "nan", "infinite", "object", "large", "long"],
)
def test_what_is_no_data_or_too_much_is_refused(value):
    with pytest.raises((TypeError, ValueError)):
        json_data(value)


@pytest.mark.parametrize(
    ("given", "answer"), [(True, True), (None, None), (np.False_, False), (sp.true, True), (sp.false, False)]
)
def test_an_answer_is_yes_no_or_unknown(given, answer):
    assert answered((given, Text("so")), "it") == (answer, "so")


@pytest.mark.parametrize(
    "value", [None, True, "so", (True,), (True, 7), ("yes", "so"), (2, "so"), [True, "so"], (np.ones(2), "so")]
)
def test_what_is_no_answer_is_refused(value):
    with pytest.raises((TypeError, ValueError)):
        answered(value, "it")
