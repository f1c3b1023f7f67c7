"""Choice of the backend, without a GPU and with a stand-in for one."""

import importlib
import types

import numpy as np
import pytest

from verify.backends import NAMES, get_backend
from verify.errors import InputError


@pytest.fixture
def cupy(monkeypatch):
    """Puts `module` in the place of CuPy; None stands for "not installed"."""
    real = importlib.import_module

    def put(module):
        def imported(name, package=None):
            if name != "cupy":
                return real(name, package)
            if module is None:
                raise ImportError("No module named 'cupy'")
            return module

        monkeypatch.setattr(importlib, "import_module", imported)

    return put


def stand_in(devices):
    def count():
        if isinstance(devices, Exception):
            raise devices
        return devices

    runtime = types.SimpleNamespace(getDeviceCount=count)
    return types.SimpleNamespace(cuda=types.SimpleNamespace(runtime=runtime), zeros=np.zeros)


@pytest.mark.parametrize("name", ["numpy", "array-api-strict"])
def test_round_trip(name):
    backend = get_backend(name)
    array = np.arange(6.0).reshape(2, 3) / 7
    there = backend.asarray(array)
    assert backend.name == name
    assert (there.shape, there.dtype) == ((2, 3), backend.xp.float64)
    back = backend.to_numpy(there)
    assert type(back) is np.ndarray
    np.testing.assert_array_equal(back, array)


@pytest.mark.parametrize("absent", [None, stand_in(0), stand_in(RuntimeError("driver too old"))])
def test_auto_falls_back_to_numpy(cupy, absent):
    cupy(absent)
    assert get_backend().name == "numpy"
    assert get_backend("auto").name == "numpy"


@pytest.mark.parametrize(
    ("absent", "reason"),
    [
        (None, "not installed"),
        (stand_in(0), "no CUDA device"),
        (stand_in(RuntimeError("driver too old")), "driver too old"),
    ],
)
def test_cupy_asked_for_and_absent(cupy, absent, reason):
    cupy(absent)
    with pytest.raises(InputError, match=reason) as caught:
        get_backend("cupy")
    assert "--backend numpy" in str(caught.value)


def test_a_device_is_taken(cupy):
    cupy(stand_in(1))
    assert get_backend("auto").name == "cupy"
    assert get_backend("cupy").name == "cupy"
    assert get_backend("numpy").name == "numpy"


def test_arrays_of_a_device_are_fetched(cupy):
    cupy(stand_in(1))
    array = types.SimpleNamespace(get=lambda: np.ones(3))
    np.testing.assert_array_equal(get_backend("cupy").to_numpy(array), np.ones(3))


def test_unknown_name():
    with pytest.raises(InputError, match="auto, numpy, cupy"):
        get_backend("torch")
    assert set(NAMES) == {"auto", "numpy", "cupy"}
