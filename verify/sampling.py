"""What a sampler is given for one chunk, and how the chunks of a point become one tally."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from verify.backends import Array, Backend
from verify.data import Dataset
from verify.philox import Normals

Count = int | float
Tally = dict[str, Count | list[Any]]


@dataclass(frozen=True)
class Draw:
    """The surroundings of one chunk: its own random stream, the array backend, and the user's data if any.

    `rng` draws on the host. `normal` has numbers of its own, from the same key, and makes them on the device.
    """

    rng: np.random.Generator
    backend: Backend
    data: Dataset | None = None

    def normal(self, *shape: int) -> Array:
        """Standard normal array of `shape`, made on the backend's device; every backend makes the same bits."""
        xp, count = self.backend.xp, math.prod(shape)
        drawn = self._normals.on_host(count) if self.backend.name == "numpy" else self._normals.take(count, xp)
        return xp.reshape(drawn, shape)

    @cached_property
    def _normals(self) -> Normals:
        return Normals(self.rng)


def stream(seed: int, sampler: str, point_key: str, chunk: int) -> np.random.Generator:
    """The random stream of one chunk: Philox4x64 keyed by all that identifies it.

    Counter-based and keyed by content, so a chunk is the same whatever worker draws it, in whatever order.
    """
    identity = f"{seed}\n{sampler}\n{point_key}\n{chunk}".encode()
    key = int.from_bytes(hashlib.blake2b(identity, digest_size=16).digest(), "little")
    return np.random.Generator(np.random.Philox(key=key))


def merge(tallies: Iterable[Tally]) -> Tally:
    """One tally from those of several chunks, in their order: counts add, lists are joined.

    Raises:
        ValueError: if the chunks do not have the same entries.
    """
    total: Tally = {}
    for number, tally in enumerate(tallies):
        if number and tally.keys() != total.keys():
            raise ValueError(f"chunk {number} has entries {sorted(tally)}, the chunks before have {sorted(total)}")
        for name, value in tally.items():
            total[name] = value if not number else total[name] + value  # type: ignore[operator]
    return total


def count(tally: Tally, name: str) -> int:
    """Entry `name` of a tally as a whole number.

    Raises:
        TypeError: if it is something else.
    """
    value = tally[name]
    if not isinstance(value, int):
        raise TypeError(f"entry {name!r} is {value!r}; expected a count")
    return value


def entries(tally: Tally, name: str) -> tuple[Any, ...]:
    """Entry `name` of a tally as the values that the chunks listed, in order.

    Raises:
        TypeError: if it is no list.
    """
    value = tally[name]
    if not isinstance(value, list):
        raise TypeError(f"entry {name!r} is {value!r}; expected a list")
    return tuple(value)
