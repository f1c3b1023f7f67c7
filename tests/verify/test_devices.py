"""On other backends: the same bits, decisions and verdicts as with NumPy. CuPy is skipped without a device."""

from __future__ import annotations

import numpy as np
import pytest

from verify.backends import get_backend
from verify.errors import InputError
from verify.network.regions import kernels, misclassified_above, rank_deficient, support_above
from verify.run import run
from verify.runner import Budget, Settings
from verify.sampling import Draw, stream


@pytest.fixture(params=["array-api-strict", pytest.param("cupy", marks=pytest.mark.gpu)])
def device(request):
    try:
        return get_backend(request.param)
    except InputError as error:
        pytest.skip(str(error))


def test_normals_are_the_same_bits(device):
    here, there = (Draw(stream(1, "s", "{}", 0), backend) for backend in (get_backend("numpy"), device))
    for shape in ((3,), (40, 30, 20), (100_003,)):
        assert here.normal(*shape).tobytes() == device.to_numpy(there.normal(*shape)).tobytes()


@pytest.mark.parametrize(
    ("N", "d0", "d1", "rho"), [(8, 5, 3, 0.0), (24, 7, 7, 0.1), (50, 12, 12, -1.0), (170, 20, 10, 0.1)]
)
def test_events_are_the_same(device, N, d0, d1, rho):
    rng = np.random.default_rng(N)
    W, X = rng.standard_normal((64, d1, d0)), rng.standard_normal((64, d0, N))
    y = rng.integers(0, 2, (64, N)).astype(np.float64)
    here, there = kernels(W, X, rho), kernels(device.asarray(W), device.asarray(X), rho)
    assert rank_deficient(here) == rank_deficient(there)
    assert support_above(here, 0.1) == support_above(there, 0.1)
    assert misclassified_above(here, y, 0.1) == misclassified_above(there, y, 0.1)


def test_verdicts_are_the_same(device, tmp_path):
    found = {}
    for backend in ("numpy", device.name):
        settings = Settings(seed=3, budget=Budget(0.1), backend=backend)
        results = run(["f5"], settings, tmp_path / backend, report=False).results
        assert results["run"]["backend"] == backend
        found[backend] = results["statements"]
    assert found["numpy"] == found[device.name]
