"""Looking for values in everything that a database has on the disk, and opening it as another process would."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from pathlib import Path

from eventdb.engine import database as engine_database


def contents(path: Path) -> Iterator[tuple[str, bytes]]:
    """(name, bytes) of every file below a directory, and of every zlib stream that begins anywhere in one, decompressed."""
    for file in sorted(path.rglob("*")):
        if not file.is_file():
            continue
        data = file.read_bytes()
        yield str(file.relative_to(path)), data
        at = -1
        while (at := data.find(b"\x78", at + 1)) >= 0:
            try:
                yield f"{file.relative_to(path)} at {at}, decompressed", zlib.decompressobj().decompress(data[at:])
            except zlib.error:
                continue


def found(path: Path, value: str | int | bytes) -> list[str]:
    """Where a value stands, in any form in which the database may store it."""
    if isinstance(value, int):  # CBOR's big endian and the typed arrays' little endian; in fewer bytes it would be no unusual number
        forms = [value.to_bytes(8, "big"), value.to_bytes(8, "little"), str(value).encode()]
    else:
        forms = [value.encode() if isinstance(value, str) else value]
    return [name for name, data in contents(path) if any(form in data for form in forms)]


def forget(path: Path) -> None:
    """Take a database out of this process's register: the next to open it does so as another process would."""
    for key in [key for key in engine_database._registry if key[0] == str(path.resolve())]:
        del engine_database._registry[key]
