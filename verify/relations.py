"""How a claim relates a quantity to its bound."""

from __future__ import annotations

from enum import Enum


class Relation(Enum):
    """`=`, `≤`, `≥`, and the asymptotic `⩽̇`, `⩾̇` of Soudry & Hoffer 2017 in the corrected reading.

    The corrected reading of `g ⩽̇ h` is `limsup (log g − log h)/|log h| <= 0`; the paper's printed
    `lim log g/log h <= 1` agrees with it when `h → ∞` and turns it round when `h → 0`.
    """

    EQUAL = ("=", "=", "=")
    AT_MOST = ("<=", r"\le", "≤")
    AT_LEAST = (">=", r"\ge", "≥")
    ASYMPTOTICALLY_AT_MOST = ("<=.", r"\mathrel{\dot{\le}}", "⩽̇")
    ASYMPTOTICALLY_AT_LEAST = (">=.", r"\mathrel{\dot{\ge}}", "⩾̇")

    def __init__(self, code: str, latex: str, sign: str) -> None:
        self.code = code
        self.latex = latex
        self.sign = sign

    @property
    def is_upper(self) -> bool:
        """Whether the bound is above the quantity."""
        return self in (Relation.AT_MOST, Relation.ASYMPTOTICALLY_AT_MOST)

    @property
    def is_lower(self) -> bool:
        """Whether the bound is below the quantity."""
        return self in (Relation.AT_LEAST, Relation.ASYMPTOTICALLY_AT_LEAST)

    @property
    def is_asymptotic(self) -> bool:
        """Whether no finite size can decide it."""
        return self in (Relation.ASYMPTOTICALLY_AT_MOST, Relation.ASYMPTOTICALLY_AT_LEAST)

    @property
    def reversed(self) -> Relation:
        """The opposite direction; equality becomes `≤`, since it has none."""
        return {
            Relation.AT_MOST: Relation.AT_LEAST,
            Relation.AT_LEAST: Relation.AT_MOST,
            Relation.ASYMPTOTICALLY_AT_MOST: Relation.ASYMPTOTICALLY_AT_LEAST,
            Relation.ASYMPTOTICALLY_AT_LEAST: Relation.ASYMPTOTICALLY_AT_MOST,
        }.get(self, Relation.AT_MOST)
