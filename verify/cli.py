"""The command line.

Exit codes: 0 nothing violated; 1 something violated, or a control not rejected; 2 bad usage or input; 3 a check
crashed or a module is broken; 130 interrupted, after what was done has been reported.
"""

from __future__ import annotations

import itertools
import os
import sys
import time
import traceback
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from verify.errors import InputError
from verify.foreign import Failed, reason
from verify.plain import plain, plain_json

if TYPE_CHECKING:
    from verify.certificate.result import Certificate
    from verify.run import Drawn
    from verify.statements import Statement

EXIT_USAGE = 2
EXIT_CRASH = 3
EXIT_INTERRUPTED = 130
COMPLETION = "_VERIFY_COMPLETE"
TRACEBACK = "VERIFY_TRACEBACK"
UNFORESEEN = "this is a defect of verify"
DATA_DIR = "VERIFY_DATA_DIR"
# The Gram matrix of a data set and its factors grow with the square of its samples.
MAX_SAMPLES = 2000
_MOST_SAID = 2000
_SIGNS = {
    "holds": ("✓", "green"),
    "violated": ("✗", "red"),
    "undecided": ("?", "yellow"),
    "vacuous": ("∅", "cyan"),
    "not applicable": ("–", "white"),
    "error": ("!", "magenta"),
}


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Entry point: runs the command and exits with its code; errors a user can mend are one line on stderr."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    # `python -m verify --seed 7` means the default command.
    if not given or (given[0].startswith("-") and given[0] not in ("--help", "-h", "--version")):
        given.insert(0, "run")
    kept = "; finished chunks are kept, go on with --resume" if given[0] == "run" else ""
    try:
        # A shell completes the words after `verify`; it cannot for those after `python -m verify`.
        name = "verify" if COMPLETION in os.environ else "python -m verify"
        code = cli.main(given, prog_name=name, complete_var=COMPLETION, standalone_mode=False)
    except (InputError, click.ClickException) as error:
        message = error.format_message() if isinstance(error, click.ClickException) else str(error)
        _fail(message, EXIT_USAGE)
    except click.Abort:
        _fail(f"interrupted{kept}", EXIT_INTERRUPTED)
    except BrokenPipeError:
        # The reader of our output has gone; Python would complain again while closing it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except OSError as error:
        _fail(f"{error}{kept}", EXIT_CRASH)
    except MemoryError:
        _fail(f"there is not enough memory for this; take fewer samples or smaller widths{kept}", EXIT_CRASH)
    except Failed as error:
        _fail(f"{error}", EXIT_CRASH)
    except Exception as error:
        if os.environ.get(TRACEBACK):
            raise
        _fail(f"{UNFORESEEN}: {_located(error)}; with {TRACEBACK}=1 it is shown in full{kept}", EXIT_CRASH)
    sys.exit(code if isinstance(code, int) else 0)


def _located(error: Exception) -> str:
    """An exception that nobody foresaw, with the place where it came up."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"{reason(error)} ({Path(frame.filename).name}, line {frame.lineno})"


def _fail(message: str, code: int) -> NoReturn:
    line = " ".join(message.split())
    line = line if len(line) <= _MOST_SAID else f"{line[:_MOST_SAID]}… ({len(line)} characters)"
    _say(f"verify: {line}", err=True)
    sys.exit(code)


def _say(text: str, *, err: bool = False) -> None:
    """Print what may come from a module, a file or the command line."""
    click.echo(plain(text), err=err)


class _Command(click.Command):
    r"""A command whose help keeps the lines after `\b` also where the docstring is raw, which Click does not."""

    def __init__(self, name: str | None, *, help: str | None = None, **options: Any) -> None:
        super().__init__(name, help=_keeping_lines(help), **options)


class _Group(click.Group):
    """The commands, and their help."""

    command_class = _Command

    def __init__(self, name: str | None, *, help: str | None = None, **options: Any) -> None:
        super().__init__(name, help=_keeping_lines(help), **options)


def _keeping_lines(text: str | None) -> str | None:
    return text.replace("\\b\n", "\b\n") if text else None


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="verify", prog_name="verify")
def cli() -> None:
    r"""Check every bound of a paper: SymPy statements held against Monte Carlo volumes.

    Without a command, everything runs at the default budget and a report is written to reports/.

    \b
    Examples:
      python -m verify
      python -m verify run theorem-6 f10 --budget 4x --seed 7
      python -m verify run 'definition-*' --workers 2 --out /tmp/run
      python -m verify run --data digits.npz
      python -m verify show theorem-6
      python -m verify new my-lemma
    """


def _identifiers(context: click.Context, _: click.Parameter, begun: str) -> list[str]:
    """The ids that a shell offers."""
    from verify.registry import discover

    try:
        found = discover(context.params.get("folders") or ()).statements
    except InputError:
        return []
    return [name for name in found if name.startswith(begun)]


def _folders(function: Any) -> Any:
    return click.option(
        "--path",
        "folders",
        multiple=True,
        metavar="DIR",
        help="Also take statement modules from DIR. May be repeated.",
    )(function)


@cli.command("run")
@click.argument("patterns", nargs=-1, metavar="[ID]...", shell_complete=_identifiers)
@click.option(
    "--budget",
    default="1x",
    show_default=True,
    help="Multiple of the default (2x), cap on time (60s), or both.",
)
@click.option("--seed", default=0, show_default=True, type=int, help="Seed of every random stream.")
@click.option("--backend", default="auto", show_default=True, help="auto, numpy or cupy.")
@click.option(
    "--workers", default=None, metavar="N", help="Processes, or dask://HOST:PORT of a scheduler.  [default: one a core]"
)
@click.option("--out", default=None, metavar="DIR", help="Where to write.  [default: reports/<date and time>]")
@click.option("--resume", is_flag=True, help="Take finished chunks from DIR instead of drawing them again.")
@click.option("--fixed", is_flag=True, help="Planned samples everywhere: do not stop where verdicts are decided.")
@click.option("--part", default=None, metavar="I/M", help="Draw part I of M into DIR and judge nothing; see merge.")
@click.option("--epsilon", type=float, default=None, help="Error threshold ε in place of every grid's own.")
@click.option("--slope", type=float, default=None, help="Slope ρ in place of every grid's own.")
@click.option("--level", type=float, default=1e-3, show_default=True, help="Error probability of the whole run.")
@click.option("--chunk-timeout", type=float, default=1800, show_default=True, help="Seconds for one piece of work.")
@click.option("--data", default=None, metavar="FILE.npz", help="Your own X (samples × features) and y (0 or 1).")
@click.option("--no-report", is_flag=True, help="Write results.json only.")
@click.option("--quiet", is_flag=True, help="Print nothing but errors.")
@click.option("--json", "as_json", is_flag=True, help="Print the verdicts as JSON, and no progress.")
@_folders
def run_command(
    patterns: tuple[str, ...],
    budget: str,
    seed: int,
    backend: str,
    workers: str | None,
    out: str | None,
    resume: bool,
    fixed: bool,
    part: str | None,
    epsilon: float | None,
    slope: float | None,
    level: float,
    chunk_timeout: float,
    data: str | None,
    no_report: bool,
    quiet: bool,
    as_json: bool,
    folders: tuple[str, ...],
) -> int:
    r"""Run statements (all, or those whose ID or pattern is given) and write the report.

    Ctrl-C ends a run early and still writes the report of what is done; --resume goes on from there.

    Exit codes: 0 nothing violated; 1 something is, or a control was not rejected; 2 bad usage or input; 3 a check
    crashed or a module is broken; 130 interrupted.

    \b
    Examples:
      python -m verify run theorem-6 f10 --budget 4x --seed 7
      python -m verify run 'definition-*' --budget 30s --quiet --out /tmp/run
      python -m verify run --out /tmp/run --resume
      python -m verify run my-lemma --path statements --json
    """
    from verify.data import load
    from verify.pools import cores, parse_workers
    from verify.run import draw_part, run
    from verify.runner import Budget, Part, Settings

    if out == "":
        raise InputError("got --out with nothing; expected a folder")
    if resume and out is None:
        raise InputError("--resume needs --out DIR, the folder of the run to go on with")
    if as_json and part is not None:
        raise InputError("--json prints verdicts, and a part of a run has none; leave out --json or --part")
    chosen = None if part is None else Part.parse(part)
    settings = Settings(
        seed=seed,
        budget=Budget.parse(budget),
        workers=cores() if workers is None else parse_workers(workers),
        backend=backend,
        epsilon=epsilon,
        slope=slope,
        level=level,
        sequential=not fixed,
        chunk_timeout=chunk_timeout,
        folders=folders,
        data=None if data is None else load(data).subset(MAX_SAMPLES, seed),
    )
    folder = _new_folder() if out is None else Path(out)
    if chosen is not None:
        with _progress(quiet) as progress:
            drawn = draw_part(patterns, settings, folder, chosen, resume=resume, progress=progress)
        return _part(drawn, quiet)
    with _progress(quiet or as_json) as progress:
        finished = run(patterns, settings, folder, resume=resume, report=not no_report, progress=progress)
    if as_json:
        click.echo(plain_json(_summary(finished.results, finished.files)))
    elif not quiet:
        _board(finished.results, finished.files)
    return EXIT_INTERRUPTED if finished.results["run"]["interrupted"] else int(finished.results["summary"]["exit_code"])


def _new_folder() -> Path:
    """A folder that is not there yet: clocks are set back, and two runs may begin in one second."""
    name = datetime.now().strftime("%Y-%m-%dT%H%M%S")
    tried = (Path("reports") / (name if number == 1 else f"{name}-{number}") for number in itertools.count(1))
    return next(folder for folder in tried if not folder.exists())


def _summary(results: dict[str, Any], files: Sequence[Path]) -> dict[str, Any]:
    """What `_board` shows, as JSON-ready data; results.json has the rest."""
    statements = [
        {"id": row["id"], "verdict": row["verdict"], "controls": _rejected(row), "failures": _failures(row)}
        for row in results["statements"]
    ]
    return {
        "summary": results["summary"],
        "capped": results["run"]["capped"],
        "interrupted": results["run"]["interrupted"],
        "statements": statements,
        "broken_modules": results["broken_modules"],
        "seconds": results["times"]["seconds"],
        "files": [str(file) for file in files],
    }


def _rejected(statement: dict[str, Any]) -> dict[str, int]:
    """How many controls of a statement were looked at, and how many of them rejected."""
    controls = [control for check in statement["checks"] for control in check["controls"]]
    looked = [control for control in controls if control["looked_at"]]
    return {"looked_at": len(looked), "rejected": sum(control["rejected"] for control in looked)}


def _failures(statement: dict[str, Any]) -> list[str]:
    """What crashed without being part of the statement's verdict, and why: it makes the exit code 3 all the same."""
    found = [
        (f"control {control['name']}", control["verdict"])
        for check in statement["checks"]
        for control in check["controls"]
    ]
    found += [(f"finding {finding['id']}", finding["verdict"]) for finding in statement["findings"]]
    crashed = [f"{what}: {verdict['text']}" for what, verdict in found if verdict["outcome"] == "error"]
    return crashed + [
        f"picture {picture['id']}: {picture['error']}" for picture in statement["pictures"] if picture["error"]
    ]


def _part(drawn: Drawn, quiet: bool) -> int:
    """Say what a part of a run has drawn; returns the exit code."""
    if not quiet:
        ended = " (capped)" if drawn.capped else " (interrupted)" if drawn.interrupted else ""
        _say(f"{drawn.chunks} chunks{ended}; {drawn.ledger}")
    for place, text in drawn.errors.items():
        _say(f"verify: {place}: {text}", err=True)
    return EXIT_CRASH if drawn.errors else EXIT_INTERRUPTED if drawn.interrupted else 0


@cli.command("merge")
@click.argument("out", metavar="OUT", type=click.Path(path_type=Path))
@click.argument("sources", metavar="RUN...", nargs=-1, required=True, type=click.Path(path_type=Path))
def merge_command(out: Path, sources: tuple[Path, ...]) -> int:
    r"""Put the ledgers of several runs, or parts of runs, into the folder OUT.

    \b
    Each RUN is the folder of a run or a ledger file. Then go on with all of it:
      python -m verify merge all part-1 part-2
      python -m verify run --resume --out all
    """
    from verify.run import merge_ledgers

    merged = merge_ledgers(out, sources)
    _say(f"{merged.added} chunks added, {merged.known} there already; {merged.ledger}")
    return 0


@cli.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@_folders
def list_command(as_json: bool, folders: tuple[str, ...]) -> int:
    r"""List the statements.

    \b
    Examples:
      python -m verify list
      python -m verify list --path statements --json
    """
    from verify.listing import listing

    found = listing(folders)
    rows = found["statements"]
    if as_json:
        click.echo(plain_json(rows))
    else:
        width = max((len(row["id"]) for row in rows), default=0)
        for row in rows:
            _say(f"{row['id']:<{width}}  {row['title']}  ({row['citation']})")
    for broken in found["broken"]:
        _say(f"verify: {broken['module']} cannot be used: {broken['reason']}", err=True)
    return EXIT_CRASH if found["broken"] else 0


@cli.command("show")
@click.argument("identifier", metavar="ID", shell_complete=_identifiers)
@_folders
def show_command(identifier: str, folders: tuple[str, ...]) -> int:
    r"""Show one statement: claim, assumptions, derivation, checks, controls.

    \b
    Examples:
      python -m verify show theorem-6
      python -m verify show my-lemma --path statements
    """
    from verify.foreign import blamed_on
    from verify.registry import discover

    item = discover(folders)[identifier]
    with blamed_on(identifier):
        text = _shown(item)
    _say(text)
    return 0


def _shown(item: Statement) -> str:
    import sympy as sp

    lines = [
        f"{item.id} · {item.kind.value} · {item.title}",
        f"{item.citation}",
        "",
        item.summary,
        "",
        f"claim:  {item.claim.latex()}",
        *(f"where:  {formula}" for formula in item.claim.latex_where()),
        "",
        *(f"  {v.symbol.name:<14} {v.meaning}; in {sp.sstr(v.domain)}" for v in item.variables),
        "",
        *(f"assumes {assumption.id}: {assumption.text}" for assumption in item.assumptions),
        f"uses    {', '.join(item.uses) or 'no other statement'}",
        "",
        *(f"step    {step.text}" for step in item.steps),
    ]
    for check in item.checks:
        lines += [
            "",
            f"check   {check.name}: {check.text}",
            f"        {len(check.located())} points, {check.chunks} chunks each",
        ]
        lines += [f"control {control.name}: {control.text}" for control in check.controls]
    lines += ["", *(f"note    {text}" for text in item.notes)] if item.notes else []
    return "\n".join(lines)


def _processes(text: str | None) -> int:
    from verify.pools import cores

    if text is None:
        return cores()
    if not text.isdecimal() or int(text) < 1:
        raise InputError(f"got workers {text!r}; expected a whole number from 1")
    return int(text)


@cli.command("volumes")
@click.argument("data", metavar="DATA.npz")
@click.option("--width", required=True, type=int, help="Number of hidden units d1.")
@click.option("--slope", default=0.0, show_default=True, type=float, help="Slope ρ on the negative side.")
@click.option("--epsilon", default=0.1, show_default=True, type=float, help="Error threshold ε.")
@click.option("--method", default="auto", show_default=True, help="auto, exact, sample or rare.")
@click.option("--seed", default=0, show_default=True, type=int, help="Seed of every random stream.")
@click.option("--budget", default=None, type=int, help="Regions, or evaluations an event.  [default: by method]")
@click.option("--level", default=0.01, show_default=True, type=float, help="Error probability of all intervals.")
@click.option("--workers", default=None, metavar="N", help="Processes.  [default: one a core]")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def volumes_command(data: str, workers: str | None, as_json: bool, **options: Any) -> int:
    r"""Angular volumes of activation-region events for your X (samples × features) and y (0 or 1).

    \b
    Examples:
      python -m verify volumes data.npz --width 12
      python -m verify volumes data.npz --width 12 --slope 0.1 --method rare --budget 400000 --json
    """
    from verify.data import read_arrays
    from verify.volume.angular import volumes

    processes = _processes(workers)
    found = volumes(*read_arrays(data), workers=processes, **options)
    click.echo(plain_json(found.to_dict()) if as_json else plain(repr(found)))
    return 0


@cli.command("map")
@click.argument("identifier", metavar="ID", shell_complete=_identifiers)
@click.option("--size", "sizes", multiple=True, type=int, help="Number of samples N. May be repeated.")
@click.option("--row", "rows", multiple=True, type=float, help="A value of the other axis. May be repeated.")
@click.option("--aspect", "aspects", multiple=True, type=float, help="d1 / d0. May be repeated.  [default: 1]")
@click.option("--set", "given", multiple=True, metavar="NAME=VALUE", help="A fixed parameter, such as epsilon=0.2.")
@click.option("--measure", default=0, show_default=True, type=int, help="Measure the quantity up to this N.")
@click.option("--no-first", is_flag=True, help="Do not look for the least N at which it says something.")
@click.option("--workers", default=None, metavar="N", help="Processes.  [default: one a core]")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@_folders
def map_command(
    identifier: str,
    sizes: tuple[int, ...],
    rows: tuple[float, ...],
    aspects: tuple[float, ...],
    given: tuple[str, ...],
    measure: int,
    no_first: bool,
    workers: str | None,
    as_json: bool,
    folders: tuple[str, ...],
) -> int:
    r"""Map where the bound of a statement says something, and find the least such N.

    \b
    Examples:
      python -m verify map f19
      python -m verify map theorem-10 --set epsilon=0.2 --set rho=0.1
      python -m verify map f10 --measure 16 --aspect 0.25 --aspect 1 --aspect 4
    """
    from verify.foreign import blamed_on
    from verify.registry import discover
    from verify.vacuity import first_size, vacuity_map

    statement = discover(folders)[identifier]
    fixed = dict(map(_assignment, given))
    with blamed_on(identifier):
        maps = [
            vacuity_map(statement, sizes, rows, aspect, measure, _processes(workers), folders, **fixed)
            for aspect in aspects or (1.0,)
        ]
        least = None if no_first else first_size(statement, **fixed)
    if as_json:
        found = {"maps": [item.to_dict() for item in maps], **({} if least is None else least.to_dict())}
        click.echo(plain_json(found))
    else:
        _say("\n\n".join([*map(str, maps), *([] if least is None else [f"With d0, d1 up to N {least}."])]))
    return 0


def _assignment(text: str) -> tuple[str, float]:
    name, _, value = text.partition("=")
    try:
        return name.strip(), float(value)
    except ValueError:
        raise InputError(f"got --set {text!r}; expected a name and a number, for example epsilon=0.2") from None


@cli.command("certify")
@click.argument("weights", metavar="WEIGHTS")
@click.argument("data", metavar="DATA.npz")
@click.option("--slope", default=0.0, show_default=True, type=float, help="Slope ρ on the negative side.")
@click.option("--tolerance", default=1e-3, show_default=True, type=float, help="Relative distance that still counts.")
@click.option("--epsilon", default=0.1, show_default=True, type=float, help="Error threshold ε of the bound shown.")
@click.option("--threshold", default=0.5, show_default=True, type=float, help="Between the two classes; 0 for ±1.")
@click.option("--bias", default="refuse", show_default=True, help="refuse, or constant-feature to fold biases in.")
@click.option("--seed", default=0, show_default=True, type=int, help="Seed of the volume and of better networks.")
@click.option(
    "--out",
    default=None,
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="Also write certificate.html, certificate.pdf and certificate.json.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def certify_command(
    weights: str, data: str, bias: str, threshold: float, out: Path | None, as_json: bool, **options: Any
) -> int:
    r"""Say what a trained network provably is: inside a region, a local minimum, a global one.

    WEIGHTS holds arrays W (hidden units × features) and z (hidden units) in an .npz file, or is a PyTorch state dict
    (.pt, .pth). DATA holds X (samples × features) and y. The exit code is 0 whatever the outcome. With --out the
    certificate is also written as one page, for a browser and for paper, and as JSON.

    \b
    Examples:
      python -m verify certify weights.npz data.npz
      python -m verify certify weights.npz data.npz --out certificate
      python -m verify certify model.pt data.npz --slope 0.01 --bias constant-feature --json
    """
    from verify.certificate.certify import certify
    from verify.certificate.weights import read_weights, without_bias
    from verify.data import read_arrays

    given = without_bias(read_weights(weights), *read_arrays(data), bias)
    found = certify(*given.arrays, threshold=threshold - given.output_bias, **options)
    found = replace(found, notes=(*found.notes, *given.notes))
    if out is not None:
        _certificate_files(found, out, Path(weights), Path(data))
    click.echo(plain_json(found.to_dict()) if as_json else plain(repr(found)))
    return 0


def _certificate_files(found: Certificate, out: Path, weights: Path, data: Path) -> None:
    """The page and the JSON; sums say which files they are about."""
    import hashlib

    from verify.certificate.sheet import shown_name, write_sheet
    from verify.files import replace as write
    from verify.results import environment

    shape = f"d0 = {found.d0} features, d1 = {found.d1} hidden units, slope {found.slope:g}"
    sources = {
        "network": f"{shown_name(weights.name)}: {shape}",
        "data": f"{shown_name(data.name)}: N = {found.N} samples; d0·d1/N = {found.d0 * found.d1 / found.N:.3g}",
        "near means": f"within {found.tolerance:g} of each neuron's length",
    }
    for name, file in (("SHA-256 of network", weights), ("SHA-256 of data", data)):
        sources[name] = hashlib.sha256(file.read_bytes()).hexdigest()
    facts = environment()
    stamp = {"verify": facts["packages"]["verify"], "Python": facts["python"], "NumPy": facts["packages"]["numpy"]}
    out.mkdir(parents=True, exist_ok=True)
    write_sheet(found, out, sources, stamp, datetime.now())
    write(out / "certificate.json", plain_json(found.to_dict() | {"sources": sources, "versions": stamp}).encode())


@cli.command("experiment")
@click.argument("identifier", metavar="ID")
@click.option("--profile", default=None, metavar="NAME", help="Size of it; an unknown NAME lists them.")
@click.option("--seed", default=0, show_default=True, type=click.IntRange(min=0), help="Seed of everything random.")
@click.option("--backend", default="auto", show_default=True, help="auto, numpy or cupy.")
@click.option(
    "--data-dir",
    default=None,
    metavar="DIR",
    envvar=DATA_DIR,
    type=click.Path(path_type=Path),
    help=f"Folder of data sets.  [environment: {DATA_DIR}]",
)
@click.option(
    "--out", default=None, metavar="DIR", type=click.Path(path_type=Path), help="Keep results and checkpoints."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--quiet", is_flag=True, help="Print no progress.")
@_folders
def experiment_command(
    identifier: str,
    profile: str | None,
    seed: int,
    backend: str,
    data_dir: Path | None,
    out: Path | None,
    as_json: bool,
    quiet: bool,
    folders: tuple[str, ...],
) -> int:
    r"""Do an experiment of section 5 at length and print its tables.

    With --out, long trainings write checkpoints there, and the same command goes on from them.

    \b
    Examples:
      python -m verify experiment figure-5-1 --profile full
      python -m verify experiment table-1 --data-dir ~/data --out table-1
    """
    import platform

    import numpy as np
    from threadpoolctl import threadpool_limits

    from verify.backends import get_backend
    from verify.experiments import Record, Setup
    from verify.files import replace as write
    from verify.foreign import blamed_on
    from verify.registry import discover

    experiment = discover(folders)[identifier].experiment
    if experiment is None:
        known = [name for name, item in discover(folders).statements.items() if item.experiment is not None]
        raise InputError(f"{identifier} has no experiment; expected one of {', '.join(known)}")
    if data_dir is not None and not data_dir.is_dir():
        raise InputError(f"--data-dir {data_dir} is not a folder")
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
    chosen = profile or next(iter(experiment.profiles))
    begun = time.monotonic()

    def tell(line: str) -> None:
        if not quiet:
            click.echo(f"{time.monotonic() - begun:7.1f} s  {line}", err=True)

    place = get_backend(backend)
    # One thread, as in the workers: the rounding of a product must not depend on how many there are.
    with threadpool_limits(1), blamed_on(identifier):
        tables = experiment.execute(Setup(chosen, seed, place, data_dir, out, tell))
    data = "" if data_dir is None else " --data-dir DIR"
    command = f"python -m verify experiment {identifier} --profile {chosen} --seed {seed}{data}"
    versions = {"Python": platform.python_version(), "NumPy": np.__version__}
    facts = versions | {"backend": place.name, "date": f"{datetime.now():%Y-%m-%d}"}
    record = Record(command, facts, time.monotonic() - begun, tables)
    if out is not None:
        write(out / "results.json", record.json().encode("utf-8", "backslashreplace"))
        write(out / "results.md", record.markdown().encode("utf-8", "backslashreplace"))
        if experiment.drawn is not None:
            from verify.report.files import drawing_file

            try:
                drawing = experiment.drawn(tables)
            except ValueError as error:  # a table that has nothing to draw, such as one of the other profiles
                tell(f"no picture: {error}")
            else:
                write(out / "figure.svg", drawing_file(drawing, identifier).encode())
    click.echo(record.json() if as_json else record.markdown().rstrip())
    return 0


@cli.command("fetch")
@click.argument("names", metavar="SET...", nargs=-1, required=True)
@click.option(
    "--data-dir",
    default=None,
    metavar="DIR",
    envvar=DATA_DIR,
    type=click.Path(path_type=Path),
    help=f"Folder of data sets.  [environment: {DATA_DIR}; default: the user's cache folder]",
)
@click.option("--quiet", is_flag=True, help="Print nothing but the folder and errors.")
def fetch_command(names: tuple[str, ...], data_dir: Path | None, quiet: bool) -> int:
    r"""Fetch public image sets for the experiments: mnist, fashion-mnist, cifar-10. Prints the folder they are in.

    Each file is held against its published SHA-256. What is there already, fetched or put there by hand, is checked
    and left alone. Exit code 2: unknown set, no network, a file that is not the published one, pooch is not installed.

    \b
    Examples:
      python -m verify fetch mnist --data-dir ~/data
      python -m verify fetch mnist fashion-mnist cifar-10
    """
    from verify.fetch import default_folder, fetch

    folder = data_dir or default_folder()
    for name in names:
        fetch(name, folder, lambda line: None if quiet else _say(line, err=True))
    _say(str(folder))
    return 0


@cli.command("report")
@click.argument("folder", metavar="RUN", type=click.Path(path_type=Path))
def report_command(folder: Path) -> int:
    r"""Write report.html and report.pdf anew from the results.json in RUN.

    \b
    Examples:
      python -m verify report reports/2026-11-21T120000
    """
    from verify import results
    from verify.report import write_reports
    from verify.run import RESULTS

    found = results.read(folder / RESULTS)
    try:
        files = write_reports(found, folder)
    except OSError:
        raise
    except Exception as error:  # whatever a file that was edited leads to
        raise InputError(
            f"{folder / RESULTS} cannot be shown ({reason(error)}); make it anew with run --resume"
        ) from None
    for file in files:
        _say(str(file))
    return 0


@cli.command("compare")
@click.argument("before", metavar="RUN", type=click.Path(path_type=Path))
@click.argument("after", metavar="RUN", type=click.Path(path_type=Path))
@click.option("--slower", default=2.0, show_default=True, type=float, help="Factor from which a time is worth a line.")
@click.option("--allow-missing", is_flag=True, help="Not worse: what is in the first run only.")
@click.option("--html", default=None, metavar="FILE", type=click.Path(path_type=Path), help="Also write a page.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def compare_command(
    before: Path, after: Path, slower: float, allow_missing: bool, html: Path | None, as_json: bool
) -> int:
    r"""Compare two runs, the earlier one first: folders, or their results.json.

    Worse are: newly violated or crashed; no longer holding; a control no longer rejected; a trend that turned against
    its claim; what held and is gone. Exit codes: 0 nothing is worse; 1 something is; 2 a run cannot be read.

    \b
    Examples:
      python -m verify compare reports/monday reports/tuesday
      python -m verify compare reference/results.json out --json
      python -m verify compare all-of-it part-of-it --allow-missing --html changes.html
    """
    from verify.compare import compare_files

    found = compare_files(before, after, slower, missing=allow_missing)
    if html is not None:
        from verify.files import replace as write
        from verify.report.page import render

        write(html, render("comparison.html.j2", comparison=found).encode())
    click.echo(plain_json(found.to_dict()) if as_json else str(found))
    return found.exit_code


@cli.command("new")
@click.argument("identifier", metavar="ID")
@click.option(
    "--path",
    "folder",
    default="statements",
    show_default=True,
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="Folder of your statement modules; made where it is missing.",
)
def new_command(identifier: str, folder: Path) -> int:
    r"""Write a new statement module with its test, to be filled in; nothing is overwritten.

    \b
    Examples:
      python -m verify new my-lemma
      python -m verify new johnson-lindenstrauss --path theorems-of-mine
    """
    from verify.scaffold import write_module

    module, test = write_module(identifier, folder)
    lines = [
        f"{module}",
        f"{test}",
        "Its claim is false on purpose. See it fail, put in your own, and ask what is missing:",
        f"  python -m verify run {identifier} --path {folder}",
        f"  python -m verify check-module {module}",
        f"  python -m pytest {test}    (needs pytest)",
    ]
    click.echo("\n".join(lines))
    return 0


@cli.command("check-module")
@click.argument("file", metavar="FILE", type=click.Path(path_type=Path))
@click.option("--budget", default="1x", show_default=True, help="Of the run: multiple of what the module plans.")
@click.option("--seed", default=0, show_default=True, type=int, help="Seed of the run.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def check_module_command(file: Path, budget: str, seed: int, as_json: bool) -> int:
    r"""Say in plain words what is missing in a statement module, and what to do. The module is run.

    Exit codes: 0 nothing is missing, though there may be remarks; 1 something is; 2 there is no such file.

    \b
    Examples:
      python -m verify check-module statements/my_lemma.py
      python -m verify check-module statements/my_lemma.py --budget 0.25x --json
    """
    from verify.foreign import blamed_on
    from verify.review import review
    from verify.runner import Budget

    with _progress(quiet=not sys.stderr.isatty()) as progress, blamed_on(file.name):
        gaps = review(file, seed=seed, budget=Budget.parse(budget), progress=progress)
    missing = [gap for gap in gaps if not gap.remark]
    if as_json:
        click.echo(plain_json([gap.to_dict() for gap in gaps]))
    else:
        found = f"{len(missing)} missing" if missing else "nothing is missing"
        remarks = len(gaps) - len(missing)
        click.echo("\n".join([f"{file}: {found}" + (f", {remarks} to think of" if remarks else ""), *map(str, gaps)]))
    return 1 if missing else 0


@cli.command("doctor")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def doctor_command(as_json: bool) -> int:
    r"""Say what this machine offers: versions, cores, BLAS, GPU, Numba, Dask; what is missing, and how to get it.

    Nothing that is missing here is needed: it makes runs faster, or spreads them.

    \b
    Examples:
      python -m verify doctor
      python -m verify doctor --json
    """
    from verify.doctor import examine

    facts = examine()
    if as_json:
        click.echo(plain_json([fact.to_dict() for fact in facts]))
        return 0
    width = max(len(fact.name) for fact in facts)
    for fact in facts:
        _say(f"{fact.name:<{width}}  {fact.found}")
        if fact.remedy:
            _say(f"{'':<{width}}  → {fact.remedy}")
    return 0


class _progress:
    """Progress on a terminal; plain lines, one a statement, where the output is a file or a pipe."""

    def __init__(self, quiet: bool) -> None:
        self.quiet = quiet
        self.live: Any = None
        self.begun = time.monotonic()
        self.said = 0.0

    def __enter__(self) -> Any:
        if not self.quiet and sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

            self.live = Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                TaskProgressColumn(),
                TimeRemainingColumn(),
                console=Console(stderr=True),
                transient=True,
            )
            self.live.start()
            self.task = self.live.add_task("starting", total=None)
        return self

    def __call__(self, statement: str, done: int, total: int) -> None:
        if self.live is not None:
            self.live.update(self.task, description=statement, completed=done, total=total)
        elif not self.quiet:
            now = time.monotonic() - self.begun
            if now - self.said >= 10 or done == total:
                self.said = now
                _say(f"{now:6.1f} s  {done}/{total} pieces, at {statement}", err=True)

    def __exit__(self, *_: object) -> None:
        if self.live is not None:
            self.live.stop()


def _board(results: dict[str, Any], files: Sequence[Path]) -> None:
    """Every verdict on one screen, and where the report is."""
    rows = results["statements"]
    width = max((len(row["id"]) for row in rows), default=0)
    for row in rows:
        verdict = row["verdict"]
        sign, colour = _SIGNS[verdict["outcome"]]
        words = " · ".join(part for part in (verdict["outcome"], verdict["evidence"]) if part)
        words += f", {verdict['leaning']}" if verdict["leaning"] else ""
        controls = _rejected(row)
        tail = f"controls {controls['rejected']}/{controls['looked_at']}" if controls["looked_at"] else ""
        head = _styled(plain(f"{sign} {row['id']:<{width}}  {words:<32}"), fg=colour)
        click.echo(f"{head}  {tail}")
        if verdict["outcome"] in ("violated", "error"):
            _say(f"    {verdict['text']}")
        for failure in _failures(row):
            _say(f"    ! {failure}")
    _calibration(results)
    for broken in results["broken_modules"]:
        _say(f"! {broken['module']} cannot be used: {broken['reason']}")
    run = results["run"]
    if run["capped"]:
        _say("The time budget ended before the planned chunks: intervals are wider than planned.")
    if run["interrupted"]:
        _say("Interrupted: what was finished is reported; go on with --resume.")
    _say(f"{results['times']['seconds']:.0f} s; {', '.join(str(file) for file in files)}")


def _calibration(results: dict[str, Any]) -> None:
    """One line: whether the estimators reproduced what is known, on which every other verdict rests."""
    from verify.report.words import calibration

    found = calibration(results)
    alarming = found["state"] in ("failed", "undecided")
    line = plain(f"calibration {found['state']}" + (f": {found['text']}" if alarming else ""))
    click.echo(_styled(line, fg="red", bold=True) if alarming else line)


def _styled(text: str, **style: Any) -> str:
    """Click drops styles where the output is no terminal; NO_COLOR, if it is not empty, asks for the same."""
    return text if os.environ.get("NO_COLOR") else click.style(text, **style)
