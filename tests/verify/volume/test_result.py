"""One volume and its ends: digits, decimals and words."""

import json
import math

import mpmath as mp
import pytest

from verify.verdicts import Evidence
from verify.volume.result import EVENTS, Volume, Volumes, decimal


def between(log, width, **more):
    return Volume(log - width / 2, log, log + width / 2, **more)


@pytest.mark.parametrize("log", [0.0, -1.0, -40.0, -745.0])
def test_a_volume_is_the_exponential_of_its_log(log):
    found = Volume(log - 1, log, log + 1)
    assert (found.lower, found.estimate, found.upper) == (math.exp(log - 1), math.exp(log), math.exp(log + 1))
    assert found.log10 == pytest.approx(float(mp.log10(mp.e) * log), rel=1e-15)


@pytest.mark.parametrize(
    ("volume", "digits"),
    [
        (Volume(-1.0, -1.0, -1.0), 15),
        (Volume(-math.inf, -math.inf, -math.inf), 15),
        (Volume(-20.0, -20.0, -20.0), 14),  # a float log of this size is off by 4e-15
        (Volume(-3000.0, -3000.0, -3000.0), 12),
        (Volume(-1.0, -1.0, -1.0, rounding=3e-9), 8),
        (between(-1.0, 0.02), 1),
        (between(-1.0, 0.9e-3), 3),
        (between(-1.0, 1.1e-3), 2),
        (between(-1.0, 0.9), 0),
        (between(-1.0, 5.0), 0),
        (Volume(-math.inf, -3.0, -1.0), 0),
        (Volume(-math.inf, -math.inf, -1.0), 0),
    ],
)
def test_digits_are_those_that_the_ends_and_the_floats_share(volume, digits):
    assert volume.digits == digits


@pytest.mark.parametrize("log", [-0.3, -7.0, -599.0, -601.0, -2000.5, -12345.678])
@pytest.mark.parametrize("digits", [3, 5])
def test_decimals_beyond_floats(log, digits):
    with mp.workdps(40):
        assert float(mp.log(mp.mpf(decimal(log, digits)))) == pytest.approx(log, abs=10.0 ** (1 - digits))


def test_words_of_a_volume():
    assert decimal(-math.inf, 3) == "0"
    assert str(Volume(-math.inf, -math.inf, -math.inf)) == "0 (exact)"
    half = math.log(0.5)
    assert str(Volume(half, half, half)) == "0.5 (exact)"
    ends = Volume(math.log(0.25), half, math.log(0.75), Evidence.STATISTICAL)
    assert str(ends) == "0.5 in [0.25, 0.75] (statistical)"
    # Three digits are enough for an exact volume without its ends, and are not for an interval.
    assert str(between(half, 1e-4)) == "0.5 (exact)"
    assert str(between(half, 1e-4, evidence=Evidence.STATISTICAL)) == "0.5 in [0.5, 0.5] (statistical)"


def test_plain_numbers():
    zero = Volume(-math.inf, -math.inf, -1.0, note="why")
    assert zero.to_dict() == {
        "estimate": 0.0,
        "lower": 0.0,
        "upper": math.exp(-1),
        "log10": None,
        "log_lower": None,
        "log_estimate": None,
        "log_upper": -1.0,
        "evidence": "exact",
        "note": "why",
    }
    volumes = Volumes(*(Volume(-k, -k, -k) for k in (1.0, 2.0, 3.0, 4.0, 5.0)), level=0.01, facts={"N": 4})
    assert [row["event"] for row in volumes.rows()] == list(EVENTS)
    assert [row["log_estimate"] for row in volumes.rows()] == [-1, -2, -3, -4, -5]
    plain = json.loads(json.dumps(volumes.to_dict(), allow_nan=False))
    assert (plain["N"], plain["level"], plain["suboptimal"]["log_estimate"]) == (4, 0.01, -4.0)
    other = volumes.but("support", zero)
    assert other.support is zero
    assert [getattr(other, name) for name in EVENTS if name != "support"] == [
        getattr(volumes, name) for name in EVENTS if name != "support"
    ]
