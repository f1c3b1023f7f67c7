"""Pages of statements: whole, linked, with formulas that a browser sets, and with nothing said twice."""

from __future__ import annotations

import contextlib
import io
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from sphinx.cmd.build import main as sphinx

from verify import all_statements
from verify.report.formulas import formula
from verify.sphinx import label

ROOT = Path(__file__).parent.parent.parent
RUN = ROOT / "reports" / "reference"
CONF = """
project = "pages"
extensions = ["verify.sphinx"]
html_math_renderer = "verify"
html_theme = "basic"
smartquotes = False
verify_results = {results!r}
verify_report = "report.html"
verify_works = {{"finite-N note": "index"}}
"""
SHOWN = ("theorem-6", "f10", "wendel-1962")


def build(folder, pages, results=None):
    """Build a site of these pages; returns the exit code and what Sphinx said."""
    source = folder / "source"
    source.mkdir()
    (source / "conf.py").write_text(CONF.format(results=results))
    for name, text in pages.items():
        (source / f"{name}.rst").write_text(text)
    said = io.StringIO()
    with contextlib.redirect_stderr(said):
        code = sphinx(["-b", "html", "-q", "-W", "--keep-going", str(source), str(folder / "out")])
    return code, said.getvalue()


class Page(HTMLParser):
    """Text, links, and elements of a page, and whether what it opens it closes."""

    def __init__(self, file):
        super().__init__()
        self.source = file.read_text(encoding="utf-8")
        self.text, self.links, self.tags, self.ids = "", [], [], []
        self.feed(self.source)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.links += [value for name, value in attributes if name == "href"]
        self.ids += [value for name, value in attributes if name == "id"]

    def handle_data(self, data):
        self.text += data


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    tree = "Pages\n=====\n\n.. toctree::\n\n" + "".join(f"   {name}\n" for name in SHOWN)
    index = f"{tree}\n.. statements:: theorem-* f10 wendel-1962\n   :graph:\n\nThe bound :math:`e^{{-n}}`.\n"
    pages = {"index": index} | {name: f".. statement:: {name}\n" for name in SHOWN}
    code, said = build(folder, pages, str(RUN / "results.json"))
    assert code == 0, said
    return {name: Page(folder / "out" / f"{name}.html") for name in pages} | {"out": folder / "out"}


@pytest.mark.parametrize("identifier", SHOWN)
def test_a_page_has_all_parts_of_its_statement(site, identifier):
    page, item = site[identifier], all_statements()[identifier]
    text = " ".join(page.text.split())
    for words in (
        f"{label(item)}. {item.title}",
        item.summary,
        str(item.citation),
        *(variable.meaning for variable in item.variables),
        *(each.text.rstrip(".") for each in item.assumptions),
        *(step.text for step in item.steps),
        *(check.text for check in item.checks),
        *(control.text for check in item.checks for control in check.controls),
        *item.notes,
    ):
        assert " ".join(words.replace("`", "").split()) in text
    for source in (item.latex(), *item.claim.latex_where()):
        assert formula(source, block=True).mathml in page.source
    assert len(page.ids) == len(set(page.ids))


def test_pages_link_to_what_is_used_and_to_their_source(site):
    assert "f10.html" in site["theorem-6"].links
    assert "theorem-6.html" in site["f10"].links
    assert '<a class="reference internal" href="index.html"><span class="doc">finite-N note, F10' in site["f10"].source
    assert "report.html" in {link.partition("#")[0] for link in site["f10"].links}
    source = (site["out"] / "source" / "theorems" / "paper" / "theorem_6.html").read_text(encoding="utf-8")
    assert "source/theorems/paper/theorem_6.html" in site["theorem-6"].links
    assert "STATEMENT" in source
    # F18 is used by F15 and has no page here: its name stands without a link.
    assert not any(link.startswith("f18") for page in SHOWN for link in site[page].links)


def test_the_table_has_verdicts_and_the_graph_leads_to_pages(site):
    page = site["index"]
    names = [item.id for item in all_statements().values() if item.id.startswith("theorem-")]
    assert all(name in page.text for name in names)
    assert "theorem-6.html" in page.links
    assert page.tags.count("svg") == 1
    assert 'class="badge' in page.source


def test_every_formula_is_mathml_and_nothing_is_fetched(site):
    assert "<math" in site["index"].source
    for name in (*SHOWN, "index"):
        assert "\\(" not in site[name].text
        assert not re.search(r"<(?:script|link|img)[^>]+(?:src|href)=.(?:https?:)?//", site[name].source)
    style = (site["out"] / "_static" / "verify.css").read_text(encoding="utf-8")
    assert "http" not in style
    for name in re.findall(r"url\(([^)]*)\)", style):
        assert (site["out"] / "_static" / name).is_file()


def test_what_cannot_be_shown_fails_the_build(tmp_path):
    page = ".. statement:: theorem-66\n\n.. statements:: nothing-*\n\n:math:`\\nosuchcommand{x}`\n"
    code, said = build(tmp_path, {"index": f"Page\n====\n\n{page}"})
    assert code == 1
    for words in ("did you mean", "no statement matches", "cannot be set"):
        assert words in said


def test_without_a_run_there_are_no_verdicts(tmp_path):
    code, said = build(tmp_path, {"index": ".. statement:: cover-1965\n"})
    assert code == 0, said
    page = Page(tmp_path / "out" / "index.html")
    assert 'class="badge' not in page.source
    assert all_statements()["cover-1965"].checks[0].text in " ".join(page.text.split())
