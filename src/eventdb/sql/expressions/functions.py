"""The function library: this module gathers its parts; the functions stand in `functions_text`, `functions_math`, `functions_time`,
`functions_json`.
"""

from __future__ import annotations

import re
from typing import Any


def load() -> None:
    """Declare every function (once; modules do it as they are imported)."""
    from eventdb.sql.expressions import functions_json, functions_math, functions_text, functions_time  # noqa: F401


def greatest(*arguments: Any) -> Any:
    """The largest argument that is not NULL; NaN is larger than any number."""
    best = None
    for item in arguments:
        if item is not None and (best is None or item != item or (best == best and item > best)):
            best = item
    return best


def least(*arguments: Any) -> Any:
    """The smallest argument that is not NULL."""
    best = None
    for item in arguments:
        if item is not None and (best is None or best != best or item < best):
            best = item
    return best


def name_parts(text: str) -> tuple[str, ...]:
    """The parts of a name written in a string: unquoted ones folded to lower case."""
    parts = re.findall(r'"((?:[^"]|"")*)"|([^."]+)', text.strip())
    return tuple(quoted.replace('""', '"') if quoted else plain.strip().lower() for quoted, plain in parts) or (text,)
