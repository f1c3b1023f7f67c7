"""A results.json made by hand that has every outcome, evidence, leaning and odd value at least once."""

import copy
import itertools
import math
from typing import Any

import pytest

HOSTILE = (
    "<script>alert(1)</script> </style> #panic() $x$ \\ ] } \" ' */ // [link] \x1b[31mred\x07 \u202egnp.exe "
    "日本語 🙂 a\u0307 ⩽̇ " + "W" * 90 + " {{ 7*7 }} {% raw %} &lt;b&gt; \ud800 javascript:alert(1)"
)


def verdict(
    outcome: str, evidence: str | None = None, text: str = "", leaning: str | None = None
) -> dict[str, str | None]:
    return {"outcome": outcome, "evidence": evidence, "leaning": leaning, "text": text}


def claim(latex: str, relation: str = "<=", where: tuple[str, ...] = (), proviso: str = "") -> dict[str, Any]:
    return {
        "latex": latex,
        "where": list(where),
        "relation": relation,
        "asymptotic": relation.endswith("."),
        "proviso": proviso,
    }


def point(
    parameters: dict[str, Any],
    ends: tuple[Any, Any, Any] | None,
    bound: Any,
    judged: dict[str, str | None],
    **others: Any,
) -> dict[str, Any]:
    names = ("log_lower", "log_estimate", "log_upper")
    return {
        "parameters": parameters,
        "path": None,
        "estimate": None if ends is None else dict(zip(names, ends, strict=True)),
        "counts": {},
        "universal": False,
        "log_bound": bound,
        "beside": [],
        "assumptions": {},
        "verdict": judged,
        **others,
    }


def control(name: str, *, rejected: bool, looked_at: bool = True, formula: str | None = None) -> dict[str, Any]:
    outcome = "violated" if rejected else "undecided" if looked_at else "not applicable"
    return {
        "name": name,
        "text": f"the {name} is wrong",
        "claim": claim(formula) if formula else None,
        "rejected": rejected,
        "looked_at": looked_at,
        "verdict": verdict(outcome, "statistical", "1 violated, 2 undecided" if rejected else ""),
    }


def check(name: str, points: list[dict[str, Any]], checked: dict[str, Any], **others: Any) -> dict[str, Any]:
    return {
        "name": name,
        "text": f"Measures by {name}.",
        "claim": checked,
        "sampler": name,
        "paths": [],
        "verdict": verdict("holds", "statistical", f"{len(points)} holds"),
        "points": points,
        "controls": [control("constant", rejected=True, formula=r"V \le e^{-2 N}")],
        "mutants": [
            {"name": "constant", "text": f"mutant {fate}", "fate": fate, "reason": "why", "points": 3, "needed": needed}
            for fate, needed in (
                ("rejected", None),
                ("supported", None),
                ("beyond resolution", 3.5),
                ("beyond resolution", "inf"),
                ("equivalent", None),
            )
        ],
        **others,
    }


def statement(identifier: str, judged: dict[str, str | None], **others: Any) -> dict[str, Any]:
    return {
        "id": identifier,
        "kind": "theorem",
        "title": f"The title of {identifier}",
        "citation": {"work": "Author & Author 2017", "number": identifier.replace("-", " ").title(), "url": None},
        "summary": f"What {identifier} says in plain words.",
        "claim": claim(r"V \le e^{- N}"),
        "variables": [],
        "assumptions": [],
        "uses": [],
        "derivation": "none",
        "steps": [],
        "checks": [],
        "findings": [],
        "notes": [],
        "verdict": judged,
        **others,
    }


def _path_check() -> dict[str, Any]:
    paths = [r"d_0 = N^{3/4},\quad d_1 = 2 N^{1/2}", r"d_0 = N / \log N,\quad d_1 = N^{\frac{1}{2}}"]
    points = []
    for path in paths:
        for step, size in enumerate((10, 20, 40, 80)):
            middle = -2.0 - 4 * step
            ends = (middle - 0.2, middle, middle + 0.2) if step < 3 else ("-inf", "-inf", -9.5)
            points.append(
                point(
                    {"N": size, "d0": size // 2, "d1": size // 4, "epsilon": 0.1, "rho": 0.25},
                    ends,
                    -0.1 * size,
                    verdict("undecided", "trend", "the leading term alone is respected", "supports"),
                    path=path,
                    counts={"hits": 3, "trials": 4096, "doubtful": 1},
                    beside=[{"label": "F10", "log_bound": 3.0 - size / 8}, {"label": "F11", "log_bound": "inf"}],
                    assumptions={"a-1": None, "a-2": True, "a-3": step > 0},
                )
            )
    asymptotic = claim(
        r"\mathbb{E}_X V\left(L_\varepsilon\right) \mathrel{\dot{\le}} e^{- \gamma_{\varepsilon} N^{3/4}}", "<=."
    )
    return check(
        "paths", points, asymptotic, paths=paths, verdict=verdict("undecided", "trend", "2 undecided", "supports")
    )


def _grid_check() -> dict[str, Any]:
    judged = [
        ("holds", "exact", (-0.5, -0.5, -0.5), -0.2, "log quantity − log bound = -0.3"),
        ("violated", "statistical", (-0.4, -0.3, -0.2), -2.0, "log quantity − log bound = +1.7"),
        ("undecided", "statistical", (-3.0, -2.0, -1.0), -2.1, "the interval reaches across the bound"),
        ("vacuous", "statistical", (-3.0, -2.0, -1.0), 250.0, "a probability is below this bound anyway"),
        ("not applicable", None, None, None, "outside a-3"),
        ("error", None, None, None, "ZeroDivisionError: division by zero"),
        ("undecided", "statistical", ("-inf", None, "inf"), "-inf", "the interval reaches across the bound"),
        ("holds", "certified", ("-inf", "-inf", -6.0), -0.0, ""),
        ("holds", "witness", (-0.1, 0.0, 0.0), 0, ""),
    ]
    points = [
        point(
            {"N": 4 + index, "d0": index % 3, "labels": "all" if index % 2 else "one", "epsilon": 1 / 3},
            ends,
            bound,
            verdict(outcome, evidence, text),
            beside=[{"label": f"bound {k}", "log_bound": -1.5 * k} for k in range(4)] if ends else [],
        )
        for index, (outcome, evidence, ends, bound, text) in enumerate(judged)
    ]
    controls = [
        control("constant", rejected=True, formula=r"V \le e^{-2 N}"),
        control("direction", rejected=False),
        control("samples", rejected=False, looked_at=False),
    ]
    return check("grid", points, claim(r"V \le e^{- N}"), controls=controls)


def _long_check() -> dict[str, Any]:
    points = [
        point(
            {"N": 5 + index // 10, "d0": 2 + index % 10, "seed": index},
            (-700.0 - index - 0.5, -700.0 - index, -700.0 - index + 0.5),
            -690.0 - index,
            verdict("violated" if index == 57 else "holds", "statistical"),
        )
        for index in range(96)
    ]
    return check("long", points, claim(r"V \ge e^{- N}", ">="))


def _counting_check() -> dict[str, Any]:
    points = [
        point(
            {"N": size},
            ("-inf", "-inf", -7.0),
            0,
            verdict("holds", "statistical", "no counterexample among 4096 instances; resolves a frequency of 0.0009"),
            universal=True,
            counts={"hits": 0, "trials": 4096, "doubtful": 0},
        )
        for size in (4, 5)
    ]
    return check("counting", points, claim("e(W) = e(W')", "="))


def _pictures() -> list[dict[str, Any]]:
    """Every kind of picture, one that failed, one that was not reached, and one that no reader knows."""
    octants = []
    for signs in itertools.product((1.0, -1.0), repeat=3):
        corners = [[sign * float(row == place) for place in range(3)] for row, sign in enumerate(signs)]
        octants.append({"corners": corners, "category": int(sum(signs) > 0)})
    labels = ["the usual", "the rare", "nothing", "not known", "fifth", "sixth"]
    drawings: list[dict[str, Any] | None] = [
        {
            "kind": "curves",
            "x_label": "width",
            "y_label": "volume",
            "series": [
                {
                    "label": "rate",
                    "style": "dashed",
                    "x": [1, 9],
                    "log_y": [-1, -9],
                    "log_lower": None,
                    "log_upper": None,
                },
                {
                    "label": "seen",
                    "style": "points",
                    "x": [1, 2, 3],
                    "log_y": [-1, -2.5, "-inf"],
                    "log_lower": [-1.5, "-inf", "-inf"],
                    "log_upper": [-0.5, -2, "inf"],
                },
            ],
        },
        {
            "kind": "arrangement",
            "labels": labels,
            "cells": [{"angles": [place, place + 1], "category": place} for place in range(6)],
            "lines": [{"normal": [math.cos(place), math.sin(place)], "label": str(place)} for place in range(6)],
        },
        {
            "kind": "arrangement",
            "labels": labels[:2],
            "cells": octants,
            "lines": [{"normal": [float(row == place) for place in range(3)], "label": f"{row}"} for row in range(3)],
        },
        {
            "kind": "map",
            "labels": labels,
            "x_label": "first",
            "y_label": "second",
            "x_edges": [0, 1, 3, 6.28],
            "y_edges": [0, 2, 4],
            "categories": [[0, 1], [2, 3], [4, 5]],
        },
        None,
        None,
        {"kind": "film"},
    ]
    return [
        {
            "id": f"picture-{number}",
            "title": f"Picture number {number}",
            "text": f"What is on picture {number}.",
            "drawing": drawing,
            "error": "ZeroDivisionError: no" if number == 5 else None,
        }
        for number, drawing in enumerate(drawings, 1)
    ]


def _results() -> dict[str, Any]:
    statements = [
        statement(
            "lemma-2",
            verdict("holds", "proof", "every step of the derivation was decided; the checks agree"),
            kind="lemma",
            derivation="complete",
            steps=[
                {
                    "text": "Both sides agree.",
                    "latex": r"A^{T} A x = 0 \iff A x = 0",
                    "verdict": verdict("holds", "proof"),
                },
                {
                    "text": "SymPy does not know this one.",
                    "latex": r"\sum_{\substack{a \leq b \\ c \leq d}} {\binom{a}{b}} \unknowncommand",
                    "verdict": verdict("undecided", "proof", "SymPy could not decide it"),
                },
            ],
            checks=[_counting_check()],
            pictures=_pictures(),
            citation={"work": "Author & Author 2017", "number": "Lemma 2", "url": "https://arxiv.org/abs/1702.05777"},
        ),
        statement(
            "theorem-6",
            verdict("undecided", "trend", "1 undecided", "supports"),
            claim=claim(
                r"\mathbb{E}_X V\left(L_\varepsilon\right) \mathrel{\dot{\le}} e^{- \gamma_{\varepsilon} N^{3/4}}",
                "<=.",
                (r"\gamma_{\varepsilon} = \begin{cases} 1 & \text{for}\: \rho = 0 \\2 & \text{otherwise} \end{cases}",),
                "with probability at least 1 − δ over X",
            ),
            variables=[
                {"latex": "N", "name": "N", "meaning": "number of samples", "domain": r"\mathbb{N}"},
                {"latex": r"\varepsilon", "name": "epsilon", "meaning": "threshold", "domain": r"\left(0, 1\right)"},
            ],
            assumptions=[
                {"id": "a-1", "text": "X is Gaussian.", "latex": None, "on_data": None, "reason": ""},
                {"id": "a-2", "text": "d0 is large.", "latex": r"\sqrt{N} < d_0", "on_data": None, "reason": ""},
                {"id": "a-3", "text": "N is large.", "latex": "N > 10", "on_data": None, "reason": ""},
            ],
            uses=["lemma-2", "f10", "elsewhere-1"],
            checks=[_path_check()],
            findings=[
                {
                    "id": "a",
                    "title": "The relation is reversed",
                    "verdict": verdict("holds", "proof", "It is so: 1/2 < 1."),
                },
                {"id": "b", "title": "The constant is off", "verdict": verdict("violated", "proof", "It is not.")},
                {"id": "c", "title": "Not decided", "verdict": verdict("undecided", "proof", "Who knows.")},
                {"id": "d", "title": "Not reached", "verdict": verdict("not applicable", None, "not reached")},
                {"id": "e", "title": "Crashed", "verdict": verdict("error", None, "TypeError: no")},
            ],
            notes=["A note.", "Another note."],
        ),
        statement(
            "f10", verdict("violated", "statistical", "2 holds, 1 violated"), kind="bound", checks=[_grid_check()]
        ),
        statement("f11", verdict("undecided", "trend", "against it", "against"), uses=["f10"]),
        statement("f12", verdict("undecided", "trend", "not resolved"), uses=["f11", "lemma-2"]),
        statement("f13", verdict("vacuous", "exact"), checks=[_long_check()]),
        statement("f14", verdict("not applicable", None, "no check ran")),
        statement("f15", verdict("error", None, "OSError: gone")),
        statement("f16", verdict("holds", "certified")),
        statement("f17", verdict("holds", "witness"), citation={"work": "", "number": "", "url": None}),
        statement("f18", verdict("undecided", "exact", "because")),
    ]
    controls = [item for s in statements for c in s["checks"] for item in c["controls"]]
    outcomes: dict[str, int] = {}
    for item in statements:
        outcomes[item["verdict"]["outcome"]] = outcomes.get(item["verdict"]["outcome"], 0) + 1
    return {
        "schema": "verify-results",
        "schema_version": 1,
        "run": {
            "command": "python -m verify run lemma-2 theorem-6 --seed 7 --level 0.001 --backend numpy",
            "seed": 7,
            "budget": {"factor": 2.0, "seconds": 90.0},
            "epsilon": 0.1,
            "slope": 0.0,
            "backend": "numpy",
            "level": 1e-3,
            "comparisons": 120,
            "level_each": 1e-3 / 120,
            "capped": True,
            "interrupted": True,
            "data": None,
        },
        "environment": {"python": "3.11.9", "platform": "Linux", "packages": {"verify": "0.1.0", "cupy": None}},
        "summary": {
            "outcomes": outcomes,
            "controls": {
                "total": len(controls),
                "looked_at": sum(item["looked_at"] for item in controls),
                "rejected": sum(item["rejected"] for item in controls),
            },
            "exit_code": 1,
        },
        "broken_modules": [{"module": "mine.broken", "reason": "SyntaxError: no"}],
        "statements": statements,
        "times": {
            "started": "2026-01-02T03:04:05+00:00",
            "seconds": 135.2,
            "workers": 2,
            "statements": {"lemma-2": 0.4, "theorem-6": 130.123},
        },
    }


@pytest.fixture
def results() -> dict[str, Any]:
    return _results()


@pytest.fixture
def data_results() -> dict[str, Any]:
    """A run on a user's data, one assumption of which the data break."""
    made = _results()
    made["run"]["data"] = {"name": "mnist.npz", "sha256": "ab" * 32, "N": 70000, "d0": 784}
    answers = [(True, "entries look normal"), (False, "d0 = 784 is above N/10"), (None, "")]
    for assumption, (met, reason) in zip(made["statements"][1]["assumptions"], answers, strict=True):
        assumption["on_data"], assumption["reason"] = met, reason
    return made


@pytest.fixture
def empty_results() -> dict[str, Any]:
    made = _results()
    made["statements"], made["broken_modules"] = [], []
    made["summary"] = {"outcomes": {}, "controls": {"total": 0, "looked_at": 0, "rejected": 0}, "exit_code": 0}
    return made


@pytest.fixture
def hostile_results() -> dict[str, Any]:
    """Every text that a module can choose, made as unpleasant as can be; structure and outcomes kept."""
    kept = {
        "outcome",
        "fate",
        "evidence",
        "leaning",
        "relation",
        "kind",
        "derivation",
        "level",
        "started",
        "python",
        "style",
    }

    def spoil(value: Any, key: str = "") -> Any:
        if isinstance(value, dict):
            return {name: spoil(item, name) for name, item in value.items()}
        if isinstance(value, list):
            return [spoil(item, key) for item in value]
        if not isinstance(value, str) or key in kept or key.startswith("log_"):
            return value
        if key == "url":
            return "javascript:alert(1)"
        return value if key in ("id", "uses") else f"{value} {HOSTILE}"

    made = spoil(copy.deepcopy(_results()))
    made["statements"][0]["claim"]["latex"] = r"\text{</math><script>alert(1)</script> #panic() \" \\ } ] $ // */}"
    made["statements"][0]["claim"]["where"] = [
        r"\operatorname{panic}() \# \$ \& \% \_ \{ ; : , / // \text{a\"b}",
        "x" * 600,
    ]
    made["statements"][1]["checks"][0]["points"][0]["parameters"] = {HOSTILE: HOSTILE, "N": math.pi}
    return made
