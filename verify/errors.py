"""Errors whose message is meant for the person at the terminal."""


class InputError(ValueError):
    """Something the user gave cannot be used. The command line prints the message and exits with 2.

    The message says what was given, what was expected and what to do, in one line.
    """
