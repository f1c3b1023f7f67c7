"""F11: the volume of a spherical cap, and a lower bound on it.

The cell of a neuron contains the cap around it that reaches to the nearest sample's hyperplane, so caps bound volumes
from below in any dimension.
"""

from __future__ import annotations

import math

import numpy as np
import sympy as sp
from flint import acb, arb, ctx

from theorems.setting import INPUTS, d0, note
from verify.relations import Relation
from verify.sampling import Draw, Tally, count, entries
from verify.statements import (
    Assumption,
    Check,
    Claim,
    Control,
    Derivation,
    Kind,
    Point,
    Sampler,
    Statement,
    Step,
    Variable,
)
from verify.statistics.estimates import Exact, Proportion

s = sp.Symbol("s", positive=True)
SINE = Variable(s, "sine of the cap's angle", sp.Interval.Lopen(0, 1))
WIDE_INPUTS = Assumption("two-dimensions", "The inputs have at least two dimensions.", condition=d0 >= 2)

_half = sp.Rational(1, 2)
_shape = (d0 - 1) / 2
CLAIM = Claim(
    sp.Symbol(r"\operatorname{cap}(s)"), Relation.AT_LEAST, s ** (d0 - 1) / ((d0 - 1) * sp.beta(_shape, _half))
)
VOLUME = Claim(sp.Symbol(r"\operatorname{cap}(s)"), Relation.EQUAL, sp.betainc_regularized(_shape, _half, 0, s**2) / 2)
_TEN_DIGITS = 1e-10  # relative radius above which a ball is refused
_DIRECTIONS = 20_000


def log_angle_share(inputs: int, sine: float, *, from_plane: bool = False) -> float:
    """Natural log of the probability that a uniform direction is within `arcsin(sine)` of a given direction, or plane.

    The angle to a direction has a density proportional to `sin^(d0−2)` on a half-turn, that to a hyperplane one
    proportional to `cos^(d0−2)` on a quarter. Both are integrated in ball arithmetic, the first with its largest value
    taken out, so that small caps keep their digits.

    Raises:
        ArithmeticError: if the balls do not fix ten digits.
        ValueError: for fewer than two inputs or a sine outside (0, 1].
    """
    if inputs < 2 or not 0 < sine <= 1:
        raise ValueError(f"got {inputs} inputs and sine {sine}; expected at least 2 and a sine in (0, 1]")
    power = inputs - 2
    before, ctx.prec = ctx.prec, 128
    try:
        # A sine of one is a quarter turn, at which the inverse of a ball would leave the domain.
        end = arb.pi() / 2 if sine == 1 else arb(sine).asin()
        quarter = acb.integral(lambda u, _: u.sin() ** power, 0, acb(arb.pi() / 2)).real
        if from_plane:
            share = acb.integral(lambda u, _: u.cos() ** power, 0, acb(end)).real / quarter
        else:
            share = acb.integral(lambda u, _: (u.sin() / sine) ** power, 0, acb(end)).real / (2 * quarter)
        if not float(share.rad()) < _TEN_DIGITS * float(share.mid()):
            raise ArithmeticError(f"got {share} for {inputs} inputs and sine {sine}; expected ten digits")
        return math.log(float(share.mid())) + (0.0 if from_plane else power * math.log(sine))
    finally:
        ctx.prec = before


def _integrated(point: Point, draw: Draw) -> Tally:
    return {"log share": [log_angle_share(point.integer("d0"), point.real("s"))]}


def _sampled(point: Point, draw: Draw) -> Tally:
    x = draw.rng.standard_normal((_DIRECTIONS, point.integer("d0")))
    across = np.sqrt((x[:, 1:] ** 2).sum(axis=1))
    inside = (x[:, 0] > 0) & (across <= point.real("s") * np.linalg.norm(x, axis=1))
    return {"trials": _DIRECTIONS, "hits": int(inside.sum())}


def _share(tally: Tally, point: Point) -> Exact:
    return Exact(entries(tally, "log share")[0])


def _kernel() -> bool | None:
    """`sin^(d0−2)θ dθ` becomes `½ x^((d0−1)/2 − 1) (1 − x)^(−1/2) dx` with `x = sin²θ`."""
    theta = sp.asin(sp.sqrt(x := sp.Symbol("x", positive=True)))
    law = sp.sin(theta) ** (d0 - 2) * sp.diff(theta, x)
    beta_kernel = x ** (_shape - 1) * (1 - x) ** (-_half) / 2
    return bool(sp.simplify(sp.powsimp(law / beta_kernel, force=True)) == 1)


def _derivatives() -> bool | None:
    """Both sides vanish at 0; the derivative of the cap is that of the bound times `(1 − s²)^(−1/2) ≥ 1`."""
    x = sp.Symbol("x", positive=True)
    density = x ** (_shape - 1) * (1 - x) ** (-_half) / (2 * sp.beta(_shape, _half))
    of_cap = density.subs(x, s**2) * 2 * s
    quotient = sp.simplify(sp.powsimp(of_cap / sp.diff(CLAIM.bound, s), force=True))
    inside = sp.Symbol("v", positive=True)  # s² = v/(1 + v) runs over (0, 1)
    excess = sp.simplify((1 / (1 - inside / (1 + inside))) - 1)
    return bool(sp.simplify(quotient**2 - 1 / (1 - s**2)) == 0 and excess.is_positive)


def _archimedes() -> bool | None:
    """In three dimensions a cap's share is half its height: `(1 − √(1 − s²))/2`."""
    angle = sp.Symbol("theta", positive=True)
    share = sp.integrate(sp.sin(angle), (angle, 0, sp.asin(s))) / 2
    return bool(sp.simplify(share - (1 - sp.sqrt(1 - s**2)) / 2) == 0)


INTEGRATED = Sampler("cap-integrated", _integrated)
SAMPLED = Sampler("cap-sampled", _sampled)


def _points(*sizes: tuple[int, float]) -> tuple[Point, ...]:
    return tuple(Point(d0=inputs, s=sine) for inputs, sine in sizes)


_SMALL = _points((2, 0.01), (3, 0.01), (20, 0.01), (500, 0.001))
_LARGE = _points((2, 0.5), (2, 1.0), (3, 0.6), (3, 1.0), (5, 0.9), (20, 0.99), (100, 0.3), (500, 0.9))
_OFTEN = _points((1, 0.5), (2, 0.1), (2, 1.0), (3, 0.4), (5, 0.7), (10, 0.9), (40, 1.0))

STATEMENT = Statement(
    id="f11",
    kind=Kind.LEMMA,
    title="Spherical caps",
    citation=note("F11"),
    summary=(
        "The probability that a uniform direction lies within an angle of a given one is half an incomplete beta "
        "function, and at least a power of the sine over an explicit constant."
    ),
    variables=(INPUTS, SINE),
    assumptions=(WIDE_INPUTS,),
    claim=CLAIM,
    steps=(
        Step(
            "The angle to a given direction has a density proportional to sin^(d0 − 2), so the squared sine has a beta "
            "law.",
            r"\sin^{d_0 - 2}\theta \, d\theta = \tfrac12\, x^{\frac{d_0-1}{2} - 1} (1 - x)^{-1/2}\, dx, "
            r"\quad x = \sin^2 \theta",
            _kernel,
        ),
        Step(
            "Half of the directions are on the near side. Both sides vanish at s = 0, and the cap grows faster.",
            r"\frac{d \operatorname{cap}}{d s} = \frac{s^{d_0 - 2}}{B\left(\frac{d_0-1}{2}, \frac12\right)}\, "
            r"(1 - s^2)^{-1/2} \ge \frac{s^{d_0 - 2}}{B\left(\frac{d_0-1}{2}, \frac12\right)}",
            _derivatives,
        ),
        Step(
            "In three dimensions this is Archimedes' theorem.",
            r"\operatorname{cap}(s) = \tfrac12 \left(1 - \sqrt{1 - s^2}\right) \quad (d_0 = 3)",
            _archimedes,
        ),
    ),
    derivation=Derivation.PARTIAL,
    checks=(
        Check(
            name="lower bound",
            text="The volume of the cap from the density of the angle, integrated in ball arithmetic.",
            sampler=INTEGRATED,
            read=_share,
            grid=(*_SMALL, *_LARGE),
            chunks=1,
            controls=(
                Control("constant", "1 % more", CLAIM.with_bound(lambda b: b * 101 / 100), points=_SMALL),
                Control("exponent", "d0 − 2 in place of d0 − 1", CLAIM.with_bound(lambda b: b / s), points=_SMALL),
                Control("direction", "the cap is at most that", CLAIM.reversed(), points=_LARGE),
            ),
        ),
        Check(
            name="volume",
            text="The same volumes against the incomplete beta function.",
            sampler=INTEGRATED,
            read=_share,
            claim=VOLUME,
            grid=(*_SMALL, *_LARGE),
            chunks=1,
            controls=(
                Control("both sides", "without the factor ½", VOLUME.with_bound(lambda b: 2 * b)),
                Control(
                    "dimension",
                    "one dimension more",
                    VOLUME.with_bound(lambda b: b.subs(d0, d0 + 1)),
                    points=(*_SMALL, *_LARGE[4:]),
                ),
                Control(
                    "not squared",
                    "the sine in place of its square",
                    VOLUME.with_bound(lambda b: b.subs(s, sp.sqrt(s))),
                    points=_SMALL,
                ),
            ),
        ),
        Check(
            name="directions",
            text="Draws directions and counts those in the cap. With one input there are no caps, which it must say.",
            sampler=SAMPLED,
            read=lambda tally, point: Proportion(count(tally, "hits"), count(tally, "trials")),
            claim=VOLUME,
            grid=_OFTEN,
            chunks=2,
            controls=(
                Control("both sides", "without the factor ½", VOLUME.with_bound(lambda b: 2 * b), points=_OFTEN[1:]),
                Control(
                    "dimension",
                    "two dimensions more",
                    VOLUME.with_bound(lambda b: b.subs(d0, d0 + 2)),
                    points=_OFTEN[3:6],
                ),
            ),
        ),
    ),
)
