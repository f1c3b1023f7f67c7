"""The guard: Typst's own reading of a formula must show the characters that the MathML shows."""

import html
import re
import unicodedata
from collections import Counter

import pytest
import typst

from verify.registry import discover
from verify.report.formulas import formula, parse, pieces
from verify.typesetting import latex

FORMULAS = [
    r"\mathbb{E}_X V(L_\varepsilon) \mathrel{\dot{\le}} e^{- \gamma_{\varepsilon} \left(d_{0} d_{1}\right)^{1/4}}",
    r"\gamma_\varepsilon = \begin{cases} 0.23 \varepsilon & \text{for}\: \rho = 0 \\ 1 & \text{otherwise} \end{cases}",
    r"{\binom{a}{b}} \leq \left(\frac{e a}{b}\right)^{b}",
    r"\sum_{k=0}^{n} {\binom{n}{k}} p^{k} \prod_{i=1}^{m} x_{i}",
    r"\sum_{\substack{1 \leq i \leq N \\ j \leq d_1}} a_{ij}",
    r"\min\left(1, \max\left(a, b\right)\right) + \min_{r \le K} f(K)",
    r"\left\lfloor{\frac{N - 1}{d_{0}}}\right\rfloor + \left\lceil x \right\rceil",
    r"\mathbb{P}\left(\lVert e \rVert^2 > 0 \,\middle|\, X\right)",
    r"A \odot B + A \circ X = \overline{x} + \hat{y} + \tilde{z}",
    r"\operatorname{erfc}{\left(\frac{x}{\sqrt{2}} \right)} \log{\left(x \right)}^{4}",
    r"I_{1/2}\left(a, b\right) \sqrt[3]{x} \sqrt{N d_{0}}",
    r"\left(-\infty, 1\right) \cup \left(1, \infty\right) \quad \left\{0, 1\right\}^{N} \setminus \{x\}",
    r"X_{jn} \sim \mathcal{N}(0, 1) \text{ independent}, \; W^{*} \in \mathbb{R}^{d_1 \times d_0}",
    r"\lim_{N \to \infty} \frac{\log g}{\log h} \to 1, \ldots, x'",
    r"\int_{0}^{\pi} \left(1 - \frac{\theta}{\pi}\right)^{t} d\theta",
    r"\#, \$, \%, \&, \_, /, //, ;, \text{a \# b}, \left[a, b\right]",
    r"\begin{pmatrix} a & b \\ c & d \end{pmatrix}^{T} \neq \begin{aligned} x &= y \\ &\le z \end{aligned}",
]
_SAME = {
    0x2D6: None,
    0x2C6: None,
    0x2DC: None,
    0x203E: None,
    0xAF: None,
    0x2D9: None,
    0x2061: None,
    0x2062: None,
    0x2063: None,
    0x2212: "-",
    0x2225: "‖",
    0x223C: "~",
    0x2217: "*",
    0x2223: "|",
    0x2032: "'",
    0x27: "'",
}


def _every_formula() -> list[str]:
    found = list(FORMULAS)
    for statement in discover().statements.values():
        claims = [statement.claim]
        for check in statement.checks:
            claims += [check.claim] if check.claim else []
            claims += [control.claim for control in check.controls if control.claim]
            found += [path.scaling.latex() for path in check.paths]
        found += [text for item in claims for text in (item.latex(), *item.latex_where())]
        found += [text for item in statement.assumptions if (text := item.typeset())]
        found += [step.latex for step in statement.steps]
        found += [latex(part) for item in statement.variables for part in (item.symbol, item.domain)]
    return list(dict.fromkeys(found))


def visible(mathml: str) -> Counter[str]:
    """The characters a reader sees, with the many codes of one sign made one."""
    text = html.unescape(re.sub(r"<[^>]+>", "", mathml)).translate(_SAME)
    text = unicodedata.normalize("NFKD", text).translate(_SAME)
    return Counter(
        char
        for char in text
        if not char.isspace() and not unicodedata.combining(char) and not 0xFE00 <= ord(char) <= 0xFE0F
    )


def _read_back(formulas: list[str]) -> list[str]:
    """Typst math as the MathML that Typst itself makes of it."""
    body = "\n\n".join(f"#math.equation(block: true, ${item}$)" for item in formulas)
    page = typst.compile(body.encode(), format="html", ignore_system_fonts=True).decode()
    return re.findall(r"<math.*?</math>", page, re.S)


@pytest.mark.filterwarnings("ignore")
def test_nothing_is_lost_between_the_page_and_the_pdf():
    made = {source: formula(source, block=True) for source in _every_formula()}
    assert [source for source, item in made.items() if item.typst is None] == []
    back = _read_back([str(item.typst) for item in made.values()])
    assert len(back) == len(made)
    for (source, item), seen in zip(made.items(), back, strict=True):
        page = visible(re.sub(r' alttext="[^"]*"', "", str(item.mathml)))
        assert page == visible(seen), source


def test_the_guard_sees_a_lost_sign():
    good = formula("a + b", block=True)
    (back,) = _read_back([str(good.typst).replace("+", "")])
    assert visible(str(good.mathml)) != visible(back)


@pytest.mark.parametrize("source", [r"\unknowncommand", "{", r"\begin{cases}", "", "\\"])
def test_what_cannot_be_converted_keeps_its_source(source):
    made = formula(source)
    assert made.latex == source
    assert (made.mathml is None) == (made.typst is None)


def test_the_page_gets_only_known_elements():
    made = formula(r"\text{</math><script>alert(1)</script>}")
    assert made.mathml is not None
    assert "<script" not in made.mathml
    assert "&lt;script&gt;" in made.mathml


@pytest.mark.parametrize(
    "source",
    [r"\text{\" + panic() + \"}", r"\#panic()", r"\text{#panic()}", r"x // y", r"/* x", r"\operatorname{panic}()"],
)
def test_typst_runs_nothing_from_a_formula(source):
    made = formula(source, block=True)
    if made.typst is not None:
        assert len(_read_back([made.typst])) == 1


def test_substack_becomes_a_line():
    assert "".join(parse(r"\sum_{\substack{a \leq b \\ c}} x").itertext()).replace(" ", "") == "∑a≤b,cx"


def test_pieces_for_figures():
    assert pieces(r"d_0 = N^{3/4},\quad d_1") == [("d", 0), ("0", -1), (" = N", 0), ("3/4", 1), (", d", 0), ("1", -1)]
    assert pieces(r"\unknowncommand") == [(r"\unknowncommand", 0)]
