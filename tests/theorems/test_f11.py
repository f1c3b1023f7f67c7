"""F11 and F12: angles to a direction and to a hyperplane, by an integration of their own."""

import math

import mpmath as mp
import pytest

from theorems.finite.f11 import CLAIM, VOLUME, log_angle_share
from theorems.finite.f12 import ONE
from verify.volume.caps import log_cap, smallest_margin

SIZES = [(2, 0.3), (3, 0.9), (7, 0.05), (20, 1.0), (60, 0.999), (300, 0.01)]


@pytest.mark.parametrize(("inputs", "sine"), SIZES)
def test_shares_of_angles_against_multiple_precision(inputs, sine):
    with mp.workdps(30):
        end = mp.asin(mp.mpf(sine))
        whole = mp.beta(mp.mpf(inputs - 1) / 2, mp.mpf(1) / 2)
        cap = end ** (inputs - 1) * mp.quad(lambda u: (mp.sin(u * end) / end) ** (inputs - 2), [0, 0.5, 0.9, 1]) / whole
        near = 2 * mp.quad(lambda u: mp.cos(u) ** (inputs - 2), [0, end / 8, end / 2, end]) / whole
        logs = float(mp.log(cap)), float(mp.log(near))
    assert log_angle_share(inputs, sine) == pytest.approx(logs[0], rel=1e-11, abs=1e-11)
    assert log_angle_share(inputs, sine, from_plane=True) == pytest.approx(logs[1], rel=1e-11, abs=1e-11)


@pytest.mark.parametrize(("inputs", "sine"), SIZES)
def test_the_code_that_uses_them_agrees(inputs, sine):
    exact = log_angle_share(inputs, sine)
    assert float(log_cap(sine, inputs)) <= exact + 1e-9
    assert float(log_cap(sine, inputs)) == pytest.approx(exact, rel=1e-3)
    assert VOLUME.log_bound(d0=inputs, s=sine) == pytest.approx(exact, rel=1e-9, abs=1e-9)
    assert CLAIM.log_bound(d0=inputs, s=sine) <= exact + 1e-9
    assert ONE.log_bound(d0=inputs, s=sine) == pytest.approx(
        log_angle_share(inputs, sine, from_plane=True), rel=1e-9, abs=1e-9
    )


def test_a_direction_is_near_the_plane_or_in_one_of_two_caps():
    for inputs, sine in ((2, 0.6), (3, 0.28), (9, 0.96)):
        near = math.exp(log_angle_share(inputs, sine, from_plane=True))
        caps = math.exp(log_angle_share(inputs, math.sqrt(1 - sine**2)))
        assert near + 2 * caps == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize(("delta", "pairs", "inputs"), [(0.5, 10, 2), (0.1, 1, 3), (0.01, 5000, 40)])
def test_the_smallest_margin_splits_the_failure_evenly(delta, pairs, inputs):
    s = smallest_margin(delta, pairs, inputs)
    assert log_angle_share(inputs, s, from_plane=True) == pytest.approx(math.log(delta / pairs), abs=1e-9)


def test_what_has_no_angle_is_refused():
    for arguments in ((1, 0.5), (3, 0.0), (3, 1.5)):
        with pytest.raises(ValueError, match="expected at least 2"):
            log_angle_share(*arguments)
