"""A new statement module with its test, written from the two modules of this package, which run as they stand."""

from __future__ import annotations

from pathlib import Path

from verify.errors import InputError
from verify.registry import discover
from verify.statements import ID_PATTERN

_ID, _NAME = "my-lemma", "my_lemma"


def write_module(identifier: str, folder: Path) -> tuple[Path, Path]:
    """Write `folder/<name>.py` and `folder/tests/test_<name>.py` for a new statement.

    Args:
        identifier: of the statement, such as `my-lemma`; the modules are called after it.
        folder: for statement modules; created where it is missing.

    Returns:
        The two files.

    Raises:
        InputError: if the id is not one, or taken, or a file is there already, or the folder cannot be written.
    """
    if not ID_PATTERN.fullmatch(identifier):
        raise InputError(
            f"got id {identifier!r}; expected lower-case words and digits joined by '-', for example {_ID}"
        )
    taken = discover((str(folder),) if folder.is_dir() else ())
    if identifier in taken.statements:
        raise InputError(f"there is a statement {identifier!r} already, in {taken.modules[identifier]}; choose another")
    name = identifier.replace("-", "_")
    module, test = folder / f"{name}.py", folder / "tests" / f"test_{name}.py"
    for file in (module, test):
        if file.exists():
            raise InputError(f"{file} exists and is left as it is; choose another id or folder")
    here = Path(__file__).parent
    try:
        test.parent.mkdir(parents=True, exist_ok=True)
        for source, file in ((here / f"{_NAME}.py", module), (here / f"test_{_NAME}.py", test)):
            text = source.read_text(encoding="utf-8").replace(_ID, identifier).replace(_NAME, name)
            with file.open("x", encoding="utf-8") as stream:
                stream.write(text)
    except OSError as error:
        raise InputError(f"{error.filename or folder} cannot be written: {error.strerror}; choose another") from None
    return module, test
