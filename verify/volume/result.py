"""What every way to an angular volume returns: five volumes, each with its two ends and what they rest on."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Any

from verify.verdicts import Evidence

EVENTS = ("rank", "support", "first_order", "suboptimal", "globalmin")
"""The five events, in the order of the report: the first three nested (finite-N note, F5)."""

_ULP = 2.0**-52  # relative rounding of a log
_FIFTEEN_DIGITS = 1e-15


@dataclass(frozen=True)
class Volume:
    """An angular volume: a number in [0, 1] between two ends.

    Held as natural logs, `-inf` for zero; `estimate`, `lower` and `upper` are the volumes themselves, and zero where
    a float cannot hold them.

    Attributes:
        log_lower: natural log of the lower end.
        log_estimate: natural log of the value, or of the best guess between the ends.
        log_upper: natural log of the upper end.
        evidence: `exact`: both ends are proved. `statistical`: they are a confidence interval.
        rounding: relative error of the volume behind each of the three, beyond that of a float log.
        note: what the ends rest on, where that needs a word.
    """

    log_lower: float
    log_estimate: float
    log_upper: float
    evidence: Evidence = Evidence.EXACT
    rounding: float = 0.0
    note: str = ""

    @property
    def lower(self) -> float:
        """The lower end."""
        return math.exp(self.log_lower)

    @property
    def estimate(self) -> float:
        """The value, or the best guess between the ends."""
        return math.exp(self.log_estimate)

    @property
    def upper(self) -> float:
        """The upper end."""
        return math.exp(self.log_upper)

    @property
    def log10(self) -> float:
        """Decimal log of the estimate."""
        return self.log_estimate / math.log(10)

    @property
    def digits(self) -> int:
        """Correct decimal digits of the volume (not of its log) that the floats hold; at most 15."""
        if self.log_lower == self.log_upper == -math.inf:
            return 15
        error = self.log_upper - self.log_lower + self.rounding + _ULP * abs(self.log_estimate)
        return 0 if not error < 1 else 15 if error < _FIFTEEN_DIGITS else math.floor(-math.log10(error))

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers and strings, for JSON: the three logs are None where the volume is zero."""
        logs = {item: getattr(self, item) for item in ("log_lower", "log_estimate", "log_upper")}
        return {
            "estimate": self.estimate,
            "lower": self.lower,
            "upper": self.upper,
            "log10": self.log10 if math.isfinite(self.log10) else None,
            **{name: value if math.isfinite(value) else None for name, value in logs.items()},
            "evidence": self.evidence.value,
            "note": self.note,
        }

    def __str__(self) -> str:
        """Value, ends and evidence on one line."""
        if self.log_lower == self.log_upper == -math.inf:
            return f"0 ({self.evidence})"
        if self.digits >= (3 if self.evidence is Evidence.EXACT else 6):
            return f"{decimal(self.log_estimate, min(self.digits, 10))} ({self.evidence})"
        ends = f"[{decimal(self.log_lower, 3)}, {decimal(self.log_upper, 3)}]"
        return f"{decimal(self.log_estimate, 3)} in {ends} ({self.evidence})"


@dataclass(frozen=True)
class Volumes:
    """Angular volumes of the five events of one data set at one width.

    Attributes:
        rank: `rank(A ∘ X) < N`.
        support: `|T*| > εN`: some labels leave more than `εN` nonzero residuals.
        first_order: `MCE(y − P y) > ε`, P the projection on `ker(A ∘ X)`.
        suboptimal: `L_ε`: the region contains a DLM with `MCE > ε`.
        globalmin: `G`: the region contains a DLM with `e = 0`.
        method: `exact`, `sample` or `rare`: what was used.
        reason: why, in a sentence.
        level: probability that any of the statistical intervals misses; zero where all is exact.
        facts: sizes, costs and settings, by name.
    """

    rank: Volume
    support: Volume
    first_order: Volume
    suboptimal: Volume
    globalmin: Volume
    method: str = "exact"
    reason: str = ""
    level: float = 0.0
    facts: dict[str, Any] = field(default_factory=dict, compare=False)

    def but(self, event: str, volume: Volume) -> Volumes:
        """The same with another volume for one event."""
        rank, support, first_order, suboptimal, globalmin = (
            volume if name == event else getattr(self, name) for name in EVENTS
        )
        return replace(
            self,
            rank=rank,
            support=support,
            first_order=first_order,
            suboptimal=suboptimal,
            globalmin=globalmin,
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers, strings, lists and dicts, for JSON."""
        volumes = {name: getattr(self, name).to_dict() for name in EVENTS}
        return {**volumes, "method": self.method, "reason": self.reason, "level": self.level, **self.facts}

    def rows(self) -> list[dict[str, Any]]:
        """One dict an event, `to_dict` of its volume with its name: `pandas.DataFrame(found.rows())`.

        >>> from verify import volumes
        >>> found = volumes([[1, 0], [0, 1], [1, 1]], [0, 1, 1], width=2)
        >>> [(row["event"], row["estimate"]) for row in found.rows()][:2]
        [('rank', 0.65625), ('support', 0.65625)]
        """
        return [{"event": name, **getattr(self, name).to_dict()} for name in EVENTS]

    def _repr_html_(self) -> str:
        from verify.notebook import volumes_html  # the typesetter is not needed to compute a volume

        return volumes_html(self)

    def __repr__(self) -> str:
        """One line an event, then what was used and why."""
        lines = [f"  {name:<11} {getattr(self, name)}" for name in EVENTS]
        size = ", ".join(f"{name} = {self.facts[name]}" for name in ("N", "d0", "width") if name in self.facts)
        notes = dict.fromkeys(getattr(self, name).note for name in EVENTS)
        lines += [f"  {note}" for note in notes if note]
        head = f"Volumes({size + ', ' if size else ''}method = {self.method!r}"
        head += f", level = {self.level:g})" if self.level else ")"
        return "\n".join([head, *lines, *([f"  {self.reason}"] if self.reason else [])])


def decimal(log: float, digits: int) -> str:
    """The number with this natural log in decimals, also where a float cannot hold it."""
    if log == -math.inf:
        return "0"
    if log > -600:
        return f"{math.exp(log):.{digits}g}"
    exponent, rest = divmod(log / math.log(10), 1)
    return f"{10**rest:.{max(1, min(digits, 6))}g}e{int(exponent)}"
