"""Random numbers that are the same bits everywhere, held against NumPy's words and SciPy's quantiles."""

from __future__ import annotations

import subprocess
import sys

import array_api_compat
import array_api_strict
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from scipy.special import ndtri

from verify import philox_compiled
from verify.backends import get_backend
from verify.philox import UPPER, Normals, normals_from, words
from verify.sampling import Draw, stream

NUMPY = array_api_compat.array_namespace(np.zeros(1))
# Every power of two, what lies beside it where a bit that counts changes, and the ends.
EDGES = np.array(
    [((1 << k) + step) % 2**64 for k in range(64) for step in (-4096, -1, 0, 1, 4096)] + [2**64 - 1], dtype=np.uint64
)


@given(st.integers(0, 2**128 - 1), st.integers(0, 2**40), st.integers(0, 40))
def test_words_are_those_of_numpy(key, block, count):
    expected = np.random.Philox(key=key, counter=[block, 0, 0, UPPER]).random_raw(count)
    for xp in (NUMPY, array_api_strict):
        found = words(key, 4 * block, count, xp)
        assert np.asarray(found).tolist() == expected.tolist()


def test_normals_are_quantiles():
    """Against SciPy's, in the tails and the middle: a relative error of a few units in the last place."""
    drawn = np.concatenate([EDGES, np.random.Philox(key=1).random_raw(200_000)])
    q = (2 * (drawn >> np.uint64(12)).astype(np.int64) + 1 - 2**52) * 2.0**-53
    expected = -np.sign(q) * ndtri(0.5 - np.abs(q))
    # Near the median SciPy loses digits: there the quantile is q √(2π) (1 + πq²/3), up to q⁴.
    small = np.abs(q) < 1e-4
    expected[small] = q[small] * np.sqrt(2 * np.pi) * (1 + np.pi * q[small] ** 2 / 3)
    found = normals_from(drawn)
    assert np.abs(found / expected - 1).max() < 3e-15
    assert np.abs(found).max() < 8.21


def test_the_upper_and_lower_halves_mirror_each_other():
    assert (normals_from(~EDGES) == -normals_from(EDGES)).all()


def test_they_increase_with_the_word():
    drawn = np.sort(np.concatenate([EDGES, np.random.Philox(key=2).random_raw(100_000)]))
    assert (np.diff(normals_from(drawn)) >= 0).all()


def test_the_same_bits_on_every_path():
    drawn = np.concatenate([EDGES, np.random.Philox(key=3).random_raw(50_000)])
    expected = normals_from(drawn)
    assert (philox_compiled.normals_from(drawn) == expected).all()
    strict = normals_from(array_api_strict.asarray(drawn))
    assert (np.asarray(strict) == expected).all()


@pytest.mark.parametrize("shape", [(3,), (5, 7), (40, 30, 20), (0, 3)])
def test_every_backend_draws_the_same(shape):
    draws = {name: Draw(stream(1, "s", "{}", 0), get_backend(name)) for name in ("numpy", "array-api-strict")}
    for _ in range(2):  # the second call goes on where the first ended
        first, second = (draw.backend.to_numpy(draw.normal(*shape)) for draw in draws.values())
        assert first.shape == shape
        assert first.tobytes() == second.tobytes()


def test_they_do_not_depend_on_what_else_is_drawn():
    alone, mixed = (Draw(stream(1, "s", "{}", 0), get_backend("numpy")) for _ in range(2))
    mixed.rng.integers(0, 2, 3)
    expected = [alone.normal(5).tolist(), alone.normal(5).tolist()]
    assert mixed.normal(5).tolist() == expected[0]
    mixed.rng.standard_normal(9)
    assert mixed.normal(5).tolist() == expected[1]
    assert expected[0] != expected[1]


def test_they_are_normal_and_independent_of_the_generator():
    """Kolmogorov–Smirnov and correlations at 100 000 numbers: each fails with probability below 1e-7 if all is well.

    A variance off by 4 %, or a correlation of 0.03 with the next number or with the generator's, would be seen.
    """
    draw = Draw(stream(5, "s", "{}", 0), get_backend("numpy"))
    found = draw.normal(100_000)
    assert stats.kstest(found, "norm").pvalue > 1e-7
    assert abs(np.mean(found**2) - 1) < 5.4 * np.sqrt(2 / found.size)
    assert abs(np.corrcoef(found[1:], found[:-1])[0, 1]) < 5.4 / np.sqrt(found.size)
    assert abs(np.corrcoef(found, draw.rng.standard_normal(found.size))[0, 1]) < 5.4 / np.sqrt(found.size)


def test_a_generator_of_another_kind_is_refused():
    with pytest.raises(TypeError, match="PCG64"):
        Normals(np.random.default_rng(0))


@pytest.mark.parametrize(("start", "count"), [(2, 4), (-4, 4), (0, -1)])
def test_words_from_the_middle_of_a_block_are_refused(start, count):
    with pytest.raises(ValueError, match="multiple of 4"):
        words(0, start, count, NUMPY)


def test_few_numbers_need_no_compiler():
    code = (
        "import sys; from verify.backends import get_backend; from verify.sampling import Draw, stream; "
        "Draw(stream(0, 's', '{}', 0), get_backend('numpy')).normal(100); assert 'numba' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
