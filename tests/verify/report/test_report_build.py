import base64
import contextlib
import copy
import hashlib
import io
import json
import subprocess
import sys
from html.parser import HTMLParser
from typing import Any

import pypdf
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from verify.cli import main
from verify.report import write_reports
from verify.report.page import render_page
from verify.report.pdf import render_pdf
from verify.report.view import make_view

VOID = {"meta", "br", "link", "img", "input", "hr", "mspace"}
NO_TEXT = {"style", "script"}


class Page(HTMLParser):
    """Ids, links, elements and text of a page; fails on tags that do not nest."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.words: list[str] = []
        self.scripts: list[str] = []
        self.open: list[str] = []
        self.feed(source)
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]
        found = dict(attrs)
        if "id" in found:
            self.ids.append(str(found["id"]))
        if "href" in found:
            self.links.append(str(found["href"]))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not self.open or self.open[-1] not in NO_TEXT:
            self.words.append(data)
        elif self.open[-1] == "script":
            self.scripts.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


@pytest.fixture(params=["results", "data_results", "empty_results", "hostile_results"])
def any_results(request: pytest.FixtureRequest) -> dict[str, Any]:
    return request.getfixturevalue(request.param)


def test_page_is_well_formed_and_asks_for_nothing(any_results):
    page = Page(render_page(make_view(any_results)))
    assert len(page.ids) == len(set(page.ids))
    assert {link[1:] for link in page.links if link.startswith("#")} <= set(page.ids)
    assert {link for link in page.links if not link.startswith("#")} <= {"https://arxiv.org/abs/1702.05777"}
    assert not {"img", "iframe", "object", "link", "base", "form"} & set(page.tags)
    for name, value in page.attributes:
        assert name not in ("src", "srcset", "action", "background"), value
        assert not name.startswith("on"), value


def test_the_policy_of_the_page_names_its_one_script(any_results):
    page = Page(render_page(make_view(any_results)))
    (script,) = page.scripts
    assert page.tags.count("script") == 1
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    (policy,) = [value for name, value in page.attributes if name == "content" and "default-src" in value]
    assert policy.startswith("default-src 'none'; ")
    assert f"script-src 'sha256-{digest}';" in policy


def test_page_speaks_to_screen_readers(results):
    source = render_page(make_view(results))
    page = Page(source)
    assert ("lang", "en") in page.attributes
    assert {"main", "nav", "h1", "h2", "h3"} <= set(page.tags)
    assert page.tags.count("h1") == 1
    assert page.tags.count("math") > 10
    labels = [value for name, value in page.attributes if name == "aria-label"]
    assert any("log scale" in label and "1 violated" in label for label in labels)
    assert any("How tight the bounds are" in label and "F10: " in label for label in labels)
    assert any("Dependency graph" in label and "Theorem 6 uses Lemma 2" in label for label in labels)


def test_page_shows_everything_once_run(results):
    source = render_page(make_view(results))
    page = Page(source)
    assert len(source) < 3_000_000
    for item in results["statements"]:
        assert item["title"] in page.text
        assert item["summary"] in page.text
        assert f"python -m verify run {item['id']} --seed 7" in page.text
        for finding in item["findings"]:
            assert page.text.count(finding["title"]) == 2
        for check in item["checks"]:
            assert check["text"] in page.text
            for control in check["controls"]:
                assert control["text"] in page.text
            assert "2 beyond resolution" in page.text
            assert "mutant supported (why)" in page.text
    numbers = make_view(results)["statements"][5]["checks"][0]["tables"]
    assert [row["cells"][0] for row in numbers[0]["rows"]] == [str(index) for index in range(1, 97)]
    assert "10⁻³⁰⁴" in page.text


def test_hostile_text_is_inert(hostile_results, results):
    page, tame = Page(render_page(make_view(hostile_results))), Page(render_page(make_view(results)))
    assert set(page.tags) <= set(tame.tags)
    assert "<script>alert(1)</script>" in page.text
    assert "49" not in page.text.split("{{ 7*7 }}")[0][-20:]
    assert r"\x1b[31mred" in page.text
    assert r"\u202egnp.exe" in page.text
    assert not any(ord(char) < 32 and char != "\n" for char in page.text)


def test_pdf_of_anything_can_be_set(any_results):
    content = render_pdf(make_view(any_results))
    assert content.startswith(b"%PDF-")
    assert b"pdfuaid" in content


def test_pdf_has_outline_links_tags_and_words_for_its_figures(results):
    view = make_view(results)
    reader = pypdf.PdfReader(io.BytesIO(render_pdf(view)))
    catalog = reader.trailer["/Root"]
    assert catalog["/MarkInfo"]["/Marked"]
    assert catalog["/Lang"] == "en"
    assert reader.metadata.title == "Verification of Author & Author 2017"
    titles = [item.title for item in reader.outline if not isinstance(item, list)]
    assert titles[:3] == ["Verdicts", "What rests on what", "Findings"]
    assert "Theorem 6. The title of theorem-6" in titles
    alts = []

    def walk(element):
        element = element.get_object()
        if isinstance(element, list):
            for item in element:
                walk(item)
        elif isinstance(element, dict):
            if element.get("/S") == "/Figure":
                alts.append(str(element.get("/Alt", "")))
            if "/K" in element:
                walk(element["/K"])

    walk(catalog["/StructTreeRoot"])
    assert view["graph"]["alt"] in alts
    assert view["tightness"]["alt"] in alts
    assert all(alts)
    links = [
        note.get_object()
        for page in reader.pages
        for note in page.get("/Annots", [])
        if note.get_object()["/Subtype"] == "/Link"
    ]
    assert len(links) >= 2 * len(results["statements"])  # tiles and table


def test_same_results_give_the_same_bytes(results, tmp_path):
    folders = [tmp_path / "one", tmp_path / "two"]
    for folder in folders:
        folder.mkdir()
        files = write_reports(copy.deepcopy(results), folder)
        assert [file.name for file in files] == ["report.html", "report.pdf"]
        assert sorted(item.name for item in folder.iterdir()) == ["report.html", "report.pdf"]
    for name in ("report.html", "report.pdf"):
        assert (folders[0] / name).read_bytes() == (folders[1] / name).read_bytes()


def test_page_does_not_depend_on_the_hash_seed(results, tmp_path):
    (tmp_path / "results.json").write_text(json.dumps(results), encoding="utf-8")
    program = (
        "import hashlib, json, pathlib, sys\n"
        "from verify.report.page import render_page\n"
        "from verify.report.view import make_view\n"
        "made = json.loads(pathlib.Path(sys.argv[1]).read_text(encoding='utf-8'))\n"
        "print(hashlib.sha256(render_page(make_view(made)).encode()).hexdigest())\n"
    )
    digests = {
        subprocess.run(
            [sys.executable, "-c", program, str(tmp_path / "results.json")],
            env={"PYTHONHASHSEED": seed, "PATH": ""},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(digests) == 1


def test_results_are_not_changed(results):
    before = copy.deepcopy(results)
    make_view(results)
    assert results == before


def test_a_report_that_fails_leaves_the_old_one(results, tmp_path):
    write_reports(results, tmp_path)
    old = (tmp_path / "report.html").read_bytes()
    del results["statements"][0]["verdict"]
    with pytest.raises(KeyError):
        write_reports(results, tmp_path)
    assert (tmp_path / "report.html").read_bytes() == old
    assert sorted(item.name for item in tmp_path.iterdir()) == ["report.html", "report.pdf"]


PLACES = st.lists(st.integers(0, 10**6), min_size=1, max_size=9)
VALUES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.just([]) | st.just({})


def edited(value, places, new):
    """A copy in which one part, found by going down at random, is another value; None removes it."""
    if not places or not isinstance(value, dict | list) or not value:
        return new
    keys = list(value) if isinstance(value, dict) else range(len(value))
    key = keys[places[0] % len(keys)]
    changed = copy.copy(value)
    if new is None and len(places) == 1:
        del changed[key]
    else:
        changed[key] = edited(value[key], places[1:], new)
    return changed


def test_results_that_were_edited_give_a_report_or_one_line(results, tmp_path, monkeypatch):
    """The PDF, which takes seconds, is left out."""
    monkeypatch.setattr("verify.report.pdf.render_pdf", lambda view: b"")

    @settings(max_examples=40)
    @given(PLACES, VALUES)
    def try_one(places, new):
        (tmp_path / "results.json").write_text(json.dumps(edited(results, places, new)), encoding="utf-8")
        error = io.StringIO()
        with contextlib.redirect_stderr(error), pytest.raises(SystemExit) as stop:
            main(["report", str(tmp_path)])
        assert stop.value.code in (0, 2)
        assert len(error.getvalue().splitlines()) == (stop.value.code == 2)

    try_one()


def test_importing_the_room_loads_no_typesetter():
    program = "import sys, verify.report; print({'typst', 'jinja2', 'math_core'} & set(sys.modules))"
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "set()"
