"""The certificate as one page: what it says, that it is one page, and that nothing in it is read as code."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from dataclasses import replace
from datetime import datetime
from html.parser import HTMLParser

import numpy as np
import pytest

import verify
from verify.certificate.result import VERDICTS
from verify.certificate.sheet import sheet, write_sheet
from verify.cli import main
from verify.verdicts import Outcome, Verdict

X = np.array([[1.0, 2.0], [-1.0, 0.25], [2.0, -1.0]])
W, Z = np.array([[1.0, 0.5], [-1.0, 2.0]]), np.array([1.0, -1.0])
Y = np.where(X @ W.T > 0, X @ W.T, 0.5 * (X @ W.T)) @ Z  # an exact minimum: nothing better is looked for
WHEN = datetime(2026, 11, 21, 12, 0)
HOSTILE = '<script>alert(1)</script><img src=x onerror=1> {{ 7*7 }} #eval("1") $x$ \\u{41} \x1b[31m \u202e cba 😀 漢字'


@pytest.fixture(scope="module")
def certificate():
    return verify.certify(W, Z, X, Y, slope=0.5)


class Page(HTMLParser):
    """Tags, attributes and text of a page."""

    def __init__(self, source):
        super().__init__()
        self.tags, self.attributes, self.text = [], [], ""
        self.feed(source)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [name for name, _ in attrs]

    def handle_data(self, data):
        self.text += f"{data} "


def pages(pdf):
    return len(re.findall(rb"/Type */Page[^s]", pdf))


def test_the_page_says_what_the_certificate_says(certificate, tmp_path):
    html, pdf = write_sheet(certificate, tmp_path, {"network": "w.npz"}, {"verify": "0.1"}, WHEN)
    text = " ".join(Page(html.read_text(encoding="utf-8")).text.split())
    for name in VERDICTS:
        verdict = getattr(certificate, name)
        assert f"{verdict} {verdict.text}" in text
    for name, value in certificate.facts().items():
        assert f"{name} {value}" in text
    assert "w.npz" in text
    assert "verify 0.1 · 2026-11-21" in text
    assert pages(pdf.read_bytes()) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["certificate.html", "certificate.pdf"]


def test_the_same_certificate_gives_the_same_bytes(certificate, tmp_path):
    folders = [tmp_path / name for name in ("one", "two")]
    for folder in folders:
        folder.mkdir()
        write_sheet(certificate, folder, {"network": "w.npz"}, {}, WHEN)
    for name in ("certificate.html", "certificate.pdf"):
        assert (folders[0] / name).read_bytes() == (folders[1] / name).read_bytes()


def test_text_of_others_is_shown_and_never_read(certificate, tmp_path):
    hostile = replace(
        certificate, notes=(HOSTILE,), reason=HOSTILE, local_minimum=Verdict(Outcome.UNDECIDED, None, HOSTILE)
    )
    html, pdf = write_sheet(hostile, tmp_path, {"network": HOSTILE, HOSTILE: "x"}, {"verify": HOSTILE}, WHEN)
    source = html.read_text(encoding="utf-8")
    page = Page(source)
    assert not {"script", "img", "iframe", "link", "object", "form"} & set(page.tags)
    assert not [name for name in page.attributes if name.startswith("on") or name in ("src", "href")]
    assert not re.search(r"https?://|url\(|@import", source)
    assert page.text.count("<script>alert(1)</script>") == 6
    assert "{{ 7*7 }}" in page.text
    assert not set("\x1b\u202e") & set(source)
    assert r"\x1b[31m \u202e cba" in page.text
    assert pages(pdf.read_bytes()) == 1


def test_the_longest_certificate_is_one_page(certificate, tmp_path):
    """As wordy as one can be: every text is three lines, and there are more notes than are shown."""
    words = "a word that is rather long and says little " * 7
    long = replace(
        certificate,
        **{name: replace(getattr(certificate, name), text=words) for name in VERDICTS},
        reason=words,
        notes=(words,) * 9,
    )
    assert len(sheet(long, {}, {}, WHEN)["notes"]) == 3
    _, pdf = write_sheet(long, tmp_path, {f"source {k}": "x" * 999 for k in range(5)}, {}, WHEN)
    assert pages(pdf.read_bytes()) == 1


@pytest.mark.browser
@pytest.mark.skipif(not shutil.which("chromium"), reason="needs headless Chromium")
def test_a_browser_prints_one_page(certificate, tmp_path):
    html, _ = write_sheet(certificate, tmp_path, {"network": "w.npz"}, {}, WHEN)
    out = tmp_path / "printed.pdf"
    command = ["chromium", "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}"]
    subprocess.run([*command, f"--print-to-pdf={out}", html.as_uri()], check=True, capture_output=True, timeout=120)
    assert len(re.findall(rb"/Type\s*/Page\b", out.read_bytes())) == 1


@pytest.mark.parametrize(
    ("outcomes", "words"),
    [
        (("holds", "holds", "holds"), "and to be a global one"),
        (("holds", "holds", "violated"), "and not to be a global one"),
        (("holds", "holds", "undecided"), "whether it is global is open"),
        (("holds", "violated", "violated"), "training has not ended at one"),
        (("holds", "undecided", "undecided"), "could not be decided"),
        (("violated", "not applicable", "undecided"), "exactly zero"),
    ],
)
def test_the_sentence_at_the_head_follows_the_verdicts(certificate, outcomes, words):
    names = ("differentiable", "local_minimum", "global_minimum")
    verdicts = {name: Verdict(Outcome(outcome)) for name, outcome in zip(names, outcomes, strict=True)}
    assert words in sheet(replace(certificate, **verdicts), {}, {}, WHEN)["summary"]


def test_the_command_writes_page_paper_and_json(tmp_path, capsys):
    network, data = tmp_path / "<i>w&.npz", tmp_path / "d.npz"
    np.savez(network, W=W, z=Z)
    np.savez(data, X=X, y=Y)
    out = tmp_path / "new" / "folder"
    with pytest.raises(SystemExit) as stop:
        main(["certify", str(network), str(data), "--slope", "0.5", "--out", str(out)])
    assert stop.value.code == 0
    assert capsys.readouterr().out.startswith("Certificate(N = 3")
    assert sorted(path.name for path in out.iterdir()) == [f"certificate.{kind}" for kind in ("html", "json", "pdf")]
    stored = json.loads((out / "certificate.json").read_text(encoding="utf-8"))
    assert stored["differentiable"]["outcome"] == "holds"
    assert stored["sources"]["network"].startswith("<i>w&.npz: d0 = 2 features, d1 = 2 hidden units, slope 0.5")
    page = (out / "certificate.html").read_text(encoding="utf-8")
    assert "&lt;i&gt;w&amp;.npz" in page
    assert str(tmp_path) not in page


def test_notes_of_the_certificate_and_of_the_biases_are_both_shown(tmp_path, capsys, monkeypatch):
    """A neuron is next to a boundary, the labels are off, and a bias is folded in."""
    monkeypatch.setattr("verify.certificate.certify.best_rival", lambda *_: None)
    first, bias = np.array([[1.0, 1.0 + 1e-12], [0.25, 0.75]]), np.array([0.0, 0.125])
    samples = np.array([[1.0, -1.0], [0.5, 2.0]])
    np.savez(tmp_path / "w.npz", W=first, z=[1.0, 1.0], b=bias)
    np.savez(tmp_path / "d.npz", X=samples, y=[3.0, 4.0])
    with pytest.raises(SystemExit) as stop:
        main(["certify", str(tmp_path / "w.npz"), str(tmp_path / "d.npz"), "--bias", "constant-feature", "--json"])
    assert stop.value.code == 0
    notes = json.loads(capsys.readouterr().out)["notes"]
    assert ["nearest boundary is within rounding" in notes[0], "last feature" in notes[1]] == [True, True]
