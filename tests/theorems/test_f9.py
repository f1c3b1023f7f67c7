"""F9: the oracles behind its checks, and the cell bound where cells have no closed form."""

import math

import numpy as np
import pytest

from theorems.finite.f9 import log_common_orthant, with_effective_rows
from verify.statistics.intervals import log_mean_lower
from verify.volume.cells import cell_volume


def effective(W):
    singular = np.linalg.svd(W, compute_uv=False)
    return float((singular**2).sum() / singular[0] ** 2)


@pytest.mark.parametrize(
    ("rows", "inputs", "rows_in_effect"), [(1, 1, 1), (3, 1, 1), (2, 3, 1.2), (7, 3, 2.9), (3, 3, 3)]
)
def test_matrices_have_the_rows_in_effect_that_were_asked_for(rows, inputs, rows_in_effect):
    rng = np.random.default_rng(1)
    for _ in range(20):
        W = with_effective_rows(rows, inputs, rows_in_effect, rng)
        assert W.shape == (rows, inputs)
        assert effective(W) == pytest.approx(rows_in_effect, rel=1e-12)


def test_impossible_numbers_of_rows_in_effect_are_refused():
    for arguments in ((2, 3, 2.5), (2, 3, 0.5), (5, 4, 2.0)):
        with pytest.raises(ValueError, match="expected 1 <= s <= rank"):
            with_effective_rows(*arguments, np.random.default_rng(0))


def test_orthants_with_a_common_cosine():
    for rows in (1, 2, 5, 40):
        assert log_common_orthant(rows, 0.5) == pytest.approx(-math.log(rows + 1), abs=1e-12)  # the least of rows + 1
        assert log_common_orthant(rows, 0.0) == pytest.approx(-rows * math.log(2), abs=1e-12)
    for cosine in (0.1, 0.7, 0.99):
        angle = math.pi / 2 + math.asin(cosine)  # of the wedge
        assert log_common_orthant(2, cosine) == pytest.approx(math.log(angle / (2 * math.pi)), abs=1e-12)
        three = 1 / 8 + 3 * math.asin(cosine) / (4 * math.pi)
        assert log_common_orthant(3, cosine) == pytest.approx(math.log(three), abs=1e-12)


@pytest.mark.parametrize(("rows", "inputs"), [(4, 4), (5, 5), (6, 4), (9, 5), (12, 6)])
def test_the_cell_bound_beyond_three_dimensions(rows, inputs):
    """Unbiased estimates of cells' volumes, not cut at the bound: a proved lower end never exceeds it.

    The interval of `cell_volume` itself is cut at the bound and could not. Level 1e-9 for each of 5 · 6 cells.
    """
    rng = np.random.default_rng([4, rows, inputs])
    for _ in range(6):
        W = rng.standard_normal((rows, inputs)) + 0.7 * rng.standard_normal(inputs)
        W /= np.linalg.norm(W, axis=1, keepdims=True)
        found = cell_volume(W.T, w=rng.standard_normal(inputs), seed=int(rng.integers(1000)), effort=0.3)
        bound = -effective(W) * math.log(2)
        assert found.log_replicates
        assert log_mean_lower(found.log_replicates, 1e-9) <= bound
        assert found.log_proved_upper == pytest.approx(bound, abs=1e-9)


def test_orthogonal_rows_attain_the_bound_in_any_dimension():
    rng = np.random.default_rng(5)
    for inputs in (2, 5, 8):
        W = np.linalg.qr(rng.standard_normal((inputs, inputs)))[0]
        found = cell_volume(W.T, w=rng.standard_normal(inputs))
        assert found.log_estimate == pytest.approx(-inputs * math.log(2), abs=1e-9)
        assert -effective(W) * math.log(2) == pytest.approx(found.log_estimate, abs=1e-9)
