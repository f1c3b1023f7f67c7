"""The notebook of the docs: executed from its first cell to its last, it shows what is committed."""

from __future__ import annotations

import re
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOKS = sorted((Path(__file__).parent.parent / "docs" / "notebooks").glob("*.ipynb"))


def shown(notebook):
    """What each cell shows: printed text as it is, drawings and tables without their numbers.

    Last digits of numbers inside of proofs and drawings depend on the processor; what is printed is rounded.
    """
    found = []
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            assert output["output_type"] != "error", output
            if output["output_type"] == "stream":
                found.append((output["name"], output["text"]))
            else:
                found.append({kind: re.sub(r"-?\d[\d.]*(e-?\d+)?", "0", text) for kind, text in output["data"].items()})
    return found


@pytest.mark.parametrize("file", NOTEBOOKS, ids=lambda file: file.stem)
def test_a_notebook_shows_what_is_committed(file, tmp_path):
    committed = nbformat.read(file, as_version=4)
    expected = shown(committed)
    assert any(isinstance(item, dict) and "text/latex" in item for item in expected)
    for cell in committed.cells:
        cell.pop("outputs", None)
        if cell["cell_type"] == "code":
            cell["outputs"] = []
    executed = NotebookClient(
        committed, timeout=300, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}
    ).execute()
    assert shown(executed) == expected
