"""What is missing in a statement module, in plain words, with what to do about it.

A module that can be imported is also run, at the samples that it plans: only then is it seen whether its grid is
vacuous, its controls are rejected and its budget decides anything.
"""

from __future__ import annotations

import math
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from verify.backends import Backend, get_backend
from verify.errors import InputError
from verify.plain import plain
from verify.registry import discover, load_file
from verify.report import numbers
from verify.run import run
from verify.runner import Budget, Progress, Settings, sites
from verify.sampling import Draw, Tally, merge, stream
from verify.statements import Claim, Control, DefectiveStatement, Point, Sampler, Statement
from verify.statistics.estimates import Estimate
from verify.verdicts import Evidence, Outcome
from verify.worker import plain_tally

UNFINISHED = "TODO"
"""What `python -m verify new` leaves where an author has to write."""
_GUIDE = "`python -m verify new ID` writes a whole module to compare with"
_REMEDIES = (
    ("has no control", "add controls=(Control(...),): a mutant of the claim, the sampler or the reader that is false"),
    ("do not declare", "add a Variable with meaning and domain for each of them to variables=(...)"),
    ("has no points", "give it grid=(Point(...), ...), or paths for an asymptotic claim"),
    ("neither a step nor a check", "add a Check, and a Step for each link of the proof that SymPy can decide"),
    ("expected one SymPy expression", "write the bound with SymPy symbols, so that one object is shown and evaluated"),
    ("No module named", "install it; if it is the package of this module itself: pip install -e FOLDER"),
    ("as it was", "make the mutant of this control differ from the claim"),
)
# So many points of a sampler are drawn twice.
_REPEATED = 3


@dataclass(frozen=True)
class Gap:
    """One thing that is missing, or with `remark` one that may be meant, and what to do."""

    where: str
    text: str
    remedy: str
    remark: bool = False

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready form."""
        return asdict(self)

    def __str__(self) -> str:
        return plain(f"{'–' if self.remark else '✗'} {self.where}: {self.text}\n    → {self.remedy}")


def review(
    file: Path,
    *,
    seed: int = 0,
    budget: Budget | None = None,
    progress: Progress = lambda statement, done, total: None,
) -> list[Gap]:
    """Look a statement module over, and run it.

    Args:
        file: the module; one that is installed is found there, any other is taken from its folder.
        seed: of the run.
        budget: of the run; the samples that the module plans where None.
        progress: called after each piece of the run.

    Returns:
        What is missing, remarks last; empty where nothing is.

    Raises:
        InputError: if there is no such file, or it is no Python file.
    """
    if not file.exists():
        raise InputError(f"there is no file {file}; give the module of a statement, for example statements/my_lemma.py")
    if not file.is_file() or file.suffix != ".py":
        raise InputError(f"{file} is not a Python file; give the module of a statement, for example my_lemma.py")
    loaded = _load(file)
    if isinstance(loaded, list):
        return loaded
    statement, folders = loaded
    settings = Settings(seed=seed, budget=budget or Budget(), folders=folders)
    gaps = [*_texts(statement), *_declared(statement)]
    unevaluated = dict(_bounds(statement, settings))
    gaps += unevaluated.values()
    gaps += _repeats(statement, settings)
    with tempfile.TemporaryDirectory() as folder:
        found = run([statement.id], settings, Path(folder), report=False, progress=progress).results
    (item,) = found["statements"]
    gaps += _derived(item)
    for check in item["checks"]:
        gaps += _judged(check, explained=check["name"] in unevaluated)
    return sorted(dict.fromkeys(gaps), key=lambda gap: gap.remark)


def _load(file: Path) -> tuple[Statement, tuple[str, ...]] | list[Gap]:
    """The statement of a module with the folders that a run needs to find it, or why there is none."""
    path, where = file.resolve(), file.name
    installed = discover()
    for identifier, module in installed.modules.items():
        if Path(str(sys.modules[module].__file__)).resolve() == path:
            return installed.statements[identifier], ()
    try:
        statement = getattr(load_file(path), "STATEMENT", None)
    except DefectiveStatement as error:
        return [Gap(where, defect, _remedy(defect)) for defect in error.defects]
    except (Exception, SystemExit) as error:  # a module of the user's may raise anything
        return [Gap(where, f"cannot be imported: {_said(error, path)}", _remedy(str(error)))]
    if not isinstance(statement, Statement):
        found = "has no STATEMENT" if statement is None else f"has a STATEMENT that is a {type(statement).__name__}"
        return [Gap(where, found, f"end the module with STATEMENT = Statement(...); {_GUIDE}")]
    if file.stem.startswith("_"):
        return [Gap(where, "has a name that begins with _, and is not looked for", "give the file another name")]
    try:
        registry = discover((str(path.parent),))
    except InputError as error:
        return [Gap(where, str(error), "choose ids that exist for uses=(...), and one that is free for the statement")]
    return registry[statement.id], (str(path.parent),)


def _said(error: BaseException, path: Path) -> str:
    """An exception with the line of the module in which it came up."""
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if Path(frame.filename) == path]
    number = error.lineno if isinstance(error, SyntaxError) else lines[-1] if lines else None
    return f"{type(error).__name__}: {error}" + (
        f" (line {number})" if number and str(number) not in str(error) else ""
    )


def _remedy(text: str) -> str:
    return next((remedy for sign, remedy in _REMEDIES if sign in text), f"mend this in the module; {_GUIDE}")


def _texts(statement: Statement) -> Iterator[Gap]:
    """Words that a reader needs and does not get."""
    for where, text in _words(statement):
        if UNFINISHED in text:
            yield Gap(where, f"still says “{text}”", "write it")
        elif not text.strip():
            yield Gap(where, "is empty", "write it: a reader of the report has nothing else")
    citation = statement.citation
    if not (citation.work.strip() and citation.number.strip()):
        remedy = "give Citation(work, number, url), for example Citation('Hoeffding 1963', 'Theorem 1', 'https://…')"
        yield Gap("citation", "does not say where the statement comes from", remedy)
    elif UNFINISHED not in citation.work + citation.number and not citation.url:
        yield Gap("citation", "has no address", "add the DOI or another lasting address, if there is one", remark=True)


def _words(statement: Statement) -> Iterator[tuple[str, str]]:
    yield "title", statement.title
    yield "summary", statement.summary
    if UNFINISHED in str(statement.citation):
        yield "citation", str(statement.citation)
    for variable in statement.variables:
        yield f"variable {variable.symbol.name}", variable.meaning
    for assumption in statement.assumptions:
        yield f"assumption {assumption.id}", assumption.text
    for number, step in enumerate(statement.steps, 1):
        yield f"step {number}", step.text
    for check in statement.checks:
        yield f"check {check.name}", check.text
        for control in check.controls:
            yield f"control {control.name} of {check.name}", control.text
    for picture in statement.pictures:
        yield f"picture {picture.id}", picture.text


def _declared(statement: Statement) -> Iterator[Gap]:
    """Points against the declared variables and assumptions, and parts that are not there at all."""
    if not statement.steps:
        remedy = "add a Step for each link of the proof that SymPy can decide"
        yield Gap(statement.id, "has no derivation step; nothing of it is proved", remedy, remark=True)
    if not statement.checks:
        remedy = "add a Check, so that a slip in the claim does not go unseen"
        yield Gap(statement.id, "has no check; nothing is measured", remedy, remark=True)
    for assumption in statement.assumptions:
        if (assumption.condition, assumption.along, assumption.on_data) == (None, None, None):
            remedy = "give it a condition in the statement's symbols, if it has one"
            yield Gap(f"assumption {assumption.id}", "is words only; no point is tested", remedy, remark=True)
    names = {variable.symbol.name for variable in statement.variables}
    for check in statement.checks:
        where = f"check {check.name}"
        outside = []
        for point, scaling in check.located():
            try:
                statement.check_domains(**{name: value for name, value in point.items() if name in names})
            except InputError as error:
                yield Gap(where, f"has a point out of bounds: {error}", "move the point, or widen the domain")
            outside += [point] if any(item.at(point, scaling) is False for item in statement.assumptions) else []
        if outside:
            every = len(outside) == len(check.located())
            share = (
                "every point"
                if every
                else f"{len(outside)} of {len(check.located())} points, first {_named(outside[0])},"
            )
            remedy = "move the points into the assumptions; nothing is claimed outside, and nothing can be checked"
            yield Gap(where, f"{share} leaves the assumptions of the statement", remedy, remark=not every)
        extra = sorted({name for point, _ in check.located() for name in point} - names)
        if extra:
            remedy = "add a Variable for it, or leave it out, unless only the sampler needs it"
            yield Gap(where, f"sets {', '.join(extra)}, which no variable declares", remedy, remark=True)


def _bounds(statement: Statement, settings: Settings) -> Iterator[tuple[str, Gap]]:
    """Bounds that have no value at a point of their own grid, by check: one gap for each claim."""
    for check in statement.checks:
        main = check.claim or statement.claim
        claims: list[tuple[str, Claim, Control | None]] = [("the claim", main, None)]
        claims += [(f"the bound “{label}” beside", claim, None) for label, claim in check.beside]
        claims += [("the leading term", check.leading, None)] if check.leading else []
        claims += [(f"control {item.name}", item.claim, item) for item in check.controls if item.claim]
        for label, claim, control in claims:
            for site in sites(check, settings, control):
                if any(item.at(site.point, site.scaling) is False for item in statement.assumptions):
                    continue
                try:
                    reason = "not a number" if math.isnan(claim.log_bound(**site.point)) else ""
                except Exception as error:  # SymPy raises what it likes
                    reason = str(error) or type(error).__name__
                if reason:
                    remedy = "set every symbol of the bound in each point, and keep the bound positive there"
                    yield check.name, Gap(
                        f"check {check.name}", f"{label} has no value at {_named(site.point)}: {reason}", remedy
                    )  # fmt: skip
                    break


def _repeats(statement: Statement, settings: Settings) -> Iterator[Gap]:
    """Samplers that cannot draw a chunk again, or that draw the same chunk again and again."""
    backend = get_backend("numpy")
    seen: set[str] = set()
    for check in statement.checks:
        for control in (None, *check.controls):
            sampler = (control.sampler if control else None) or check.sampler
            located = sites(check, settings, control)
            if sampler.name in seen or not located:
                continue
            seen.add(sampler.name)
            points = [located[round(k * (len(located) - 1) / (_REPEATED - 1))].point for k in range(_REPEATED)]
            read = (control.read if control else None) or check.read
            yield from _repeated(sampler, list(dict.fromkeys(points)), backend, read)


def _repeated(
    sampler: Sampler, points: Sequence[Point], backend: Backend, read: Callable[[Tally, Point], Estimate]
) -> Iterator[Gap]:
    where = f"sampler {sampler.name}"
    for point in points:
        try:
            (first, used), (again, _), (second, _) = (_drawn(sampler, point, backend, chunk) for chunk in (0, 0, 1))
            statistical = read(merge([first, second]), point).evidence is Evidence.STATISTICAL
        except Exception:  # what it raises is told by the run
            return
        if first != again:
            remedy = (
                "take all randomness from draw.rng or draw.normal(...), and keep nothing from one chunk to the next"
            )
            yield Gap(where, f"drew one chunk at {_named(point)} twice, and two different ones came out", remedy)
            return
        if statistical and not used and first == second:
            remedy = "draw from draw.rng; or return Exact or an evidence other than statistical, if nothing is random"
            yield Gap(where, "takes nothing from draw, so that every chunk is the same one, counted again", remedy)
            return


def _drawn(sampler: Sampler, point: Point, backend: Backend, chunk: int) -> tuple[Tally, bool]:
    """One chunk, and whether any randomness was taken from its surroundings."""
    rng = stream(0, sampler.name, point.key, chunk)
    draw, before = Draw(rng, backend), str(rng.bit_generator.state)
    tally = plain_tally(sampler.draw(point, draw), sampler.name)
    return tally, before != str(rng.bit_generator.state) or "_normals" in vars(draw)


def _derived(item: dict[str, Any]) -> Iterator[Gap]:
    """Steps, findings and pictures that did not come out."""
    for number, step in enumerate(item["steps"], 1):
        verdict = step["verdict"]
        if verdict["outcome"] == Outcome.VIOLATED:
            yield Gap(f"step {number}", f"is refuted: {step['text']}", "mend the step; its decide returned False")
        elif verdict["outcome"] != Outcome.HOLDS:
            reason = verdict["text"] or verdict["outcome"]
            remedy = "help SymPy: simpler terms, assumptions on symbols, or smaller steps"
            yield Gap(f"step {number}", f"is not decided: {reason}", remedy)
    for finding in item["findings"]:
        if finding["verdict"]["outcome"] != Outcome.HOLDS:
            yield Gap(f"finding {finding['id']}", finding["verdict"]["text"], "mend its compute, or the sentence")
    for picture in item["pictures"]:
        if picture["error"]:
            yield Gap(f"picture {picture['id']}", f"cannot be computed: {picture['error']}", "mend its compute")


def _judged(check: dict[str, Any], *, explained: bool) -> Iterator[Gap]:
    """What the run says about a check; errors are left out where they are explained by a bound without a value."""
    where, points = f"check {check['name']}", check["points"]
    by = {outcome: [p for p in points if p["verdict"]["outcome"] == outcome] for outcome in Outcome}
    errors = tuple(dict.fromkeys(point["verdict"]["text"] for point in by[Outcome.ERROR]))
    if not explained:
        for text in errors:
            yield Gap(where, f"fails: {text}", "mend the sampler, the reader or the bound, whichever raised it")
    if by[Outcome.VIOLATED] or check["verdict"]["outcome"] == Outcome.VIOLATED:
        first = (by[Outcome.VIOLATED] or points)[0]
        text = f"the claim comes out violated, at {_seen(first)}"
        yield Gap(where, text, "the claim is wrong, or the sampler measures something else: find out which")
    vacuous = by[Outcome.VACUOUS]
    if vacuous:
        every = len(vacuous) == len(points)
        share = "every point" if every else f"{len(vacuous)} of {len(points)} points, first {_point(vacuous[0])},"
        remedy = "choose parameters at which it says something: below 1 for an upper bound on a probability"
        yield Gap(where, f"{share} is vacuous: the bound says nothing there", remedy, remark=not every)
    if check["claim"]["asymptotic"]:
        if by[Outcome.UNDECIDED] and all(point["verdict"]["leaning"] is None for point in by[Outcome.UNDECIDED]):
            yield Gap(where, "resolves no size, so that there is no trend", "draw more chunks, or smaller sizes")
    elif by[Outcome.UNDECIDED]:
        worst = max(by[Outcome.UNDECIDED], key=lambda point: numbers.log_number(point["needed"]) or 0.0)
        text = f"cannot decide {len(by[Outcome.UNDECIDED])} of {len(points)} points with its samples"
        yield Gap(where, f"{text}, such as {_seen(worst)}", _more(numbers.log_number(worst["needed"])))
    for control in check["controls"]:
        # One that fails as its check does has no fault of its own.
        if not (errors and control["verdict"]["text"].endswith(errors)):
            yield from _control(check["name"], control)


def _more(needed: float | None) -> str:
    """What to do about a point that its samples leave undecided."""
    if needed is None or not math.isfinite(needed):
        return "no sample is in sight that decides it: move the point away from where quantity and bound meet"
    return f"draw about {max(2, math.ceil(needed))} times as much (chunks=…), or move the point"


def _control(check: str, control: dict[str, Any]) -> Iterator[Gap]:
    if control["rejected"]:
        return
    where, verdict = f"control {control['name']} of {check}", control["verdict"]
    if control["looked_at"]:
        text = f"is not rejected, it comes out {verdict['outcome']}; so the check cannot say no"
        remedy = "make it more wrong, give it points=(...) at which it shows, or draw more chunks"
        yield Gap(where, text, remedy)
    else:
        text = f"cannot be judged: {verdict['text'] or verdict['outcome']}"
        yield Gap(where, text, "mend it, or give it points=(...) within the assumptions")


def _seen(point: dict[str, Any]) -> str:
    """A point with what was measured there and the bound."""
    if point["estimate"] is None:
        return _point(point)
    bound = numbers.from_log(point["log_bound"])
    return f"{_point(point)}: measured {numbers.interval(point['estimate'])}, bound {bound}"


def _point(point: dict[str, Any]) -> str:
    return _listed(point["parameters"].items())


def _named(point: Point) -> str:
    return _listed(point.items())


def _listed(parameters: Iterable[tuple[str, Any]]) -> str:
    return ", ".join(f"{numbers.name(name)} = {numbers.parameter(value)}" for name, value in parameters)
