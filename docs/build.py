"""Makes the documentation's site: `python docs/build.py [FOLDER]` (`site` unless given), with the extra `docs`.

Pages are laid out as in the repository, so that their links hold in both places; README is the front page. Pages of
statements and of the API are one line each, which `verify.sphinx` and autodoc fill in. Nothing is fetched.
"""

from __future__ import annotations

import pkgutil
import shutil
import sys
import tempfile
from collections.abc import Iterable, Iterator
from importlib import import_module
from pathlib import Path

from sphinx.cmd.build import main as sphinx

from verify.registry import discover

ROOT = Path(__file__).resolve().parent.parent
RUN = ROOT / "reports" / "reference"
GUIDES = (
    "tutorial",
    "adding-a-statement",
    "command-line",
    "python",
    "volumes",
    "certify",
    "experiments",
    "clusters",
    "ci",
)
REASONS = ("soundness", "numerics", "inside", "results-schema", "math/paper", "math/finite-n")
SINGLE = (
    "verify",
    "verify.statements",
    "verify.relations",
    "verify.pictures",
    "verify.results",
    "verify.run",
    "verify.sphinx",
)
# Inside these packages, what others need not know.
INNER = ("kernel", "lanes", "certified", "enclosures", "nearby", "spectra")
PACKAGES = ("verify.statistics", "verify.network", "verify.volume", "verify.certificate")
ROOMS = {
    "theorems.paper": "The paper",
    "theorems.finite": "At every finite size",
    "theorems.classical": "Calibrations",
    "theorems.experiments": "Experiments",
}


def main() -> int:
    """Lay out the pages in a folder of their own and have Sphinx make the site; every warning is an error."""
    target = Path(sys.argv[1] if len(sys.argv) > 1 else ROOT / "site").resolve()
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder)
        lay_out(source)
        settings = {"verify_results": RUN / "results.json", "html_extra_path": RUN / "report.html"}
        options = [f"-D{name}={value}" for name, value in (settings.items() if RUN.exists() else ())]
        options += ["-Dverify_report=report.html"] if RUN.exists() else []
        options += ["-W", "--keep-going", "-q", "-d", str(source / ".cache"), "-c", str(ROOT / "docs")]
        return sphinx(["-b", "html", *options, str(source), str(target)])


def lay_out(source: Path) -> None:
    """Every page of the site, as in the repository, and one for each statement and module."""
    for file in (*ROOT.glob("docs/**/*"), *ROOT.glob("benchmarks/results/*.md"), *ROOT.glob("examples/*/README.md")):
        if file.suffix in (".md", ".ipynb", ".png", ".svg"):
            put(source / file.relative_to(ROOT), file)
    front = (ROOT / "README.md").read_text(encoding="utf-8")
    write(source / "index.md", front + "\n" + "\n".join(front_trees()))
    statements(source / "statements")
    api(source / "api")
    measured(source / "benchmarks" / "index.md")
    put(source / "CHANGELOG.md", ROOT / "CHANGELOG.md")


def put(target: Path, file: Path) -> None:
    """Copy a file; README has become the front page."""
    if file.suffix != ".md":
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, target)
        return
    write(target, file.read_text(encoding="utf-8").replace("](../README.md", "](../index.md"))


def write(target: Path, text: str) -> None:
    """A file, with its folder."""
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text, encoding="utf-8")


def tree(pages: Iterable[str], caption: str = "", *, hidden: bool = True) -> str:
    """A table of contents."""
    options = [f":caption: {caption}"] if caption else []
    return "\n".join(["```{toctree}", *options, *([":hidden:"] if hidden else []), "", *pages, "```", ""])


def front_trees() -> Iterator[str]:
    """What stands in the side bar."""
    yield tree((f"docs/{name}" for name in GUIDES), "Use")
    yield tree(["docs/notebooks/certify_and_arrangement"], "Notebook")
    yield tree(["statements/index"], "Statements")
    yield tree((f"docs/{name}" for name in REASONS), "What it rests on")
    yield tree(["benchmarks/index", "api/index", "examples/massart1990/README", "CHANGELOG"], "Reference")


OF_STATEMENTS = """An arrow leads from a statement to one that it uses. Verdicts are those of
<a href="../report.html">the committed run</a>.
"""


def statements(folder: Path) -> None:
    """A page for each statement, one for each room of the theorems, and one for all."""
    registry = discover()
    rooms: dict[str, list[str]] = {room: [] for room in ROOMS}
    for identifier in registry.statements:
        room = registry.modules[identifier].rpartition(".")[0]
        if room in rooms:
            rooms[room].append(identifier)
            write(folder / f"{identifier}.md", f"```{{statement}} {identifier}\n```\n")
    for room, title in ROOMS.items():
        table = f"```{{statements}} {' '.join(rooms[room])}\n```\n"
        write(folder / f"{room}.md", "\n".join([f"# {title}\n", table, tree(rooms[room])]))
    intro = OF_STATEMENTS if RUN.exists() else ""
    write(folder / "index.md", "\n".join(["# Statements\n", intro, "```{statements}\n:graph:\n```\n", tree(ROOMS)]))


def api(folder: Path) -> None:
    """A page for each public module."""
    names = list(SINGLE)
    for package in PACKAGES:
        found = pkgutil.iter_modules(import_module(package).__path__, f"{package}.")
        names += [info.name for info in found if info.name.rpartition(".")[2] not in INNER]
    for name in names:
        title = f"``{name}``"
        text = f"{title}\n{'=' * len(title)}\n\n.. automodule:: {name}\n   :members:\n"
        # What the package offers has its links to where it is defined.
        text += "   :no-index:\n" if name == "verify" else ""
        write(folder / f"{name}.rst", text)
    write(folder / "index.md", "\n".join(["# API\n", tree(names, hidden=False)]))


def measured(file: Path) -> None:
    """One page on all benchmarks: the first paragraph of each, which says what was measured."""
    parts = ["# What was measured\n", "Each page has the command that made it, its seed and versions.\n"]
    names = sorted(path.stem for path in (ROOT / "benchmarks" / "results").glob("*.md"))
    for name in names:
        text = (ROOT / "benchmarks" / "results" / f"{name}.md").read_text(encoding="utf-8")
        title, first = [part for part in text.split("\n\n") if part.strip()][:2]
        parts.append(f"## [{title.lstrip('# ')}](results/{name}.md)\n\n{first}\n")
    write(file, "\n".join([*parts, tree(f"results/{name}" for name in names)]))


if __name__ == "__main__":
    sys.exit(main())
