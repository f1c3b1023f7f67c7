"""Tolerances have names, and `docs/numerics.md` says of each what it decides and why that is safe."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FILES = sorted(path for folder in ("verify", "theorems") for path in (ROOT / folder).rglob("*.py"))
# Where numbers are no tolerances: layout, settings of a training, random words as floats, predicted times, a template.
OTHERS = (
    "verify/report/", "verify/scaffold/", "verify/philox", "verify/volume/cost.py", "verify/network/descent.py",
    "theorems/experiments/",
)  # fmt: skip


def is_tolerance(node):
    """A number that only rounding or a range of floats suggests, such as 1e-9, 2.0**-53 or 1e300."""
    if isinstance(node, ast.Constant) and isinstance(node.value, float):
        return 0 < abs(node.value) < 1e-4 or abs(node.value) > 1e100
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Pow) and isinstance(node.left, ast.Constant):
        exponent = node.right.operand if isinstance(node.right, ast.UnaryOp) else None
        return node.left.value == 2.0 and isinstance(exponent, ast.Constant) and exponent.value >= 20
    return False


def tolerances(path):
    """Those of a module: names of module-level constants, and lines with bare ones."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    named, inside = {}, set()
    for node in tree.body:
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        if isinstance(node, ast.Assign | ast.AnnAssign) and any(map(is_tolerance, ast.walk(node))):
            names = [name.id for target in targets for name in ast.walk(target) if isinstance(name, ast.Name)]
            named |= dict.fromkeys(names, node.lineno)
            inside |= {id(part) for part in ast.walk(node)}
    bare = [node.lineno for node in ast.walk(tree) if is_tolerance(node) and id(node) not in inside]
    return named, bare


MODULES = [path for path in FILES if not path.relative_to(ROOT).as_posix().startswith(OTHERS)]


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_each_tolerance_is_named_and_explained(path):
    named, bare = tolerances(path)
    text = (ROOT / "docs" / "numerics.md").read_text(encoding="utf-8")
    module = path.relative_to(ROOT).as_posix()
    # A dictionary of defaults in a signature is read where the option is explained.
    assert not bare, f"lines {bare} of {module} have numbers without a name"
    rows = [line for line in text.splitlines() if f"`{module}`" in line]
    missing = [name for name in named if not any(re.search(rf"`{name}`", row) for row in rows)]
    assert not missing, f"docs/numerics.md has no row for {missing} of {module}"


def test_the_tests_that_are_named_exist():
    text = (ROOT / "docs" / "numerics.md").read_text(encoding="utf-8")
    for name in re.findall(r"`(test_\w+\.py)`", text):
        assert list((ROOT / "tests").rglob(name)), name
