"""Table 1: real data are fitted without an error by about as many parameters as samples, and with fewer.

The classes of a set are split into two groups, the inputs whitened, and a network with one hidden layer of ReLU is
trained on mini-batches at the paper's ratio of parameters to samples. The check in the suite does so with clusters in
place of classes; the real sets are trained on by `python -m verify experiment table-1 --data-dir DIR`.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
import sympy as sp
from numpy.typing import NDArray

from theorems.setting import HIDDEN, INPUTS, SAMPLES, SLOPE, paper
from verify.certificate.certify import certify
from verify.datasets import (
    IMAGENET,
    STAND_IN,
    SUMS,
    Images,
    binary,
    digits,
    imagenet_stand_in,
    read_imagenet,
    read_images,
    whiten,
    whiten_tiles,
)
from verify.errors import InputError
from verify.experiments import Cell, Experiment, Setup, Table
from verify.network.descent import Network, Phase, Recipe, Seen, descend, he, outputs
from verify.relations import Relation
from verify.sampling import Draw, Tally, count
from verify.statements import Check, Claim, Control, Finding, Kind, Point, Sampler, Statement, Step
from verify.statistics.estimates import Proportion

FloatArray = NDArray[np.float64]

RUNS = 32  # in one chunk
CLUSTERS = 10
RADIUS = 4.0  # of the centres, in standard deviations along an axis
RECIPE = Recipe((Phase(300, 1e-2, 1e-3),), batch=40)

CLAIM = Claim(
    sp.Symbol(r"\mathbb{P}\left(\mathrm{MCE} = 0 \;\middle|\; d_0 d_1 \approx N\right)"),
    Relation.AT_LEAST,
    sp.Rational(2, 3),
    proviso="for labels that are the same throughout a cluster of inputs, after 300 epochs of Adam on mini-batches",
)

# Rows of the paper's table: d0, d1, N, and the ratio as it is printed.
PRINTED = {
    "MNIST": (784, 89, 70_000, "0.999"),
    "CIFAR": (3072, 16, 50_000, "0.983"),
    "ImageNet": (12_288, 105, 1_280_000, "1.008"),
}


def _ratio(name: str, extra: int = 0) -> sp.Rational:
    """`(d0 d1 + extra)/N` of a row, exactly."""
    inputs, width, samples, _ = PRINTED[name]
    return sp.Rational(inputs * width + extra, samples)


def _agrees(name: str, ratio: sp.Rational) -> bool:
    """Whether a ratio rounds to the three digits that are printed."""
    return bool(abs(ratio - sp.Rational(PRINTED[name][3])) <= sp.Rational(1, 2000))


def printed_ratios() -> bool | None:
    """The ratios of CIFAR and ImageNet are `d0 d1/N`."""
    return all(_agrees(name, _ratio(name)) for name in ("CIFAR", "ImageNet"))


def ratio_of_mnist() -> tuple[bool, str]:
    """The ratio printed for MNIST is neither `d0 d1/N` nor, with the second layer, `(d0 d1 + d1)/N`."""
    one, both = _ratio("MNIST"), _ratio("MNIST", PRINTED["MNIST"][1])
    text = (
        f"d0 d1/N is {float(one):.4f} for MNIST at the sizes that are printed, and {float(both):.4f} with the second "
        f"layer; printed is {PRINTED['MNIST'][3]}. The other rows agree. It changes nothing that is claimed."
    )
    return not _agrees("MNIST", one) and not _agrees("MNIST", both), text


def _clusters(rng: np.random.Generator, d: int, N: int) -> tuple[FloatArray, FloatArray]:
    """Inputs `(RUNS, d, N)` around random centres, and labels ±1 of half of the clusters each."""
    centres = rng.standard_normal((RUNS, d, CLUSTERS))
    centres *= RADIUS / np.linalg.norm(centres, axis=1, keepdims=True)
    which = rng.integers(0, CLUSTERS, (RUNS, 1, N))
    X = np.take_along_axis(centres, np.repeat(which, d, axis=1), axis=2) + rng.standard_normal((RUNS, d, N))
    y = np.where(which[:, 0, :] < CLUSTERS // 2, 1.0, -1.0)
    return X, y


def _sampler(name: str, *, shuffled: bool) -> Sampler:
    def draw(point: Point, stream: Draw) -> Tally:
        inputs, width, rho = point.integer("d0"), point.integer("d1"), point.real("rho")
        X, y = _clusters(stream.rng, inputs, point.integer("N"))
        if shuffled:
            y = stream.rng.permuted(y, axis=1)
        start = he(stream.rng, RUNS, (inputs, width), rho)
        end = descend(start, X, y, RECIPE, rho, threshold=0.0, backend=stream.backend)
        wrong = ((outputs(end.network, X, rho) > 0) != (y > 0)).any(axis=1)
        return {"runs": RUNS, "without error": int((~wrong).sum())}

    return Sampler(name, draw)


CLUSTERED = _sampler("clusters-trained", shuffled=False)
SHUFFLED = _sampler("clusters-shuffled", shuffled=True)


def _read(tally: Tally, point: Point) -> Proportion:
    return Proportion(count(tally, "without error"), count(tally, "runs"))


# --- At length ----------------------------------------------------------------------------------------------

THRESHOLD = 0.5
OF_MNIST, OF_CIFAR, OF_IMAGENET = (float(_ratio(name)) for name in ("MNIST", "CIFAR", "ImageNet"))
RATIOS = {
    "mnist": OF_MNIST,
    "fashion-mnist": OF_MNIST,
    "cifar-10": OF_CIFAR,
    IMAGENET: OF_IMAGENET,
    STAND_IN: OF_IMAGENET,
    "digits": 1.0,
}


@dataclass(frozen=True)
class Profile:
    """How much of each set, and how long.

    Attributes:
        samples: at most so many, drawn at random; None for all.
        recipe: how to train; it ends earlier without an error.
        sets: whether to train on digits and the sets that are there.
        stand_in: whether to train on the stand-in for ImageNet's shape, where ImageNet is not there.
    """

    samples: int | None
    recipe: Recipe
    sets: bool = True
    stand_in: bool = False


_LONG = Recipe((Phase.constant(200, 3e-3), Phase(400, 3e-3, 3e-5)), batch=500)
_PROFILES = {
    "small": Profile(5000, Recipe((Phase.constant(150, 3e-3), Phase(150, 3e-3, 3e-5)), batch=250)),
    "medium": Profile(None, Recipe((Phase.constant(80, 3e-3), Phase(70, 3e-3, 3e-5)), batch=500)),
    "long": Profile(None, _LONG),
    "stand-in": Profile(None, _LONG, sets=False, stand_in=True),
    "full": Profile(None, Recipe((Phase.constant(1000, 3e-3), Phase(1000, 3e-3, 3e-5)), batch=500), stand_in=True),
}


def _sets(profile: Profile, setup: Setup) -> list[Images]:
    """What to train on. All files are read and checked here, before hours are spent on the first set."""
    sets = [digits()] if profile.sets else []
    if setup.data_dir is None:
        if profile.sets:
            return sets
        raise InputError(
            f"profile {setup.profile!r} makes its stand-in from CIFAR-10; expected --data-dir with a folder cifar-10"
        )
    published = [name for name in SUMS if (setup.data_dir / name).is_dir()]
    imagenet = (setup.data_dir / IMAGENET).is_dir()
    if profile.sets:
        if not published and not imagenet:
            raise InputError(
                f"{setup.data_dir} has none of the folders {', '.join([*SUMS, IMAGENET])}; put the files of a set into "
                "its own"
            )
        sets += [read_images(name, setup.data_dir) for name in published]
        if imagenet:
            sets.append(read_imagenet(setup.data_dir, profile.samples, setup.seed))
    if profile.stand_in and not (profile.sets and imagenet) and ("cifar-10" in published or not profile.sets):
        known = next((images for images in sets if images.name == "cifar-10"), None)
        sets.append(imagenet_stand_in(known or read_images("cifar-10", setup.data_dir), setup.seed))
    return sets


def _at_length(setup: Setup) -> tuple[Table, ...]:
    profile = _PROFILES[setup.profile]
    sets = _sets(profile, setup)
    rows, notes = [], [_text(profile), *(images.note for images in sets if images.note)]
    for images in sets:
        row, note = _trained(images, profile, setup)
        rows.append(row)
        notes += [note] if note else []
    if setup.data_dir is None:
        notes.append("The digits of scikit-learn only: with --data-dir the sets of the paper are trained on.")
    columns = (
        "data", "N", "d0", "rank", "d1", "d0·d1/N", "samples wrong", "MCE", "MSE", "epochs", "seconds",
        "differentiable", "local minimum", "global minimum",
    )  # fmt: skip
    names = [images.name for images in sets]
    title = "Real data (Table 1)"
    if STAND_IN in names:
        title = f"{title}, and a stand-in for ImageNet's shape" if len(sets) > 1 else "A stand-in for ImageNet's shape"
    return (Table(title, columns, tuple(rows), tuple(notes)),)


def _text(profile: Profile) -> str:
    recipe = profile.recipe
    return (
        "ReLU, label 1 for the first half of the classes (0 to 4 of ten), 0 for the others, inputs whitened; Adam on "
        f"mini-batches of {recipe.batch}, "
        f"at most {recipe.epochs} epochs, steps from {recipe.step(0):g}, in the last {recipe.phases[-1].epochs} epochs "
        f"down to {recipe.step(recipe.epochs - 1):g}; training ends after an epoch without an error. The last "
        "three columns are of verify.certify; seconds are those of training, on one thread."
    )


def _trained(images: Images, profile: Profile, setup: Setup) -> tuple[tuple[Cell, ...], str]:
    """One row, and why it is not without an error."""
    rng = np.random.default_rng([setup.seed, *images.name.encode()])
    total = len(images.X)
    chosen = np.arange(total)
    if profile.samples is not None and profile.samples < total:
        chosen = np.sort(rng.permutation(total)[: profile.samples])
    positive = range((int(images.classes.max()) + 1) // 2)
    pixels, y = images.X[chosen], binary(images.classes[chosen], positive).astype(np.float32)
    setup.tell(f"{images.name}: {len(y)} samples, whitening")
    white = (whiten_tiles if images.name == STAND_IN else whiten)(pixels)
    X = np.ascontiguousarray(white.X.T, dtype=np.float32)
    inputs, N = X.shape
    width = max(1, round(RATIOS[images.name] * N / inputs))
    start = he(rng, 1, (inputs, width), 0.0, np.float32)
    begun, trace = time.monotonic(), [1.0]

    # Judged in double precision, on the very numbers that are trained on.
    samples, labels = X.astype(np.float64), y.astype(np.float64)

    def judged(network: Network) -> tuple[FloatArray, int]:
        weights = Network.of([part.astype(np.float64) for part in network.parts])
        out = np.asarray(outputs(weights, samples, 0.0)[0], dtype=np.float64)
        return out, int(((out > THRESHOLD) != (labels > THRESHOLD)).sum())

    def watch(seen: Seen) -> bool:
        trace.append(float(seen.mce[0]))
        if seen.epoch % max(1, profile.recipe.epochs // 20) == 0:
            setup.tell(f"{images.name}: epoch {seen.epoch}, loss {seen.loss[0]:.3g}, MCE {trace[-1]:.3%}")
        # No error while an epoch trained is not yet none at its end.
        return trace[-1] == 0 and judged(Network.of(list(map(setup.backend.to_numpy, seen.network.parts))))[1] == 0

    checkpoint = None if setup.out is None else setup.out / f"{images.name}-{setup.profile}.npz"
    end = descend(
        start, X, y, profile.recipe, 0.0, seed=setup.seed, threshold=THRESHOLD, watch=watch, backend=setup.backend,
        checkpoint=checkpoint, every=10,
    )  # fmt: skip
    seconds = time.monotonic() - begun
    W, z = (part[0].astype(np.float64) for part in end.network.parts)
    out, wrong = judged(end.network)
    setup.tell(f"{images.name}: {wrong} samples wrong; certificate")
    found = certify(W, z, samples.T, labels, threshold=THRESHOLD)
    row: tuple[Cell, ...] = (
        images.name, N, inputs, white.rank, width, round(inputs * width / N, 3), wrong, f"{wrong / N:.3%}",
        float(np.mean((out - labels) ** 2)), end.epoch, round(seconds, 1),
        *(verdict.outcome.value for verdict in (found.differentiable, found.local_minimum, found.global_minimum)),
    )  # fmt: skip
    return row, _reason(images.name, pixels, y, out, wrong, trace)


def _reason(
    name: str, pixels: NDArray[np.generic], y: NDArray[np.generic], out: FloatArray, wrong: int, trace: list[float]
) -> str:
    """Why some samples are wrong, as far as can be told: a network or data that allow no better, or the trend."""
    if not wrong:
        return ""
    if (out <= 0).all():
        return (
            f"{name}: {wrong} samples are wrong, as no output is positive: no active neuron has a positive weight z_i."
        )
    labels: dict[bytes, set[float]] = {}
    for sample, label in zip(np.ascontiguousarray(pixels), y.tolist(), strict=True):
        labels.setdefault(sample.tobytes(), set()).add(label)
    contradictions = sum(len(found) > 1 for found in labels.values())
    back = max(1, len(trace) // 10)
    why = f"{contradictions} images occur with both labels" if contradictions else "no image occurs with both labels"
    return (
        f"{name}: {wrong} samples are wrong where training ended; {why}. Over the last tenth of the epochs the error "
        f"went from {trace[-back - 1]:.3%} to {trace[-1]:.3%}, each epoch counted while it trains."
    )


STATEMENT = Statement(
    id="table-1",
    kind=Kind.EXPERIMENT,
    title="Data with structure are fitted at one parameter a sample",
    citation=paper("Table 1"),
    summary=(
        "Where labels follow clusters of the inputs, about one parameter a sample is enough to train without an error; "
        "for the same labels in random order it is not."
    ),
    variables=(SAMPLES, INPUTS, HIDDEN, SLOPE),
    assumptions=(),
    claim=CLAIM,
    steps=(
        Step(
            "The ratios that the table prints for CIFAR and ImageNet are d0 d1/N.",
            r"\frac{3072 \cdot 16}{50000} \approx 0.983, \qquad \frac{12288 \cdot 105}{1280000} \approx 1.008",
            printed_ratios,
        ),
    ),
    checks=(
        Check(
            name="clusters",
            text=(
                f"Trains {RUNS} networks in a chunk on ten Gaussian clusters each, half of them with either label, and "
                "counts those that misclassify no sample."
            ),
            sampler=CLUSTERED,
            read=_read,
            grid=(Point(N=160, d0=16, d1=10, rho=0.0),),
            chunks=2,
            controls=(Control("shuffled labels", "the same inputs, their labels in random order", sampler=SHUFFLED),),
        ),
    ),
    findings=(Finding("ratio-of-mnist", "The ratio of MNIST is not that of its sizes", ratio_of_mnist),),
    experiment=Experiment(
        {
            "small": "digits, and 5000 samples of each set in --data-dir; about a minute",
            "medium": "digits, and each whole set, at most 150 epochs; some five minutes a set on one core",
            "long": "the same, at most 600 epochs; some twenty minutes a set on one core",
            "stand-in": "tiles of CIFAR-10 at ImageNet's shape, 12 500 samples of 12 288 pixels; some minutes",
            "full": "digits, each whole set, and ImageNet or its stand-in, at most 2000 epochs; for a GPU",
        },
        _at_length,
    ),
    notes=(
        "The paper whitens ImageNet only, and does not say which classes it puts together; its sets are not part of "
        "this project, and nothing is downloaded unless asked for by `python -m verify fetch`.",
    ),
)
