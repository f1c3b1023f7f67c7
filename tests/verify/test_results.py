"""Writing and reading results; a run that is killed and goes on."""

from __future__ import annotations

import json
import math

import pytest

from verify import results
from verify.errors import InputError
from verify.run import run
from verify.runner import Settings


def test_numbers_survive_json():
    assert results.number(math.inf) == "inf"
    assert results.number(-math.inf) == "-inf"
    assert results.number(math.nan) is None
    assert results.number(None) is None
    assert results.number(-1234.56789) == -1234.56789


def test_what_is_written_is_read(toy, tmp_path):
    finished = run(["coin"], Settings(folders=(toy(),)), tmp_path / "out", report=False)
    assert results.read(tmp_path / "out" / "results.json") == json.loads(json.dumps(finished.results))
    assert not list((tmp_path / "out").glob("*.partial"))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "cannot be read"),
        ("[1, 2]", "not a results file"),
        ("{}", "not a results file"),
        ('{"schema": "verify-results", "schema_version": 99}', "schema version 99"),
        ("[" * 100_000, "cannot be read"),
        ('{"schema": "verify-res', "cannot be read"),
    ],
)
def test_a_foreign_file_is_refused(tmp_path, content, message):
    (tmp_path / "results.json").write_text(content)
    with pytest.raises(InputError, match=message):
        results.read(tmp_path / "results.json")


def test_a_failed_write_leaves_the_old_file(tmp_path):
    path = tmp_path / "results.json"
    results.write({"a": 1}, path)
    with pytest.raises(ValueError, match="Out of range"):
        results.write({"a": math.nan}, path)
    assert json.loads(path.read_text()) == {"a": 1}
    assert list(tmp_path.iterdir()) == [path]
