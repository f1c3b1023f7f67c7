"""The points of a check, and what they say together."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from verify.asymptotics import Scaling
from verify.relations import Relation
from verify.runner import Site
from verify.statements import Claim, Point
from verify.statistics.estimates import Estimate
from verify.statistics.intervals import Interval
from verify.verdicts import Evidence, Leaning, Outcome, Verdict, combine


@dataclass(frozen=True)
class PointReport:
    """One point of a check: what was measured, the bound, and the verdict.

    `interval` is that of `estimate` at the level `level`, the share of this comparison in the level of the run.
    `needed` is how many times the sample a decision is likely to take, where a point is undecided for want of samples.
    `log_leading` is the bound that an exponent is estimated against, where the check has another one for that.
    `log_e` is the natural log of the e-value against the claim, None where there is none (`verify.statistics.evalues`).
    `detects` is the least violation, as a natural log of a factor, that such a sample finds with probability 0.95.
    """

    site: Site
    verdict: Verdict
    log_bound: float | None = None
    estimate: Estimate | None = None
    interval: Interval | None = None
    counts: Mapping[str, int] | None = None
    beside: tuple[tuple[str, float], ...] = ()
    assumptions: tuple[tuple[str, bool | None], ...] = ()
    universal: bool = False
    needed: float | None = None
    level: float = 1.0
    log_leading: float | None = None
    log_e: float | None = None
    detects: float | None = None


@lru_cache(maxsize=4096)
def log_bound_at(claim: Claim, point: Point) -> float:
    """Natural log of the bound, kept: a run looks at a claim several times, and a bound may take a second."""
    return claim.log_bound(**point)


def verdict_of_points(relation: Relation, points: Sequence[PointReport]) -> Verdict:
    """The verdict of a check, or of a mutant of its claim, from those of its points."""
    if not relation.is_asymptotic:
        return combine(report.verdict for report in points)
    groups: dict[Scaling | None, list[PointReport]] = defaultdict(list)
    for report in points:
        groups[report.site.scaling].append(report)
    return combine(trend(group) for group in groups.values())


def trend(points: Sequence[PointReport]) -> Verdict:
    """What the points of one path say about an asymptotic claim, whose leading term is read at each size.

    `violated` needs at least two resolved sizes, all of them against; sizes that lie on no path never give it. The
    path supports the claim when its largest resolved size does. Short of a violation the outcome is undecided.
    """
    errors = [report for report in points if report.verdict.outcome is Outcome.ERROR]
    if errors:
        return errors[0].verdict
    looked = [report for report in points if report.verdict.outcome is Outcome.UNDECIDED]
    if not looked:
        return combine(report.verdict for report in points)
    ordered = sorted(looked, key=lambda report: float(report.site.point.get("N", 0)))
    resolved = [report for report in ordered if report.verdict.leaning is not None]
    ratios = [_ratio(report) for report in resolved]
    shown = [f"{ratio:.2f}" for ratio in ratios if ratio is not None]
    text = f"log quantity / log bound along the path: {' → '.join(shown)}" if shown else "no size was resolved"
    against = [report for report in resolved if report.verdict.leaning is Leaning.AGAINST]
    on_a_path = all(report.site.scaling is not None for report in resolved)
    if on_a_path and len(resolved) >= 2 and len(against) == len(resolved):
        return Verdict(Outcome.VIOLATED, Evidence.TREND, f"against it at every size; {text}", Leaning.AGAINST)
    leaning = resolved[-1].verdict.leaning if resolved else None
    return Verdict(Outcome.UNDECIDED, Evidence.TREND, text, leaning)


def _ratio(report: PointReport) -> float | None:
    if report.interval is None or not report.log_bound or not math.isfinite(report.interval.estimate):
        return None
    return report.interval.estimate / report.log_bound
