"""Statements: one module each, found by the registry.

`READING_ORDER` puts the rooms, and in each room the modules, in the order of their source.
"""

READING_ORDER = ("paper", "finite", "experiments")
