"""What statements and results show in a notebook, and results as a table."""

from __future__ import annotations

import json
import math
from html.parser import HTMLParser
from pathlib import Path

import numpy as np

import verify
from verify import results
from verify.verdicts import Evidence
from verify.volume.result import EVENTS, Volume, Volumes

REFERENCE = Path(__file__).parents[2] / "reports" / "reference" / "results.json"


class Reader(HTMLParser):
    """Text of a page, its elements, and whether they are nested as they should be."""

    def __init__(self, page):
        super().__init__()
        self.words, self.seen, self.open = "", [], []
        self.feed(page)
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.seen.append(tag)
        self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.seen.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words += data


def test_every_statement_shows_its_claim_and_its_parts():
    for statement in verify.all_statements().values():
        page = Reader(statement._repr_html_())
        assert "math" in page.seen, statement.id
        for text in (statement.id, statement.title, statement.summary, str(statement.citation)):
            assert text in page.words
        for check in statement.checks:
            assert check.text in page.words
        assert page.seen.count("tr") == 1 + len(statement.variables)
        assert statement._repr_latex_() == f"${statement.latex()}$"


def test_text_of_a_module_is_text(toy):
    folder = toy()
    module = Path(folder) / "coin.py"
    module.write_text(module.read_text().replace("Heads are rare.", "<script>alert(1)</script>"))
    page = verify.statement("coin", folder)._repr_html_()
    assert "<script>" not in page
    assert "<script>alert(1)</script>" in Reader(page).words


def test_volumes_are_a_table_also_where_no_float_holds_them():
    tiny = Volume(-5000.0, -4999.0, -4998.0, Evidence.STATISTICAL, note="upper end measured")
    found = Volumes(tiny, tiny, tiny, Volume(-math.inf, -math.inf, -math.inf), Volume(0.0, 0.0, 0.0), reason="a < b")
    rows = found.rows()
    assert [row["event"] for row in rows] == list(EVENTS)
    assert [row["log_estimate"] for row in rows] == [-4999.0] * 3 + [None, 0.0]
    assert json.loads(json.dumps(rows)) == rows
    page = Reader(found._repr_html_())
    assert page.seen.count("tr") == 6
    assert "e-2172" in page.words  # 10^(-4999 / ln 10) = 10^(-2171.04)
    assert "a < b" in page.words
    assert page.words.count("upper end measured") == 1


def test_a_certificate_is_a_table_of_verdicts():
    rng = np.random.default_rng(0)
    found = verify.certify(
        rng.standard_normal((3, 2)), [1.0, -1.0, 1.0], rng.standard_normal((6, 2)), [0, 1, 0, 1, 1, 0]
    )
    assert found.rows()[0]["name"] == "differentiable"
    assert found.rows()[0]["verdict"] == str(found.differentiable)
    page = Reader(found._repr_html_())
    assert page.seen.count("tr") == 5
    assert "mean squared error" in page.words


def test_results_are_one_flat_row_a_point():
    run = results.read(REFERENCE)
    rows = results.table(run)
    points = [point for item in run["statements"] for check in item["checks"] for point in check["points"]]
    assert len(rows) == len(points)
    for row, point in zip(rows, points, strict=True):
        assert row["outcome"] == point["verdict"]["outcome"]
        assert point["parameters"].items() <= row.items()
        assert all(not isinstance(value, list | dict) for value in row.values())
        assert row["log_bound"] is None or isinstance(row["log_bound"], float)
    assert any(row["log_estimate"] == -math.inf for row in rows)
    assert {"theorem-6", "f19"} <= {row["statement"] for row in rows}
