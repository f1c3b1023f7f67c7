"""Log-probabilities of rare first-order events, by splitting over the neurons.

The kernel of `A ∘ X` can only shrink when a neuron is added. So the events "the kernel that the first `k` neurons leave
is still large enough" are nested in `k`, and a probability of 1e-30 is a product of moderate factors, one for every
few neurons. Where one neuron alone is too much for a factor, levels are put between that weigh it by its *defect*: on
how many samples of the kernel's support it differs from the nearest pattern known to keep the kernel alive (F4: on the
support, patterns have a low rank). The misclassified fraction itself is not monotone in `k`: for that event the nested
ones say what the most harmful further neurons could do, and neurons that misclassify too few samples so far are given
less weight, which is divided out again.

A pilot run chooses the ladder of levels and the moves, which are then fixed. Independent replicates of the splitting
estimator with that ladder are unbiased, up to hits that are missed or left undecided, which only lowers their mean
(Del Moral 2004; all states of the chains are used: Dau & Chopin 2022). The argument: let `g` be the weight of a level
and `C` the product of the mean ratios up to it. Then `E[C · mean f(particles)/g(particles)] = E f` over normal layers,
for every `f` that vanishes where `g` does. New rows are independent of the old, moves leave `g` times the normal
density as it is, and systematic resampling draws each particle as often, in the mean, as its weight says; so it holds
from one level to the next, by induction. Nothing in it needs the chains to mix, or the weights to be good.

* The *lower* end is proven: for independent nonnegative `Z_r` of mean at most `V`, `Π_r (1 + λ(Z_r/v − 1))` has mean at
  most one for every `v ≥ V`; no assumption on their distribution. A layer counts as a hit only if a basis of the
  kernel was found and inserted in `G` itself, or by the singular value decomposition of `regions`: `G` is then
  singular up to a relative 1e-12. On given data its rank is also that modulo a random prime, so nothing is left but an
  unlucky prime. For random inputs there is left a `G` that is that close to singular without being so: some of the
  layers that miss the event by one sample, a fraction of order 1e-12 of them.
* The *upper* end is not, and cannot be from unbiasedness alone: a part of the event that no replicate ever
  entered leaves no trace. It takes the logs of the replicates for normal, which was measured, not proven
  (`benchmarks/rare_coverage.py`). Two estimates with different seeds that do not agree are a sign
  (`benchmarks/rare_sizes.py`).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Literal

import numpy as np
import numpy.typing as npt
from numpy.typing import NDArray
from scipy.linalg.lapack import dpotrf, dpotri
from scipy.special import logsumexp

from verify.executors import make_executor
from verify.network import modular
from verify.network.regions import (
    COLUMNS_APART,
    errors_above,
    kernels,
    misclassified_above,
    rank_deficient,
    support_above,
)
from verify.sampling import stream
from verify.statistics.intervals import clopper_pearson, log_mean_lower, log_mean_upper
from verify.verdicts import Evidence

EventName = Literal["rank", "support", "first_order"]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

# Plain sampling serves where the share of the budget spent on it first sees as many hits as this.
COMMON = 25
REPLICATES = 16
FEWEST = 8
# Levels are set so that the weights of this share of the particles, in effective numbers, go on to the next; no level
# is put between where as many as `RARE` of them do.
SURVIVORS = 0.3
RARE = 0.12
# From level to level, in logs, a sample of defect weighs at least `SOFTEST` and at most `STRIDE` less than before.
# Where it weighs `HARDEST` less and still too few particles have none, the pilot gives up.
SOFTEST = 0.02
STRIDE = 1.5
HARDEST = 25.0
# Steps of each chain between two levels; every state counts as a particle. Long chains mix better, and many bring more
# of the event: within these limits they are as long as leaves `CHAINS` of them to a replicate.
SHORT, LONG = 4, 10
CHAINS = 25
# Moves within the cones in one proposal, and of the last neuron alone after each step at a soft level.
SWEEPS = 3
TRIES = 5
# Ridge of the Gram matrix, per neuron, that stands for zero in the fast decision: eigenvalues below it are a kernel.
RIDGE = 1e-11
PIVOT = 1e-4
CLEARLY_ZERO = 1e-6
CLEARLY_NOT = 1e-2
# A kernel counts as found if its dimension is as near to an integer as `WHOLE` and `G` maps it, relatively, below
# `MAPPED`. Its coordinates then have errors of 1e-7 at most, and are decided outside of [COORDINATE / 1e5, COORDINATE].
WHOLE = 1e-2
MAPPED = 1e-12
COORDINATE = 1e-5
# Directions in which the inputs spread less than this, relatively, are left out; a hit is held to a prime afterwards.
SPANNED = 1e-12
_CHUNK = 2**17
# From this size on LAPACK is called matrix by matrix: its factor and inverse of a symmetric one take a third of the
# time of NumPy's for batches, which are ahead for small ones.
_ONE_BY_ONE = 20
# Columns of the grades of a state: its defect, its shortage, the dimension of the kernel, and for every sample whether
# it is in the kernel's support, and whether it is misclassified. The kernel is that of all neurons but the last if the
# level is soft.
DEFECT, SHORTAGE, DIMENSION, SAMPLES = 0, 1, 2, 3
# Kinds of moves: of some rows; a rotation of all neurons; of all neurons, or all samples, with the signs kept on the
# support.
STEP, TURN, SWEEP = 0, 1, 2


@dataclass(frozen=True)
class RareEstimate:
    """A probability over first layers, in natural logs, with an interval.

    Attributes:
        log_lower: end that is proven at half of `level`, up to the rounding of single decisions.
        log_estimate: log of the mean of the unbiased replicates, or of the fraction of hits.
        log_upper: end at the other half of `level`: exact for `plain` and `unreached`. For `splitting` measured, not
            proven: the normal bound at a quarter of `level`, since at half of it slightly too many missed.
        evidence: always statistical.
        method: `plain` (independent samples), `splitting`, or `unreached` (the pilot or all replicates
            never came to the event; only the upper end, from plain samples, says anything).
        evaluations: regions looked at, those of the pilot included.
        level: probability of a miss.
        replicates: logs of the independent unbiased estimates behind it.
        stages: levels of the ladder.
        layers: if asked for, first layers that have the event, `(keep, d1, d0)` for each replicate (none for one that
            came to nothing), drawn by weight from its last particles. The replicate times the fraction of them that
            have a further property is an unbiased estimate too: of the probability of both.
    """

    log_lower: float
    log_estimate: float
    log_upper: float
    method: Literal["plain", "splitting", "unreached"]
    evaluations: int
    level: float
    replicates: tuple[float, ...] = field(default=(), repr=False)
    stages: int = 0
    layers: tuple[Floats, ...] = field(default=(), repr=False, compare=False)
    evidence: Evidence = field(default=Evidence.STATISTICAL, init=False)

    def __repr__(self) -> str:
        upper = "upper end measured, not proven" if self.method == "splitting" else "exact interval"
        return (
            f"RareEstimate(V = {_power(self.log_estimate)} in [{_power(self.log_lower)}, {_power(self.log_upper)}] "
            f"at level {self.level:g}; {self.method}, {upper}; {self.evaluations} evaluations)"
        )


@dataclass(frozen=True)
class _Level:
    """A distribution of the first `rows` neurons: the normal one, with weights.

    If `defect` is infinite, `exp(−shortage · s)` where these neurons keep the event possible and misclassify `s`
    samples too few so far. Otherwise `exp(−shortage · s − defect · d)` where all of them but the last keep it
    possible (`s` is theirs), and the last has the defect `d`. Zero elsewhere.
    """

    rows: int
    defect: float
    shortage: float
    moves: Floats = field(repr=False)

    @property
    def soft(self) -> bool:
        """Whether the last neuron may have a defect."""
        return math.isfinite(self.defect)

    def logs(self, grades: Floats) -> Floats:
        """Log-weights of states with these grades."""
        hardness = self.defect if self.soft else 1.0
        logs: Floats = -hardness * grades[:, DEFECT] - self.shortage * grades[:, SHORTAGE]
        return logs


def rare_event(
    X: npt.ArrayLike,
    y: npt.ArrayLike,
    width: int,
    slope: float,
    epsilon: float,
    event: EventName = "rank",
    *,
    seed: int = 0,
    budget: int = 200_000,
    level: float = 0.05,
    workers: int = 1,
    keep: int = 0,
) -> RareEstimate:
    """Probability of a first-order event over standard normal first layers, for fixed data.

    Args:
        X: inputs, `(d0, N)`.
        y: labels, `(N,)`.
        width: number of neurons `d1`.
        slope: slope ρ on the negative side, other than 1.
        epsilon: threshold of the events on a fraction of samples; unused for `rank`.
        event: `rank` is `rank(A ∘ X) < N`, `support` is `|T*| > εN`, `first_order` is `MCE(y − Py) > ε`.
        seed: fixes the result.
        budget: regions to evaluate, about; more if eight replicates of ten chains take more. Ten thousand times
            `−log10 V` is a fair start.
        level: probability of a miss of the interval, half of it at either end.
        workers: processes for the replicates; the result does not depend on it.
        keep: first layers with the event to keep from each replicate.

    Raises:
        ValueError: if an argument is outside its domain or the shapes do not fit.
    """
    X, y = np.asarray(X, dtype=np.float64), np.asarray(y, dtype=np.float64)
    if X.ndim != 2 or y.shape != X.shape[1:] or not (np.isfinite(X).all() and np.isfinite(y).all()):
        raise ValueError(f"got X {X.shape} and y {y.shape}; expected finite (d0, N) and (N,)")
    if not X.any():
        raise ValueError(f"got X {X.shape} of zeros; expected a sample other than zero")
    task = _Task(X.shape[1], X.shape[0], width, slope, epsilon, event, (X, y))
    return _estimate(task, f"{event} {width} {slope!r} {epsilon!r}", seed, budget, level, workers, keep)


def rare_average(
    N: int,
    d0: int,
    width: int,
    slope: float,
    epsilon: float,
    event: EventName = "rank",
    *,
    seed: int = 0,
    budget: int = 200_000,
    level: float = 0.05,
    workers: int = 1,
) -> RareEstimate:
    """Probability of a first-order event over first layers *and* data: the mean `E_X V` that the theorems bound.

    Inputs are standard normal, labels 0 or 1 with equal probability, all independent. The particles carry their
    data with them, and the chains move both.

    Args:
        N: number of samples.
        d0: number of features.
        width: number of neurons `d1`.
        slope: slope ρ on the negative side, other than 1.
        epsilon: threshold of the events on a fraction of samples; unused for `rank`.
        event: as in `rare_event`.
        seed: fixes the result.
        budget: regions to evaluate, about; more if eight replicates of ten chains take more.
        level: probability of a miss of the interval, half of it at either end.
        workers: processes for the replicates; the result does not depend on it.

    Raises:
        ValueError: if an argument is outside its domain.
    """
    task = _Task(N, d0, width, slope, epsilon, event, None)
    return _estimate(task, f"average {event} {N} {d0} {width} {slope!r} {epsilon!r}", seed, budget, level, workers)


def _estimate(task: _Task, key: str, seed: int, budget: int, level: float, workers: int, keep: int = 0) -> RareEstimate:
    if budget < 1000 or not 0 < level < 1 or workers < 1:
        raise ValueError(
            f"got budget {budget}, level {level} and {workers} workers; "
            "expected at least 1000 evaluations, 0 < level < 1, and at least one worker"
        )

    def generator(part: str, number: int = 0) -> np.random.Generator:
        return stream(seed, f"rare-event-{part}", key, number)

    first = budget // 20
    hits, doubtful = task.plain(generator("look"), first)
    if hits >= COMMON:
        trials = budget - first
        hits, doubtful = task.plain(generator("plain"), trials)
        found = clopper_pearson(hits, trials, level, doubtful)
        return RareEstimate(found.lower, found.estimate, found.upper, "plain", task.evaluations, level)
    ceiling = clopper_pearson(hits, first, level / 2, doubtful).upper
    chains, ladder = max(CHAINS, min(2 * CHAINS, budget // 1000), budget // 4000), None
    while ladder is None and task.evaluations < budget // 2:
        ladder = _pilot(task, generator("pilot", chains), SHORT * chains, budget * 3 // 4 - task.evaluations)
        chains *= 2
    if ladder is None:
        return RareEstimate(-math.inf, -math.inf, ceiling, "unreached", task.evaluations, level)
    left = budget - task.evaluations
    count = min(REPLICATES, max(FEWEST, left // (2 * CHAINS * _cost(ladder, LONG))))
    steps = min(LONG, max(SHORT, left // (count * CHAINS * _cost(ladder, 1))))
    particles = steps * max(10, left // (_cost(ladder, steps) * count))
    before = task.evaluations
    jobs = [generator("replicate", number) for number in range(count)]
    work = partial(_replicate, task, ladder=ladder, particles=particles, steps=steps, keep=keep)
    with make_executor(workers, _nothing, ()) as pool:
        runs = list(pool.map(work, jobs))
    logs = [run.log for run in runs]
    mean = float(logsumexp(logs)) - math.log(count)
    upper = min(ceiling, max(run.slack for run in runs) + log_mean_upper(logs, level / 4))
    return RareEstimate(
        log_lower=log_mean_lower(logs, level / 2),
        log_estimate=mean,
        log_upper=max(mean, upper),
        method="splitting" if math.isfinite(mean) else "unreached",
        evaluations=before + sum(run.evaluations for run in runs),
        level=level,
        replicates=tuple(logs),
        stages=len(ladder),
        layers=tuple(run.layers for run in runs) if keep else (),
    )


def _nothing() -> None:
    """Workers need no preparation: each job brings its task along."""


class _Task:
    """The event, for the first `k` neurons of many first layers at a time.

    A state is an array of standard normal rows: the neurons, `(k, d0)`, where the data are fixed. Otherwise the `N`
    samples come before them, and every row has one entry more, whose sign is the label of a sample.
    """

    def __init__(
        self,
        N: int,
        d0: int,
        width: int,
        slope: float,
        epsilon: float,
        event: EventName,
        data: tuple[Floats, Floats] | None,
    ) -> None:
        if min(N, d0, width) < 1 or slope == 1 or not math.isfinite(slope) or not 0 <= epsilon < 1:
            raise ValueError(
                f"got {N} samples, {d0} features, width {width}, slope {slope}, epsilon {epsilon}; "
                "expected >= 1, >= 1, >= 1, finite and not 1, in [0, 1)"
            )
        if event not in ("rank", "support", "first_order"):
            raise ValueError(f"got event {event!r}; expected 'rank', 'support' or 'first_order'")
        self.N, self.d0, self.width, self.slope, self.epsilon, self.event = N, d0, width, slope, epsilon, event
        self.data = data
        self.samples, self.columns = (N, d0 + 1) if data is None else (0, d0)
        self.needed = 1 if event == "rank" else errors_above(epsilon, N)
        self.evaluations = 0
        span = min(d0, N)
        if data is not None:
            self._inputs = self._scaled(data[0], whiten=True)[None]
            span = self._inputs.shape[1]
            self._inner = self._inputs.transpose(0, 2, 1) @ self._inputs
        # Kernel vectors are long where columns are short: such data are left to `regions`.
        lengths = np.linalg.norm(self._inputs[0], axis=0) if data is not None else np.ones(N)
        self._apart = bool(((lengths > 0) & (lengths < COLUMNS_APART * lengths.max())).any())
        # So many neurons always leave a kernel.
        self.free = min(width, (N - 1) // span) if event == "rank" else 0

    def drawn(self, rng: np.random.Generator, count: int, rows: int) -> Floats:
        """Independent states with `rows` neurons."""
        return rng.standard_normal((count, self.samples + rows, self.columns))

    def neurons(self, Z: Floats) -> int:
        """How many neurons the states have."""
        rows: int = Z.shape[1]
        return rows - self.samples

    def plain(self, rng: np.random.Generator, trials: int) -> tuple[int, int]:
        """Hits and doubtful cases among independent states."""
        hits = doubtful = 0
        step = max(1, 2**22 // ((self.samples + self.width) * self.columns))
        for start in range(0, trials, step):
            happened, unclear = self.happened(self.drawn(rng, min(step, trials - start), self.width))
            hits, doubtful = hits + int(happened.sum()), doubtful + int(unclear.sum())
        return hits, doubtful

    def grades(self, Z: Floats, soft: bool) -> Floats:
        """Grades of states for a level, `(B, 3 + 2N)`; if it is not soft, the defect is 0 or `inf`."""
        return self._each(lambda part: self._graded(part, soft), Z)

    def possible(self, Z: Floats) -> Bools:
        """Whether the event is still possible when more neurons are added to these."""
        alive: Bools = self.grades(Z, False)[:, DEFECT] == 0
        return alive

    def happened(self, Z: Floats) -> tuple[Bools, Bools]:
        """Whether the event happened with all neurons, and whether that could not be decided."""
        surely, maybe = (part.astype(np.bool_) for part in self._each(self._happened, Z).T)
        unclear = np.zeros(Z.shape[0], dtype=np.bool_)
        for item in np.flatnonzero(surely != maybe):
            X, y, W = self.parts(Z[item : item + 1])
            found = kernels(W, X[0], self.slope)
            decided = (
                rank_deficient(found)
                if self.event == "rank"
                else support_above(found, self.epsilon)
                if self.event == "support"
                else misclassified_above(found, y[0], self.epsilon)
            )
            surely[item], unclear[item] = decided.hits, decided.doubtful
        return surely, unclear

    def _each(self, function: Callable[[Floats], Floats], Z: Floats) -> Floats:
        self.evaluations += Z.shape[0]
        step = max(1, _CHUNK // (self.N * max(self.N, Z.shape[1])))
        return np.concatenate([function(Z[start : start + step]) for start in range(0, max(1, Z.shape[0]), step)])

    def parts(self, Z: Floats) -> tuple[Floats, Floats, Floats]:
        """Inputs `(B or 1, d0, N)`, labels `(B or 1, N)` and neurons `(B, k, d0)`."""
        if self.data is not None:
            return self.data[0][None], self.data[1][None], Z
        X = Z[:, : self.N, : self.d0].transpose(0, 2, 1)
        return X, (Z[:, : self.N, self.d0] > 0).astype(np.float64), Z[:, self.N :, : self.d0]

    def _scaled(self, X: Floats, whiten: bool) -> Floats:
        """Inputs with the same kernels and a better condition.

        The kernel does not change with an invertible map of the features; nor, but for a rescaling of its
        coordinates, with the lengths of the samples, which do not matter to rank and support.
        """
        if whiten:
            _, sizes, right = np.linalg.svd(X, full_matrices=False)
            X = right[sizes > SPANNED * sizes[0]]
        if self.event != "first_order":
            lengths = np.linalg.norm(X, axis=-2, keepdims=True)
            X = X / np.where(lengths > 0, lengths, 1.0)
        scaled: Floats = X * np.sqrt(self.N / np.sum(X**2, axis=(-2, -1), keepdims=True))
        return scaled

    def _patterns(self, Z: Floats) -> tuple[Bools, Floats, Floats, Floats]:
        """Signs `(B, k, N)`; inputs, their Gram matrices, and labels (with a first axis of 1 if the data are fixed)."""
        X, y, W = self.parts(Z)
        signs = W @ X > 0
        if self.data is not None:
            return signs, self._inputs, self._inner, y
        inputs = self._scaled(X, whiten=False)
        return signs, inputs, inputs.transpose(0, 2, 1) @ inputs, y

    def _graded(self, Z: Floats, soft: bool) -> Floats:
        signs, _, inner, y = self._patterns(Z)
        seen = signs[:, :-1] if soft else signs
        if seen.shape[1]:
            diagonal, residual = self._projection(np.where(seen, 1.0, self.slope), inner, y)
        else:
            diagonal, residual = np.ones((Z.shape[0], self.N)), np.broadcast_to(y, (Z.shape[0], self.N))
        grades = np.empty((Z.shape[0], SAMPLES + 2 * self.N))
        grades[:, DIMENSION] = np.round(diagonal.sum(axis=1))
        grades[:, SAMPLES : SAMPLES + self.N] = diagonal > CLEARLY_ZERO
        wrong = _sides(y) * residual - np.abs(y - 0.5) > -CLEARLY_NOT
        grades[:, SAMPLES + self.N :] = wrong
        grades[:, SHORTAGE] = (
            np.maximum(0, self.needed - wrong.sum(axis=1)) if self.event == "first_order" else np.zeros(len(Z))
        )
        grades[:, DEFECT] = self.defect(signs, grades) if soft else 0.0
        grades[~self._reaches(diagonal, residual, y), DEFECT] = math.inf
        return grades

    def _projection(self, A: Floats, inner: Floats, y: Floats) -> tuple[Floats, Floats]:
        """Diagonal of the projection on the kernel, and the residual `Py`.

        From `P ≈ r (K + r)⁻¹` for a small ridge `r`, as `P²`: an eigenvalue `λ` of `K` is left in it with `(r/λ)²`.
        """
        # A pivot is the squared distance of a column from the span of the columns before. A kernel vector can hide
        # behind a larger one only if its last coordinate is below 3e-4, and is then missed, which lowers the estimate.
        singular, P = self._inverse(A, inner, PIVOT * A.shape[1])
        diagonal, residual = np.zeros((2, A.shape[0], self.N))
        if singular.size:
            diagonal[singular] = np.einsum("bij,bij->bi", P, P)
            target = np.broadcast_to(y, (A.shape[0], self.N))[singular][..., None]
            residual[singular] = (P @ (P @ target))[..., 0]
        return diagonal, residual

    def _inverse(self, A: Floats, inner: Floats, least: float) -> tuple[NDArray[np.intp], Floats]:
        """The regions with a pivot below `least`, and `r (K + r)⁻¹` for them."""
        K = A.transpose(0, 2, 1) @ A
        K *= inner
        ridge = RIDGE * A.shape[1]
        np.einsum("bii->bi", K)[...] += ridge
        if self.N < _ONE_BY_ONE:
            pivots = np.einsum("bii->bi", np.linalg.cholesky(K)) ** 2
            singular = np.flatnonzero(pivots.min(axis=1) < least)
            return singular, ridge * np.linalg.inv(K[singular])
        singular = np.array([item for item in range(len(K)) if _inverted(K[item], least)], dtype=np.intp)
        P = K[singular]
        P *= ridge
        P += np.triu(P, 1).transpose(0, 2, 1)
        return singular, P

    def _reaches(self, diagonal: Floats, residual: Floats, y: Floats) -> Bools:
        """Whether the event is possible for more neurons, given the kernel of these.

        For the first-order event: every later residual `e` lies in the kernel and has `e·y = ‖e‖²`; on that sphere
        `±e_n` is at most `(±(Py)_n + ‖Py‖ √P_nn)/2`.
        """
        if self.event == "rank":
            alive: Bools = diagonal.sum(axis=1) > 0.5
            return alive
        if self.event == "support":
            large: Bools = (diagonal > CLEARLY_ZERO).sum(axis=1) >= self.needed
            return large
        size = np.sqrt(np.maximum((residual * y).sum(axis=1), 0.0))[:, None]
        most = (_sides(y) * residual + size * np.sqrt(np.maximum(diagonal, 0.0))) / 2 - np.abs(y - 0.5)
        enough: Bools = (most > -CLEARLY_NOT).sum(axis=1) >= self.needed
        return enough

    def defect(self, signs: Bools, grades: Floats) -> Floats:
        """How far the last neuron is from keeping the event possible, given the kernel of those before.

        A neuron keeps the whole kernel if, on its support, its pattern is that of a neuron before, the opposite of a
        constant one (of any, if ρ = −1), or zero (if ρ = 0). Each sample where it differs costs one dimension at most.
        """
        support: Bools = grades[:, None, SAMPLES : SAMPLES + self.N] > 0
        last, before = signs[:, -1:], signs[:, :-1]
        constant = (before | ~support).all(axis=2, keepdims=True) | (~before | ~support).all(axis=2, keepdims=True)
        differs = last ^ before
        opposite = np.ones_like(constant) if self.slope == -1 else constant
        lost = [np.ones_like(last), differs, ~(differs & opposite)]
        if self.slope == 0:
            lost.append(last)
        each = np.concatenate(lost, axis=1) & support
        missing = each.sum(axis=2) + 1 - grades[:, None, DIMENSION]
        if self.event == "support":
            missing = np.maximum(missing, self.needed - (support & ~each).sum(axis=2))
        if self.event == "first_order":
            wrong = grades[:, None, SAMPLES + self.N :] > 0
            missing = np.maximum(missing, self.needed - (wrong & ~each).sum(axis=2))
        nearest: Floats = np.maximum(missing.min(axis=1), 0.0)
        return nearest

    def signs(self, Z: Floats) -> Bools:
        """Patterns of the neurons, `(B, k, N)`."""
        X, _, W = self.parts(Z)
        return W @ X > 0

    def _happened(self, Z: Floats) -> Floats:
        """Two columns: whether the event surely happened, and whether it may have."""
        signs, inputs, inner, y = self._patterns(Z)
        A = np.where(signs, 1.0, self.slope)
        decided = np.zeros((Z.shape[0], 2))
        sizes = np.zeros(Z.shape[0], dtype=int)
        singular, P = self._inverse(A, inner, math.inf)
        trace = np.einsum("bij,bij->b", P, P)
        dimension = np.round(trace).astype(int)
        whole = np.abs(trace - dimension) < WHOLE
        decided[singular[~whole], 1] = 1.0
        for size in np.unique(dimension[whole]):
            if size:
                part = np.flatnonzero(whole & (dimension == size))
                chosen = singular[part]
                at = [array[chosen] if len(array) > 1 else array for array in (inputs, inner, y)]
                decided[chosen] = self._decided(A[chosen], P[part], at[0], at[1], at[2], size)
                sizes[chosen] = size
        if self.data is not None:
            self._hold_to_prime(decided, signs, sizes)
        return decided

    def _hold_to_prime(self, decided: Floats, signs: Bools, sizes: NDArray[np.intp]) -> None:
        """Leaves open, in place, hits on given data whose kernel modulo a prime is another one (see `regions`)."""
        assert self.data is not None
        hits = np.flatnonzero(decided[:, 0])
        exact = modular.kernels(signs[hits], modular.reduced_floats(self.data[0], self.slope))
        agrees = exact.rank == self.N - sizes[hits]
        if self.event == "support":
            agrees &= exact.support.sum(axis=1) >= self.needed
        decided[hits, 0] = agrees

    def _decided(self, A: Floats, P: Floats, inputs: Floats, inner: Floats, y: Floats, size: int) -> Floats:
        """The same for regions whose kernel has `size` dimensions, by all appearances."""
        # The powers leave (r/λ)³ of what is no kernel; the starting vectors do not matter, and are the same always.
        start = np.random.default_rng(0).standard_normal((self.N, size))
        basis, _ = np.linalg.qr(P @ (P @ (P @ start)))
        mapped = np.zeros(A.shape[0])
        for row in range(A.shape[1]):
            mapped += np.sum((inputs @ (A[:, row, :, None] * basis)) ** 2, axis=(1, 2))
        largest = np.max((A**2).sum(axis=1) * np.einsum("bii->bi", inner), axis=1)
        found = (mapped <= MAPPED**2 * largest) & (not self._apart)
        if self.event == "rank":
            surely, maybe = found, np.ones_like(found)
        else:
            length = np.linalg.norm(basis, axis=2)
            if self.event == "support":
                least, most = length > COORDINATE, length > COORDINATE / 1e5
            else:
                residual = (basis @ (basis.transpose(0, 2, 1) @ np.broadcast_to(y, length.shape)[..., None]))[..., 0]
                margin = _sides(y) * residual - np.abs(y - 0.5)
                least, most = margin > COORDINATE, margin > -COORDINATE
            surely = found & (least.sum(axis=1) >= self.needed)
            maybe = ~found | (most.sum(axis=1) >= self.needed)
        return np.stack([surely, maybe], axis=1).astype(np.float64)


def _inverted(K: Floats, least: float) -> bool:
    """Replaces the upper triangle by that of the inverse, the lower by zero; False if all pivots are above `least`."""
    # In LAPACK's order of the entries upper is lower.
    factor, failed = dpotrf(K.T, lower=1, clean=1, overwrite_a=1)
    if failed:
        raise np.linalg.LinAlgError(f"the Gram matrix with its ridge is not positive definite at pivot {failed}")
    if np.square(factor.diagonal()).min() >= least:
        return False
    dpotri(factor, lower=1, overwrite_c=1)
    return True


def _sides(y: Floats) -> Floats:
    return np.where(y > 0.5, 1.0, -1.0)


def _arms(task: _Task, rows: int) -> Floats:
    """Moves: how many neurons and how many samples, how far, and what kind."""
    sizes = (1.0, 0.5, 0.25, 0.1, 0.04)
    neurons = [1, min(2, rows), max(1, rows // 4), max(1, rows // 2), rows]
    arms = [(number, 0, size, STEP) for number in neurons for size in sizes]
    if task.samples:
        samples = [1, max(1, task.samples // 4), task.samples]
        arms += [(0, number, size, STEP) for number in samples for size in sizes]
        arms += [(0, task.samples, 1.0, SWEEP)]
    return np.array([*arms, *((rows, 0, size, TURN) for size in (1.0, 0.3, 0.1)), (rows, 0, 1.0, SWEEP)])


def _moved(rng: np.random.Generator, task: _Task, Z: Floats, arms: Floats, grades: Floats) -> Floats:
    """Proposals that leave the normal distribution of `Z` as it is, and are as likely forth as back.

    Sweeps are so among states with the same support only.
    """
    samples, V = task.samples, Z.copy()
    stepped = np.flatnonzero(arms[:, 3] == STEP)
    order = rng.random((stepped.size, Z.shape[1]))
    chosen = np.empty(order.shape, dtype=np.bool_)
    for part, number in ((slice(samples, None), arms[stepped, 0]), (slice(0, samples), arms[stepped, 1])):
        chosen[:, part] = order[:, part].argsort(axis=1).argsort(axis=1) < number[:, None]
    V[stepped] = _stepped(rng, Z[stepped], np.where(chosen, arms[stepped, 2, None], 0.0))
    turned = np.flatnonzero(arms[:, 3] == TURN)
    if turned.size and task.d0 > 1:
        # All neurons turn together, in a random plane.
        plane, _ = np.linalg.qr(rng.standard_normal((turned.size, task.d0, 2)))
        angle = arms[turned, 2] * rng.standard_normal(turned.size)
        turn = np.stack([np.cos(angle) - 1, -np.sin(angle), np.sin(angle), np.cos(angle) - 1], axis=1).reshape(-1, 2, 2)
        W = Z[turned, samples:, : task.d0]
        V[turned, samples:, : task.d0] += W @ plane @ turn @ plane.transpose(0, 2, 1)
    for moves_samples in (False, True):
        swept = np.flatnonzero((arms[:, 3] == SWEEP) & ((arms[:, 1] > 0) == moves_samples))
        if swept.size:
            support = grades[swept, SAMPLES : SAMPLES + task.N] > 0
            X, _, W = task.parts(Z[swept])
            if moves_samples:
                V[swept, :samples] = _swept(rng, Z[swept, :samples], W.transpose(0, 2, 1), support[:, :, None])
            else:
                V[swept, samples:] = _swept(rng, Z[swept, samples:], X, support[:, None, :])
    return V


def _stepped(rng: np.random.Generator, Z: Floats, sizes: Floats) -> Floats:
    """Rows moved by their sizes (0: not at all, 1: drawn anew)."""
    part = sizes[:, :, None]
    moved: Floats = np.sqrt(1 - part**2) * Z + part * rng.standard_normal(Z.shape)
    return moved


def _swept(rng: np.random.Generator, rows: Floats, walls: Floats, kept: Bools) -> Floats:
    """Rows moved within their cones, where the signs of `rows @ walls` that are `kept` stay.

    Each goes to a uniform point of the arc around it of a random ellipse, as in elliptical slice sampling (Murray et
    al. 2010): reversible for the normal distribution in the cone, and so are its iterates.
    """
    d0 = walls.shape[1]
    for _ in range(SWEEPS):
        other = rng.standard_normal(rows.shape)
        zero = np.mod(np.arctan2(-(rows[:, :, :d0] @ walls), other[:, :, :d0] @ walls), math.pi)
        high = np.where(kept, zero, math.pi).min(axis=2)
        low = np.where(kept, zero - math.pi, -math.pi).max(axis=2)
        angle = (low + (high - low) * rng.random(high.shape))[:, :, None]
        rows = np.cos(angle) * rows + np.sin(angle) * other
    return rows


@dataclass(frozen=True)
class _Particles:
    """States, their grades for a level, and their log-weights at the level they were drawn from."""

    states: Floats
    grades: Floats
    old: Floats


def _chains(
    task: _Task, rng: np.random.Generator, Z: Floats, step: _Level, steps: int, tally: Floats | None = None
) -> _Particles:
    """All states of chains from `Z` onwards that leave the level's distribution as it is."""
    arms = _arms(task, step.rows)
    grades = task.grades(Z, step.soft)
    states, graded = [], []
    for _ in range(steps):
        arm = rng.choice(len(arms), size=Z.shape[0], p=step.moves)
        V = _moved(rng, task, Z, arms[arm], grades)
        at = task.grades(V, step.soft)
        kept = np.log(rng.random(Z.shape[0])) < step.logs(at) - step.logs(grades)
        # A sweep keeps the patterns on the support, so no kernel vector is lost. If the support is the same then the
        # kernel is, and the way back is as likely; if it has grown, the way back would be from narrower cones.
        support = slice(SAMPLES, SAMPLES + task.N)
        kept &= (arms[arm, 3] != SWEEP) | (at[:, support] == grades[:, support]).all(axis=1)
        Z, grades = np.where(kept[:, None, None], V, Z), np.where(kept[:, None], at, grades)
        if step.soft:
            Z, grades = _tried(task, rng, Z, grades, step)
        states.append(Z)
        graded.append(grades)
        if tally is not None:
            np.add.at(tally[0], arm, 1.0)
            np.add.at(tally[1], arm, kept)
    grades = np.concatenate(graded)
    return _Particles(np.concatenate(states), grades, step.logs(grades))


def _tried(task: _Task, rng: np.random.Generator, Z: Floats, grades: Floats, step: _Level) -> tuple[Floats, Floats]:
    """Moves of the last neuron alone: the kernel of the others stays, and only the defect is counted anew."""
    Z, grades = Z.copy(), grades.copy()
    X, _, _ = task.parts(Z)
    signs = task.signs(Z)
    for _ in range(TRIES):
        size = 10 ** -rng.uniform(0, 1.3, (Z.shape[0], 1))
        last = _stepped(rng, Z[:, -1:], size)
        proposed = np.concatenate([signs[:, :-1], last[:, :, : task.d0] @ X > 0], axis=1)
        defect = task.defect(proposed, grades)
        kept = np.log(rng.random(Z.shape[0])) < step.defect * (grades[:, DEFECT] - defect)
        Z[kept, -1:], grades[kept, DEFECT], signs[kept] = last[kept], defect[kept], proposed[kept]
    return Z, grades


def _grown(rng: np.random.Generator, task: _Task, Z: Floats, rows: int) -> Floats:
    new = rng.standard_normal((Z.shape[0], rows - task.neurons(Z), Z.shape[2]))
    return np.concatenate([Z, new], axis=1)


def _resampled(rng: np.random.Generator, logs: Floats, count: int) -> NDArray[np.intp]:
    """`count` particles with probabilities as their weights, by one uniform number (systematic resampling)."""
    order = rng.permutation(logs.size)
    share = np.cumsum(np.exp(logs[order] - logs.max()))
    chosen = np.searchsorted(share, (rng.random() + np.arange(count)) / count * share[-1], side="right")
    drawn: NDArray[np.intp] = order[np.minimum(chosen, np.flatnonzero(np.isfinite(logs[order]))[-1])]
    return drawn


def _largest(low: float, high: float, good: Callable[[float], bool]) -> float:
    """The largest value up to `high` that is good, if smaller ones are; `low` is taken to be."""
    if good(high):
        return high
    for _ in range(30):
        middle = (low + high) / 2
        low, high = (middle, high) if good(middle) else (low, middle)
    return low


class _Pilot:
    """Chooses the ladder by a run of its own."""

    def __init__(self, task: _Task, rng: np.random.Generator, particles: int, budget: int) -> None:
        self.task, self.rng, self.count = task, rng, particles
        self.end = task.evaluations + budget
        self.ladder: list[_Level] = []
        arms = len(_arms(task, 1))
        self.moves = np.full(arms, 1 / arms)
        self.shortage = 0.0
        Z = task.drawn(rng, particles, task.free)
        self.now = _Particles(Z, np.empty((particles, 0)), np.zeros(particles))

    def run(self) -> list[_Level] | None:
        """The ladder; None if it does not reach the event within its budget."""
        while self.task.neurons(self.now.states) < self.task.width:
            self._grow()
            if not self._harden():
                return None
        return self.ladder if self.task.happened(self.now.states)[0].any() else None

    def _settle(self, grades: Floats, defect: float) -> bool:
        """Chains at a new level; the moves that went far are made more often from then on."""
        task = self.task
        rows = task.neurons(self.now.states)
        arms = _arms(task, rows)
        tally = np.zeros((2, len(arms)))
        step = _Level(rows, defect, self.shortage, self.moves)
        gained = step.logs(grades) - self.now.old
        if not np.isfinite(gained).any():
            return False
        starts = _resampled(self.rng, gained, self.count // SHORT)
        self.now = _chains(task, self.rng, self.now.states[starts], step, SHORT, tally)
        accepted = (tally[1] + 0.5) / (tally[0] + 1)
        far = accepted * (arms[:, 0] / rows + arms[:, 1] / max(1, task.samples)) * arms[:, 2] ** 2
        swept = arms[:, 3] == SWEEP
        # A third of the moves are sweeps, unless they are in vain: they reach no other support.
        share = min(1 / 3, float(accepted[swept].max()))
        self.moves = np.where(
            swept, share * accepted / accepted[swept].sum(), (1 - share) * far**2 / (far[~swept] ** 2).sum()
        )
        self.moves = 0.8 * self.moves + 0.2 / len(arms)
        self.ladder.append(_Level(rows, defect, self.shortage, self.moves))
        return task.evaluations < self.end

    def _grow(self) -> None:
        """Adds one neuron, and more while enough of the particles survive them."""
        task, rng = self.task, self.rng
        enough = SURVIVORS * self.count
        grown = _grown(rng, task, self.now.states, task.neurons(self.now.states) + 1)
        alive = np.flatnonzero(task.possible(grown))
        while task.neurons(grown) < task.width and alive.size >= enough:
            longer = _grown(rng, task, grown, task.neurons(grown) + 1)
            survivors = alive[task.possible(longer[alive])]
            if survivors.size < enough:
                break
            grown, alive = longer, survivors
        self.now = _Particles(grown, self.now.grades, self.now.old)

    def _harden(self) -> bool:
        """Levels of the last neuron's defect, until enough of the particles have none."""
        task, defect = self.task, 0.0
        while True:
            hard = task.grades(self.now.states, False)
            # What has a defect, but is still possible, would come back in force if its shortage weighed much less.
            choices = self.shortage + defect * np.linspace(0, 1, 12 if task.event == "first_order" else 1)
            effective = [self._effective(hard, math.inf, shortage) for shortage in choices]
            if max(effective) >= RARE:
                self.shortage = float(choices[int(np.argmax(effective))])
                return self._shorten(hard)
            if defect == 0:
                soft = task.grades(self.now.states, True)
            low = defect + SOFTEST

            def good(value: float, soft: Floats = soft) -> bool:
                return self._effective(soft, value, self.shortage) >= SURVIVORS

            defect = _largest(low, defect + STRIDE, good)
            if low > HARDEST or not self._settle(soft, defect):
                return False
            soft = self.now.grades

    def _shorten(self, hard: Floats) -> bool:
        """A level, or after the last neuron as many as it takes, for about half of the weight to have no shortage."""
        while True:
            before = self.shortage

            def short(value: float, hard: Floats = hard) -> bool:
                logs = self._gained(hard, math.inf, value)
                enough = logs[hard[:, SHORTAGE] == 0]
                return not enough.size or float(logsumexp(enough)) < float(logsumexp(logs)) - math.log(2)

            def good(value: float, hard: Floats = hard) -> bool:
                return short(value) and self._effective(hard, math.inf, value) >= SURVIVORS

            if short(before):
                self.shortage = _largest(before, before + STRIDE, good)
            if not self._settle(hard, math.inf) or self.shortage > HARDEST:
                return False
            hard = self.now.grades
            if self.task.neurons(self.now.states) < self.task.width or not short(self.shortage):
                return True

    def _gained(self, grades: Floats, defect: float, shortage: float) -> Floats:
        """Log-weights that a level would give to the particles."""
        return _Level(0, defect, shortage, self.moves).logs(grades) - self.now.old

    def _effective(self, grades: Floats, defect: float, shortage: float) -> float:
        """The share of the particles that a level would leave, in effective numbers."""
        logs = self._gained(grades, defect, shortage)
        if not np.isfinite(logs).any():
            return 0.0
        return math.exp(2 * float(logsumexp(logs)) - float(logsumexp(2 * logs))) / logs.size


def _pilot(task: _Task, rng: np.random.Generator, particles: int, budget: int) -> list[_Level] | None:
    return _Pilot(task, rng, particles, budget).run()


def _grows(ladder: Sequence[_Level]) -> list[bool]:
    """Whether each level has more neurons than the one before."""
    rows = [0, *(step.rows for step in ladder)]
    return [later > earlier for earlier, later in itertools.pairwise(rows)]


def _cost(ladder: Sequence[_Level], steps: int) -> int:
    """Evaluations for one chain on every level, and for its particles where they are graded anew."""
    graded = sum(_grows(ladder)) + sum(step.soft for step in ladder) // 2
    return steps + len(ladder) * (steps + 1) + steps * graded


@dataclass(frozen=True)
class _Replicate:
    """One unbiased estimate, in logs; how much larger it could be for what was not decided; its cost; what it kept."""

    log: float
    slack: float
    evaluations: int
    layers: Floats


def _replicate(
    task: _Task, rng: np.random.Generator, ladder: Sequence[_Level], particles: int, steps: int = SHORT, keep: int = 0
) -> _Replicate:
    begun = task.evaluations
    Z = task.drawn(rng, particles, task.free)
    now = _Particles(Z, np.empty((particles, 0)), np.zeros(particles))
    total = 0.0
    soft = False
    none = np.empty((0, task.width, task.d0))
    for step, grows in zip(ladder, _grows(ladder), strict=True):
        Z, grades = now.states, now.grades
        if grows:
            Z = _grown(rng, task, Z, step.rows)
        if grows or step.soft != soft:
            grades = task.grades(Z, step.soft)
        soft = step.soft
        gained = step.logs(grades) - now.old
        if not np.isfinite(gained).any():
            return _Replicate(-math.inf, 0.0, task.evaluations - begun, none)
        total += float(logsumexp(gained)) - math.log(particles)
        now = _chains(task, rng, Z[_resampled(rng, gained, particles // steps)], step, steps)
    happened, unclear = task.happened(now.states)
    used = task.evaluations - begun
    if not happened.any():
        return _Replicate(-math.inf, 0.0, used, none)
    hits = float(logsumexp(-now.old[happened]))
    doubtful = float(logsumexp(-now.old[unclear])) if unclear.any() else -math.inf
    kept = now.states[_resampled(rng, np.where(happened, -now.old, -math.inf), keep)] if keep else none
    slack = float(np.logaddexp(hits, doubtful)) - hits
    return _Replicate(total + hits - math.log(particles), slack, used, kept)


def _power(log: float) -> str:
    """A natural log as a power of ten."""
    return "0" if log == -math.inf else f"10^{log / math.log(10):.2f}"
