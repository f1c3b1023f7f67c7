"""Mutants of a claim, made without a look at its check: which of them do the samples of the run reject?

A check supports a claim only as far as it would have noticed another one. Each mutant changes one thing of a claim and
is held against the intervals that the run has anyway, at the points of the check and of its controls. That draws
nothing and costs nothing: the intervals hold together at the level of the run, and while they do every rejection is
right, however many mutants there are. Only where counterexamples are counted are the points taken together, in one
interval more at the level of one comparison; no verdict rests on a rejection, so the run does not spend for it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from verify.points import PointReport, log_bound_at, verdict_of_points
from verify.relations import Relation
from verify.statements import Claim, Statement
from verify.statistics.estimates import Counterexamples, Proportion, judge_within
from verify.statistics.looks import factor_needed
from verify.verdicts import Leaning, Outcome

_POWER = 0.25
# For a claim that something never happens: it happens in one of so many instances.
_FREQUENCIES = (2, 8, 32, 128, 512)
_GROWING = ("N", "d0", "d1")


class Fate(StrEnum):
    """What became of a mutant."""

    REJECTED = "rejected"
    EQUIVALENT = "equivalent"
    """True whenever the claim is, so that nothing could reject it."""
    SUPPORTED = "supported"
    """Sharper than the claim, and the samples support it as well: the claim leaves room."""
    BEYOND = "beyond resolution"


@dataclass(frozen=True)
class MutantReport:
    """One mutant.

    Attributes:
        name: what kind of change it is.
        text: the change in words.
        fate: what became of it.
        reason: why, in words.
        points: at how many points it was held against the samples.
        needed: where it is beyond resolution, how many times the samples its rejection is likely to take; `inf` where
            none is in sight.
    """

    name: str
    text: str
    fate: Fate
    reason: str
    points: int
    needed: float | None = None


@dataclass(frozen=True)
class _Mutant:
    """A change of a claim: its relation, and the log of its bound at a point, None where it has none there."""

    name: str
    text: str
    relation: Relation
    log_bound: Callable[[PointReport], float | None]
    equivalent: str = ""


def is_judged(point: PointReport) -> bool:
    """Whether samples were held against the claim at a point."""
    return point.verdict.outcome not in (Outcome.ERROR, Outcome.NOT_APPLICABLE) and point.interval is not None


def mutants(
    statement: Statement,
    claim: Claim,
    points: Sequence[PointReport],
    outside: Mapping[str, Sequence[PointReport]],
) -> tuple[MutantReport, ...]:
    """What became of the mutants of a claim.

    Args:
        statement: to which the claim belongs; its variables say which parameters are dimensions.
        claim: what is changed.
        points: where the claim was held against samples.
        outside: for assumptions, by id, points that satisfy all the others but not this one.

    Returns:
        One for each mutant that could be held against samples at one point at least.
    """
    judged = [point for point in points if is_judged(point)]
    bounded = [point for point in judged if not point.universal]
    found = [_fate(mutant, claim, bounded) for mutant in _of_bound(statement, claim, bounded)]
    universal = [point for point in judged if point.universal]
    found += [_fate(mutant, None, _pooled(universal)) for mutant in _of_frequency()]
    for name, points_outside in outside.items():
        mutant = _Mutant("assumption", f"also where {name} is not satisfied", claim.relation, _own)
        found.append(_fate(mutant, None, [point for point in points_outside if is_judged(point)]))
    return tuple(report for report in found if report is not None)


def _of_bound(statement: Statement, claim: Claim, points: Sequence[PointReport]) -> Iterator[_Mutant]:
    relation = claim.relation

    def scaled(factor: float, power: float = 0.0) -> Callable[[PointReport], float | None]:
        """The bound to the power `factor N^power`."""

        def log_bound(point: PointReport) -> float | None:
            size = point.site.point.get("N")
            if point.log_bound is None or (power and not isinstance(size, int | float)):
                return None
            return point.log_bound * factor * (float(size) ** power if size and power else 1.0)

        return log_bound

    def shifted(change: float) -> Callable[[PointReport], float | None]:
        return lambda point: None if point.log_bound is None else point.log_bound + change

    unseen = "the relation does not see constant factors" if relation.is_asymptotic else ""
    yield _Mutant("constant", "half the bound", relation, shifted(-math.log(2)), unseen)
    yield _Mutant("constant", "twice the bound", relation, shifted(math.log(2)), unseen)
    if relation is Relation.AT_LEAST:
        yield _Mutant("constant", "half as far below one as the bound", relation, _nearer_to_one)
    if relation.is_asymptotic:
        yield _Mutant("exponent", "twice the exponent", relation, scaled(2.0))
        yield _Mutant("exponent", "half the exponent", relation, scaled(0.5))
        yield _Mutant("exponent", "the exponent times N^(1/4)", relation, scaled(1.0, _POWER))
        yield _Mutant("exponent", "the exponent divided by N^(1/4)", relation, scaled(1.0, -_POWER))
    else:
        yield _Mutant("exponent", "the bound to the power 5/4", relation, scaled(1 + _POWER))
        yield _Mutant("exponent", "the bound to the power 3/4", relation, scaled(1 - _POWER))
    if relation is not Relation.EQUAL:
        words = "at least" if relation.is_upper else "at most"
        yield _Mutant("direction", f"{words} the bound", relation.reversed, _own_if_it_says_something)
    on_paths = relation.is_asymptotic and all(point.site.scaling is not None for point in points)
    for variable in statement.variables:
        name = variable.symbol.name
        if not variable.symbol.is_integer or name not in claim.parameters:
            continue
        leading = "along a path it grows, and one more or less leaves the leading term as it is"
        for change in (1, -1):
            text = f"{name} {'+' if change > 0 else '−'} 1 in place of {name}"
            equivalent = leading if on_paths and name in _GROWING else ""
            yield _Mutant("dimension", text, relation, _moved(statement, claim, name, change), equivalent)


def _moved(statement: Statement, claim: Claim, name: str, change: int) -> Callable[[PointReport], float | None]:
    """The bound with one more, or one less, in place of a parameter."""

    def log_bound(point: PointReport) -> float | None:
        value = point.site.point.get(name)
        if not isinstance(value, int):
            return None
        moved = point.site.point.but(**{name: value + change})
        try:
            statement.check_domains(**{name: value + change})
            return log_bound_at(claim, moved)
        except Exception:  # there is no such size, or the bound, which comes from a module, has no value there
            return None

    return log_bound


def _of_frequency() -> Iterator[_Mutant]:
    """For a claim that something never happens: that it does, now and then."""
    for often in _FREQUENCIES:
        text = f"one instance in {often} at least is a counterexample"
        yield _Mutant("frequency", text, Relation.AT_LEAST, _constant(-math.log(often)))


def _constant(log_bound: float) -> Callable[[PointReport], float | None]:
    return lambda point: log_bound


def _nearer_to_one(point: PointReport) -> float | None:
    """Half of the distance to one, where twice the bound is more than one."""
    log_bound = point.log_bound
    return None if log_bound is None or not -math.log(2) < log_bound <= 0 else math.log((1 + math.exp(log_bound)) / 2)


def _own(point: PointReport) -> float | None:
    return point.log_bound


def _own_if_it_says_something(point: PointReport) -> float | None:
    """The opposite of a bound that says nothing is refuted without a look."""
    return None if point.verdict.outcome is Outcome.VACUOUS else point.log_bound


def _pooled(points: Sequence[PointReport]) -> list[PointReport]:
    """One point for the mean frequency of counterexamples over all points, weighted by their instances.

    If the frequencies differ, no counterexample at all is less likely than if they were all equal to their mean, so the
    upper end holds.
    """
    seen = [point.estimate for point in {point.site.point: point for point in points}.values()]
    counted = [item for item in seen if isinstance(item, Proportion | Counterexamples)]
    if not counted:
        return []
    hits = sum(item.hits if isinstance(item, Proportion) else item.count for item in counted)
    pooled = Proportion(hits, sum(item.trials for item in counted), sum(item.doubtful for item in counted))
    level = min(point.level for point in points)
    return [replace(points[0], estimate=pooled, interval=pooled.interval(level))]


def _fate(mutant: _Mutant, claim: Claim | None, points: Sequence[PointReport]) -> MutantReport | None:
    """Hold a mutant against samples; without a claim it is not the sharper or the weaker of two.

    Returns:
        None where there is nothing to hold it against.
    """
    # Where nothing exceeds one, what is measured may be a probability, and a bound above one is refuted unseen.
    up_to_one = all(
        max(point.log_bound, point.interval.estimate) <= 0
        for point in points
        if point.log_bound is not None and point.interval is not None
    )
    seen: list[tuple[PointReport, PointReport]] = []
    for point in points:
        log_bound = mutant.log_bound(point)
        if log_bound is None or math.isnan(log_bound) or point.estimate is None or point.interval is None:
            continue
        if not (up_to_one and log_bound > 0 and not mutant.relation.is_upper):
            verdict = judge_within(point.estimate, point.interval, mutant.relation, log_bound)
            seen.append((point, replace(point, verdict=verdict, log_bound=log_bound)))
    if not seen:
        return None
    held = [report for _, report in seen]

    def report(fate: Fate, reason: str, needed: float | None = None) -> MutantReport:
        return MutantReport(mutant.name, mutant.text, fate, reason, len(held), needed)

    if mutant.equivalent:
        return report(Fate.EQUIVALENT, mutant.equivalent)
    sharper = held
    if claim is not None and mutant.relation is claim.relation:
        sharper = [after for before, after in seen if _is_sharper(claim.relation, before, after)]
        if not sharper:
            same = all(before.log_bound == after.log_bound for before, after in seen)
            return report(Fate.EQUIVALENT, "the same bound at every point" if same else "weaker: true if the claim is")
    verdict = verdict_of_points(mutant.relation, held)
    if verdict.outcome is Outcome.VIOLATED:
        refuted = sum(point.verdict.outcome is Outcome.VIOLATED for point in held)
        return report(Fate.REJECTED, verdict.text if mutant.relation.is_asymptotic else f"at {refuted} of {len(held)}")
    leans = mutant.relation.is_asymptotic and verdict.leaning is Leaning.SUPPORTS
    # An equality and a mutant of it cannot both be true: samples that fit both are too few.
    if leans or (mutant.relation is not Relation.EQUAL and all(map(_is_supported, sharper))):
        return report(Fate.SUPPORTED, "the samples support it as well")
    needed = min(_needed(point, mutant.relation) for point in sharper)
    if math.isfinite(needed):
        return report(Fate.BEYOND, f"a rejection is likely to take {_rounded(needed)} times the samples", needed)
    return report(Fate.BEYOND, "not all samples support it, and none that are undecided lean against it", needed)


def _rounded(factor: float) -> str:
    return f"{factor:.2g}" if factor < 10 else f"{factor:.0f}" if factor < 1e4 else f"{factor:.0e}"


def _is_sharper(relation: Relation, before: PointReport, after: PointReport) -> bool:
    claim, mutant = before.log_bound, after.log_bound
    if claim is None or mutant is None or after.verdict.outcome is Outcome.VACUOUS:
        return False
    if relation.is_upper:
        return mutant < claim
    return mutant > claim if relation.is_lower else mutant != claim


def _is_supported(point: PointReport) -> bool:
    outcome, leaning = point.verdict.outcome, point.verdict.leaning
    return outcome in (Outcome.HOLDS, Outcome.VACUOUS) or leaning is Leaning.SUPPORTS


def _needed(point: PointReport, relation: Relation) -> float:
    """How many times the samples a rejection at a point is likely to take, if the estimate is right."""
    seen, log_bound = point.interval, point.log_bound
    if seen is None or log_bound is None or point.verdict.leaning is not None:
        return math.inf
    if relation is Relation.EQUAL:
        # It is refuted from one side, whichever the estimate is on.
        relation = Relation.AT_MOST if seen.estimate > log_bound else Relation.AT_LEAST
    is_respected = seen.estimate <= log_bound if relation.is_upper else seen.estimate >= log_bound
    return math.inf if is_respected else factor_needed(seen, relation, log_bound)
