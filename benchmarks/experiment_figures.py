"""Draws the figures of docs/experiments.md from the committed results.

`python -m benchmarks.experiment_figures` reads the JSON records in benchmarks/results and writes SVG into docs/images.
The records are what `python -m verify experiment ID --out DIR` writes as results.json; nothing is computed here.
"""

from __future__ import annotations

import json
from pathlib import Path

from theorems.experiments import figure_5_1, figure_5_2, training_and_volumes
from verify.experiments import Table
from verify.report.files import drawing_file

ROOT = Path(__file__).parent.parent
FIGURES = {
    "figure_5_1": ("figure-5-1", figure_5_1.STATEMENT),
    "figure_5_2": ("figure-5-2", figure_5_2.STATEMENT),
    "volumes_one_by_one": ("training-against-volumes", training_and_volumes.STATEMENT),
}


def main() -> None:
    """Draw all of them."""
    for record, (name, statement) in FIGURES.items():
        stored = json.loads((ROOT / "benchmarks" / "results" / f"{record}.json").read_text(encoding="utf-8"))
        tables = [Table.from_dict(table) for table in stored["tables"]]
        if statement.experiment is None or statement.experiment.drawn is None:
            raise ValueError(f"{statement.id} has no picture of its tables")
        target = ROOT / "docs" / "images" / f"{name}.svg"
        target.write_text(drawing_file(statement.experiment.drawn(tables), statement.title), encoding="utf-8")
        print(target.relative_to(ROOT))


if __name__ == "__main__":
    main()
