"""Code mutants: small changes to the code that a test must notice. `python -m benchmarks.code_mutants --help`.

Operators are those of Cosmic Ray: numbers plus and minus one, arithmetic, comparisons, boolean operators, constants and
negations, loops that do not run, decorators left out. Of each file places are drawn at random, and one change of each.
A mutant is killed if one of the tests that execute the changed statement fails, or they take several times as long.

    python -m benchmarks.code_mutants --log LOG.jsonl --sample 40 --seed 0 [FILE …]   make mutants and run the tests
    python -m benchmarks.code_mutants --log LOG.jsonl --again                         survivors not explained, again
    python -m benchmarks.code_mutants --log LOG.jsonl [--fresh LOG.jsonl] --table     write the table

Everything happens in a copy of the working tree. Each mutant has a process of its own, forked from one that has the
libraries loaded but nothing of this package; Python's and Numba's caches do not serve a changed file.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import json
import os
import platform
import random
import resource
import shutil
import signal
import sys
import tempfile
import time
import tomllib
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from importlib import import_module
from importlib.metadata import version
from itertools import permutations
from pathlib import Path
from typing import Any

import coverage
import numba
import pytest
from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import mutate_code
from cosmic_ray.plugins import get_operator
from scipy.stats import binomtest

ROOT = Path(__file__).resolve().parents[1]
RESULTS = Path(__file__).parent / "results"
EXPLAINED = RESULTS / "code_mutants.toml"
PACKAGES = ("verify/statistics", "verify/network", "verify/volume")
SINGLE = ("verdicts", "assess", "relations", "expressions", "logspace")
# Those beside the packages and files; the tests of statements and of the command line are left out, as they are slow.
TESTS = (
    *(
        "statistics",
        "network",
        "volume",
        "test_logspace.py",
        "test_verdicts.py",
        "test_statements.py",
        "test_runner.py",
    ),
    *("test_sequential.py", "test_trends.py", "test_review.py", "test_mutants.py", "test_error_rates.py"),
    *("test_vacuity.py", "test_asymptotics.py"),
)
COMPILED = ("network/test_kernel.py", "test_philox.py")
# An operator is replaced by another of its row; what is left out would only raise a TypeError.
BINARY = "Add Sub Mul Div FloorDiv Mod Pow", "BitOr BitAnd BitXor", "LShift RShift"
COMPARISON = "Eq NotEq Lt LtE Gt GtE", "Is IsNot"
OTHERS = (
    *("NumberReplacer", "ReplaceTrueWithFalse", "ReplaceFalseWithTrue", "ReplaceAndWithOr", "ReplaceOrWithAnd"),
    *("AddNot", "ReplaceUnaryOperator_Delete_Not", "ReplaceUnaryOperator_Delete_USub", "RemoveDecorator"),
    *("ReplaceUnaryOperator_Delete_Invert", "ZeroIterationForLoop"),
    *("ReplaceBreakWithContinue", "ReplaceContinueWithBreak"),
)
OPERATORS = tuple(
    f"core/{name}"
    for name in (
        *OTHERS,
        *(f"ReplaceBinaryOperator_{a}_{b}" for row in BINARY for a, b in permutations(row.split(), 2)),
        *(f"ReplaceComparisonOperator_{a}_{b}" for row in COMPARISON for a, b in permutations(row.split(), 2)),
    )
)
MEMORY = 12 << 30
# A failure is all that is asked for, not the simplest one.
QUICK = """
from hypothesis import Phase

settings.register_profile("quick", settings.get_profile("fixed"), phases=[Phase.explicit, Phase.generate])
settings.load_profile("quick")
"""


@dataclass(frozen=True)
class Mutant:
    """One change: which occurrence of an operator in a file, and the changed line before and after."""

    file: str
    operator: str
    occurrence: int
    line: int
    before: str
    after: str

    @property
    def change(self) -> tuple[str, str, str]:
        """What it is called where lines have moved."""
        return self.file, self.before, self.after


@cache
def places(source: str) -> dict[tuple[int, int, str], list[tuple[str, int]]]:
    """Where operators apply: line, column and family of operators, with all (operator, occurrence) there."""
    unused = _spans_of_no_use(ast.parse(source))
    nodes = list(ast_nodes(get_ast(source)))
    found = defaultdict(list)
    for name in OPERATORS:
        operator = get_operator(name)()
        positions = [start for node in nodes for start, *_ in operator.mutation_positions(node)]
        for occurrence, (line, column) in enumerate(positions):
            if not any(first <= (line, column) < last for first, last in unused):
                found[line, column, name.split("_")[0]].append((name, occurrence))
    return dict(found)


def _spans_of_no_use(tree: ast.Module) -> list[tuple[tuple[int, int], tuple[int, int]]]:
    """From where to where there are annotations, which do nothing, and options of decorators, for `mypy` to see."""
    spans = []
    for node in ast.walk(tree):
        kinds = [getattr(node, "annotation", None), getattr(node, "returns", None)]
        for kind in kinds + [d for d in getattr(node, "decorator_list", ()) if isinstance(d, ast.Call)]:
            if isinstance(kind, ast.expr):
                spans.append(((kind.lineno, kind.col_offset), (kind.end_lineno or 0, kind.end_col_offset or 0)))
    return spans


def mutated(source: str, operator: str, occurrence: int) -> str:
    """The source with one change."""
    return str(mutate_code(source, get_operator(operator)(), occurrence))


def mutant(file: str, source: str, operator: str, occurrence: int) -> Mutant | None:
    """The mutant; None where the change does not parse or changes nothing."""
    changed = mutated(source, operator, occurrence)
    try:
        if ast.dump(ast.parse(changed)) == ast.dump(ast.parse(source)):
            return None
    except (SyntaxError, ValueError):
        return None
    old, new = source.splitlines(), changed.splitlines()
    at = next(k for k, (a, b) in enumerate(zip(old, new, strict=False)) if a != b)
    at = next(k for k in range(at, len(old)) if old[k].strip())  # blank lines go with a decorator
    after = " ".join(new[at].split()) if len(new) == len(old) else "(left out)"
    return Mutant(file, operator, occurrence, at + 1, " ".join(old[at].split()), after)


def draw(file: str, sample: int, seed: int) -> list[Mutant]:
    """Mutants at random places of a file, one at each; the seed and the name of the file fix them."""
    source = (ROOT / file).read_text()
    rng = random.Random(f"{seed} {file}")
    everywhere = sorted(places(source).items())
    found: list[Mutant] = []
    for _, changes in rng.sample(everywhere, len(everywhere)):
        if len(found) == sample:
            break
        made = mutant(file, source, *rng.choice(changes))
        if made is not None and made.change not in {other.change for other in found}:
            found.append(made)
    return found


def find(change: tuple[str, str, str]) -> Mutant | None:
    """The mutant with this change in the code of now; None if its line is gone."""
    file, before, _ = change
    source = (ROOT / file).read_text()
    lines = [" ".join(line.split()) for line in source.splitlines()]
    for (line, *_), changes in places(source).items():
        if lines[line - 1] == before:
            for operator, occurrence in changes:
                made = mutant(file, source, operator, occurrence)
                if made is not None and made.change == change:
                    return made
    return None


def statement_lines(source: str, line: int) -> range:
    """Lines of the innermost statement around a line: all of a simple one, the head of one with a body."""
    best = range(line, line + 1)
    size = sys.maxsize
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.stmt | ast.excepthandler):
            body = getattr(node, "body", None)
            last = (body[0].lineno - 1 if body else node.end_lineno) or node.lineno
            first = min([node.lineno, *(entry.lineno for entry in getattr(node, "decorator_list", ()))])
            if first <= line <= max(last, first) and last - first < size:
                best, size = range(first, max(last, first) + 1), last - first
    return best


class Copy:
    """A copy of the working tree, in which tests run."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "tree"
        self.caches = folder / "numba"
        skip = shutil.ignore_patterns(".git", "reports", "__pycache__", ".*_cache", "*.egg-info", ".hypothesis")
        shutil.copytree(ROOT, self.root, ignore=skip)
        with (self.root / "tests" / "conftest.py").open("a") as settings:
            settings.write(QUICK)
        self._clock = int(time.time())

    def write(self, file: str, source: str) -> None:
        """Replace a file; its time is one that no compiled code has been kept for."""
        self._clock += 10
        path = self.root / file
        path.write_text(source)
        os.utime(path, (self._clock, self._clock))
        for stale in (path.parent / "__pycache__").glob(f"{path.stem}.*.pyc"):
            stale.unlink()

    def pytest(self, arguments: Sequence[str], limit: float, cache: Path, trace: Path | None = None) -> str:
        """Run tests in a process of their own: "passed", "failed" or "timeout"."""
        child = os.fork()
        if child == 0:
            _child(self.root, arguments, cache, trace)
        return _wait(child, limit)


def _child(root: Path, arguments: Sequence[str], cache: Path, trace: Path | None) -> None:
    code = 3
    try:
        os.setsid()
        sink = os.open(root.parent / "output", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(sink, 1)
        os.dup2(sink, 2)
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        os.chdir(root)
        sys.path.insert(0, str(root))
        os.environ |= {"PYTHONPATH": str(root), "NUMBA_CACHE_DIR": str(cache)}
        numba.config.CACHE_DIR = str(cache)
        plugins = [Tracer(root, trace)] if trace else []
        options = [
            "-x",
            "-q",
            "--tb=short",
            "-p",
            "no:cacheprovider",
            "-W",
            "ignore::pytest.PytestAssertRewriteWarning",
        ]
        code = int(pytest.main([*options, *arguments], plugins=plugins))
    finally:
        os._exit(code)


def _wait(child: int, limit: float) -> str:
    end = time.monotonic() + limit
    while time.monotonic() < end:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            break
        time.sleep(0.02)
    else:
        status = -1
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)  # the child leads a group of its own, with whatever it started
    if status == -1:
        os.waitpid(child, 0)
        return "timeout"
    return "passed" if status == 0 else "failed"


class Tracer:
    """A pytest plugin that writes down which lines each test executes, and for how long it runs."""

    def __init__(self, root: Path, path: Path) -> None:
        self.root, self.path = root, path
        self.seconds: dict[str, float] = defaultdict(float)
        self.coverage = coverage.Coverage(data_file=None, source=[str(root / "verify")], config_file=False)
        self.coverage.start()

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        """Lines from here on belong to this test."""
        self.coverage.switch_context(nodeid)

    def pytest_runtest_logfinish(self) -> None:
        """Lines from here on belong to none."""
        self.coverage.switch_context("")

    def pytest_runtest_logreport(self, report: Any) -> None:
        """Time of setup, call and teardown."""
        self.seconds[report.nodeid] += report.duration

    def pytest_unconfigure(self) -> None:
        """Write times, and for each file the tests of each line."""
        self.coverage.stop()
        data = self.coverage.get_data()
        lines = {
            str(Path(file).relative_to(self.root)): data.contexts_by_lineno(file) for file in data.measured_files()
        }
        self.path.write_text(json.dumps({"seconds": self.seconds, "lines": lines}))


@dataclass(frozen=True)
class Trace:
    """Which tests execute which lines, and for how long each test runs."""

    seconds: Mapping[str, float]
    lines: Mapping[str, Mapping[str, Sequence[str]]]

    def tests_of(self, file: str, lines: range, most: float) -> list[str]:
        """Tests that execute one of the lines, quick ones first, up to `most` seconds together."""
        known = self.lines.get(file, {})
        hit = {test for line in lines for test in known.get(str(line), ()) if test}
        if not hit and any(str(line) in known for line in lines):  # executed when it is imported
            own = str(Path("tests") / Path(file).with_name(f"test_{Path(file).name}"))
            hit = {test for tests in known.values() for test in tests if test}
            hit |= {test for test in self.seconds if test.startswith(f"{own}::")}
        return self.within(hit, most)

    def within(self, tests: Iterable[str], most: float) -> list[str]:
        """The quickest of the tests that take `most` seconds together, one at least."""
        chosen: list[str] = []
        total = 0.0
        for test in sorted(tests, key=lambda name: self.seconds.get(name, 0.0)):
            total += self.seconds.get(test, 0.0)
            if total > most and chosen:
                break
            chosen.append(test)
        return chosen


def run(mutants: Sequence[Mutant], copy: Copy, trace: Trace, most: float) -> Iterator[dict[str, Any]]:
    """Fate of each mutant: killed, timeout, survived, or not covered by any test."""
    for one in mutants:
        source = (ROOT / one.file).read_text()
        tests = trace.tests_of(one.file, statement_lines(source, one.line), most)
        if not tests and "import compiled" in source:  # what runs compiled leaves no trace
            tests = trace.within([test for test in trace.seconds if f"/{COMPILED[0]}::" in test], most)
        began = time.monotonic()
        fate = "not covered"
        if tests:
            cache = copy.caches
            if "import compiled" in source:  # all of the file is compiled anew, apart from what is kept
                cache = Path(shutil.copytree(copy.caches, copy.root.parent / "numba-of-mutant"))
            copy.write(one.file, mutated(source, one.operator, one.occurrence))
            limit = 20 + 4 * sum(trace.seconds[test] for test in tests) + (60 if cache != copy.caches else 0)
            outcome = copy.pytest(tests, limit, cache)
            fate = {"passed": "survived", "failed": "killed"}.get(outcome, outcome)
            copy.write(one.file, source)
            if cache != copy.caches:
                shutil.rmtree(cache)
        seconds = round(time.monotonic() - began, 1)
        yield {**asdict(one), "fate": fate, "tests": len(tests), "seconds": seconds}


def measure(copy: Copy, path: Path | None) -> Trace:
    """Run all tests once, unchanged, and note what each executes; or read a trace that was kept."""
    kept = path or copy.root.parent / "trace.json"
    # With the tests that need compiled loops only, so that no mutant has to wait for them, where there is a trace.
    chosen = COMPILED if kept.exists() else TESTS
    outcome = copy.pytest(
        [f"tests/verify/{name}" for name in chosen], 7200, copy.caches, None if kept.exists() else kept
    )
    if outcome != "passed":
        raise SystemExit(f"unchanged code, {outcome}:\n{(copy.root.parent / 'output').read_text()[-3000:]}")
    return Trace(**json.loads(kept.read_text()))


def preload() -> None:
    """Load what all tests load, but nothing of this package."""
    for name in ("flint", "hypothesis", "numba", "pytest", "scipy.optimize", "scipy.stats", "sympy"):
        import_module(name)
    if any(name == "verify" or name.startswith("verify.") for name in sys.modules):
        raise SystemExit("the package is loaded already; mutants would not be seen")


def files_of(chosen: Sequence[str]) -> list[str]:
    """The files to change: those given, or all of the packages."""
    if chosen:
        return list(chosen)
    inside = [str(path.relative_to(ROOT)) for folder in PACKAGES for path in sorted((ROOT / folder).glob("*.py"))]
    return [file for file in inside if not file.endswith("__init__.py")] + [f"verify/{name}.py" for name in SINGLE]


def main() -> None:
    """Make mutants, run the tests, keep a log; or write the table of one."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", metavar="FILE")
    parser.add_argument("--sample", type=int, default=40, help="mutants of each file (%(default)s)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--log", type=Path, required=True, help="one line of JSON for each mutant; appended to")
    parser.add_argument("--again", action="store_true", help="run the survivors of the log that are not explained")
    parser.add_argument("--most", type=float, default=20.0, help="seconds of tests for a mutant (%(default)s)")
    parser.add_argument("--trace", type=Path, help="keep, or read, which test executes which lines")
    parser.add_argument("--table", action="store_true", help="write the table and run nothing")
    parser.add_argument("--date", default=time.strftime("%Y-%m-%d"), help="of the table (%(default)s)")
    parser.add_argument("--fresh", type=Path, help="log of a sample drawn after the tests were written")
    options = parser.parse_args()
    if options.table:
        (RESULTS / "code_mutants.md").write_text(table(options))
        return
    preload()
    with tempfile.TemporaryDirectory() as folder:
        copy = Copy(Path(folder))
        trace = measure(copy, options.trace)
        if options.again:
            reasons = explained()
            open_ones = [row for row in read(options.log) if row["now"] in SURVIVED]
            open_ones = [row for row in open_ones if reasons.get(_change(row), OPEN)["kind"] == "open"]
            chosen = [row for row in open_ones if not options.files or row["file"] in options.files]
            found = [find(_change(row)) for row in chosen]
            mutants = [one for one in found if one is not None]
            print(f"{len(chosen)} survivors, of which {len(chosen) - len(mutants)} are of lines that are gone")
        else:
            known = {_change(row) for row in read(options.log)}
            drawn = [one for file in files_of(options.files) for one in draw(file, options.sample, options.seed)]
            mutants = [one for one in drawn if one.change not in known]  # a larger sample contains the smaller one
        with options.log.open("a") as log:
            for row in run(mutants, copy, trace, options.most):
                print(f"{row['fate']:11} {row['seconds']:6} s  {row['file']}:{row['line']}  {row['after']}", flush=True)
                log.write(json.dumps({**row, "seed": options.seed, "sample": options.sample}) + "\n")
                log.flush()


SURVIVED = ("survived", "not covered")
FATES = ("killed", "timed out", "survived")
OPEN = {"kind": "open", "reason": "no test notices it"}
LATER = ("killed since", "line gone", "explained", "open")
INTRODUCTION = """# Code mutants

Small changes to the code, one at a time, at random places of each file; *killed* if one of the tests that execute the
changed statement fails, *timed out* if they take four times as long and 20 s more, else *survived*. Survivors were
looked at one by one: *killed since*, by new tests, or by older ones that `--most` had left out as too slow;
*line gone*, as there was no need for it; *explained* below; or *open*.

{commands}

{versions}
"""
FRESH = """
## A fresh sample

Drawn with another seed after the tests were written. *Killed since*: by tests that were there then, given more time. A
mutant for which one more test was written counts as *open* here.

{commands}
"""


def table(options: argparse.Namespace) -> str:
    """The table of a log, that of a fresh sample, and why each of the mutants that are left is left."""
    reasons = explained()
    counted, left = _counts(read(options.log), reasons)
    packages = ("cosmic-ray", "coverage", "numpy", "scipy", "numba", "pytest")
    versions = [f"Python {platform.python_version()}", *(f"{name} {version(name)}" for name in packages)]
    parts = [INTRODUCTION.format(commands=_commands(options.log), versions=", ".join([*versions, options.date]))]
    parts += _rows(counted, (*FATES, *LATER))
    if options.fresh:
        fresh, others = _counts(read(options.fresh), reasons)
        left += others
        whole = sum(fresh.values(), Counter[str]())
        some = whole["mutants"] - whole["explained"]
        seen = binomtest(whole["open"], some).proportion_ci()
        parts += [
            FRESH.format(commands=_commands(options.fresh)),
            *_rows(fresh, (*FATES, "killed since", "explained", "open")),
        ]
        parts += [
            f"\nOf the {some} that are not explained, {whole['open']} survived: a share of {whole['open'] / some:.3f} "
            f"(95 % interval {seen.low:.3f} to {seen.high:.3f})."
        ]
    parts += ["\n## Those that are left, and why"]
    for file in dict.fromkeys(row["file"] for row in left):
        parts += [f"\n### {file}\n"]
        for change in dict.fromkeys((row["before"], row["after"]) for row in left if row["file"] == file):
            entry = reasons.get((file, *change), OPEN)
            parts += ["- `{}` → `{}`: *{}*; {}".format(*change, entry["kind"], entry["reason"])]
    return "\n".join(parts) + "\n"


def read(path: Path) -> list[dict[str, Any]]:
    """Rows of a log, one for each mutant, with its first fate as `fate` and its last one as `now`."""
    rows: dict[tuple[str, str, str], dict[str, Any]] = {}
    for line in path.read_text().splitlines() if path.exists() else ():
        row = json.loads(line)
        first = rows.setdefault(_change(row), row)
        first["now"] = row["fate"]
    return list(rows.values())


def explained() -> dict[tuple[str, str, str], dict[str, str]]:
    """Why survivors are left, by their changes."""
    return {_change(entry): entry for entry in tomllib.loads(EXPLAINED.read_text())["mutant"]}


def _change(row: Mapping[str, Any]) -> tuple[str, str, str]:
    return row["file"], row["before"], row["after"]


def _commands(log: Path) -> str:
    used: dict[tuple[int, int], list[str]] = defaultdict(list)
    for row in read(log):
        files = used[row["sample"], row["seed"]]
        files += [row["file"]] if row["file"] not in files else []
    commands = [
        f"- `python -m benchmarks.code_mutants --log {log.name} --sample {sample} --seed {seed} FILE …`, files: "
        f"{', '.join(file.removeprefix('verify/') for file in files)}"
        for (sample, seed), files in used.items()
    ]
    return "\n".join(commands)


def _counts(
    rows: Sequence[Mapping[str, Any]], reasons: Mapping[tuple[str, str, str], Any]
) -> tuple[dict[str, Counter[str]], list[Mapping[str, Any]]]:
    counted: dict[str, Counter[str]] = defaultdict(Counter)
    left = []
    for row in rows:
        found = counted[row["file"]]
        found["mutants"] += 1
        found[{"timeout": "timed out", "killed": "killed"}.get(row["fate"], "survived")] += 1
        if row["fate"] not in SURVIVED:
            continue
        if row["now"] not in SURVIVED:
            found["killed since"] += 1
        elif find(_change(row)) is None:
            found["line gone"] += 1
        else:
            found["open" if reasons.get(_change(row), OPEN)["kind"] == "open" else "explained"] += 1
            left.append(row)
    return counted, left


def _rows(counted: Mapping[str, Counter[str]], columns: Sequence[str]) -> Iterator[str]:
    yield "| " + " | ".join(("file", "mutants", *columns)) + " |"
    yield "|---" * (len(columns) + 2) + "|"
    for file, found in {**counted, "**all**": sum(counted.values(), Counter[str]())}.items():
        yield "| " + " | ".join([file, *(str(found[column]) for column in ("mutants", *columns))]) + " |"


if __name__ == "__main__":
    main()
