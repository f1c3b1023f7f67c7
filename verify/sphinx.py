"""A Sphinx extension: pages of statements, made from the objects that are checked, and formulas as MathML.

With `extensions = ["verify.sphinx"]` in `conf.py` there are two directives. `statement` takes an id and is a whole
page. `statements` takes ids or patterns and is a table of them, with the graph of what uses what if it has the option
`graph`. The page of a statement is expected beside the table, under the name of its id. Formulas, those of the site's
own text included, are set by the typesetter of the reports if `html_math_renderer` is `"verify"`: no script is needed.

Values for `conf.py`: `verify_folders`, folders of statement modules of your own; `verify_results`, the `results.json`
of a run, of which pages then show verdicts, figures and pictures; `verify_report`, where the report of that run lies
on the site, from its top; `verify_works`, for works that are cited without an address, their pages on the site.
"""

from __future__ import annotations

import html
import inspect
import re
import shutil
from collections.abc import Iterator, Sequence
from functools import lru_cache
from importlib import import_module
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any, ClassVar

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.highlighting import PygmentsBridge
from sphinx.util.docutils import SphinxDirective
from sphinx.util.logging import getLogger
from sphinx.writers.html5 import HTML5Translator

from verify import __version__, results
from verify.errors import InputError
from verify.registry import Registry, discover, module_name
from verify.report import figures, graph, pictures, words
from verify.report.formulas import formula
from verify.report.palette import DARK, LIGHT, declarations
from verify.report.view import make_view
from verify.statements import Assumption, Check, Claim, Control, Derivation, Point, Statement
from verify.typesetting import latex

RENDERER = "verify"
_FONT = "stix-two-math-subset.woff2"
_STYLE = "verify.css"
_SOURCES = "source"
_log = getLogger(__name__)

View = dict[str, Any]


def setup(app: Sphinx) -> dict[str, Any]:
    """Called by Sphinx."""
    app.add_html_math_renderer(RENDERER, (_visit_math, None), (_visit_block, None))
    app.add_config_value("verify_folders", (), "env", types=(list, tuple))
    app.add_config_value("verify_results", None, "env", types=(str, type(None)))
    app.add_config_value("verify_report", None, "env", types=(str, type(None)))
    app.add_config_value("verify_works", {}, "env", types=(dict,))
    app.add_directive("statement", StatementPage)
    app.add_directive("statements", StatementTable)
    app.connect("config-inited", _resolve)
    app.connect("builder-inited", _write_style)
    app.connect("html-collect-pages", _source_pages)
    app.add_css_file(_STYLE)
    return {"version": __version__, "parallel_read_safe": True, "parallel_write_safe": True}


def _resolve(app: Sphinx, config: Config) -> None:
    """Files are named from the folder of `conf.py`."""
    config.verify_folders = [str(app.confdir / folder) for folder in config.verify_folders]
    if config.verify_results is not None:
        config.verify_results = str(app.confdir / config.verify_results)


# --- Formulas -----------------------------------------------------------------------------------------------


def _visit_math(translator: HTML5Translator, node: nodes.math) -> None:
    translator.body.append(_mathml(node, block=False))
    raise nodes.SkipNode


def _visit_block(translator: HTML5Translator, node: nodes.math_block) -> None:
    translator.body.append(f'<div class="display" tabindex="0">{_mathml(node, block=True)}</div>')
    raise nodes.SkipNode


def _mathml(node: nodes.Element, *, block: bool) -> str:
    source = node.astext()
    found = formula(source, block=block).mathml
    if found is None:
        _log.warning("the formula %r cannot be set", source, location=node, type="verify", subtype="math")
        return f"<code>{html.escape(source)}</code>"
    return found


# --- What pages are made of ---------------------------------------------------------------------------------


@lru_cache(maxsize=4)
def _registry(folders: tuple[str, ...]) -> Registry:
    return discover(folders)


@lru_cache(maxsize=4)
def _views(file: str | None) -> dict[str, View]:
    """What the report of a run says of each of its statements, by id."""
    if file is None:
        return {}
    return {view["id"]: view for view in make_view(results.read(Path(file)))["statements"]}


def label(statement: Statement) -> str:
    """What a statement is called in its source, such as `Theorem 6`, as the report has it."""
    citation = {"work": statement.citation.work, "number": statement.citation.number}
    return words.label({"id": statement.id, "kind": statement.kind.value, "citation": citation})


def _inline(text: str) -> Iterator[nodes.Node]:
    """Words, with what stands between backticks as code."""
    for number, part in enumerate(re.split(r"`+([^`]+)`+", text)):
        if part:
            yield nodes.literal(part, part) if number % 2 else nodes.Text(part)


def _paragraph(*parts: str | nodes.Node, kind: str = "") -> nodes.paragraph:
    found = nodes.paragraph(classes=kind.split())
    for part in parts:
        found += list(_inline(part)) if isinstance(part, str) else [part]
    return found


def _raw(text: str) -> nodes.raw:
    return nodes.raw("", text, format="html")


def _math(source: str) -> nodes.math:
    return nodes.math(source, source)


def _display(source: str) -> nodes.math_block:
    return nodes.math_block(source, source, number=None, nowrap=True, label=None)


def _badge(verdict: View) -> nodes.raw:
    sign = f'<span aria-hidden="true">{html.escape(verdict["sign"])}</span>'
    return _raw(f' <span class="badge {verdict["key"]}">{sign} {html.escape(verdict["words"])}</span> ')


def _figure(figure: View, kind: str, caption: str = "") -> nodes.raw:
    words_for_it = html.escape(figure["alt"])
    wide = " large" if kind == "picture" and figure["width"] > 500 else ""
    inner = f'<div class="scroll{wide}" role="img" tabindex="0" aria-label="{words_for_it}">{figure["svg"]}</div>'
    below = f"<figcaption>{caption}</figcaption>" if caption else ""
    return _raw(f'<figure class="{kind}">{inner}{below}</figure>')


def _items(children: Sequence[Sequence[nodes.Node]], kind: type[nodes.Element] = nodes.bullet_list) -> nodes.Element:
    found = kind()
    for child in children:
        item = nodes.list_item()
        item += list(child)
        found += item
    return found


def _table(head: Sequence[str], rows: Sequence[Sequence[nodes.Node]], kind: str) -> nodes.table:
    table = nodes.table(classes=[kind])
    group = nodes.tgroup(cols=len(head))
    group += [nodes.colspec(colwidth=1) for _ in head]
    above, body = nodes.thead(), nodes.tbody()
    above += _row([_paragraph(text) for text in head])
    body += [_row(row) for row in rows]
    group += [above, body]
    table += group
    return table


def _row(cells: Sequence[nodes.Node]) -> nodes.row:
    found = nodes.row()
    for cell in cells:
        entry = nodes.entry()
        entry += cell
        found += entry
    return found


class _Statements(SphinxDirective):
    """What both directives know."""

    @property
    def registry(self) -> Registry:
        """The statements, with those of the folders of `conf.py`."""
        return _registry(tuple(self.config.verify_folders))

    def view(self, statement: Statement) -> View | None:
        """What the report of the run says of it; None where there is no run, or where it has another claim by now."""
        found = _views(self.config.verify_results).get(statement.id)
        return found if found is not None and found["claim"]["formula"]["latex"] == statement.latex() else None

    def link(self, statement: Statement, text: str) -> nodes.Node:
        """To the page of a statement, which is expected beside this one; words only where there is none."""
        words_of_it = nodes.inline(text, text)
        place = f"{self.env.docname.rpartition('/')[0]}/{statement.id}".lstrip("/")
        if place not in self.env.found_docs:
            return words_of_it
        return self.page(statement.id, words_of_it)

    def page(self, target: str, words_of_it: nodes.Node) -> nodes.Node:
        """A link to a page of the site."""
        where = {"refdoc": self.env.docname, "refdomain": "std", "reftype": "doc", "refexplicit": True}
        found = pending_xref("", reftarget=target, refwarn=True, **where)
        found += words_of_it
        return found

    def up(self, place: str) -> str:
        """A place on the site, as an address from this page."""
        return "../" * self.env.docname.count("/") + place


class StatementTable(_Statements):
    """A table of statements, and their graph."""

    optional_arguments = 1
    final_argument_whitespace = True
    option_spec: ClassVar[dict[str, Any]] = {"graph": directives.flag}

    def run(self) -> list[nodes.Node]:
        """The nodes of the table."""
        try:
            chosen = self.registry.select(self.arguments[0].split() if self.arguments else [])
        except InputError as error:
            raise self.error(str(error)) from None
        rows = []
        for item in chosen:
            view = self.view(item)
            verdict = _badge(view["verdict"]) if view else nodes.Text("–")
            rows.append(
                (
                    _paragraph(self.link(item, label(item))),
                    _paragraph(item.title),
                    _paragraph(verdict),
                    _paragraph(f"`{item.id}`"),
                )
            )
        table = _table(("Statement", "Title", "Verdict", "Id"), rows, "statements")
        return [*([_raw(self._graph(chosen))] if "graph" in self.options else []), table]

    def _graph(self, chosen: Sequence[Statement]) -> str:
        shown = []
        for item in chosen:
            view = self.view(item)
            none = {"outcome": "not applicable", "evidence": None, "sign": "", "words": "no run"}
            verdict: dict[str, Any] = view["verdict"] if view else none
            under = f"{verdict['sign']} {verdict['words']}".strip()
            shown.append(
                graph.Node(item.id, label(item), under, verdict["outcome"], verdict["evidence"], item.id, item.uses)
            )
        drawn = graph.dependency_graph(shown)
        if drawn is None:
            return ""
        svg = re.sub(r'href="#([\w-]+)"', rf'href="\1{self.config.html_file_suffix or ".html"}"', drawn["svg"])
        scroll = f'<div class="scroll" tabindex="0" role="group" aria-label="{html.escape(drawn["alt"])}">{svg}</div>'
        return f'<figure class="graph">{scroll}</figure>'


class StatementPage(_Statements):
    """A page of one statement."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """The nodes of the page, its title included."""
        try:
            item = self.registry[self.arguments[0]]
        except InputError as error:
            raise self.error(str(error)) from None
        self.env.note_dependency(inspect.getsourcefile(self._module(item)) or "")
        view = self.view(item)
        page = self._section(f"{label(item)}. {item.title}", item.id)
        page += self._head(item, view)
        page += self._claim(item.claim)
        page += _paragraph(item.summary)
        page += self._sources(item)
        page += self._symbols(item)
        for part in (
            self._assumptions(item, view),
            self._steps(item, view),
            *(self._check(item, number, view) for number in range(len(item.checks))),
            self._pictures(item, view),
            self._notes(item, view),
            self._module_words(item),
        ):
            page += part if part is not None else []
        return [page]

    def _section(self, title: str, name: str) -> nodes.section:
        found = nodes.section(ids=[nodes.make_id(name)], names=[nodes.fully_normalize_name(name)])
        heading = nodes.title()
        heading += list(_inline(title))
        found += heading
        return found

    def _module(self, item: Statement) -> Any:
        return import_module(module_name(self.registry.modules[item.id]))

    def _head(self, item: Statement, view: View | None) -> nodes.paragraph:
        kind = nodes.inline(item.kind.value, f"{item.kind.value} ", classes=["kind"])
        parts: list[str | nodes.Node] = [kind, nodes.literal(item.id, item.id)]
        if view is not None:
            parts += [_badge(view["verdict"]), view["verdict"]["text"]]
            if self.config.verify_report is not None:
                report = self.up(f"{self.config.verify_report}#{view['anchor']}")
                parts += [" ", nodes.reference("", "All numbers of the run.", refuri=report, internal=True)]
        return _paragraph(*parts, kind="verdict")

    def _claim(self, claim: Claim, said: Sequence[str] = ()) -> nodes.container:
        """A claim with its abbreviations, but those that were said before."""
        found = nodes.container(classes=["claim"])
        found += _display(claim.latex())
        if claim.proviso:
            found += _paragraph(claim.proviso, kind="proviso")
        where = [text for text in claim.latex_where() if text not in said]
        if where:
            found += [_paragraph("where", kind="where"), *map(_display, where)]
        return found

    def _sources(self, item: Statement) -> nodes.paragraph:
        name, works = str(item.citation), self.config.verify_works
        cited: nodes.Node = nodes.Text(name)
        if item.citation.url:
            cited = nodes.reference("", name, refuri=item.citation.url, internal=False)
        elif item.citation.work in works:
            cited = self.page(f"/{works[item.citation.work]}", nodes.inline(name, name))
        users = [other for other in self.registry.statements.values() if item.id in other.uses]
        used = [self.registry[identifier] for identifier in item.uses]
        parts: list[str | nodes.Node] = ["Source: ", cited, "."]
        for word, others in ((" Uses ", used), (" Used by ", users)):
            for number, other in enumerate(others):
                parts += [", " if number else word, self.link(other, label(other))]
            parts += ["."] if others else []
        return _paragraph(*parts)

    def _symbols(self, item: Statement) -> nodes.Node:
        rows = [
            (_paragraph(_math(latex(v.symbol))), _paragraph(v.meaning), _paragraph(_math(latex(v.domain))))
            for v in item.variables
        ]
        return _table(("Symbol", "Meaning", "Domain"), rows, "symbols")

    def _assumptions(self, item: Statement, view: View | None) -> nodes.Node | None:
        if not item.assumptions:
            return None
        states = {shown["id"]: shown["status"] for shown in view["assumptions"]} if view else {}
        found = self._section("Assumptions", f"{item.id}-assumptions")
        found += _items([[self._assumption(each, states.get(each.id, ""))] for each in item.assumptions])
        return found

    def _assumption(self, item: Assumption, state: str) -> nodes.paragraph:
        shown = item.typeset()
        words_of_it = item.text if shown is None else item.text.rstrip(".")
        parts: list[str | nodes.Node] = [nodes.literal(item.id, item.id), f" {words_of_it}"]
        if shown is not None:
            parts += [": ", _math(shown)]
        if item.literally is not None:
            parts += [". Read literally at one size: ", _math(latex(item.literally))]
        return _paragraph(*parts, f" ({state} of the run)" if state else "")

    def _notes(self, item: Statement, view: View | None) -> nodes.Node | None:
        shown = [[_paragraph(note)] for note in item.notes]
        for finding in view["findings"] if view else []:
            text = f" {finding['verdict']['text']}"
            shown.append([_paragraph(nodes.strong("", finding["title"]), f" ({finding['status']}).", text)])
        if not shown:
            return None
        found = self._section("Remarks", f"{item.id}-remarks")
        found += _items(shown)
        return found

    def _pictures(self, item: Statement, view: View | None) -> nodes.Node | None:
        drawn = [picture for picture in (view["pictures"] if view else []) if picture["figure"]]
        if not drawn:
            return None
        found = self._section("Pictures", f"{item.id}-pictures")
        for picture in drawn:
            caption = f"<strong>{html.escape(picture['title'])}.</strong> {html.escape(picture['text'])}"
            found += _figure(picture["figure"], "picture", caption)
        return found

    def _steps(self, item: Statement, view: View | None) -> nodes.Node | None:
        if not item.steps:
            return None
        found = self._section("Derivation", f"{item.id}-derivation")
        found += _paragraph(_DERIVATIONS[item.derivation])
        shown = view["steps"] if view and len(view["steps"]) == len(item.steps) else [None] * len(item.steps)
        found += _items(
            [
                [_paragraph(step.text, *([_badge(seen["verdict"])] if seen else [])), _display(step.latex)]
                for step, seen in zip(item.steps, shown, strict=True)
            ],
            nodes.enumerated_list,
        )
        return found

    def _check(self, item: Statement, number: int, view: View | None) -> nodes.section:
        check = item.checks[number]
        seen = next((one for one in view["checks"] if one["name"] == check.name), None) if view else None
        found = self._section(f"Check: {check.name}", f"{item.id}-check-{number + 1}")
        found += _paragraph(*([_badge(seen["verdict"])] if seen else []), check.text)
        if check.claim is not None:
            stronger = " It is stronger than the statement's." if check.sufficient else ""
            found += _paragraph(f"Held against this claim.{stronger}")
            found += self._claim(check.claim, item.claim.latex_where())
        found += [_figure(figure, "plot") for figure in (seen["figures"] if seen else [])]
        found += [*_where(check), _paragraph("Controls, each of which must come out violated:")]
        states = {one["name"]: one["status"] for one in seen["controls"]} if seen else {}
        found += _items([_control(control, states.get(control.name)) for control in check.controls])
        if check.beside:
            found += _paragraph("Shown beside it: ", *_joined([_math(latex(claim.bound)) for _, claim in check.beside]))
        return found

    def _module_words(self, item: Statement) -> nodes.section:
        module = self._module(item)
        found = self._section("In the words of its module", f"{item.id}-module")
        for text in re.split(r"\n\s*\n", inspect.getdoc(module) or ""):
            found += _paragraph(" ".join(text.split()))
        found += _paragraph("Check it alone:")
        command = f"python -m verify run {item.id}"
        found += nodes.literal_block(command, command, language="sh")
        name = module.__name__
        address = self.up(f"{_source_page(name)}.html")
        found += _paragraph("Source: ", nodes.reference("", name, refuri=address, internal=True))
        return found


_DERIVATIONS = {
    Derivation.NONE: "The steps do not prove the claim.",
    Derivation.PARTIAL: "The steps prove part of the claim.",
    Derivation.COMPLETE: "The steps prove the claim, given the statements it uses.",
}


def _where(check: Check) -> Iterator[nodes.Node]:
    """At which points a check is done: single ones as they are, those of a path by their sizes."""
    if check.grid:
        yield _paragraph(f"At {_points(check.grid)}.")
    for path in check.paths:
        sizes = ", ".join(f"{point['N']}" for point in path.points)
        yield _paragraph("Along ", _math(path.scaling.latex()), f", N = {sizes}.")


_MOST_POINTS = 6


def _points(points: Sequence[Point]) -> str:
    shown = ["; ".join(_point(point) for point in points[:_MOST_POINTS])]
    return shown[0] if len(points) <= _MOST_POINTS else f"{len(points)} points, of which the first are {shown[0]}"


def _point(point: Point) -> str:
    return ", ".join(f"{name} = {value}" for name, value in point.items())


def _control(control: Control, state: str | None) -> list[nodes.Node]:
    text = f"`{control.name}`: {control.text}" + (f" ({state} in the run)" if state else "")
    return [_paragraph(text), *([_display(control.claim.latex())] if control.claim is not None else [])]


def _joined(parts: Sequence[nodes.Node]) -> Iterator[str | nodes.Node]:
    for number, part in enumerate(parts):
        yield from (", ", part) if number else (part,)


# --- Sources and style --------------------------------------------------------------------------------------


def _source_page(name: str) -> str:
    return f"{_SOURCES}/{name.replace('.', '/')}"


def _source_pages(app: Sphinx) -> Iterator[tuple[str, dict[str, Any], str]]:
    """A page with the source of each statement's module; the search leaves them out."""
    registry = _registry(tuple(app.config.verify_folders))
    highlighter = PygmentsBridge("html", app.config.pygments_style or "default")
    for identifier in registry.statements:
        if not any(name.rpartition("/")[2] == identifier for name in app.env.found_docs):
            continue
        name = module_name(registry.modules[identifier])
        source = inspect.getsource(import_module(name))
        body = f"<h1>{html.escape(name)}</h1>{highlighter.highlight_block(source, 'python')}"
        yield _source_page(name), {"title": name, "body": body}, "page.html"


def _write_style(app: Sphinx) -> None:
    """The style of the statements' pages, and the font of the formulas, beside those of the theme."""
    folder = Path(app.outdir) / "_static"
    folder.mkdir(parents=True, exist_ok=True)
    dark = declarations(DARK)
    sheet = (
        f'@font-face{{font-family:"STIX Two Math";src:url({_FONT}) format("woff2")}}'
        f"body{{--figure-font:system-ui,sans-serif;{declarations(LIGHT)}}}"
        f'@media (prefers-color-scheme:dark){{body:not([data-theme="light"]){{{dark}}}}}'
        f'body[data-theme="dark"]{{{dark}}}@media print{{body{{{declarations(LIGHT)}}}}}'
    )
    own = (files("verify.report") / "templates" / "site.css").read_text(encoding="utf-8")
    sheet += figures.STYLE + pictures.STYLE + graph.STYLE + own
    (folder / _STYLE).write_text(sheet, encoding="utf-8")
    with as_file(files("verify.report") / "assets" / _FONT) as font:
        shutil.copyfile(font, folder / _FONT)
