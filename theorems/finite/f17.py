"""F17: a certificate that a region contains a global minimum for all labels at once.

If `A∘X` has rank `N` and some `u` with `(A∘X)ᵀ u = 0` has each part in the cone of its neuron, up to a sign, a large
multiple of it outweighs any one solution of `(A∘X)ᵀ v = y`. Such a `u` is sought by descent in floating point; networks
are then built from it and evaluated in rational arithmetic.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import scipy.linalg
import sympy as sp
from flint import fmpq, fmpq_mat
from numpy.typing import NDArray
from scipy.optimize import nnls

from theorems.any_labels import any_labels
from theorems.setting import HIDDEN, INPUTS, NOT_LINEAR, SAMPLES, SLOPE, note
from verify.network.khatri_rao import khatri_rao
from verify.network.memorize import forward_exact
from verify.relations import Relation
from verify.sampling import Draw, Tally, count
from verify.statements import Check, Claim, Control, Derivation, Finding, Kind, Point, Sampler, Statement, Step
from verify.statistics.estimates import Counterexamples
from verify.statistics.intervals import clopper_pearson

FloatArray = NDArray[np.float64]

CLAIM = Claim(
    sp.Symbol(r"\mathbb{P}\left(W \text{ has a certificate},\; \exists\, y: W \notin \mathcal{G}(X, y)\right)"),
    Relation.EQUAL,
    sp.Integer(0),
)

_ATTEMPTS = 4
_STEPS = 400
_INSTANCES = 5
# Integers that stand for Gaussian entries, in units of a millionth, and for u.
_UNIT, _FINE = 1e6, 1e12
_WELL_CONDITIONED = 1e-9


@dataclass(frozen=True)
class Certificate:
    """A region's cells and a `u` that certifies it.

    Attributes:
        owners: for each occupied cell, its neurons.
        signs: `s_i` for each cell with one neuron, 0 for the others.
        u: one part for each cell, `cells × d0`, scaled so that the margins of single neurons are about 1.
    """

    owners: tuple[tuple[int, ...], ...]
    signs: FloatArray
    u: FloatArray


def certify(W: FloatArray, X: FloatArray, slope: float, rng: np.random.Generator) -> Certificate | None:
    """Look for a certificate of the region of `W` (finite-N note, F17): random balanced signs, and descent.

    The sum of squared margins that fall short of 1 is lowered within the kernel of `(A∘X)ᵀ`.

    Args:
        W: first layer, `d1 × d0`.
        X: samples, `d0 × N`.
        slope: slope ρ on the negative side, other than 1.
        rng: source of the signs.

    Returns:
        The certificate, or None if none was found or `A∘X` has not clearly rank `N`; a None decides nothing.
    """
    active = W @ X > 0
    cells: dict[bytes, list[int]] = {}
    for neuron, row in enumerate(active):
        cells.setdefault(row.tobytes(), []).append(neuron)
    owners = tuple(tuple(neurons) for neurons in cells.values())
    first = [neurons[0] for neurons in owners]
    single = np.array([len(neurons) == 1 for neurons in owners])
    inputs = X / np.linalg.norm(X, axis=0)
    sides = np.where(active[first], 1.0, -1.0)
    G = khatri_rao(np.where(active[first], 1.0, slope), inputs)
    if G.shape[0] < G.shape[1]:
        return None
    rows, triangle = np.linalg.qr(G)
    diagonal = np.abs(np.diag(triangle))
    if diagonal.min() <= _WELL_CONDITIONED * diagonal.max():
        return None
    step = 1 / np.linalg.norm(inputs, 2) ** 2
    shape = (len(first), len(X))
    for _ in range(_ATTEMPTS):
        signs = np.where(single, np.where(rng.permutation(len(first)) % 2 == 0, 1.0, -1.0), 0.0)
        wanted = signs[:, None] * sides
        u = last = np.zeros(shape)
        for turn in range(_STEPS):
            ahead = u + turn / (turn + 3) * (u - last)
            short = np.maximum(single[:, None] - wanted * (ahead @ inputs), 0.0)
            moved = (ahead + step * (short * wanted) @ inputs.T).reshape(-1)
            last, u = u, (moved - rows @ (rows.T @ moved)).reshape(shape)
            if (wanted * (u @ inputs))[single].min(initial=1.0) > 0.1:
                return Certificate(owners, signs, u)
    return None


def share_certified(N: int, d0: int, d1: int, rho: float, count: int, seed: int = 0) -> float:
    """Share of `count` Gaussian `(X, W)` for which a certificate is found: an estimate of `E V(G)` from below."""
    rng = np.random.default_rng(seed)
    found = 0
    for _ in range(count):
        X, W = rng.standard_normal((d0, N)), rng.standard_normal((d1, d0))
        found += certify(W, X, rho, rng) is not None
    return found / count


def mean_statistical_dimension(N: int, d0: int, count: int, seed: int = 0) -> float:
    """Mean over Gaussian `X`, `w` and `g` of the squared length of the projection of `g` on the closed cell of `w`."""
    rng = np.random.default_rng(seed)
    total = 0.0
    for _ in range(count):
        X, w, g = rng.standard_normal((d0, N)), rng.standard_normal(d0), rng.standard_normal(d0)
        # What g leaves over is its projection on the polar cone, whose generators are −sign(w·x_n) x_n.
        total += float(g @ g) - float(np.sum(np.square(_on_cone(-np.sign(w @ X) * X, g))))
    return total / count


def _on_cone(generators: FloatArray, g: FloatArray) -> FloatArray:
    weights, _ = nnls(generators, g)
    return np.asarray(generators @ weights)


def _networks(steer: Callable[[FloatArray, np.random.Generator], FloatArray], multiple: Fraction | None) -> Any:
    """Chunk of certified regions, with networks for several labellings; those that do not fit, or leave, are counted.

    `steer` changes the certificate's `u`, and `multiple` is taken of it in place of a large enough one: controls.
    """

    def draw_networks(point: Point, draw: Draw) -> Tally:
        tally = {"certified": 0, "wrong": 0}
        n, slope = point.integer("N"), Fraction(str(point["rho"]))
        for _ in range(_INSTANCES):
            X, W = (
                np.rint(_UNIT * draw.rng.standard_normal(shape))
                for shape in ((point.integer("d0"), n), (point.integer("d1"), point.integer("d0")))
            )
            found = certify(W, X, float(slope), draw.rng)
            if found is None:
                continue
            u = np.rint(_FINE * steer(found.u, draw.rng))
            labels = (
                draw.rng.integers(0, 2, n),
                np.rint(_UNIT * draw.rng.standard_normal(n)),
                1000 * draw.rng.integers(-9, 10, n) ** 3,
            )
            tally["certified"] += 1
            tally["wrong"] += not all(
                _fits(W, X, slope, found, u, [Fraction(int(value)) for value in y], multiple) for y in labels
            )
        return {**tally}

    return draw_networks


def _fits(
    W: FloatArray,
    X: FloatArray,
    slope: Fraction,
    found: Certificate,
    u: FloatArray,
    y: list[Fraction],
    multiple: Fraction | None,
) -> bool:
    """Whether the network made of `u` has the outputs `y` and its first layer lies in the region of `W`, exactly."""
    inputs, weights = _fractions(X), _fractions(W)
    first = [weights[neurons[0]] for neurons in found.owners]
    pattern = [[_dot(w, x) > 0 for x in zip(*inputs, strict=True)] for w in weights]
    gates = [pattern[neurons[0]] for neurons in found.owners]
    columns = [
        [(1 if on else slope) * value for on, value in zip(gate, row, strict=True)] for gate in gates for row in inputs
    ]
    kernel = _corrected(columns, [value for row in _fractions(u) for value in row], [Fraction(0)] * len(y))
    solution = _corrected(columns, [Fraction(0)] * len(columns), y)
    if kernel is None or solution is None:
        return False
    size = len(inputs)
    parts = [(kernel[i : i + size], solution[i : i + size]) for i in range(0, len(columns), size)]
    samples = list(zip(*inputs, strict=True))
    if multiple is None:
        multiple = 1 + max(
            (
                abs(_dot(v, x)) / abs(_dot(k, x))
                for (k, v), s in zip(parts, found.signs, strict=True)
                if s
                for x in samples
                if _dot(k, x)
            ),
            default=Fraction(0),
        )
    rows, z = [list(w) for w in weights], [Fraction(0)] * len(weights)
    for (k, v), s, w, neurons in zip(parts, found.signs, first, found.owners, strict=True):
        whole = [multiple * a + b for a, b in zip(k, v, strict=True)]
        if s:
            sign = Fraction(int(s))
            rows[neurons[0]], z[neurons[0]] = [sign * value for value in whole], sign
            continue
        reach = 1 + max(abs(_dot(whole, x)) / abs(_dot(w, x)) for x in samples)
        for neuron, side in zip(neurons, (Fraction(1), Fraction(-1)), strict=False):
            rows[neuron], z[neuron] = [reach * a + side * b / 2 for a, b in zip(w, whole, strict=True)], side
    stays = all(
        (_dot(row, x) > 0) == on and _dot(row, x)
        for row, signs in zip(rows, pattern, strict=True)
        for x, on in zip(samples, signs, strict=True)
    )
    return bool(stays) and forward_exact(rows, z, inputs, slope) == y


def _corrected(columns: list[list[Fraction]], start: list[Fraction], target: list[Fraction]) -> list[Fraction] | None:
    """`start`, moved in as many coordinates as there are samples, so that the columns sum up to `target`; exact."""
    table = np.array(columns, dtype=np.float64).T
    chosen = np.sort(scipy.linalg.qr(table, mode="r", pivoting=True)[1][: len(target)]).tolist()
    if len(chosen) < len(target):
        return None
    left = [
        value - sum((s * c[n] for s, c in zip(start, columns, strict=True) if s), Fraction(0))
        for n, value in enumerate(target)
    ]
    square = fmpq_mat([[_fmpq(columns[i][n]) for i in chosen] for n in range(len(target))])
    try:
        change = square.solve(fmpq_mat([[_fmpq(value)] for value in left]))
    except ZeroDivisionError:
        return None
    moved = list(start)
    for place, i in enumerate(chosen):
        entry = change[place, 0]
        moved[i] += Fraction(int(entry.p), int(entry.q))
    return moved


def _fmpq(value: Fraction) -> fmpq:
    return fmpq(value.numerator, value.denominator)


def _fractions(table: FloatArray) -> list[list[Fraction]]:
    return [[Fraction(int(value)) for value in row] for row in table.tolist()]


def _dot(left: Any, right: Any) -> Fraction:
    return sum((a * b for a, b in zip(left, right, strict=True)), Fraction(0))


def _as_it_is(u: FloatArray, _rng: np.random.Generator) -> FloatArray:
    return u


def _elsewhere(u: FloatArray, rng: np.random.Generator) -> FloatArray:
    return rng.standard_normal(u.shape)


def _read(tally: Tally, point: Point) -> Counterexamples:
    certified = count(tally, "certified")
    # Where there was nothing to look at, the one trial is doubtful.
    return Counterexamples(count(tally, "wrong"), certified) if certified else Counterexamples(0, 1, 1)


def _outweighs() -> bool | None:
    """`s (λ k + v) >= m` where `s k >= κ > 0`, `|v| <= c` and `λ = (c + m)/κ`: one margin."""
    kappa, most, margin, slack = sp.symbols("kappa c m slack", positive=True)
    multiple = (most + margin) / kappa
    worst = multiple * (kappa + slack) - most
    return bool(sp.expand(worst - margin - multiple * slack) == 0 and (multiple * slack).is_positive)


def _adds_up() -> bool | None:
    """`Gᵀ(λ k + v) = y` if `Gᵀ k = 0` and `Gᵀ v = y`."""
    n, p = sp.symbols("n p", integer=True, positive=True)
    G, k, v = sp.MatrixSymbol("G", p, n), sp.MatrixSymbol("k", p, 1), sp.MatrixSymbol("v", p, 1)
    multiple = sp.Symbol("lambda")
    whole = sp.expand(G.T * (multiple * k + v))
    return bool(whole == sp.expand(multiple * (G.T * k) + G.T * v))


def _two_neurons() -> bool | None:
    """`f(c w + U/2) − f(c w − U/2) = a U` on a sample where all three have the sign of `w`."""
    a, c, w, whole = sp.symbols("a c w U", real=True)
    return bool(sp.expand(a * (c * w + whole / 2) - a * (c * w - whole / 2) - a * whole) == 0)


def _how_often() -> tuple[bool | None, str]:
    drawn = 20
    share = share_certified(100, 50, 12, 0.1, count=drawn)
    least = math.exp(clopper_pearson(round(share * drawn), drawn, 1e-3).lower)
    proved = any_labels(100, 50, 12, 0.1, 0.05)
    beside = "nothing" if proved is None else f"e^{proved.log_volume:.0f} (with probability 0.95 over X)"
    return share > 0, (
        f"At (N, d0, d1) = (100, 50, 12) and ρ = 0.1 a certificate is found for {share:.0%} of {drawn} random (X, W). "
        f"So E V(G) is above {least:.2f} (confidence 0.999) for any labels, where F18 proves {beside}."
    )


_GRID = tuple(
    Point(N=n, d0=a, d1=b, rho=slope)
    for n, a, b, slope in (
        (6, 3, 6, 0.1),
        (6, 3, 7, 0.0),
        (8, 4, 4, -0.5),
        (5, 2, 8, 0.1),
        (3, 4, 3, 2.0),
        (2, 1, 6, 0.1),
    )
)

STATEMENT = Statement(
    id="f17",
    kind=Kind.LEMMA,
    title="A certificate for all labels at once",
    citation=note("F17"),
    summary=(
        "If A∘X has rank N and a vector of the kernel of its transpose has each part in the cone of its neuron, up to "
        "signs, the region contains a global minimum with zero error for every labelling."
    ),
    variables=(SAMPLES, INPUTS, HIDDEN, SLOPE),
    assumptions=(NOT_LINEAR,),
    claim=CLAIM,
    steps=(
        Step(
            "Let Gᵀk = 0 with margins of at least κ, and Gᵀv = y with |v·x| ≤ c. A large multiple of k keeps any "
            "margin m.",
            r"\lambda = \frac{c + m}{\kappa} \;\Rightarrow\; s\,(\lambda k + v) \cdot x \ge m",
            _outweighs,
        ),
        Step("It has the outputs y.", r"G^{\top} (\lambda k + v) = \lambda\, G^{\top} k + G^{\top} v = y", _adds_up),
        Step(
            "Two neurons of one cell realise any vector U, so their cell asks for nothing.",
            r"f(c w + U/2) - f(c w - U/2) = a\, U",
            _two_neurons,
        ),
    ),
    derivation=Derivation.PARTIAL,
    checks=(
        Check(
            name="networks",
            text=(
                "Looks for certificates of random regions. Where one is found, corrects it to an exact one, builds a "
                "network for binary, for Gaussian and for very uneven labels, and tests in rational arithmetic that it "
                "has these outputs and lies in the region. Includes N ≤ d0, d0 = 1 and cells with several neurons."
            ),
            sampler=Sampler("f17-networks", _networks(_as_it_is, None)),
            read=_read,
            grid=_GRID,
            chunks=3,
            controls=(
                Control(
                    "elsewhere",
                    "a random vector of the kernel in place of the certificate",
                    sampler=Sampler("f17-elsewhere", _networks(_elsewhere, None)),
                    points=_GRID[:2],
                ),
                Control(
                    "too little",
                    "the certificate itself, not a large multiple of it",
                    sampler=Sampler("f17-too-little", _networks(_as_it_is, Fraction(1, 10**12))),
                    points=_GRID[:2],
                ),
            ),
        ),
    ),
    findings=(Finding("how-often", "Certificates are found where the bound is tiny", _how_often),),
    notes=("The search may miss certificates: the share found bounds the volume of G from below, for all labels.",),
)
