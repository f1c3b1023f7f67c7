"""`results.json`: the one model of a run, from which the HTML and PDF reports are made.

`docs/results-schema.md` describes every field. All logs are natural; JSON has no infinity, so a log of zero
(`-inf`) and an unknown end (`+inf`) are the strings "-inf" and "inf". Only the block `times` depends on the
machine's speed, the number of workers and the clock.
"""

from __future__ import annotations

import json
import math
import platform
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from verify.assess import CheckReport, ControlReport, ExponentReport, StatementReport, against, failed, merged
from verify.errors import InputError
from verify.files import replace
from verify.foreign import Failed, call, json_data
from verify.mutants import Fate, MutantReport
from verify.points import PointReport
from verify.registry import Registry
from verify.runner import Outcomes, Plan
from verify.statements import Claim, Kind
from verify.statistics.intervals import Interval
from verify.typesetting import latex
from verify.verdicts import Outcome

SCHEMA = "verify-results"
SCHEMA_VERSION = 1
PACKAGES = ("verify", "numpy", "scipy", "sympy", "python-flint", "numba", "cupy")


def build(
    plan: Plan,
    outcomes: Outcomes,
    reports: Sequence[StatementReport],
    registry: Registry,
    times: dict[str, Any],
) -> dict[str, Any]:
    """The results of a run as JSON-ready data."""
    settings = plan.settings
    reports, statements = _shown(reports, plan)
    broken = [{"module": item.module, "reason": item.reason} for item in registry.broken]
    return {
        "schema": SCHEMA,
        "schema_version": SCHEMA_VERSION,
        "run": {
            "command": command(plan),
            "seed": settings.seed,
            "budget": {"factor": settings.budget.factor, "seconds": settings.budget.seconds},
            "epsilon": settings.epsilon,
            "slope": settings.slope,
            "backend": plan.backend,
            "level": settings.level,
            "comparisons": plan.comparisons,
            "level_each": plan.level,
            "capped": outcomes.capped,
            "interrupted": outcomes.interrupted,
            "data": None
            if settings.data is None
            else {
                "name": settings.data.name,
                "sha256": settings.data.digest,
                "N": settings.data.samples,
                "d0": settings.data.features,
            },
        },
        "environment": environment(),
        "summary": summary(reports, broken),
        "broken_modules": broken,
        "statements": statements,
        "times": {
            **times,
            "statements": {k: round(v, 3) for k, v in sorted(outcomes.seconds.items())},
            "kinds": {k: round(v, 3) for k, v in sorted(outcomes.kind_seconds.items())},
            "undecided": list(_undecided(reports, outcomes)),
        },
    }


def _shown(reports: Sequence[StatementReport], plan: Plan) -> tuple[list[StatementReport], list[dict[str, Any]]]:
    """The statements as JSON-ready data; one that cannot be shown, as where a formula cannot be set, is an error."""
    kept, shown = [], []
    for report in reports:
        if report.statement.id in plan.failures:
            kept.append(report)
            shown.append(_outline(report))
            continue
        try:
            data = call(plan.settings.patience, partial(_statement, report, plan))
        except Failed as error:
            report = failed(report.statement, f"it cannot be shown: {error}")
            data = _outline(report)
        kept.append(report)
        shown.append(data)
    return kept, shown


def _undecided(reports: Sequence[StatementReport], outcomes: Outcomes) -> Iterator[dict[str, Any]]:
    """What the samples of the undecided points took, from which their further cost follows."""
    for report in reports:
        for check in report.checks:
            for index, point in enumerate(check.points):
                if point.needed is not None and math.isfinite(point.needed):
                    seconds = outcomes.sampling_seconds[check.check.sampler.name, point.site.point]
                    place = {"statement": report.statement.id, "check": check.check.name, "point": index}
                    yield {**place, "seconds": round(seconds, 3)}


def command(plan: Plan) -> str:
    """The command that reproduces the numbers: all that they depend on, and nothing else."""
    settings = plan.settings
    parts = ["python -m verify run", *(item.id for item in plan.statements), f"--seed {settings.seed}"]
    budget = [f"{settings.budget.factor:g}x"] if settings.budget.factor != 1 else []
    budget += [f"{settings.budget.seconds:g}s"] if settings.budget.seconds is not None else []
    parts += [f"--budget {','.join(budget)}"] if budget else []
    parts += [f"--epsilon {settings.epsilon:g}"] if settings.epsilon is not None else []
    parts += [f"--slope {settings.slope:g}"] if settings.slope is not None else []
    parts += [f"--level {settings.level:g}", f"--backend {plan.backend}"]
    parts += [] if settings.sequential else ["--fixed"]
    parts += [f"--path {folder}" for folder in settings.folders]
    parts += [f"--data {settings.data.name}"] if settings.data is not None else []
    return " ".join(parts)


def environment() -> dict[str, Any]:
    """Versions and platform."""
    packages: dict[str, str | None] = {}
    for name in PACKAGES:
        try:
            packages[name] = version(name)
        except PackageNotFoundError:
            packages[name] = None
    return {"python": platform.python_version(), "platform": platform.platform(), "packages": packages}


def summary(reports: Sequence[StatementReport], broken: Sequence[Any]) -> dict[str, Any]:
    """Counts of outcomes and controls, calibration, evidence against all claims, and the exit code that follows."""
    outcomes = Counter(report.verdict.outcome.value for report in reports)
    controls = [control for report in reports for check in report.checks for control in check.controls]
    looked = [control for control in controls if control.looked_at]
    missed = [control for control in looked if not control.rejected]
    fates = Counter(mutant.fate for report in reports for check in report.checks for mutant in check.mutants)
    crashed = any(report.verdict.outcome is Outcome.ERROR for report in reports) or any(
        part.outcome is Outcome.ERROR
        for report in reports
        for part in (
            *report.findings,
            *(control.verdict for check in report.checks for control in check.controls),
        )
    )
    crashed = crashed or any(picture.error for report in reports for picture in report.pictures)
    calibrated = calibration(reports)
    violated = outcomes[Outcome.VIOLATED.value] > 0 or calibrated == "failed"
    return {
        "outcomes": dict(sorted(outcomes.items())),
        "controls": {"total": len(controls), "looked_at": len(looked), "rejected": len(looked) - len(missed)},
        "mutants": {fate.value: fates[fate] for fate in Fate},
        "calibration": calibrated,
        "log_e": number(merged([point for report in reports for point in against(report)])),
        "exit_code": 1 if violated or missed else 3 if crashed or broken else 0,
    }


def calibration(reports: Sequence[StatementReport]) -> str:
    """`passed`, `failed`, `undecided` or `not run`: whether the estimators reproduced what is known.

    `failed` where one calibration is violated or crashed; `passed` where all that the run was asked for hold, its
    controls rejected; `not run` where there is none, or nothing was looked at before the run ended.
    """
    calibrations = [report for report in reports if report.statement.kind is Kind.CALIBRATION]
    checks = [check for report in calibrations for check in report.checks]
    # A derivation may carry the verdict of a statement; what is asked here is whether the estimators agree with it.
    found = {report.verdict.outcome for report in calibrations} | {check.verdict.outcome for check in checks}
    # A control that crashed leaves its check without the power to say no.
    crashed = any(control.verdict.outcome is Outcome.ERROR for check in checks for control in check.controls)
    if crashed or found & {Outcome.VIOLATED, Outcome.ERROR}:
        return "failed"
    if found <= {Outcome.NOT_APPLICABLE}:
        return "not run"
    return "passed" if found == {Outcome.HOLDS} else "undecided"


def _statement(report: StatementReport, plan: Plan) -> dict[str, Any]:
    statement = report.statement
    data = plan.settings.data
    assumptions = []
    for item in statement.assumptions:
        verdict, reason = item.on_data(data) if data is not None and item.on_data else (None, "")
        assumptions.append(
            {"id": item.id, "text": item.text, "latex": item.typeset(), "on_data": verdict, "reason": reason}
        )
    shown: dict[str, Any] = json_data(
        _outline(report)
        | {
            "claim": _claim(statement.claim),
            "variables": [
                {
                    "latex": latex(item.symbol),
                    "name": item.symbol.name,
                    "meaning": item.meaning,
                    "domain": latex(item.domain),
                }
                for item in statement.variables
            ],
            "assumptions": assumptions,
            "steps": [
                {"text": step.text, "latex": step.latex, "verdict": verdict.to_dict()}
                for step, verdict in zip(statement.steps, report.steps, strict=True)
            ],
            "checks": [_check(check) for check in report.checks],
            "findings": [
                {"id": finding.id, "title": finding.title, "verdict": verdict.to_dict()}
                for finding, verdict in zip(statement.findings, report.findings, strict=True)
            ],
            "pictures": [
                {
                    "id": item.picture.id,
                    "title": item.picture.title,
                    "text": item.picture.text,
                    "drawing": item.drawing,
                    "error": item.error,
                }
                for item in report.pictures
            ],
        }
    )
    return shown


def _outline(report: StatementReport) -> dict[str, Any]:
    """What can be said of any statement."""
    statement = report.statement
    return {
        "id": statement.id,
        "kind": statement.kind.value,
        "title": statement.title,
        "citation": {
            "work": statement.citation.work,
            "number": statement.citation.number,
            "url": statement.citation.url,
        },
        "summary": statement.summary,
        "claim": {"latex": r"\text{?}", "where": [], "relation": "", "asymptotic": False, "proviso": ""},
        "variables": [],
        "assumptions": [],
        "uses": list(statement.uses),
        "derivation": statement.derivation.value,
        "steps": [],
        "checks": [],
        "findings": [],
        "pictures": [],
        "notes": list(statement.notes),
        "log_e": number(report.log_e),
        "verdict": report.verdict.to_dict(),
    }


def _claim(claim: Claim) -> dict[str, Any]:
    return {
        "latex": claim.latex(),
        "where": list(claim.latex_where()),
        "relation": claim.relation.code,
        "asymptotic": claim.relation.is_asymptotic,
        "proviso": claim.proviso,
    }


def _check(report: CheckReport) -> dict[str, Any]:
    return {
        "name": report.check.name,
        "text": report.check.text,
        "claim": _claim(report.claim),
        "sampler": report.check.sampler.name,
        "paths": [path.scaling.latex() for path in report.check.paths],
        "verdict": report.verdict.to_dict(),
        "points": [_point(point) for point in report.points],
        "exponents": [_exponent(item) for item in report.exponents],
        "controls": [_control(control) for control in report.controls],
        "mutants": [_mutant(mutant) for mutant in report.mutants],
    }


def _exponent(report: ExponentReport) -> dict[str, Any]:
    return {
        "path": report.scaling.latex(),
        "text": str(report.scaling),
        "sizes": list(report.sizes),
        "fits": [
            {
                "sizes": fit.sizes,
                "lower": number(fit.lower),
                "estimate": number(fit.estimate),
                "upper": number(fit.upper),
            }
            for fit in report.fits
        ],
    }


def _control(report: ControlReport) -> dict[str, Any]:
    control = report.control
    return {
        "name": control.name,
        "text": control.text,
        "claim": None if control.claim is None else _claim(control.claim),
        "rejected": report.rejected,
        "looked_at": report.looked_at,
        "log_e": number(report.log_e),
        "verdict": report.verdict.to_dict(),
    }


def _mutant(report: MutantReport) -> dict[str, Any]:
    return {
        "name": report.name,
        "text": report.text,
        "fate": report.fate.value,
        "reason": report.reason,
        "points": report.points,
        "needed": number(report.needed),
    }


def _point(report: PointReport) -> dict[str, Any]:
    return {
        "parameters": dict(report.site.point),
        "path": None if report.site.scaling is None else report.site.scaling.latex(),
        "estimate": None if report.interval is None else _interval(report.interval),
        "counts": dict(report.counts or {}),
        "universal": report.universal,
        "needed": number(report.needed),
        "log_bound": number(report.log_bound),
        "beside": [{"label": label, "log_bound": number(value)} for label, value in report.beside],
        "assumptions": dict(report.assumptions),
        "log_e": number(report.log_e),
        "detects": number(report.detects),
        "verdict": report.verdict.to_dict(),
    }


def _interval(interval: Interval) -> dict[str, Any]:
    return {
        "log_lower": number(interval.lower),
        "log_estimate": number(interval.estimate),
        "log_upper": number(interval.upper),
    }


def number(value: float | None) -> float | str | None:
    """A float as JSON can hold it; twelve digits, more than any estimate has."""
    if value is None or math.isnan(value):
        return None
    if math.isinf(value):
        return "inf" if value > 0 else "-inf"
    return float(f"{value:.12g}")


def table(results: dict[str, Any]) -> list[dict[str, Any]]:
    """Every point of every check as one flat dict, for `pandas.DataFrame(...)` and the like.

    Columns are `statement`, `check`, `path` (LaTeX of a scaling, or None), the parameters by name, then `log_lower`,
    `log_estimate`, `log_upper` and `log_bound` (natural logs as floats, `-inf` for zero, None where there is none),
    the counts by name (`hits`, `trials`, ...), and `outcome`, `evidence`, `leaning`. A row has only the parameters and
    counts of its own point.

    Args:
        results: what `read` returned, or `results` of a run.

    >>> from tempfile import TemporaryDirectory
    >>> from verify.run import run
    >>> from verify.runner import Settings
    >>> with TemporaryDirectory() as folder:
    ...     found = run(["f7"], Settings(seed=1), Path(folder), report=False)
    >>> row = table(found.results)[0]
    >>> row["statement"], row["check"], row["r"], row["log_bound"], row["outcome"]
    ('f7', 'all subspaces', 1, 0.69314718056, 'holds')
    """
    rows = []
    for statement in results["statements"]:
        for check in statement["checks"]:
            for point in check["points"]:
                ends = point["estimate"] or dict.fromkeys(("log_lower", "log_estimate", "log_upper"))
                logs = {**ends, "log_bound": point["log_bound"]}
                verdict = point["verdict"]
                rows.append(
                    {
                        "statement": statement["id"],
                        "check": check["name"],
                        "path": point["path"],
                        **point["parameters"],
                        **{name: None if value is None else float(value) for name, value in logs.items()},
                        **point["counts"],
                        **{name: verdict[name] for name in ("outcome", "evidence", "leaning")},
                    }
                )
    return rows


def write(results: dict[str, Any], path: Path) -> None:
    """Write the results so that the file is either whole or not there.

    Raises:
        OSError: if the disk is full or the folder cannot be written.
    """
    text = json.dumps(results, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    # Half of a surrogate pair, as in names of files that are no UTF-8, becomes its escape, which JSON has too.
    replace(path, text.encode("utf-8", "backslashreplace"))


def read(path: Path) -> dict[str, Any]:
    """Read results written by `write`.

    Raises:
        InputError: if the file is missing, broken, or of another schema or version.
    """
    try:
        results = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"there is no {path}; give the folder of a finished run") from None
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path} cannot be read: {error}") from None
    if not isinstance(results, dict) or results.get("schema") != SCHEMA:
        raise InputError(f"{path} is not a results file of verify")
    if results.get("schema_version") != SCHEMA_VERSION:
        raise InputError(
            f"{path} has schema version {results.get('schema_version')!r:.40}; this verify reads {SCHEMA_VERSION}"
        )
    return results
