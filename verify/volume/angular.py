"""`verify.volumes`: the angular volume of activation-region events for a data set, by the method that fits its size."""

from __future__ import annotations

import math
import operator
from dataclasses import replace
from decimal import Decimal
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from scipy.special import logsumexp

from verify.errors import InputError
from verify.network.activations import IN_RANGE
from verify.network.arrangements import GeneralPositionError
from verify.network.oracle import NO, YES, examine
from verify.statistics.intervals import log_mean_lower
from verify.verdicts import Evidence
from verify.volume.exact import ExactLimitError, exact_volumes, predicted_cost
from verify.volume.rare import EventName, RareEstimate, rare_event
from verify.volume.result import EVENTS, Volume, Volumes
from verify.volume.sampled import Pilot, Problem, pilot, sampled_volumes

Method = Literal["auto", "exact", "sample", "rare"]
METHODS: tuple[Method, ...] = ("auto", "exact", "sample", "rare")

DEFAULT_BUDGET = {"exact": 3000, "sample": 20_000, "rare": 200_000}
"""Boxes of cell counts, regions, and evaluations for each of three events."""

FIRST_ORDER: tuple[EventName, ...] = ("rank", "support", "first_order")

PATIENCE = 20.0
"""Seconds of predicted work up to which `auto` takes the exact method."""

SAMPLED_BESIDE = 20
"""Beside splitting, one region for so many evaluations of an event is sampled plainly, for `L_ε` and `G`."""

KEPT = 4
"""Layers with the first-order event, from each replicate, in which a minimum is sought."""

MEMORY = 4 * 2**30
"""Bytes up to which a method is tried."""

COMMON = 25
"""Regions of the pilot that must show an event for `auto` to count it by plain sampling."""

SEEN_BY_SAMPLING = 1e-3
"""Volumes of which a plain sample of the default size tells something; it only says where another look is worth it."""


def volumes(
    X: npt.ArrayLike,
    y: npt.ArrayLike,
    *,
    width: int,
    slope: float = 0.0,
    epsilon: float = 0.1,
    method: Method = "auto",
    seed: int = 0,
    budget: int | None = None,
    level: float = 0.01,
    workers: int = 1,
) -> Volumes:
    """Angular volumes of five events of one-hidden-layer networks on fixed data.

    The angular volume of an event is its probability when the rows of the first layer are drawn uniformly by direction
    (Soudry & Hoffer 2017, Definition 3). Whether an event happens depends on the activation region only:

    - `rank`: `rank(A ∘ X) < N`;
    - `support`: some labels leave more than `εN` samples with a residual at every differentiable local minimum (DLM);
    - `first_order`: with the labels `y`, the residual that all DLMs of the region share misclassifies more than `εN`;
    - `suboptimal`: `L_ε`, the region contains such a DLM;
    - `globalmin`: `G`, the region contains a DLM with zero residual.

    Args:
        X: samples × features, as in scikit-learn.
        y: labels, one for each row of X, each 0 or 1.
        width: number of hidden units `d1`.
        slope: slope ρ of the leaky ReLU on the negative side; 0 is the ReLU.
        epsilon: threshold ε on the fraction of misclassified samples.
        method: `exact` enumerates the cells of the hyperplane arrangement; `sample` counts random regions; `rare`
            estimates the first three events by splitting, down to 1e-30 and below; `auto` picks one by its predicted
            cost and says why in `.reason`.
        seed: fixes the result, whatever the number of workers.
        budget: what may be spent: boxes of cell counts (`exact`), regions (`sample`), or evaluations for each event
            (`rare`). The default is a few seconds' to a minute's work.
        level: probability that any of the five intervals misses, where they are statistical.
        workers: processes to use. More than one starts new interpreters, so a script needs its
            `if __name__ == "__main__":` guard.

    Returns:
        The five volumes, each with `.estimate`, `.lower`, `.upper`, `.log10`, `.evidence`.

    Raises:
        InputError: for arguments outside their domain, samples that are zero, or a request that `method` cannot meet;
            the message names what can.

    >>> found = volumes([[1.0, 0.0], [-1.0, 1.0], [0.0, -1.0]], [1, 0, 1], width=2, slope=0.1)
    >>> found.method, round(found.rank.estimate, 12)
    ('exact', 0.1875)
    """
    problem = _problem(X, y, width, slope, epsilon)
    _require(method in METHODS, f"got method {method!r}; expected one of {', '.join(METHODS)}")
    _require(_whole(seed) and seed >= 0, f"got seed {seed!r}; expected a whole number from 0")
    _require(0 < level < 1, f"got level {level!r}; expected a number strictly between 0 and 1")
    _require(_whole(workers) and workers >= 1, f"got {workers!r} workers; expected a whole number from 1")
    _require(
        budget is None or (_whole(budget) and budget >= 1000),
        f"got budget {budget!r}; expected a whole number from 1000, or None for the default",
    )
    first: Pilot | None = None
    reason = "the method that was asked for"
    chosen = method
    if method == "auto":
        chosen, reason, first = _choose(problem, seed)
    spent = DEFAULT_BUDGET[chosen] if budget is None else budget
    if chosen == "exact":
        found = _exact(problem, spent, seed, level, workers)
    else:
        _require_memory(problem)
        first = first or pilot(problem, seed)
        found = (_sample if chosen == "sample" else _rare)(problem, spent, seed, level, workers, first)
    facts = {
        "N": problem.X.shape[1],
        "d0": problem.X.shape[0],
        "width": problem.width,
        "slope": problem.slope,
        "epsilon": problem.epsilon,
        "seed": seed,
        "budget": spent,
    }
    notes = _ties(problem)
    return replace(found, reason=". ".join([reason, *notes]), facts={**facts, **found.facts})


def _problem(X: npt.ArrayLike, y: npt.ArrayLike, width: int, slope: float, epsilon: float) -> Problem:
    """The arguments, checked, with X turned to features × samples."""
    data, labels = _real(X, "X"), _real(y, "y")
    _require(
        data.ndim == 2 and data.size > 0,
        f"X has shape {data.shape}; expected two axes, samples × features, neither empty",
    )
    _require(
        labels.shape == data.shape[:1],
        f"y has shape {labels.shape}; expected ({data.shape[0]},), one label for each row of X",
    )
    strange = np.flatnonzero(~np.isin(labels, (0.0, 1.0)))
    if strange.size:
        raise InputError(f"y has the label {labels[strange[0]]:g} at sample {strange[0]}; expected only 0 and 1")
    zero = np.flatnonzero(~data.any(axis=1))
    if zero.size:
        raise InputError(
            f"sample {zero[0]} is zero (of {zero.size} such): a zero input has no activation pattern; drop it"
        )
    _require(_whole(width) and width >= 1, f"got width {width!r}; expected a whole number of hidden units from 1")
    for name, value in (("slope", slope), ("epsilon", epsilon)):
        _require(
            isinstance(value, int | float | np.number) and math.isfinite(value),
            f"got {name} {value!r}; expected a finite number",
        )
    _require(slope != 1, "got slope 1, which is the linear network; expected any other number")
    _require(0 <= epsilon < 1, f"got epsilon {epsilon!r}; expected a number from 0 to below 1")
    return Problem(np.ascontiguousarray(_in_range(data).T), labels, int(width), float(slope), float(epsilon))


def _in_range(data: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """The same times a power of ten where squares would leave the range of floats: no volume depends on that.

    Samples count as the decimals that they print as, so these are what is shifted.
    """
    largest = float(np.abs(data).max())
    if 1 / IN_RANGE < largest < IN_RANGE:
        return data
    shift = -Decimal(repr(largest)).adjusted()
    shifted = [[float(Decimal(repr(entry)).scaleb(shift)) for entry in row] for row in data.tolist()]
    found = np.array(shifted)
    _require(
        bool(((found != 0) == (data != 0)).all()),
        "X has entries further apart than floats reach; expected features of comparable size: rescale them",
    )
    return found


def _real(values: npt.ArrayLike, name: str) -> npt.NDArray[np.float64]:
    try:
        array = np.asarray(values)
    except ValueError as error:  # rows of different lengths
        raise InputError(f"{name} is no array: {error}") from None
    _require(array.dtype.kind in "fiub", f"{name} has entries of type {array.dtype}; expected real numbers")
    _require(bool(np.isfinite(array).all()), f"{name} has NaN or infinite entries; remove or fill them first")
    return array.astype(np.float64)


def _whole(value: Any) -> bool:
    try:
        operator.index(value)
    except TypeError:
        return False
    return not isinstance(value, bool | np.bool_)


def _require(so: bool, message: str) -> None:
    if not so:
        raise InputError(message)


def _require_memory(problem: Problem) -> None:
    """Refuse what one region alone would not fit in."""
    d0, N = problem.X.shape
    needed = 8 * (6 * N * N + N * d0 * problem.width)
    _require(
        needed <= MEMORY,
        f"one region of {N} samples, {d0} features and width {problem.width} needs {needed / 2**30:.1f} GiB, above "
        f"{MEMORY / 2**30:.0f} GiB; take fewer samples: a random subset of the rows of X",
    )


def _ties(problem: Problem) -> list[str]:
    """A sentence on samples that are multiples of others, which every method takes as they are."""
    unit = problem.X / np.abs(problem.X).max(axis=0)
    unit /= np.linalg.norm(unit, axis=0)
    largest = unit[np.abs(unit).argmax(axis=0), np.arange(unit.shape[1])]
    _, first, line = np.unique(np.round(unit * np.sign(largest), 12), axis=1, return_index=True, return_inverse=True)
    shared = np.flatnonzero(first[line] != np.arange(unit.shape[1]))
    if not shared.size:
        return []
    return [
        f"{shared.size} of {unit.shape[1]} samples are multiples of another and share its hyperplane, "
        f"such as samples {first[line[shared[0]]]} and {shared[0]}"
    ]


def _choose(problem: Problem, seed: int) -> tuple[Method, str, Pilot | None]:
    """The method that `auto` takes, and why."""
    cost = predicted_cost(problem.X, problem.width, box_limit=DEFAULT_BUDGET["exact"])
    if not cost.refusal and cost.seconds <= PATIENCE:
        return "exact", f"auto chose exact: {cost.cells} cells, {_seconds(cost.seconds)} predicted", None
    why = cost.refusal or f"exact volumes would take {_seconds(cost.seconds)}"
    _require_memory(problem)
    first = pilot(problem, seed)
    shown = {name: getattr(first, name) for name in FIRST_ORDER}
    rare = [name for name, hits in shown.items() if hits < COMMON]
    counts = ", ".join(f"{name} {hits}" for name, hits in shown.items())
    seen = f"of {first.trials} pilot regions {counts}"
    if rare:
        return "rare", f"auto chose rare: {seen}; not exact: {why}", first
    return "sample", f"auto chose sample, since every event is common: {seen}; not exact: {why}", first


def _seconds(value: float) -> str:
    return f"{value:.1g} s" if value < 10 else f"{value:.0f} s"


def _exact(problem: Problem, budget: int, seed: int, level: float, workers: int) -> Volumes:
    """Exact volumes; where the search for minima ended early, the counts of sampled regions narrow its bracket."""
    try:
        found = exact_volumes(
            problem.X, problem.y, problem.slope, problem.epsilon, problem.width,
            box_limit=budget, level=level / 2, seed=seed,
        )  # fmt: skip
    except (ExactLimitError, GeneralPositionError) as error:
        raise InputError(str(error)) from None
    wide = [name for name in ("suboptimal", "globalmin") if _is_wide(getattr(found, name))]
    if not wide:
        return found
    sampled = sampled_volumes(problem, seed=seed, level=level / 2, workers=workers)
    for name in wide:
        proved = getattr(found, name)
        narrowed = _narrowed(proved, getattr(sampled, name))
        if narrowed is not proved:
            found = replace(found.but(name, narrowed), level=level)
    return found


def _is_wide(volume: Volume) -> bool:
    """Whether plain sampling could tell more: less than a digit is known of a volume that is not small."""
    return volume.digits < 1 and volume.upper > SEEN_BY_SAMPLING


def _narrowed(proved: Volume, sampled: Volume) -> Volume:
    lower, upper = max(proved.log_lower, sampled.log_lower), min(proved.log_upper, sampled.log_upper)
    # Disjoint: the sampled interval has missed, as it may at its level.
    if lower > upper or (lower, upper) == (proved.log_lower, proved.log_upper):
        return proved
    note = f"proved: [{proved.lower:.3g}, {proved.upper:.3g}], narrowed by counting sampled regions"
    return Volume(lower, min(max(sampled.log_estimate, lower), upper), upper, Evidence.STATISTICAL, note=note)


def _sample(problem: Problem, budget: int, seed: int, level: float, workers: int, first: Pilot) -> Volumes:
    return sampled_volumes(problem, seed=seed, budget=budget, level=level, workers=workers, before=first)


def _rare(problem: Problem, budget: int, seed: int, level: float, workers: int, first: Pilot) -> Volumes:
    """The events of first order that are rare by splitting, each at its share of the level; the rest by plain sampling.

    A region of `L_ε` has the first-order event. So the upper end of that holds for it too, and its lower end comes from
    the layers that the replicates kept: the replicate times the fraction of them that contain a minimum is unbiased.
    """
    regions, each = max(1000, budget // SAMPLED_BESIDE), level / len(EVENTS)
    found = sampled_volumes(problem, seed=seed, budget=regions, level=level, workers=workers, before=first)
    cost = {}
    for event in FIRST_ORDER:
        if getattr(first, event) >= COMMON:
            continue
        estimate = rare_event(
            problem.X, problem.y, problem.width, problem.slope, problem.epsilon, event,
            seed=seed, budget=budget, level=each, workers=workers, keep=KEPT if event == "first_order" else 0,
        )  # fmt: skip
        ends = estimate.log_lower, estimate.log_estimate, estimate.log_upper
        note = _RARE_NOTES[estimate.method].format(event)
        found = found.but(event, Volume(*ends, Evidence.STATISTICAL, note=note))
        cost[event] = estimate.evaluations
        if event == "first_order":
            found = found.but("suboptimal", _within(problem, estimate, found.suboptimal, each))
    return replace(found, method="rare", facts={"evaluations": cost, **found.facts})


def _within(problem: Problem, estimate: RareEstimate, sampled: Volume, level: float) -> Volume:
    """The volume of `L_ε` between what was witnessed among rare regions of first order, and all of them."""
    seen, possible = [], []
    for log, layers in zip(estimate.replicates, estimate.layers, strict=True):
        answers = np.full(1, NO)
        if layers.size:
            found = examine(layers, problem.X, problem.y, problem.slope, epsilon=problem.epsilon, globalmin=0)
            answers = found.suboptimal(problem.epsilon)
        with np.errstate(divide="ignore"):
            seen.append(log + float(np.log(np.mean(answers == YES))))
            possible.append(log + float(np.log(np.mean(answers != NO))))
    upper = min(sampled.log_upper, estimate.log_upper)
    if not seen:
        return replace(sampled, log_upper=upper, log_estimate=min(sampled.log_estimate, upper))
    lower = min(log_mean_lower(seen, level / 2), upper)
    middle = float(logsumexp(possible)) - math.log(len(possible))
    note = (
        f"suboptimal: a minimum was sought in {KEPT} layers of each replicate of first_order; the upper end is "
        "that of first_order, which contains it"
    )
    return Volume(lower, min(max(middle, lower), upper), upper, Evidence.STATISTICAL, note=note)


_RARE_NOTES: dict[str, str] = {
    "plain": "",
    "splitting": "{}: the lower end is proved at its level, the upper end rests on a measured coverage",
    "unreached": "{}: never reached; its upper end is that of plain samples",
}
