"""F17: certificates against their definition and the search for signs; statistical dimensions that are known."""

import math

import numpy as np
import pytest

from theorems.finite.f17 import certify, mean_statistical_dimension, share_certified
from verify.network.minima import find_minimum


@pytest.mark.parametrize(("N", "d0", "d1", "rho"), [(6, 3, 7, 0.1), (6, 3, 8, 0.0), (5, 2, 9, -0.5), (2, 1, 6, 0.1)])
def test_a_certificate_is_one(N, d0, d1, rho):
    rng = np.random.default_rng(1)
    found = 0
    for _ in range(12):
        X, W = rng.standard_normal((d0, N)), rng.standard_normal((d1, d0))
        certificate = certify(W, X, rho, rng)
        if certificate is None:
            continue
        found += 1
        outputs = np.zeros(N)
        for neurons, sign, u in zip(certificate.owners, certificate.signs, certificate.u, strict=True):
            active = W[neurons[0]] @ X > 0
            outputs += np.where(active, 1.0, rho) * (u @ X)
            assert (len(neurons) == 1) == (sign != 0)
            if sign:
                assert ((sign * (u @ X) > 0) == active).all()
        scale = np.abs(certificate.u @ X).max()
        assert np.abs(outputs).max() <= 1e-9 * scale
        assert sorted(neuron for neurons in certificate.owners for neuron in neurons) == list(range(d1))
        y = rng.standard_normal(N)
        answer = find_minimum(W, X, y, rho)
        assert answer.contains_minimum
        assert np.abs(answer.residual).max() <= 1e-9
    assert found


def test_too_few_parameters_have_no_certificate():
    rng = np.random.default_rng(2)
    assert certify(rng.standard_normal((2, 3)), rng.standard_normal((3, 7)), 0.1, rng) is None
    assert share_certified(7, 3, 2, 0.1, count=5) == 0


def test_certificates_are_found_where_there_is_room():
    assert share_certified(100, 50, 12, 0.1, count=5) == 1


@pytest.mark.parametrize(("N", "d0", "exact"), [(1, 1, 0.5), (5, 1, 0.5), (1, 3, 2.5), (2, 2, 7 / 6)])
def test_statistical_dimensions_of_half_spaces_and_wedges(N, d0, exact):
    """A half line; a half space; a wedge of angle θ: 1/2 + θ/π, and w is in one of 2π/3 on average.

    False alarms: below 1e-8 (6 deviations).
    """
    draws = 2000
    # ‖Πg‖² is at most χ² with d0 degrees of freedom, of variance 2 d0 and mean at most d0.
    deviation = math.sqrt((2 * d0 + d0**2) / draws)
    assert mean_statistical_dimension(N, d0, draws) == pytest.approx(exact, abs=6 * deviation)
