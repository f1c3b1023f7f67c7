"""From what the workers returned to verdicts: of points, controls, checks, statements."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from graphlib import TopologicalSorter
from typing import Any

from verify.asymptotics import Scaling
from verify.foreign import Failed, TooLong, call
from verify.mutants import Fate, MutantReport, is_judged, mutants
from verify.points import PointReport, log_bound_at, verdict_of_points
from verify.runner import Outcomes, Plan, Site, Task, pictures_of, sites
from verify.sampling import Tally
from verify.statements import Assumption, Check, Claim, Control, Derivation, Picture, Point, Statement
from verify.statistics.estimates import Estimate, is_universal, judge_within
from verify.statistics.evalues import log_e_value, log_mean
from verify.statistics.exponents import Exponent, exponent, usable
from verify.statistics.intervals import Interval
from verify.statistics.looks import MOST, factor_needed
from verify.statistics.power import detectable
from verify.verdicts import Evidence, Outcome, Verdict, combine, weakest
from verify.worker import sampler_at


@dataclass(frozen=True)
class ControlReport:
    """One control: it is rejected when the mutant, or the wrong sampler, came out violated."""

    control: Control
    verdict: Verdict
    points: tuple[PointReport, ...]

    @property
    def log_e(self) -> float | None:
        """Log of the e-value against the mutant at all points together; None where there is none."""
        return merged(self.points)

    @property
    def rejected(self) -> bool:
        """Whether the check said no to what is known to be false."""
        return self.verdict.outcome is Outcome.VIOLATED

    @property
    def looked_at(self) -> bool:
        """Whether there was anything to judge; a run stopped early may not have reached it."""
        return self.verdict.outcome not in (Outcome.NOT_APPLICABLE, Outcome.ERROR)


@dataclass(frozen=True)
class ExponentReport:
    """How fast a quantity falls beside its bound along one path.

    Attributes:
        scaling: the path.
        sizes: the `N` that were fitted.
        fits: of all of them, then without the smallest, without the two smallest, and so on down to two.
    """

    scaling: Scaling
    sizes: tuple[float, ...]
    fits: tuple[Exponent, ...]


@dataclass(frozen=True)
class CheckReport:
    """One check with its points, controls and mutants, and for an asymptotic claim the exponents along its paths."""

    check: Check
    claim: Claim
    verdict: Verdict
    points: tuple[PointReport, ...]
    controls: tuple[ControlReport, ...]
    exponents: tuple[ExponentReport, ...] = ()
    mutants: tuple[MutantReport, ...] = ()


@dataclass(frozen=True)
class PictureReport:
    """One picture: its data or why there are none; neither where it was not reached."""

    picture: Picture
    drawing: Mapping[str, Any] | None
    error: str | None


@dataclass(frozen=True)
class StatementReport:
    """One statement: verdict, steps, checks, findings, and its pictures, on which the verdict does not rest."""

    statement: Statement
    verdict: Verdict
    steps: tuple[Verdict, ...]
    checks: tuple[CheckReport, ...]
    findings: tuple[Verdict, ...]
    pictures: tuple[PictureReport, ...] = ()

    @property
    def log_e(self) -> float | None:
        """Log of the e-value against the statement's claims, their mean over all points; None where there is none."""
        return merged(against(self))


def against(report: StatementReport) -> list[PointReport]:
    """The points whose e-values speak against a statement; where a check claims more, they speak against that only."""
    return [point for check in report.checks if not check.check.sufficient for point in check.points]


def merged(points: Sequence[PointReport]) -> float | None:
    """Log of the mean e-value of points, which is one against all of their claims together, however dependent."""
    logs = [point.log_e for point in points if point.log_e is not None]
    return log_mean(logs) if logs else None


def further(plan: Plan, outcomes: Outcomes) -> dict[Task, int]:
    """How many chunks the tasks of a run are to have next, when all that were asked for are there.

    A task is done where every verdict that its samples serve is decided. Others go on to their planned number, and
    those beyond it for which a decision is in reach. Samples for asymptotic claims, and for counterexamples to
    universal ones, have their planned number: more of them always says more. It depends on the samples only.
    """
    next_look = {}
    for task in plan.tasks:
        place = task.sampler, task.point
        drawn = len(outcomes.tallies.get(place, ()))
        if drawn and ("chunk", place) not in outcomes.errors:
            size = next((size for size in plan.looks_of(task) if size > drawn), None)
            if size is not None:
                next_look[place] = drawn, size
    needs: dict[tuple[str, Point], float] = defaultdict(float)
    for statement in plan.statements:
        for check in () if statement.id in plan.failures else statement.checks:
            if not next_look.keys().isdisjoint(_served(plan, check)):
                for place, need in _needs_of(plan, outcomes, statement, check):
                    needs[place] = max(needs[place], need)
    sizes = {}
    for place, (drawn, size) in next_look.items():
        task = plan.by_place[place]
        in_reach = drawn * needs[place] <= MOST * task.chunks
        if needs[place] > 0 and (size <= task.chunks or in_reach):
            sizes[task] = size
    return sizes


def _served(plan: Plan, check: Check) -> Iterator[tuple[str, Point]]:
    """The samples that a check and its controls read."""
    for index in (None, *range(len(check.controls))):
        control = None if index is None else check.controls[index]
        for site in sites(check, plan.settings, control):
            yield sampler_at(check, index).name, site.point


def _needs_of(
    plan: Plan, outcomes: Outcomes, statement: Statement, check: Check
) -> list[tuple[tuple[str, Point], float]]:
    """What `_needs` says of a check; nothing where the estimates of a module cannot be judged, as `assess` will say."""
    try:
        return call(math.inf, lambda: list(_needs(_check(plan, outcomes, statement, check))))
    except Failed:
        return []


def _needs(report: CheckReport) -> Iterator[tuple[tuple[str, Point], float]]:
    """For each point of a check and of its controls the factor by which its sample must grow.

    0 where it is decided, infinite where the planned sample is wanted in any case.
    """
    sampler = report.check.sampler.name
    for point in report.points:
        yield (sampler, point.site.point), _need(point, report.claim)
    for control in report.controls:
        if control.rejected:
            continue
        name = (control.control.sampler or report.check.sampler).name
        for point in control.points:
            yield (name, point.site.point), _need(point, control.control.claim or report.claim)


def _need(point: PointReport, claim: Claim) -> float:
    if point.verdict.outcome in (Outcome.ERROR, Outcome.NOT_APPLICABLE):
        return 0.0
    if claim.relation.is_asymptotic or (point.universal and point.verdict.outcome is not Outcome.VIOLATED):
        return math.inf
    if point.verdict.outcome is Outcome.UNDECIDED:
        return math.inf if point.needed is None else point.needed
    return 0.0


def assess(plan: Plan, outcomes: Outcomes) -> list[StatementReport]:
    """Reports of all statements of a plan, in its order."""
    reports: dict[str, StatementReport] = {}
    chosen = {statement.id: statement for statement in plan.statements}
    # A verdict can rest on those of the statements used, which therefore come first.
    for name in TopologicalSorter({name: chosen[name].uses for name in chosen}).static_order():
        if name in chosen:
            try:
                # Each point has its own limit on the time; this is for what a module's estimates do after that.
                reports[name] = call(math.inf, _statement, plan, outcomes, chosen[name], reports)
            except Failed as failure:
                reports[name] = failed(chosen[name], str(failure))
    return [reports[name] for name in chosen]


def _statement(
    plan: Plan, outcomes: Outcomes, statement: Statement, earlier: Mapping[str, StatementReport]
) -> StatementReport:
    if statement.id in plan.failures:
        return failed(statement, plan.failures[statement.id])
    steps = tuple(_step(outcomes, statement.id, index) for index in range(len(statement.steps)))
    checks = tuple(
        _check(plan, outcomes, statement, check)
        for check in statement.checks
        if plan.settings.data is None or check.data_points is not None
    )
    checks = tuple(
        replace(
            _weighed(report),
            exponents=_exponents(report, checks),
            mutants=_mutants(plan, outcomes, statement, report),
        )
        for report in checks
    )
    findings = tuple(_finding(outcomes, statement.id, index) for index in range(len(statement.findings)))
    verdict = _conclude(statement, steps, checks, earlier)
    pictures = tuple(
        PictureReport(
            picture,
            outcomes.pictures.get((statement.id, index)),
            outcomes.errors.get(("picture", (statement.id, index))),
        )
        for index, picture in enumerate(pictures_of(statement, plan.settings))
    )
    return StatementReport(statement, verdict, steps, checks, findings, pictures)


def failed(statement: Statement, text: str) -> StatementReport:
    """The report of a statement of which nothing can be said, but why."""
    return StatementReport(statement, Verdict(Outcome.ERROR, None, text), (), (), ())


def _weighed(report: CheckReport) -> CheckReport:
    """With e-values, and with what the samples can find: for the reader, and for no verdict."""
    controls = [
        replace(control, points=_weigh(control.points, control.control.claim or report.claim))
        for control in report.controls
    ]
    return replace(report, points=_weigh(report.points, report.claim), controls=tuple(controls))


def _weigh(points: Sequence[PointReport], claim: Claim) -> tuple[PointReport, ...]:
    found = []
    for point in points:
        seen, log_bound = point.estimate, point.log_bound
        if seen is not None and log_bound is not None and is_judged(point):
            e_value = log_e_value(seen, claim.relation, log_bound)
            point = replace(point, log_e=e_value, detects=detectable(seen, claim.relation, log_bound, point.level))
        found.append(point)
    return tuple(found)


def _measured(checks: Sequence[CheckReport]) -> Verdict:
    """What the checks say; support by samples needs at least one mutant that they reject."""
    if not checks:
        return Verdict(Outcome.NOT_APPLICABLE, None, "no check ran")
    verdict = combine(_contribution(report) for report in checks)
    if verdict.outcome is not Outcome.HOLDS or verdict.evidence is not Evidence.STATISTICAL:
        return verdict
    fates = [mutant.fate for report in checks for mutant in report.mutants if mutant.fate is not Fate.EQUIVALENT]
    if not fates or Fate.REJECTED in fates:
        return verdict
    text = f"none of {len(fates)} mutants of the claim is rejected; samples that support them all support nothing"
    return Verdict(Outcome.UNDECIDED, Evidence.STATISTICAL, text)


def _contribution(report: CheckReport) -> Verdict:
    """What a check says about its statement: the violation of a stronger claim leaves the statement open."""
    verdict = report.verdict
    if not report.check.sufficient or verdict.outcome is not Outcome.VIOLATED:
        return verdict
    return Verdict(Outcome.UNDECIDED, verdict.evidence, f"a stronger claim is violated: {verdict.text}")


def _step(outcomes: Outcomes, identifier: str, index: int) -> Verdict:
    error = outcomes.errors.get(("step", (identifier, index)))
    if error:
        return Verdict(Outcome.ERROR, None, error)
    if (identifier, index) not in outcomes.steps:
        return Verdict(Outcome.NOT_APPLICABLE, None, "not reached")
    answer = outcomes.steps[identifier, index]
    outcome = {True: Outcome.HOLDS, False: Outcome.VIOLATED, None: Outcome.UNDECIDED}[answer]
    return Verdict(outcome, Evidence.PROOF, "" if answer is not None else "SymPy could not decide it")


def _finding(outcomes: Outcomes, identifier: str, index: int) -> Verdict:
    error = outcomes.errors.get(("finding", (identifier, index)))
    if error:
        return Verdict(Outcome.ERROR, None, error)
    if (identifier, index) not in outcomes.findings:
        return Verdict(Outcome.NOT_APPLICABLE, None, "not reached")
    answer, text = outcomes.findings[identifier, index]
    outcome = {True: Outcome.HOLDS, False: Outcome.VIOLATED, None: Outcome.UNDECIDED}[answer]
    return Verdict(outcome, Evidence.PROOF, text)


def _conclude(
    statement: Statement,
    steps: Sequence[Verdict],
    checks: Sequence[CheckReport],
    earlier: Mapping[str, StatementReport],
) -> Verdict:
    """The statement's verdict.

    A complete derivation proves the claim as far as the statements it uses are themselves established; it never
    outweighs a check that came out violated. Otherwise the checks decide, and steps can only hold them back.
    """
    measured = _measured(checks)
    derived = combine(steps) if steps else Verdict(Outcome.NOT_APPLICABLE, None, "no steps")
    for part in (measured, derived):
        if part.outcome in (Outcome.VIOLATED, Outcome.ERROR):
            return part
    if derived.outcome is Outcome.UNDECIDED:
        return Verdict(Outcome.UNDECIDED, Evidence.PROOF, "a derivation step could not be decided")
    if statement.derivation is not Derivation.COMPLETE or derived.outcome is not Outcome.HOLDS:
        return measured if checks else derived
    open_uses = [
        name for name in statement.uses if name in earlier and earlier[name].verdict.outcome is not Outcome.HOLDS
    ]
    unchecked = [name for name in statement.uses if name not in earlier]
    if open_uses or unchecked:
        reasons = [f"{name}, which is {earlier[name].verdict}" for name in open_uses]
        reasons += [f"{name}, which was not in this run" for name in unchecked]
        text = f"derived from {'; '.join(reasons)}"
        evidence = weakest([measured.evidence, *(earlier[name].verdict.evidence for name in open_uses)])
        return Verdict(Outcome.UNDECIDED, evidence, text, measured.leaning)
    inherited = [earlier[name].verdict.evidence for name in statement.uses]
    evidence = weakest([Evidence.PROOF, *inherited])
    text = "every step of the derivation was decided" + ("; the checks agree" if checks else "")
    return Verdict(Outcome.HOLDS, evidence, text)


def _check(plan: Plan, outcomes: Outcomes, statement: Statement, check: Check) -> CheckReport:
    claim = check.claim or statement.claim
    points = _points(plan, outcomes, statement, check, claim, None)
    controls = []
    for index, control in enumerate(check.controls):
        mutant = control.claim or claim
        seen = _points(plan, outcomes, statement, check, mutant, index)
        controls.append(ControlReport(control, verdict_of_points(mutant.relation, seen), seen))
    verdict = verdict_of_points(claim.relation, points)
    missed = [report.control.name for report in controls if report.looked_at and not report.rejected]
    if missed and verdict.outcome is Outcome.HOLDS:
        text = f"control not rejected: {', '.join(missed)}; a check that cannot say no supports nothing"
        verdict = Verdict(Outcome.UNDECIDED, verdict.evidence, text)
    return CheckReport(check, claim, verdict, points, tuple(controls))


def _mutants(plan: Plan, outcomes: Outcomes, statement: Statement, report: CheckReport) -> tuple[MutantReport, ...]:
    """What the samples of a check say about mutants of its claim, at its own points and at those of its controls."""
    claim, check = report.claim, report.check
    if plan.settings.data is not None and claim.relation.is_asymptotic:
        return ()
    groups = [None] + [
        index for index, control in enumerate(check.controls) if control.sampler is None and control.read is None
    ]

    def points(dropped: str | None) -> list[PointReport]:
        found = [_points(plan, outcomes, statement, check, claim, group, dropped) for group in groups]
        return list({point.site: point for group in found for point in group}.values())

    inside = points(None)
    broken = {name for point in inside for name, holds in point.assumptions if holds is False}
    sites_inside = {point.site for point in inside if is_judged(point)}
    outside = {
        name: [point for point in points(name) if point.site not in sites_inside]
        for name in sorted(broken)
        if plan.settings.data is None
    }
    return mutants(statement, claim, inside, outside)


def _points(
    plan: Plan,
    outcomes: Outcomes,
    statement: Statement,
    check: Check,
    claim: Claim,
    control: int | None,
    dropped: str | None = None,
) -> tuple[PointReport, ...]:
    """The points of a check or of one of its controls, as if the assumption `dropped` were none."""
    chosen = None if control is None else check.controls[control]
    sampler = sampler_at(check, control).name
    read = (chosen.read if chosen else None) or check.read
    reports = []
    for site in sites(check, plan.settings, chosen):
        try:
            if statement.id in outcomes.stuck:
                raise Failed(outcomes.stuck[statement.id])
            # A reader, a bound and an assumption are a module's; they must not take the others with them.
            judge = partial(_point, plan, outcomes, statement, check, claim, site, sampler, read, dropped)
            reports.append(call(plan.settings.patience, judge))
        except Failed as failure:
            if isinstance(failure, TooLong):
                outcomes.stuck[statement.id] = str(failure)
            reports.append(PointReport(site, Verdict(Outcome.ERROR, None, str(failure))))
    return tuple(reports)


def _point(
    plan: Plan,
    outcomes: Outcomes,
    statement: Statement,
    check: Check,
    claim: Claim,
    site: Site,
    sampler: str,
    read: Callable[[Tally, Point], Estimate],
    dropped: str | None,
) -> PointReport:
    status = tuple((item.id, _status(item, site, plan)) for item in statement.assumptions)
    error = outcomes.errors.get(("chunk", (sampler, site.point)))
    if error:
        return PointReport(site, Verdict(Outcome.ERROR, None, error), assumptions=status)
    broken = [name for name, holds in status if holds is False and name != dropped]
    text = f"{', '.join(broken)} is not satisfied, so nothing is claimed here"
    outside = Verdict(Outcome.NOT_APPLICABLE, None, text)
    if broken and plan.settings.data is None:
        return PointReport(site, outside, assumptions=status)
    tally = outcomes.tally(sampler, site.point)
    if tally is None:
        return PointReport(site, Verdict(Outcome.NOT_APPLICABLE, None, "not reached"), assumptions=status)
    estimate = read(tally, site.point)
    level = plan.level_at(sampler, site.point, len(outcomes.tallies[sampler, site.point]))
    report = _judged(level, site, check, claim, estimate, status)
    # On data, what was measured is shown all the same; the claim is not made and can neither hold nor fail.
    return replace(report, verdict=outside) if broken else report


def _judged(
    level: float,
    site: Site,
    check: Check,
    claim: Claim,
    estimate: Estimate,
    status: tuple[tuple[str, bool | None], ...],
) -> PointReport:
    log_bound = log_bound_at(claim, site.point)
    interval = estimate.interval(level)
    verdict = judge_within(estimate, interval, claim.relation, log_bound)
    universal = is_universal(estimate, claim.relation, log_bound)
    beside = tuple((label, log_bound_at(other, site.point)) for label, other in check.beside)
    needed = None
    if verdict.outcome is Outcome.UNDECIDED and not claim.relation.is_asymptotic and not universal:
        needed = factor_needed(interval, claim.relation, log_bound)
    return PointReport(
        site,
        verdict,
        log_bound,
        estimate,
        interval,
        estimate.counts(),
        beside,
        status,
        universal,
        needed,
        level,
        log_bound if check.leading is None else log_bound_at(check.leading, site.point),
    )


def _status(assumption: Assumption, site: Site, plan: Plan) -> bool | None:
    if plan.settings.data is not None and assumption.on_data is not None:
        return assumption.on_data(plan.settings.data)[0]
    return assumption.at(site.point, site.scaling)


def _exponents(report: CheckReport, reports: Sequence[CheckReport]) -> tuple[ExponentReport, ...]:
    """Exponents along the paths of a check, from its points and those of the check that it extends.

    Where both have a size, the narrower interval is used.
    """
    if not report.claim.relation.is_asymptotic:
        return ()
    sources = [report, *(other for other in reports if other.check.name == report.check.extends)]
    found = []
    for scaling in dict.fromkeys(point.site.scaling for point in report.points if point.site.scaling is not None):
        by_size: dict[float, tuple[Interval, float]] = {}
        for point in (point for source in sources for point in source.points if point.site.scaling == scaling):
            seen, log_bound, parameters = point.interval, point.log_leading, point.site.point
            if seen is None or log_bound is None or "N" not in parameters or not usable(seen, log_bound):
                continue
            size = parameters.real("N")
            width = seen.upper - seen.lower
            if size not in by_size or width < by_size[size][0].upper - by_size[size][0].lower:
                by_size[size] = seen, log_bound
        sizes = sorted(by_size)
        pairs = [by_size[size] for size in sizes]
        fits = [
            exponent([seen for seen, _ in pairs[first:]], [log_bound for _, log_bound in pairs[first:]])
            for first in range(len(pairs) - 1)
        ]
        if fits and fits[0] is not None:
            found.append(ExponentReport(scaling, tuple(sizes), tuple(fit for fit in fits if fit is not None)))
    return tuple(found)
