"""Prints the lower bounds of `pyproject.toml` as pip's constraints: `python .ci/lowest.py > lowest.txt`.

With them the oldest versions that are promised to work can be installed and tested, on the oldest Python:

    python3.11 -m venv lowest && lowest/bin/pip install -c lowest.txt -e '.[dev]' && lowest/bin/python -m pytest
"""

import re
import tomllib
from pathlib import Path

project = tomllib.loads((Path(__file__).parent.parent / "pyproject.toml").read_text(encoding="utf-8"))["project"]
extras = project["optional-dependencies"]
bounds = {re.sub(r"\[.*\]", "", text) for text in (*project["dependencies"], *extras["docs"], *extras["dev"])}
for text in sorted(bounds - {project["name"]}):
    name, _, version = text.partition(",")[0].partition(">=")
    if not version:
        raise SystemExit(f"{text} has no lower bound")
    print(f"{name}=={version}")
