"""Numbers as a reader wants to see them. All logs are natural; `"-inf"`, `"inf"` and None are as in results.json."""

from __future__ import annotations

import math
from typing import Any

_LN10 = math.log(10)
RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_LOWERED = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")
_GREEK = {
    "alpha": "α",
    "beta": "β",
    "gamma": "γ",
    "delta": "δ",
    "epsilon": "ε",
    "eta": "η",
    "kappa": "κ",
    "lambda": "λ",
    "mu": "μ",
    "rho": "ρ",
    "sigma": "σ",
    "theta": "θ",
}
NOTHING = "—"


def log_number(value: float | str | None) -> float | None:
    """A log from results.json as a float, None where there is none."""
    return None if value is None else float(value)


def from_log(log_value: float | str | None, digits: int = 3) -> str:
    """The number with this natural log, such as `0.213`, `1.2×10⁻¹⁴`, `0` or `∞`."""
    value = log_number(log_value)
    if value is None or math.isnan(value):
        return NOTHING
    if math.isinf(value):
        return "∞" if value > 0 else "0"
    decades = value / _LN10
    if -3 <= decades < 5:
        return _plain(math.exp(value), digits)
    exponent = math.floor(decades)
    mantissa = f"{10 ** (decades - exponent):.{digits - 1}f}"
    if mantissa.startswith("10"):
        exponent, mantissa = exponent + 1, f"{1:.{digits - 1}f}"
    power = f"10{str(exponent).translate(RAISED)}"
    return power if float(mantissa) == 1 and digits < 4 else f"{mantissa}×{power}"


def _plain(value: float, digits: int) -> str:
    if value >= 10**digits:
        return f"{value:.0f}"
    text = f"{value:.{digits}g}"
    if "e" in text:
        text = f"{float(text):.{digits + 4}f}".rstrip("0")
    return text


def interval(estimate: dict[str, Any] | None) -> str:
    """`0.213 [0.205, 0.221]`; a point alone where the interval has no width."""
    if estimate is None:
        return NOTHING
    lower, middle, upper = (log_number(estimate[key]) for key in ("log_lower", "log_estimate", "log_upper"))
    if lower is not None and lower == upper:
        return from_log(middle, digits=4)
    digits = 3
    if lower is not None and upper is not None and math.isfinite(lower) and math.isfinite(upper):
        # Enough digits that the ends differ, and no more than the interval deserves.
        digits = min(7, max(2, 1 - math.floor(math.log10(min(1.0, upper - lower) or 1.0))))
    return f"{from_log(middle, digits)} [{from_log(lower, digits)}, {from_log(upper, digits)}]"


def ratio(point: dict[str, Any]) -> float | None:
    """`log quantity / log bound`, where both are finite and it says how tight the exponent is."""
    bound = log_number(point["log_bound"])
    middle = log_number(point["estimate"]["log_estimate"]) if point["estimate"] else None
    if bound is None or middle is None or not math.isfinite(bound) or not math.isfinite(middle):
        return None
    return middle / bound if bound < -1e-9 and middle <= 0 else None


def parameter(value: Any) -> str:
    """A parameter's value; long fractions are cut to six digits."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    return (f"{value:.6g}" if isinstance(value, float) else str(value)).replace("-", "−")


def name(identifier: str) -> str:
    """A parameter's name as a mathematician writes it: `d0` is `d₀`, `epsilon` is `ε`."""
    stem = identifier.rstrip("0123456789")
    digits = identifier[len(stem) :].translate(_LOWERED)
    head, _, tail = stem.partition("_")
    shown = _GREEK.get(head, head) + (f"_{_GREEK.get(tail, tail)}" if tail else "")
    if stem == "d" and digits:
        return f"d{digits}"
    return f"{shown}{digits}" if len(shown) <= 1 else f"{shown}{identifier[len(stem) :]}"


def seconds(value: float | None) -> str:
    """A duration: `0.4 s`, `12 s`, `3 min 20 s`."""
    if value is None:
        return NOTHING
    if value < 10:
        return f"{value:.1f} s"
    if value < 120:
        return f"{value:.0f} s"
    minutes, rest = divmod(round(value), 60)
    if minutes < 120:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"
