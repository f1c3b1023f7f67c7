"""Verdicts: an outcome, and the evidence it rests on.

`docs/soundness.md` says what each combination is worth. The rules here are the whole of how single findings
become the verdict of a check, of a statement and of a run.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Outcome(StrEnum):
    """What was found out about a claim."""

    HOLDS = "holds"
    VIOLATED = "violated"
    UNDECIDED = "undecided"
    VACUOUS = "vacuous"
    NOT_APPLICABLE = "not applicable"
    ERROR = "error"


class Evidence(StrEnum):
    """What an outcome rests on, strongest first."""

    PROOF = "proof"
    EXACT = "exact"
    CERTIFIED = "certified"
    WITNESS = "witness"
    STATISTICAL = "statistical"
    TREND = "trend"


class Leaning(StrEnum):
    """Which way a trend points. A trend never makes an asymptotic claim *hold*."""

    SUPPORTS = "supports"
    AGAINST = "against"


STRENGTH = {evidence: rank for rank, evidence in enumerate(reversed(Evidence))}

# The first outcome of this list that occurs among the parts is the outcome of the whole.
_PRECEDENCE = (
    Outcome.VIOLATED,
    Outcome.ERROR,
    Outcome.UNDECIDED,
    Outcome.HOLDS,
    Outcome.VACUOUS,
    Outcome.NOT_APPLICABLE,
)


@dataclass(frozen=True)
class Verdict:
    """Outcome × evidence, with the reason in one sentence.

    `evidence` is None where nothing was looked at (not applicable, error).
    """

    outcome: Outcome
    evidence: Evidence | None = None
    text: str = ""
    leaning: Leaning | None = None

    def to_dict(self) -> dict[str, str | None]:
        """JSON-ready form, as `results.json` holds it."""
        return {
            "outcome": self.outcome.value,
            "evidence": self.evidence.value if self.evidence else None,
            "leaning": self.leaning.value if self.leaning else None,
            "text": self.text,
        }

    def __str__(self) -> str:
        parts = [self.outcome.value, self.evidence.value if self.evidence else None]
        words = " · ".join(part for part in parts if part)
        return f"{words} ({self.leaning.value})" if self.leaning else words


def weakest(evidence: Iterable[Evidence | None]) -> Evidence | None:
    """The weakest evidence among the given, None where there is none."""
    present = [item for item in evidence if item is not None]
    return min(present, key=STRENGTH.__getitem__) if present else None


def combine(verdicts: Iterable[Verdict]) -> Verdict:
    """The verdict of a whole from the verdicts of its parts.

    One violated part makes the whole violated; one undecided part keeps it from holding. Vacuous and
    not-applicable parts neither help nor hurt a whole in which another part holds, and are counted in the text.
    The evidence is the weakest among the parts that decided the outcome, except that *one* violation suffices,
    so there it is the strongest.

    >>> print(combine([Verdict(Outcome.HOLDS, Evidence.PROOF), Verdict(Outcome.HOLDS, Evidence.EXACT)]))
    holds · exact
    """
    parts = list(verdicts)
    outcome = next((o for o in _PRECEDENCE if any(part.outcome is o for part in parts)), None)
    if outcome is None:
        return Verdict(Outcome.NOT_APPLICABLE, None, "nothing was checked")
    deciding = [part for part in parts if part.outcome is outcome]
    if outcome is Outcome.VIOLATED:
        named = [part.evidence for part in deciding if part.evidence is not None]
        evidence = max(named, key=STRENGTH.__getitem__) if named else None
    else:
        evidence = weakest(part.evidence for part in deciding)
    leanings = {part.leaning for part in deciding}
    leaning = leanings.pop() if len(leanings) == 1 else None
    if len(parts) == 1:
        return Verdict(outcome, evidence, parts[0].text, leaning)
    reason = deciding[0].text if outcome in (Outcome.VIOLATED, Outcome.ERROR) else ""
    return Verdict(outcome, evidence, f"{_count(parts)}: {reason}" if reason else _count(parts), leaning)


def _count(parts: list[Verdict]) -> str:
    tally = [(o, sum(part.outcome is o for part in parts)) for o in _PRECEDENCE]
    return ", ".join(f"{count} {o.value}" for o, count in tally if count)
