"""Many random instances of every finite-size statement: `python -m benchmarks.finite_study --budget 20x`.

An instance is one draw that could have contradicted a statement: a data set with a region, a pattern, a network, a
subspace. A statement that bounds a probability is contradicted by a frequency, the others by a single instance. The run
is an ordinary one, at one level over all comparisons; this only counts and writes the table.
"""

from __future__ import annotations

import argparse
import platform
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import scipy
import sympy

from verify.run import run
from verify.runner import Budget, Settings


def instances(check: dict[str, Any]) -> int:
    """Draws behind the points of a check."""
    return sum(point["counts"].get("trials", 0) * point["counts"].get("inner", 1) for point in check["points"])


def row(item: dict[str, Any]) -> tuple[int, int, int, int, str]:
    """Instances, points, violated points, controls that were not rejected, and the row of a statement."""
    points = [point for check in item["checks"] for point in check["points"]]
    controls = [control for check in item["checks"] for control in check["controls"]]
    drawn = sum(map(instances, item["checks"]))
    violated = sum(point["verdict"]["outcome"] == "violated" for point in points)
    doubtful = sum(point["counts"].get("doubtful", 0) for point in points)
    missed = sum(not control["rejected"] for control in controls)
    verdict = f"{item['verdict']['outcome']} · {item['verdict']['evidence']}"
    rejected = f"{len(controls) - missed}/{len(controls)}"
    cells = item["id"], len(points), f"{drawn:,}", violated, doubtful, rejected, verdict
    return drawn, len(points), violated, missed, f"| {' | '.join(map(str, cells))} |"


def main() -> None:
    """Runs the study and writes its table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--budget", default="20x")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "finite_study.md")
    args = parser.parse_args()
    settings = Settings(seed=args.seed, budget=Budget.parse(args.budget), workers=args.workers, sequential=False)
    with tempfile.TemporaryDirectory() as folder:
        # F1 and F5 are derived from Lemma 2, and are only as good as that is in the same run.
        results = run(["f[0-9]*", "lemma-2"], settings, Path(folder), report=False).results
    rows = [row(item) for item in results["statements"] if item["id"] != "lemma-2"]
    drawn, points, violated, missed = (sum(parts[k] for parts in rows) for k in range(4))
    lines = [
        "# Random instances of the finite-size statements\n",
        f"`python -m benchmarks.finite_study --budget {args.budget} --seed {args.seed}`  ",
        f"Python {platform.python_version()}, NumPy {np.__version__}, SciPy {scipy.__version__}, "
        f"SymPy {sympy.__version__}; {results['times']['started'][:10]}\n",
        f"{drawn:,} instances at {points} points: {violated} points violated, {missed} controls not rejected. Level "
        f"{results['run']['level']:g} over {results['run']['comparisons']} comparisons. Points without instances hold "
        "exact values against the bound.\n",
        "| statement | points | instances | points violated | instances undecided | controls rejected | verdict |",
        "|---|---|---|---|---|---|---|",
        *(parts[4] for parts in rows),
    ]
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
