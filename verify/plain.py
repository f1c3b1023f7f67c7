"""Text from modules, data and files, made safe to show: nothing in it steers a terminal or the direction of reading."""

from __future__ import annotations

import json
import unicodedata
from typing import Any

_INVISIBLE = {"Cc", "Cf", "Cs", "Co", "Cn"}


def plain(text: str) -> str:
    r"""Text with what could steer a terminal, a browser or the direction of reading made visible, as `\x1b`."""
    return "".join(char if char == "\n" else _visible(char) for char in unicodedata.normalize("NFC", text))


def plain_data(value: Any) -> Any:
    """`plain` for every string in JSON-like data."""
    if isinstance(value, str):
        return plain(value)
    if isinstance(value, dict):
        return {plain(str(key)): plain_data(item) for key, item in value.items()}
    return [plain_data(item) for item in value] if isinstance(value, list | tuple) else value


def plain_json(value: Any) -> str:
    """JSON of which the same is true, and which still says the same."""
    text = json.dumps(value, indent=1, ensure_ascii=False)
    return "".join(char if char == "\n" or not _is_invisible(char) else json.dumps(char)[1:-1] for char in text)


def _is_invisible(char: str) -> bool:
    return unicodedata.category(char) in _INVISIBLE


def _visible(char: str) -> str:
    if not _is_invisible(char):
        return char
    return " " if char == "\t" else char.encode("unicode_escape").decode()
