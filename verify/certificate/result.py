"""What a certificate says: four verdicts, the numbers behind them, and one page of text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from verify.certificate.enclosures import Interval
from verify.verdicts import Verdict
from verify.volume.result import Volume

FloatArray = npt.NDArray[np.float64]

_VOLUME, _NEARBY = "region's log-volume", "exact minimum"

VERDICTS = ("differentiable", "local_minimum", "local_minimum_as_given", "global_minimum")


@dataclass(frozen=True)
class Boundary:
    """The nearest hyperplane `w_i·x_n = 0`.

    Attributes:
        neuron: i.
        sample: n.
        sine: sine of the angle between `w_i` and the hyperplane: moving `w_i` by less than this times its length
            leaves all signs as they are.
    """

    neuron: int
    sample: int
    sine: Interval

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers, for JSON."""
        return {"neuron": self.neuron, "sample": self.sample, "sine": self.sine.to_list()}


@dataclass(frozen=True)
class ZeroInputs:
    """Neural inputs `w_i·x_n` that are exactly zero, and what section 6 of Soudry & Hoffer 2017 then says.

    Attributes:
        count: how many are zero, out of `N·d1`.
        undecided: how many could not be decided.
        neurons: neurons with an input that is zero, or undecided.
        kept: neurons without, `(1 − r) d1`.
        share: `r`, the fraction of neurons that section 6 drops.
        epsilon: error threshold of the bound.
        log_bound: natural log of the leading term of Theorem 6 for the kept neurons; None if none is kept or ε is 0.
    """

    count: int
    undecided: int
    neurons: int
    kept: int
    share: float
    epsilon: float
    log_bound: float | None

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers, for JSON."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}


@dataclass(frozen=True)
class ExactMinimum:
    """A differentiable local minimum that is proved to exist near the given weights, in their region.

    Attributes:
        distance: upper bound on `max_i ‖w'_i − w_i‖/‖w_i‖`; the second layer is the given one.
        W: floats within `error` of it, `d1 × d0`: the given weights after Newton steps.
        error: upper bound on the part of `distance` between `W` and the minimum.
        rank: rank of `A ∘ X`, of the neurons with `w_i`, `z_i` not zero.
        singular: lower bound on the smallest nonzero singular value of `A ∘ X`, relative to its longest column or row.
        mse: its mean squared error; exactly zero where it is a global minimum by its residual.
    """

    distance: float
    W: FloatArray
    error: float
    rank: int
    singular: float
    mse: Interval

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers, for JSON; without `W`."""
        return {
            "distance": self.distance,
            "error": self.error,
            "rank": self.rank,
            "singular": self.singular,
            "mse": self.mse.to_list(),
        }


@dataclass(frozen=True)
class BetterNetwork:
    """A network of at most the same width with a smaller mean squared error.

    Attributes:
        W: first layer, `k × d0`, k ≤ d1.
        z: second layer, k.
        mse: upper bound on its mean squared error, rounding included.
        made: how it was found.
    """

    W: FloatArray
    z: FloatArray
    mse: float
    made: str

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers and lists, for JSON."""
        return {"W": self.W.tolist(), "z": self.z.tolist(), "mse": self.mse, "made": self.made}


@dataclass(frozen=True)
class Certificate:
    """What one network provably is on one data set; `docs/certify.md` says what each outcome means.

    Attributes:
        differentiable: no neural input is zero, so W lies inside a differentiable region (Definition 1).
        local_minimum: an exact differentiable local minimum lies in the same region within `tolerance`, relative to
            each neuron.
        local_minimum_as_given: these very floats are a local minimum.
        global_minimum: a global minimum (over all networks of this width) lies in the same region within `tolerance`.
        N, d0, d1: numbers of samples, features, hidden units.
        slope: slope ρ.
        tolerance: the relative distance within which a minimum counts as this one.
        mse: mean squared error as given.
        errors: fewest and most samples that are misclassified, output and label thresholded at 1/2; they differ where
            an output is within rounding of it.
        gradient: ends of the largest `‖G_i e‖/(‖G_i‖‖y‖)` over the neurons whose inputs are all decided and nonzero.
        boundary: the nearest boundary of the region; None for an undecided one.
        zeros: neural inputs that are zero, and section 6.
        inactive: neurons that are inactive on every sample.
        silent: neurons with `z_i = 0`.
        exact_minimum: the differentiable local minimum nearby; None if none is proved.
        reason: how it was proved, or why not.
        better: a network with a smaller error; None if none was needed or found.
        volume: angular volume of the region, of the kept neurons only where some input is zero; None if none is kept.
        notes: what else the reader should know.
    """

    differentiable: Verdict
    local_minimum: Verdict
    local_minimum_as_given: Verdict
    global_minimum: Verdict
    N: int
    d0: int
    d1: int
    slope: float
    tolerance: float
    mse: Interval
    errors: tuple[int, int]
    gradient: Interval | None
    boundary: Boundary
    zeros: ZeroInputs
    inactive: int
    silent: int
    exact_minimum: ExactMinimum | None
    reason: str
    better: BetterNetwork | None
    volume: Volume | None
    notes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers, strings, lists and dicts, for JSON; numbers that are not finite are None."""
        verdicts = {}
        for name in VERDICTS:
            verdict: Verdict = getattr(self, name)
            verdicts[name] = {
                "outcome": verdict.outcome.value,
                "evidence": verdict.evidence.value if verdict.evidence else None,
                "text": verdict.text,
            }
        return {
            **verdicts,
            "N": self.N,
            "d0": self.d0,
            "d1": self.d1,
            "slope": self.slope,
            "tolerance": self.tolerance,
            "mse": self.mse.to_list(),
            "errors": list(self.errors),
            "gradient": self.gradient.to_list() if self.gradient else None,
            "boundary": self.boundary.to_dict(),
            "zero_inputs": self.zeros.to_dict(),
            "inactive_neurons": self.inactive,
            "silent_neurons": self.silent,
            "exact_minimum": self.exact_minimum.to_dict() if self.exact_minimum else None,
            "reason": self.reason,
            "better_network": self.better.to_dict() if self.better else None,
            "log_volume": self.volume.to_dict() if self.volume else None,
            "notes": list(self.notes),
        }

    def rows(self) -> list[dict[str, str]]:
        """One dict a verdict, `name`, `verdict` and `text`: `pandas.DataFrame(found.rows())`."""
        verdicts: dict[str, Verdict] = {name: getattr(self, name) for name in VERDICTS}
        return [{"name": name, "verdict": str(item), "text": item.text} for name, item in verdicts.items()]

    def _repr_html_(self) -> str:
        from verify.notebook import certificate_html  # the typesetter is not needed to certify

        return certificate_html(self)

    def __repr__(self) -> str:
        """One page."""
        size = f"N = {self.N}, d0 = {self.d0}, d1 = {self.d1}, slope = {self.slope:g}"
        lines = [f"Certificate({size}, d0·d1/N = {self.d0 * self.d1 / self.N:.3g}, tolerance = {self.tolerance:g})"]
        for name in VERDICTS:
            verdict: Verdict = getattr(self, name)
            lines += [f"  {name:<23}{verdict}", *_wrapped(verdict.text)]
        lines.append("")
        for name, value in self.facts().items():
            lines.append(f"  {name:<23}{value}")
            if name == _VOLUME and self.volume is not None:
                lines += _wrapped(self.volume.note)
            if name == _NEARBY:
                lines += _wrapped(self.reason)
        lines += [f"  note: {note}" for note in self.notes]
        return "\n".join(lines)

    def facts(self) -> dict[str, str]:
        """The numbers behind the verdicts, each in words, by name."""
        errors = f"{self.errors[0]}" if self.errors[0] == self.errors[1] else f"{self.errors[0]} to {self.errors[1]}"
        nearby = "none was proved"
        if (near := self.exact_minimum) is not None:
            nearby = (
                f"within {near.distance:.2g} of each neuron; rank(A ∘ X) = {near.rank}, mean squared error {near.mse}"
            )
        found = {
            "mean squared error": f"{self.mse}; {errors} of {self.N} samples misclassified",
            "largest gradient": f"{self.gradient or 'no neuron has only nonzero inputs'}, relative",
            "nearest boundary": f"neuron {self.boundary.neuron}, sample {self.boundary.sample}: "
            f"sine of the angle {self.boundary.sine}",
            "neurons": f"{self.inactive} inactive on every sample, {self.silent} with z = 0",
            "zero neural inputs": self._zeros(),
            _VOLUME: self._volume(),
            _NEARBY: nearby,
        }
        if self.better is not None:
            found["better network"] = f"{self.better.made}: mean squared error ≤ {self.better.mse:.3g}"
        return found

    def _zeros(self) -> str:
        zeros = self.zeros
        unknown = f", {zeros.undecided} undecided" if zeros.undecided else ""
        text = f"{zeros.count} of {self.N * self.d1}{unknown}; section 6 keeps (1 − r) d1 = {zeros.kept} neurons"
        if zeros.log_bound is None:
            return text
        return f"{text}: log bound {zeros.log_bound:.4g} at ε = {zeros.epsilon:g} (leading term)"

    def _volume(self) -> str:
        if self.volume is None:
            return "no neuron is kept"
        ends = (self.volume.log_lower, self.volume.log_estimate, self.volume.log_upper)
        which = " of the kept neurons" if self.zeros.neurons else ""
        if ends[0] == ends[2]:
            return f"{ends[1]:.6g} ({self.volume.evidence}){which}"
        return f"in [{ends[0]:.6g}, {ends[2]:.6g}] ({self.volume.evidence}){which}"


def _wrapped(text: str, width: int = 110) -> list[str]:
    lines, line = [], ""
    for word in text.split():
        if line and len(line) + len(word) + 1 > width:
            lines.append(line)
            line = word
        else:
            line = f"{line} {word}".strip()
    return [f"    {part}" for part in [*lines, line] if part]
