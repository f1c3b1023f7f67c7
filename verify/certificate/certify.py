"""`verify.certify`: what a trained network with one hidden layer provably is."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from verify.certificate.enclosures import (
    OUTWARDS,
    FloatArray,
    Interval,
    exact_pulls,
    gamma,
    lengths,
    scaled,
    sum_of_squares,
    unscaled,
)
from verify.certificate.nearby import Nearby, nearby_minimum
from verify.certificate.regions import region_volume
from verify.certificate.result import BetterNetwork, Boundary, Certificate, ExactMinimum, ZeroInputs
from verify.certificate.rivals import Rival, best_rival
from verify.certificate.spectra import gram_of_rows, largest_eigenvalue
from verify.errors import InputError
from verify.verdicts import Evidence, Outcome, Verdict

TOLERANCE = 1e-3
"""Default relative distance within which an exact minimum counts as the given one."""

NEAR_BOUNDARY = 1e-9
"""Sine of the angle to the nearest boundary below which a note says that the minimum may lie on it."""

STEEPEST = 1e6
"""Largest absolute value of the slope that is accepted: beyond, bounds on underflow would need another form."""


def certify(
    W: npt.ArrayLike,
    z: npt.ArrayLike,
    X: npt.ArrayLike,
    y: npt.ArrayLike,
    *,
    slope: float = 0.0,
    tolerance: float = TOLERANCE,
    epsilon: float = 0.1,
    threshold: float = 0.5,
    seed: int = 0,
) -> Certificate:
    """Say what a network `f(x) = Σ_i z_i φ(w_i·x)` provably is on a data set, for the mean squared error.

    Entries count as the binary fractions that they are, the slope as the decimal that it prints as. Every `holds` and
    `violated` is proved, with all rounding accounted for: in intervals, in exact arithmetic, or by a network that was
    evaluated. What each verdict means is in `docs/certify.md`.

    Args:
        W: first layer, `d1 × d0`.
        z: second layer, d1.
        X: samples × features, `N × d0`, as in scikit-learn.
        y: labels, N, real.
        slope: slope ρ of the leaky ReLU on the negative side; 0 is the ReLU.
        tolerance: relative distance, for each neuron, within which an exact minimum counts as this one.
        epsilon: error threshold ε of the bound of section 6 that is shown.
        threshold: outputs and labels above it count as one class, for the number of errors; 0 for labels ±1.
        seed: of the estimated volume, and of the search for better networks. No proof depends on it.

    Returns:
        The verdicts, and the numbers behind them; its `repr` is one page.

    Raises:
        InputError: for wrong shapes or types, NaN or infinity, a zero sample, or an argument outside its domain.

    >>> found = certify([[1.0], [-1.0]], [1.0, 1.0], [[1.0], [-2.0]], [1.0, 2.0])
    >>> print(found.local_minimum, "|", found.global_minimum, "|", found.mse)
    holds · exact | holds · exact | 0
    """
    first, second, samples, labels = _checked(W, z, X, y)
    numbers = {"slope": slope, "tolerance": tolerance, "epsilon": epsilon, "threshold": threshold}
    for name, value in numbers.items():
        _require(
            isinstance(value, int | float | np.number) and not isinstance(value, bool) and math.isfinite(value),
            f"got {name} {value!r}; expected a finite number",
        )
    _require(slope != 1, "got slope 1, which is the linear network; expected any other number")
    _require(abs(slope) <= STEEPEST, f"got slope {slope!r}; expected at most {STEEPEST:g} in absolute value")
    _require(0 < tolerance < 1, f"got tolerance {tolerance!r}; expected a number strictly between 0 and 1")
    _require(0 <= epsilon < 1, f"got epsilon {epsilon!r}; expected a number from 0 to below 1")
    _require(
        isinstance(seed, int | np.integer) and not isinstance(seed, bool) and seed >= 0,
        f"got seed {seed!r}; expected a whole number from 0",
    )
    rho = Fraction(repr(float(slope)))
    # Bounds that overflow, or become NaN, compare as false, and a comparison that is false proves nothing.
    with np.errstate(all="ignore"):
        examined = _Examination(first, second, samples, labels, rho, float(tolerance), int(seed))
        return examined.certificate(float(epsilon), float(threshold))


@dataclass(frozen=True)
class _Gradient:
    """The vectors `G_i e` of the neurons that are kept.

    Attributes:
        lower, upper: ends of their lengths, d1; zero for other neurons.
        exact: whether all are zero, where that was decided in exact arithmetic; None where it was not.
        fits: whether the residual is exactly zero, likewise.
    """

    lower: FloatArray
    upper: FloatArray
    exact: bool | None
    fits: bool | None

    @property
    def nonzero(self) -> bool:
        """Whether one is proved not to be zero."""
        return bool((self.lower > 0).any()) or self.exact is False


class _Examination:
    """One network on one data set: computed once, asked several times."""

    def __init__(
        self,
        W: FloatArray,
        z: FloatArray,
        X: FloatArray,
        y: FloatArray,
        rho: Fraction,
        tolerance: float,
        seed: int,
    ) -> None:
        self.given, self.tolerance, self.seed = (W, z), tolerance, seed
        self.data, self.W, self.z = scaled(W, z, X, y, rho)
        self.found = self.data.activations(self.W, W)
        self.kept = self.found.decided
        self.e, self.e_error = self.data.residual(self.z, self.found)
        self.loss = sum_of_squares(self.e, self.e_error)
        self.gradient = self._gradient()
        if self.gradient.fits:
            self.loss = Interval(0.0, 0.0)

    def certificate(self, epsilon: float, threshold: float) -> Certificate:
        """All verdicts."""
        data, found = self.data, self.found
        differentiable = self._differentiable()
        inside = differentiable.outcome is Outcome.HOLDS
        nearby = (
            nearby_minimum(data, self.W, self.z, found)
            if inside
            else Nearby(False, "no exact minimum was sought, as the point is not known to lie inside a region")
        )
        as_given = self._as_given(inside)
        local = self._local(differentiable, as_given, nearby)
        rival = None
        if local.outcome is not Outcome.VIOLATED and not (nearby.exists and nearby.fits) and not self.gradient.fits:
            rival = best_rival(data, len(self.z), self.seed)
        overall, better = self._global(inside, local, as_given, nearby, rival)
        zeros = self._zeros(epsilon)
        nearest = int((found.upper if zeros.undecided == 0 else found.lower).argmin())
        sine = Interval(float(found.lower[nearest]), float(found.upper[nearest]))
        return Certificate(
            differentiable=differentiable,
            local_minimum=local,
            local_minimum_as_given=as_given,
            global_minimum=overall,
            N=len(data.y),
            d0=data.X.shape[1],
            d1=len(self.z),
            slope=data.slope,
            tolerance=self.tolerance,
            mse=self._mse(self.loss),
            errors=self._errors(threshold),
            gradient=self._relative_gradient(),
            boundary=Boundary(nearest, int(found.nearest[nearest]), sine),
            zeros=zeros,
            inactive=int((~found.active & ~found.open).all(axis=0).sum()),
            silent=int((self.given[1] == 0).sum()),
            exact_minimum=self._exact_minimum(nearby),
            reason=nearby.reason,
            better=better,
            volume=region_volume(data, self.W, found, self.kept, self.seed),
            notes=self._notes(local, sine),
        )

    def _notes(self, local: Verdict, nearest: Interval) -> tuple[str, ...]:
        if local.outcome in (Outcome.VIOLATED, Outcome.UNDECIDED) and 0 < nearest.upper < NEAR_BOUNDARY:
            return (
                "the nearest boundary is within rounding of a trained weight: training may have ended at a minimum on "
                "the boundary, which is not differentiable and which this certificate does not decide",
            )
        return ()

    def _differentiable(self) -> Verdict:
        zero, open_ = int(self.found.zero.sum()), int(self.found.open.sum())
        total = self.found.zero.size
        if zero:
            n, i = np.argwhere(self.found.zero)[0].tolist()
            return Verdict(
                Outcome.VIOLATED,
                Evidence.EXACT,
                f"{zero} of {total} neural inputs are exactly zero, such as neuron {i} on sample {n}: the point "
                "lies on the boundary of regions",
            )
        if open_:
            return Verdict(
                Outcome.UNDECIDED,
                None,
                f"{open_} of {total} neural inputs are within rounding of zero, too many to decide exactly",
            )
        return Verdict(
            Outcome.HOLDS,
            Evidence.EXACT,
            f"all {total} neural inputs are nonzero, by bounds on their rounding or in exact arithmetic",
        )

    def _gradient(self) -> _Gradient:
        kept = self.kept
        pulls, error = self.data.pulls(self.found, self.e, self.e_error)
        size = lengths(pulls)
        lower = np.where(kept, np.maximum(size / OUTWARDS**2 - error, 0.0), 0.0)
        upper = np.where(kept, size + error, 0.0)
        if (lower > 0).any() or self.found.open.any():
            return _Gradient(lower, upper, None, None)
        exact = exact_pulls(*self.given, self.data, self.found.active)
        if exact is None:
            return _Gradient(lower, upper, None, None)
        e, vectors = exact
        zero = [not any(vectors[i, j] for j in range(vectors.ncols())) for i in np.flatnonzero(kept).tolist()]
        if all(zero):
            upper = np.zeros_like(upper)
        return _Gradient(lower, upper, all(zero), not any(e))

    def _as_given(self, inside: bool) -> Verdict:
        if self.gradient.nonzero:
            return Verdict(
                Outcome.VIOLATED,
                Evidence.EXACT,
                "the gradient of a neuron is proved not to be zero: as a float network hardly ever has one that is",
            )
        if self.gradient.exact and inside:
            return Verdict(Outcome.HOLDS, Evidence.EXACT, "every G_i e is exactly zero, in rational arithmetic (F1c)")
        if self.gradient.fits:
            return Verdict(Outcome.HOLDS, Evidence.EXACT, "the residual is exactly zero: no error can be smaller")
        if self.gradient.exact:
            return Verdict(
                Outcome.UNDECIDED,
                None,
                "every G_i e of the kept neurons is exactly zero, which section 6 asks for; that does not decide what "
                "happens where an input is zero",
            )
        return Verdict(Outcome.UNDECIDED, None, "the gradient is zero within the bounds on its rounding")

    def _local(self, differentiable: Verdict, as_given: Verdict, nearby: Nearby) -> Verdict:
        if differentiable.outcome is Outcome.VIOLATED:
            if as_given.outcome is Outcome.VIOLATED:
                text = "the loss has a nonzero gradient in a neuron whose inputs are all nonzero: no local minimum"
                return Verdict(Outcome.VIOLATED, Evidence.EXACT, text)
            text = "a differentiable local minimum lies inside a region, and this point does not"
            return Verdict(Outcome.NOT_APPLICABLE, None, text)
        if differentiable.outcome is not Outcome.HOLDS:
            return Verdict(Outcome.UNDECIDED, None, "the region is not known")
        if as_given.outcome is Outcome.HOLDS:
            return Verdict(Outcome.HOLDS, Evidence.EXACT, f"at distance 0: {as_given.text}")
        if nearby.exists and nearby.distance <= self.tolerance:
            return Verdict(
                Outcome.HOLDS,
                Evidence.EXACT,
                f"an exact differentiable local minimum is proved to lie in the same region, with no neuron further "
                f"than {nearby.distance:.2g} of its length: {nearby.reason}",
            )
        if self._none_within(nearby):
            return Verdict(
                Outcome.VIOLATED,
                Evidence.EXACT,
                f"no minimum of the region has every neuron within {self.tolerance:g} of its size: the gradient, or "
                "the residual, is too large for that",
            )
        if nearby.exists:
            text = f"an exact minimum lies in the same region, at a distance of at most {nearby.distance:.2g}"
            return Verdict(Outcome.UNDECIDED, None, f"{text}, which is above the tolerance")
        return Verdict(Outcome.UNDECIDED, None, f"neither proved nor excluded: {nearby.reason}")

    def _none_within(self, nearby: Nearby) -> bool:
        """Whether the tolerance is proved too short a way to any DLM of the region.

        A network within it has `‖u' − u‖ ≤ τ`. At a DLM `G e' = 0`, so `‖G e‖ = ‖G Gᵀ(u' − u)‖ ≤ ‖G‖² τ`; and where all
        DLMs have `e' = 0`, `‖e‖ ≤ ‖G‖ τ`.
        """
        reach, square = self._reach(), self._norm_square()
        pull = float(np.linalg.norm(self.gradient.lower)) / OUTWARDS
        rest = math.sqrt(self.loss.lower) / OUTWARDS
        return (
            pull > square * reach * OUTWARDS
            or nearby.moved > reach * OUTWARDS
            or (nearby.exists and nearby.fits and rest > math.sqrt(square) * reach * OUTWARDS)
        )

    def _reach(self) -> float:
        """Upper bound on `‖u' − u‖` for networks within the tolerance: `‖u_i' − u_i‖ ≤ (2t + t²)‖u_i‖`."""
        t = self.tolerance
        return OUTWARDS * (2 * t + t * t) * float(np.linalg.norm(np.abs(self.z) * self.found.norms))

    def _norm_square(self) -> float:
        """Upper bound on `‖G‖² = ‖(AᵀA) ⊙ (XᵀX)‖ ≤ max_n ‖a_n‖² · ‖X‖²` (Schur)."""
        d1, N = len(self.z), len(self.data.y)
        most = 0.0
        for part in self.data.blocks(d1):
            active = self.found.active[part].sum(axis=1)
            most = max(most, float((active + (d1 - active) * self.data.slope**2).max()))
        d0 = self.data.X.shape[1]
        if min(N, d0) > 4000:
            return OUTWARDS**3 * most * float(self.data.norms @ self.data.norms)
        if d0 >= N:
            return OUTWARDS * most * largest_eigenvalue(*gram_of_rows(self.data.X))
        gram = np.zeros((d0, d0))
        for part in self.data.blocks(1):
            gram += self.data.X[part].T @ self.data.X[part]
        error = OUTWARDS * gamma(N + 4) * float(self.data.norms @ self.data.norms)
        return OUTWARDS * most * largest_eigenvalue(gram, error)

    def _global(
        self, inside: bool, local: Verdict, as_given: Verdict, nearby: Nearby, rival: Rival | None
    ) -> tuple[Verdict, BetterNetwork | None]:
        if self.gradient.fits:
            return Verdict(Outcome.HOLDS, Evidence.EXACT, "the residual is exactly zero"), None
        if nearby.exists and nearby.fits and local.outcome is Outcome.HOLDS:
            text = f"the minimum nearby has residual exactly zero, as every one of the region has: {nearby.reason}"
            return Verdict(Outcome.HOLDS, Evidence.EXACT, text), None
        if local.outcome is Outcome.VIOLATED:
            text = "no local minimum is near, and a global minimum inside a region is one"
            return Verdict(Outcome.VIOLATED, Evidence.EXACT, text), None
        least = self._least_loss_near(inside, as_given, nearby)
        if rival is not None and rival.loss < least:
            better = self._better(rival)
            text = (
                f"another network {rival.made} has a mean squared error of at most {better.mse:.3g}; the given one, "
                f"and all that are near, have at least {self._mse(Interval(least, least)).lower:.3g}"
            )
            return Verdict(Outcome.VIOLATED, Evidence.WITNESS, text), better
        if not inside and as_given.outcome is Outcome.VIOLATED:
            return Verdict(Outcome.VIOLATED, Evidence.EXACT, "not even a local minimum"), None
        text = "no proof that the residual of the region's minima is zero, and no network of smaller error was found"
        return Verdict(Outcome.UNDECIDED, None, text), None

    def _least_loss_near(self, inside: bool, as_given: Verdict, nearby: Nearby) -> float:
        """Lower bound on `‖e'‖²` over what `global_minimum` speaks of.

        Outside a region, and at an exact minimum, that is the network itself. Else all networks of the region within
        the tolerance: `‖e'‖² = ‖e‖² − 2 d·G e + ‖Gᵀd‖²`, with `‖d‖ ≤ τ`.
        """
        if not inside or as_given.outcome is Outcome.HOLDS:
            return self.loss.lower
        reach = self._reach()
        pull = float(np.linalg.norm(self.gradient.upper)) * OUTWARDS
        slope = self.loss.lower - 2 * OUTWARDS * pull * reach
        short = math.sqrt(self.loss.lower) - OUTWARDS * math.sqrt(self._norm_square()) * reach
        return max(slope, max(short, 0.0) ** 2 / OUTWARDS, nearby.unmatched)

    def _better(self, rival: Rival) -> BetterNetwork:
        # f is homogeneous: in scaled units the input was divided by 2^inputs and the output by 2^outputs.
        z = np.ldexp(rival.z, self.data.outputs - self.data.inputs)
        return BetterNetwork(rival.W, z, self._mse(Interval(0.0, rival.loss)).upper, rival.made)

    def _mse(self, squares: Interval) -> Interval:
        if squares.upper == 0:
            return squares
        return unscaled(squares, 2 * self.data.outputs, len(self.data.y))

    def _relative_gradient(self) -> Interval | None:
        """Ends of the largest `‖G_i e‖/(‖G_i‖‖y‖)`; of `‖G_i e‖/‖G_i‖` if all labels are zero."""
        if not self.kept.any():
            return None
        squares = np.zeros(len(self.z))
        for part in self.data.blocks(len(self.z)):
            gates = np.where(self.found.active[part], 1.0, self.data.slope**2)
            squares += (self.data.norms[part] ** 2) @ gates
        scale = np.sqrt(squares) * (float(np.linalg.norm(self.data.y)) or 1.0)
        seeing = self.kept & (scale > 0)
        if not seeing.any():
            return Interval(0.0, 0.0)
        ends = [float((end[seeing] / scale[seeing]).max()) for end in (self.gradient.lower, self.gradient.upper)]
        return Interval(ends[0] / OUTWARDS**4, ends[1] * OUTWARDS**4)

    def _errors(self, threshold: float) -> tuple[int, int]:
        """Fewest and most samples misclassified."""
        if self.gradient.fits:
            return 0, 0
        outputs = self.data.y - self.e
        level = float(np.ldexp(threshold, -self.data.outputs))
        wrong = (outputs > level) != (self.data.labels > threshold)
        # The subtraction above rounds, and so does a level that is no normal float, by less than the bound's slack.
        unsure = np.abs(outputs - level) <= OUTWARDS * (self.e_error + 2 * np.spacing(np.abs(outputs)))
        return int((wrong & ~unsure).sum()), int((wrong | unsure).sum())

    def _zeros(self, epsilon: float) -> ZeroInputs:
        kept, d1 = int(self.kept.sum()), len(self.z)
        return ZeroInputs(
            count=int(self.found.zero.sum()),
            undecided=int(self.found.open.sum()),
            neurons=d1 - kept,
            kept=kept,
            share=1 - kept / d1,
            epsilon=epsilon,
            log_bound=self._log_bound(kept, epsilon),
        )

    def _log_bound(self, kept: int, epsilon: float) -> float | None:
        """The leading term `−γ_ε N^(3/4) (d0 (1 − r) d1)^(1/4)`, with the share d0/N of these data in γ_ε."""
        from verify.registry import discover  # the statements take seconds to load

        (N, d0), d1 = self.data.X.shape, len(self.z)
        if kept == 0 or epsilon == 0:
            return None
        values = {"N": N, "d0": d0, "d1": d1, "r": 1 - kept / d1, "epsilon": epsilon, "rho": self.data.slope}
        return discover()["section-6"].log_bound(**values, **{"lambda": min(1.0, d0 / N)})

    def _exact_minimum(self, nearby: Nearby) -> ExactMinimum | None:
        if not nearby.exists or nearby.W is None or nearby.rank is None or nearby.singular is None:
            return None
        W = np.ldexp(nearby.W, np.frexp(np.abs(self.given[0]).max(axis=1))[1][:, None])
        return ExactMinimum(nearby.distance, W, nearby.error, nearby.rank, nearby.singular, self._mse(nearby.loss))


def _checked(
    W: npt.ArrayLike, z: npt.ArrayLike, X: npt.ArrayLike, y: npt.ArrayLike
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    first, second = _real(W, "W"), _real(z, "z")
    samples, labels = _real(X, "X"), _real(y, "y")
    _require(
        first.ndim == 2 and first.size > 0,
        f"W has shape {first.shape}; expected two axes, d1 × d0 (hidden units × features), neither empty",
    )
    if second.ndim == 2 and 1 in second.shape:
        second = second.ravel()
    _require(
        second.shape == (len(first),),
        f"z has shape {second.shape}; expected ({len(first)},), one number for each row of W; the model has one output",
    )
    _require(
        samples.ndim == 2 and samples.size > 0,
        f"X has shape {samples.shape}; expected two axes, samples × features, neither empty",
    )
    _require(
        samples.shape[1] == first.shape[1],
        f"X has {samples.shape[1]} features and W has {first.shape[1]} columns; expected as many: X is samples × "
        "features and W is hidden units × features",
    )
    _require(
        labels.shape == (len(samples),),
        f"y has shape {labels.shape}; expected ({len(samples)},), one label for each row of X",
    )
    zero = np.flatnonzero(~samples.any(axis=1))
    _require(
        zero.size == 0,
        f"sample {zero[0] if zero.size else 0} is zero (of {zero.size} such): a zero input has no activation pattern; "
        "drop it",
    )
    return first, second, samples, labels


def _real(values: npt.ArrayLike, name: str) -> FloatArray:
    try:
        array = np.asarray(values)
    except (ValueError, TypeError) as error:  # rows of different lengths
        raise InputError(f"{name} is no array: {error}") from None
    _require(array.dtype.kind in "fiub", f"{name} has entries of type {array.dtype}; expected real numbers")
    with np.errstate(over="ignore"):
        numbers = array.astype(np.float64)
    _require(bool(np.isfinite(numbers).all()), f"{name} has NaN or infinite entries; remove or fill them first")
    return numbers


def _require(so: bool, message: str) -> None:
    if not so:
        raise InputError(message)
