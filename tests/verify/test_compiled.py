"""Compilation where there is a place for its results, and where there is none."""

from verify import compiled


def test_without_a_folder_for_the_cache(monkeypatch):
    """An installation that cannot be written, and a user without a home: compiled anew, and no error."""

    def refuse(*_, cache=False, **options):
        if cache:
            raise RuntimeError("cannot cache function: no locator available")
        return lambda function: (function, options)

    monkeypatch.setattr(compiled, "njit", refuse)
    function, options = compiled.compiled(len)
    assert function is len
    assert options["nogil"]


def test_what_was_compiled_divides_as_numpy_does():
    @compiled.compiled
    def quotient(x, y):
        return x / y

    assert quotient(1.0, 0.0) == float("inf")
