"""Log-probabilities of rare first-order events, by splitting over the neurons.

The kernel of `A ∘ X` can only shrink when a neuron is added. So the events "the kernel that the first `k` neurons leave
is still large enough" are nested in `k`, and a probability of 1e-30 is a product of moderate factors, one for every
few neurons. Where one neuron alone is too much for a factor, levels of a score of the new neurons are put between.
The misclassified fraction itself is not monotone in `k`: for that event the nested ones say what the most harmful
further neurons could do, and neurons that do not show the event yet are given less weight, which is divided out again.

A pilot run chooses the ladder of levels and the moves, which are then fixed. Independent replicates of the splitting
estimator with that ladder are unbiased (Del Moral 2004; all states of the chains are used: Dau & Chopin 2022):

* The *lower* end is proven: for independent nonnegative unbiased `Z_r`, `Π_r (1 + λ(Z_r/v − 1))` has mean at most one
  for every `v ≥ V`; no assumption on their distribution, nor on how well the chains mix.
* The *upper* end is not, and cannot be from unbiasedness alone: a part of the event that no replicate ever
  entered leaves no trace. It takes the logs of the replicates for normal, which was measured, not proven
  (`benchmarks/rare_coverage.py`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt
from numpy.typing import NDArray
from scipy.special import logsumexp
from scipy.stats import t as student

from verify.network.regions import (
    errors_above,
    kernels,
    misclassified_above,
    rank_deficient,
    support_above,
)
from verify.sampling import stream
from verify.statistics.intervals import clopper_pearson
from verify.verdicts import Evidence

EventName = Literal["rank", "support", "first_order"]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

# Plain sampling serves where the share of the budget spent on it first sees as many hits as this.
COMMON = 25
REPLICATES = 16
FEWEST = 8
# Neurons are added as long as this share of the particles survives, and one at a time where `RARE` of them do not.
SURVIVORS = 0.3
RARE = 0.08
SCORED = 0.2
# Steps of each chain between two levels; every state counts as a particle.
STEPS = 4
# Ridge of the Gram matrix, per neuron, that stands for zero in the fast decision; the coordinates of the kernel's
# projection between the two thresholds are left to the singular value decomposition of `regions`.
RIDGE = 1e-11
PIVOT = 1e-5
CLEARLY_ZERO = 1e-6
CLEARLY_NOT = 1e-2
# Distances to the span of the other columns count as equal below this, in the score.
SCORE_FLOOR = 1e-6
_CHUNK = 2**22


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
    """

    log_lower: float
    log_estimate: float
    log_upper: float
    method: Literal["plain", "splitting", "unreached"]
    evaluations: int
    level: float
    replicates: tuple[float, ...] = field(default=(), repr=False)
    stages: int = 0
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

    One where these neurons show the event themselves; `exp(unlikely)` where they keep it possible, or come near to
    that by `score` if one is given; zero elsewhere.
    """

    rows: int
    score: float | None
    unlikely: float
    moves: Floats = field(repr=False)


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
        budget: regions to evaluate, about. Ten thousand times `−log10 V` is a fair start.
        level: probability of a miss of the interval, half of it at either end.

    Raises:
        ValueError: if an argument is outside its domain or the shapes do not fit.
    """
    task = _Task(np.asarray(X, dtype=np.float64), np.asarray(y, dtype=np.float64), width, slope, epsilon, event)
    if budget < 1000 or not 0 < level < 1:
        raise ValueError(f"got budget {budget} and level {level}; expected at least 1000 evaluations and 0 < level < 1")

    def generator(part: str, number: int = 0) -> np.random.Generator:
        return stream(seed, f"rare-event-{part}", f"{event} {width} {slope!r} {epsilon!r}", number)

    first = budget // 20
    hits, doubtful = task.plain(generator("look"), first)
    if hits >= COMMON:
        trials = budget - first
        hits, doubtful = task.plain(generator("plain"), trials)
        found = clopper_pearson(hits, trials, level, doubtful)
        return RareEstimate(found.lower, found.estimate, found.upper, "plain", task.evaluations, level)
    ceiling = clopper_pearson(hits, first, level / 2, doubtful).upper
    particles, ladder = max(40, budget // 4000), None
    while ladder is None and task.evaluations < budget // 3:
        ladder = _pilot(task, generator("pilot", particles), STEPS * particles, budget // 2 - task.evaluations)
        particles *= 2
    if ladder is None:
        return RareEstimate(-math.inf, -math.inf, ceiling, "unreached", task.evaluations, level)
    cost = STEPS + STEPS * sum(9 if step.score is None else 22 for step in ladder) // 4
    left = budget - task.evaluations
    count = min(REPLICATES, max(FEWEST, left // (cost * 25)))
    particles = STEPS * max(10, left // (cost * count))
    runs = [_replicate(task, generator("replicate", number), ladder, particles) for number in range(count)]
    logs = [log for log, _ in runs]
    mean = float(logsumexp(logs)) - math.log(count)
    upper = min(ceiling, max(slack for _, slack in runs) + _measured_upper(logs, level / 4))
    return RareEstimate(
        log_lower=proven_lower(logs, level / 2),
        log_estimate=mean,
        log_upper=max(mean, upper),
        method="splitting" if math.isfinite(mean) else "unreached",
        evaluations=task.evaluations,
        level=level,
        replicates=tuple(logs),
        stages=len(ladder),
    )


def proven_lower(logs: Sequence[float], level: float) -> float:
    """Lower confidence bound for the log of the common mean of independent nonnegative unbiased estimates.

    For `v` at least the mean, `Π_r (1 + λ(Z_r/v − 1))` has expectation at most one, and so has its average over some
    `λ` in (0, 1]: by Markov's inequality it exceeds `1/level` with probability at most `level`. The bound is the
    smallest `v` at which it does not.

    Args:
        logs: logs of the estimates, `-inf` for an estimate of zero.
        level: probability of a bound above the true mean.
    """
    values = np.asarray(logs, dtype=np.float64)
    if not np.isfinite(values).any():
        return -math.inf
    bets = np.array([0.25, 0.5, 0.75, 0.9, 1.0])[:, None]
    with np.errstate(divide="ignore"):
        stakes, rest = np.log(bets), np.log1p(-bets)

    def wealth(log_mean: float) -> float:
        return float(logsumexp(np.logaddexp(rest, stakes + values - log_mean).sum(axis=1))) - math.log(bets.size)

    high = float(values.max())  # every factor is at most one here
    low = high - 1.0
    while wealth(low) < -math.log(level):
        low -= 2 * (high - low)
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if wealth(middle) >= -math.log(level) else (low, middle)
    return low


def _measured_upper(logs: Sequence[float], level: float) -> float:
    """Upper bound for the log-mean, as if the logs were normal (Cox's method with Student quantiles).

    Replicates that died out are left aside, which can only raise it. `inf` if fewer than three are left.
    """
    values = np.asarray([log for log in logs if math.isfinite(log)])
    count = values.size
    if count < 3:
        return math.inf
    variance = float(values.var(ddof=1))
    width = math.sqrt(variance / count + variance**2 / (2 * (count - 1)))
    return float(values.mean()) + variance / 2 + float(student.isf(level, count - 1)) * width


class _Task:
    """The event, for the first `k` neurons of many first layers at a time."""

    def __init__(self, X: Floats, y: Floats, width: int, slope: float, epsilon: float, event: EventName) -> None:
        if X.ndim != 2 or y.shape != X.shape[1:] or not (np.isfinite(X).all() and np.isfinite(y).all()):
            raise ValueError(f"got X {X.shape} and y {y.shape}; expected finite (d0, N) and (N,)")
        if width < 1 or slope == 1 or not 0 <= epsilon < 1:
            raise ValueError(f"got width {width}, slope {slope}, epsilon {epsilon}; expected >= 1, not 1, in [0, 1)")
        if event not in ("rank", "support", "first_order"):
            raise ValueError(f"got event {event!r}; expected 'rank', 'support' or 'first_order'")
        self.X, self.y, self.width, self.slope, self.epsilon, self.event = X, y, width, slope, epsilon, event
        self.d0, self.N = X.shape
        self.needed = 1 if event == "rank" else errors_above(epsilon, self.N)
        self.evaluations = 0
        # The kernel does not change with an invertible map of the features; nor, but for a rescaling of its
        # coordinates, with the lengths of the samples. Both are chosen for the condition of the Gram matrix.
        _, sizes, inputs = np.linalg.svd(X, full_matrices=False)
        inputs = inputs[sizes > 1e-12 * sizes[0]]
        if event != "first_order":
            lengths = np.linalg.norm(inputs, axis=0)
            inputs = inputs / np.where(lengths > 0, lengths, 1.0)
        self.inner = inputs.T @ inputs * (self.N / np.sum(inputs**2))
        # So many neurons always leave a kernel.
        self.free = min(width, (self.N - 1) // inputs.shape[0]) if event == "rank" else 0
        self._class = np.where(y > 0.5, 1.0, -1.0)
        self._gap = np.abs(y - 0.5)

    def plain(self, rng: np.random.Generator, trials: int) -> tuple[int, int]:
        """Hits and doubtful cases among independent first layers."""
        hits = doubtful = 0
        step = max(1, _CHUNK // (self.N * max(self.N, self.width) + self.width * self.d0))
        for start in range(0, trials, step):
            W = rng.standard_normal((min(step, trials - start), self.width, self.d0))
            happened, unclear = self.happened(W)
            hits, doubtful = hits + int(happened.sum()), doubtful + int(unclear.sum())
        return hits, doubtful

    def weights(self, W: Floats, score: float | None = None, unlikely: float = 0.0) -> Floats:
        """Log-weights of the first rows, as a `_Level` has them."""
        reach, margin = self._each(self._margins, W).T
        logs = np.where(reach < 0, -math.inf, np.where(margin < 0, unlikely, 0.0))
        if score is not None:
            near = np.flatnonzero(reach < 0)
            if W.shape[1] > 1:
                near = near[self.possible(W[near, :-1])]
            near = near[self.score(W[near]) >= score]
            logs[near] = unlikely
        return logs

    def possible(self, W: Floats) -> Bools:
        """Whether the event is still possible when more neurons are added to these."""
        return np.isfinite(self.weights(W))

    def happened(self, W: Floats) -> tuple[Bools, Bools]:
        """Whether the event happened with all neurons, and whether that could not be decided."""
        surely, maybe = (part.astype(np.bool_) for part in self._each(self._happened, W).T)
        unclear = np.zeros(W.shape[0], dtype=np.bool_)
        for item in np.flatnonzero(surely != maybe):
            found = kernels(W[item : item + 1], self.X, self.slope)
            decided = (
                rank_deficient(found)
                if self.event == "rank"
                else support_above(found, self.epsilon)
                if self.event == "support"
                else misclassified_above(found, self.y, self.epsilon)
            )
            surely[item], unclear[item] = decided.hits, decided.doubtful
        return surely, unclear

    def score(self, W: Floats) -> Floats:
        """How near the event is; larger is nearer. Any function would do for the estimate to be unbiased."""
        return self._each(self._score, W)

    def _each(self, function: Callable[[Floats, int], Floats], W: Floats) -> Floats:
        self.evaluations += W.shape[0]
        step = max(1, _CHUNK // (self.N * max(self.N, W.shape[1])))
        parts = []
        for start in range(0, max(1, W.shape[0]), step):
            A = np.where(W[start : start + step] @ self.X > 0, 1.0, self.slope)
            parts.append(function(A.transpose(0, 2, 1) @ A * self.inner, W.shape[1]))
        return np.concatenate(parts)

    def _projection(self, K: Floats, rows: int) -> tuple[Floats, Floats]:
        """Diagonal of the projection on the kernel, and the residual `Py`.

        From `P ≈ r (K + r)⁻¹` for a small ridge `r`, as `P²`: an eigenvalue `λ` of `K` is left in it with `(r/λ)²`.
        """
        ridge = RIDGE * rows
        K = K + ridge * np.eye(self.N)
        diagonal, residual = np.zeros((2, K.shape[0], self.N))
        # A pivot is the squared distance of a column from the span of the columns before.
        pivots = np.einsum("bii->bi", np.linalg.cholesky(K)) ** 2
        singular = np.flatnonzero(pivots.min(axis=1) < PIVOT * rows)
        if singular.size:
            P = ridge * np.linalg.inv(K[singular])
            diagonal[singular] = np.sum(P * P, axis=2)
            residual[singular] = (P @ (P @ self.y)[..., None])[..., 0]
        return diagonal, residual

    def _margins(self, K: Floats, rows: int) -> Floats:
        """Two columns: not negative where the event is possible; and where these neurons alone show it."""
        diagonal, residual = self._projection(K, rows)
        if self.event == "first_order":
            return (
                np.stack([self._reach(residual, diagonal), self._kth(self._class * residual - self._gap)], axis=1)
                + CLEARLY_NOT
            )
        likely = diagonal.sum(axis=1) - 0.5 if self.event == "rank" else self._kth(diagonal) - CLEARLY_ZERO
        return np.stack([likely, likely], axis=1)

    def _kth(self, values: Floats) -> Floats:
        """The value that `needed` of the samples reach."""
        reached: Floats = np.partition(values, self.N - self.needed, axis=-1)[..., self.N - self.needed]
        return reached

    def _reach(self, residual: Floats, diagonal: Floats) -> Floats:
        """By how much more neurons can misclassify `needed` samples, at best, given the residual `Py` of the present.

        Every later residual `e` lies in the kernel and has `e·y = ‖e‖²`; on that sphere `±e_n` is at most
        `(±(Py)_n + ‖Py‖ √P_nn)/2`.
        """
        size = np.sqrt(np.maximum(residual @ self.y, 0.0))[..., None]
        most = (self._class * residual + size * np.sqrt(np.maximum(diagonal, 0.0))) / 2 - self._gap
        return self._kth(most)

    def _happened(self, K: Floats, rows: int) -> Floats:
        diagonal, residual = self._projection(K, rows)
        if self.event == "rank":
            surely, maybe = diagonal.sum(axis=1) > 0.9, diagonal.sum(axis=1) > 1e-4
        elif self.event == "support":
            surely = (diagonal > CLEARLY_NOT).sum(axis=1) >= self.needed
            maybe = (diagonal > CLEARLY_ZERO).sum(axis=1) >= self.needed
        else:
            wrong = self._class * residual - self._gap
            surely = (wrong > CLEARLY_NOT).sum(axis=1) >= self.needed
            maybe = (wrong > -CLEARLY_NOT).sum(axis=1) >= self.needed
        return np.stack([surely, maybe], axis=1).astype(np.float64)

    def _score(self, K: Floats, rows: int) -> Floats:
        if self.event == "first_order":
            # Residuals of ridge regression: what the kernel would be if small eigenvalues were none.
            values, vectors = np.linalg.eigh(K)
            total = np.zeros(K.shape[0])
            target = np.einsum("bij,i->bj", vectors, self.y)
            for ridge in rows * np.geomspace(0.3, 1e-4, 8):
                shrunk = ridge / (ridge + np.maximum(values, 0.0))
                diagonal = np.einsum("bij,bj->bi", vectors**2, shrunk)
                total += np.minimum(self._reach(np.einsum("bij,bj->bi", vectors, shrunk * target), diagonal), 0.0)
            return total
        # 1/(K⁻¹)_nn is the squared distance of column n from the span of the others.
        distance = 1 / np.einsum("bii->bi", np.linalg.inv(K / rows + RIDGE * np.eye(self.N)))
        nearest = np.partition(distance, self.needed - 1, axis=1)[:, : self.needed]
        scores: Floats = -np.log(nearest + SCORE_FLOOR).mean(axis=1)
        return scores


def _arms(rows: int) -> NDArray[np.float64]:
    """Moves: how many neurons (0: all, by a rotation of the inputs), and how far."""
    neurons = [1, min(2, rows), max(1, rows // 4), max(1, rows // 2), rows]
    steps = [(number, size) for number in neurons for size in (1.0, 0.5, 0.25, 0.1, 0.04)]
    return np.array([*steps, (0, 1.0), (0, 0.3), (0, 0.1)])


def _moved(rng: np.random.Generator, W: Floats, number: NDArray[np.float64], size: NDArray[np.float64]) -> Floats:
    """Proposals that leave the normal distribution of `W` as it is, and are as likely forth as back."""
    count, rows, d0 = W.shape
    order = rng.random((count, rows)).argsort(axis=1).argsort(axis=1)
    noise = rng.standard_normal(W.shape)
    part = size[:, None, None]
    V = np.where((order < number[:, None])[:, :, None], np.sqrt(1 - part**2) * W + part * noise, W)
    turned = np.flatnonzero(number == 0)
    if turned.size and d0 > 1:
        # All neurons turn together, in a random plane.
        plane, _ = np.linalg.qr(rng.standard_normal((turned.size, d0, 2)))
        angle = size[turned] * rng.standard_normal(turned.size)
        turn = np.stack([np.cos(angle) - 1, -np.sin(angle), np.sin(angle), np.cos(angle) - 1], axis=1).reshape(-1, 2, 2)
        V[turned] += W[turned] @ plane @ turn @ plane.transpose(0, 2, 1)
    return V


def _chains(
    task: _Task, rng: np.random.Generator, W: Floats, step: _Level, tally: Floats | None = None
) -> tuple[Floats, Floats]:
    """All states of chains from `W` onwards that leave the level's distribution as it is, and their log-weights."""
    arms = _arms(step.rows)
    logs = task.weights(W, step.score, step.unlikely)
    states, weights = [], []
    for _ in range(STEPS):
        arm = rng.choice(len(arms), size=W.shape[0], p=step.moves)
        V = _moved(rng, W, *arms[arm].T)
        proposed = task.weights(V, step.score, step.unlikely)
        kept = np.log(rng.random(W.shape[0])) < proposed - logs
        W, logs = np.where(kept[:, None, None], V, W), np.where(kept, proposed, logs)
        states.append(W)
        weights.append(logs)
        if tally is not None:
            np.add.at(tally[0], arm, 1.0)
            np.add.at(tally[1], arm, kept)
    return np.concatenate(states), np.concatenate(weights)


def _grown(rng: np.random.Generator, W: Floats, rows: int) -> Floats:
    new = rng.standard_normal((W.shape[0], rows - W.shape[1], W.shape[2]))
    return np.concatenate([W, new], axis=1)


def _drawn(rng: np.random.Generator, logs: Floats, count: int) -> NDArray[np.intp]:
    """`count` particles with probabilities as their weights, by one uniform number (systematic resampling)."""
    order = rng.permutation(logs.size)
    share = np.cumsum(np.exp(logs[order] - logs.max()))
    chosen = np.searchsorted(share, (rng.random() + np.arange(count)) / count * share[-1], side="right")
    drawn: NDArray[np.intp] = order[np.minimum(chosen, np.flatnonzero(np.isfinite(logs[order]))[-1])]
    return drawn


def _pilot(task: _Task, rng: np.random.Generator, particles: int, budget: int) -> list[_Level] | None:
    """Chooses the ladder by a run of its own; None if it does not reach the event within its budget."""
    end = task.evaluations + budget
    ladder: list[_Level] = []
    W = rng.standard_normal((particles, task.free, task.d0))
    old = np.zeros(particles)
    unlikely = 0.0
    moves = np.full(len(_arms(1)), 1 / len(_arms(1)))

    def settle(W: Floats, old: Floats, score: float | None) -> tuple[Floats, Floats]:
        """Chains at a new level; the moves that went far are made more often from then on."""
        nonlocal moves
        arms = _arms(W.shape[1])
        tally = np.zeros((2, len(arms)))
        starts = W[_drawn(rng, task.weights(W, score, unlikely) - old, particles // STEPS)]
        states = _chains(task, rng, starts, _Level(W.shape[1], score, unlikely, moves), tally)
        accepted = (tally[1] + 0.5) / (tally[0] + 1)
        far = accepted * np.where(arms[:, 0] > 0, arms[:, 0], W.shape[1] / 2) * np.minimum(arms[:, 1], 1) ** 2
        moves = 0.8 * far**2 / (far**2).sum() + 0.2 / len(arms)
        ladder.append(_Level(W.shape[1], score, unlikely, moves))
        return states

    while W.shape[1] < task.width:
        rows = W.shape[1]
        alive = np.arange(particles)
        grown = W
        while grown.shape[1] < task.width and alive.size >= SURVIVORS * particles:
            longer = _grown(rng, grown, grown.shape[1] + 1)
            survivors = alive[task.possible(longer[alive])]
            if grown.shape[1] > rows and survivors.size < SURVIVORS * particles:
                break
            alive, grown = survivors, longer
        W, best = grown, -math.inf
        while alive.size < RARE * particles:
            scores = np.where(task.possible(W), math.inf, task.score(W))
            above = scores[scores > best]
            if not above.size or task.evaluations > end:
                return None
            best = max(float(np.quantile(scores, 1 - SCORED, method="higher")), float(above.min()))
            if math.isinf(best):
                break
            W, old = settle(W, old, best)
            alive = np.flatnonzero(task.possible(W))
        # What does not show the event yet is kept to about half of the particles.
        shown = task.weights(W, None, -1.0)
        showing = np.exp(-old[shown == 0]).sum()
        others = np.exp(-old[shown == -1]).sum()
        if showing > 0 and others > 0:
            unlikely = min(0.0, max(math.log(showing / others), unlikely + math.log(SURVIVORS)))
        W, old = settle(W, old, None)
        if task.evaluations > end:
            return None
    return ladder if task.happened(W)[0].any() else None


def _replicate(task: _Task, rng: np.random.Generator, ladder: Sequence[_Level], particles: int) -> tuple[float, float]:
    """One unbiased estimate, in logs, and how much larger it could be for the cases that were not decided."""
    W = rng.standard_normal((particles, task.free, task.d0))
    old = np.zeros(particles)
    total = 0.0
    for step in ladder:
        W = _grown(rng, W, step.rows)
        gained = task.weights(W, step.score, step.unlikely) - old
        if not np.isfinite(gained).any():
            return -math.inf, 0.0
        total += float(logsumexp(gained)) - math.log(particles)
        W, old = _chains(task, rng, W[_drawn(rng, gained, particles // STEPS)], step)
    happened, unclear = task.happened(W)
    if not happened.any():
        return -math.inf, 0.0
    hits = float(logsumexp(-old[happened]))
    doubtful = float(logsumexp(-old[unclear])) if unclear.any() else -math.inf
    return total + hits - math.log(particles), float(np.logaddexp(hits, doubtful)) - hits


def _power(log: float) -> str:
    """A natural log as a power of ten."""
    return "0" if log == -math.inf else f"10^{log / math.log(10):.2f}"
