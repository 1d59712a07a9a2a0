"""What each command does, from its parsed arguments to its exit code."""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
import sys
from argparse import Namespace
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import eventdb
from eventdb.errors import CannotConnect, InvalidParameterValue
from eventdb.storage.files import Files
from eventdb.storage.verification import Progress


def verify(given: Namespace) -> int:
    digests = [_json_file(name) for name in given.digest]
    for digest in digests:
        if given.public_key:
            eventdb.verify_signature(digest, given.public_key)
    with _opened(given.path, warn=False) as connection:
        bar = _bar()
        report = connection.verify(digest=digests, progress=bar)
        if bar is not None:
            print("\r\x1b[K", end="", file=sys.stderr)
    print(json.dumps(report.as_dict(), indent=2) if given.json else report)
    return 0 if report.ok else 1


def digest(given: Namespace) -> int:
    with _opened(given.path) as connection:
        made = connection.digest(given.transaction)
    if given.sign:
        made = eventdb.sign_digest(made, given.sign)
    return _written(given.output, [json.dumps(made, indent=2) + "\n"])


def proof(given: Namespace) -> int:
    against = None if given.digest is None else _json_file(given.digest)
    with _opened(given.path) as connection:
        if given.since is not None:
            made = connection.consistency_proof(_json_file(given.since), against)
        else:
            made = connection.proof(given.transaction, against, body=given.body)
    return _written(given.output, [json.dumps(made, indent=2) + "\n"])


def backup(given: Namespace) -> int:
    with _opened(given.path) as connection:
        done = connection.backup(given.target)
    print(f"{done.path}: up to transaction {done.transaction}, {done.bytes:,} bytes copied in {done.duration:.2f} s")
    return 0


def restore(given: Namespace) -> int:
    done = eventdb.restore(given.source, given.target, to=given.to)
    print(f"{done.path}: up to transaction {done.transaction}")
    return 0


def export(given: Namespace) -> int:
    with _opened(given.path) as connection:
        done = connection.export_file(given.file)
    print(f"{done.path}: {done.transactions} transactions up to {done.transaction}, {done.bytes:,} bytes")
    return 0


def import_(given: Namespace) -> int:
    done = eventdb.import_file(given.file, given.target)
    print(f"{done.path}: {done.transactions} transactions up to {done.transaction}")
    return 0


def dump(given: Namespace) -> int:
    moment = given.as_of
    if moment is not None and moment.isascii() and moment.isdigit():
        moment = int(moment)
    with _opened(given.path) as connection:
        return _written(given.output, (statement + "\n" for statement in connection.dump(moment)))


@contextlib.contextmanager
def _opened(path: str, warn: bool = True) -> Iterator[eventdb.Connection]:
    """The database at a path, for reading alone; none is made."""
    from eventdb.engine.undisturbed import patiently

    if path.startswith(":memory:"):
        raise CannotConnect(f"{path!r} is a database in memory; a directory is wanted")
    with contextlib.closing(patiently(lambda: eventdb.connect(path, read_only=True))) as connection:
        for warning in connection.database.warnings if warn else ():
            print(f"eventdb: {warning}", file=sys.stderr)
        yield connection


def _json_file(name: str) -> Any:
    try:
        return json.loads(Path(name).read_text(encoding="utf-8"))
    except (ValueError, RecursionError):
        raise InvalidParameterValue(f"{name!r} is not JSON") from None


def _written(output: str | None, parts: Iterable[str]) -> int:
    """Write text to a file, which is there whole or not at all, or to the standard output."""
    if output is None:
        if isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(encoding="utf-8", newline="\n")  # a script or JSON is the same everywhere
        for part in parts:
            sys.stdout.write(part)
    else:
        Files().write_for_all(os.path.abspath(output), (part.encode() for part in parts))
    return 0


def _bar() -> Progress | None:
    """A progress bar, where the standard error is a terminal."""
    if not sys.stderr.isatty():
        return None

    def show(what: str, done: int, total: int) -> None:
        width = max(min(shutil.get_terminal_size().columns, 100) - 30, 10)
        filled = width * done // max(total, 1)
        print(f"\r\x1b[K{what:<12} [{'#' * filled}{' ' * (width - filled)}] {100 * done // max(total, 1):3} %", end="", file=sys.stderr)
        sys.stderr.flush()

    return show
