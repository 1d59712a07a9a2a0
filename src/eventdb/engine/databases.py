"""CREATE DATABASE and DROP DATABASE: whole databases by the path of their directory, from a session of another one.

Neither is part of a transaction: they take effect at once. DROP forgets everything: the log goes with the database.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from eventdb.engine.database import is_open, open_shared
from eventdb.engine.settings import seconds
from eventdb.errors import CannotConnect, DuplicateDatabase, InvalidCatalogName, ObjectInUse, ReadOnlyTransaction
from eventdb.storage.copying import remove_tree
from eventdb.storage.recovery import LOCK, LOG, SNAPSHOTS

if TYPE_CHECKING:
    from eventdb.engine.session import Session
    from eventdb.sql.parser import ast
    from eventdb.storage.files import Files

_DROPPED = ".dropped"


def create_database(session: Session, node: ast.CreateDatabase) -> None:
    """Make an empty database. Raises DuplicateDatabase, CannotConnect."""
    files = session.database.files
    path = _path(session, node)
    if files.exists(os.path.join(path, LOG)):
        if node.if_not_exists:
            return
        raise DuplicateDatabase(f'database "{node.name}" already exists', position=node.position)
    try:
        open_shared(path, files=files).release()
    except CannotConnect as error:
        raise error.at(node.position) from None


def drop_database(session: Session, node: ast.DropDatabase) -> None:
    """Remove a database from the disk, its log included. Raises InvalidCatalogName where there is none, ObjectInUse while this process has
    it open, CannotConnect where the directory holds something else too."""
    files = session.database.files
    path = _path(session, node)
    if not files.exists(os.path.join(path, LOG)):
        if node.if_exists:
            return
        raise InvalidCatalogName(f'database "{node.name}" does not exist', position=node.position)
    if is_open(path):
        raise ObjectInUse(f'database "{node.name}" is open', hint="Close its connections, and dispose of engines.", position=node.position)
    strange = sorted(set(files.list(path)) - {LOG, SNAPSHOTS, LOCK})
    if strange:
        raise CannotConnect(f'database "{node.name}" is not dropped: its directory also holds {strange[0]!r}', position=node.position)
    with files.lock(os.path.join(path, LOCK), seconds(session.settings)):
        # One rename makes it gone; what a crash behind it leaves has a name that nothing else has, and goes with the next that is dropped.
        files.rename(path, f"{path}.{os.urandom(16).hex()}{_DROPPED}")
    above, name = os.path.split(path)
    files.sync_directory(above)
    remains = re.compile(re.escape(name) + r"\.[0-9a-f]{32}" + re.escape(_DROPPED))
    for left in files.list(above):
        if remains.fullmatch(left):
            _remove(files, os.path.join(above, left))


def _remove(files: Files, path: str) -> None:
    """Remove a database's directory, and what was put elsewhere by a symbolic link."""
    for name in (LOG, SNAPSHOTS):
        part = os.path.join(path, name)
        if files.is_link(part):
            remove_tree(files, os.path.realpath(part))
    remove_tree(files, path)


def _path(session: Session, node: ast.CreateDatabase | ast.DropDatabase) -> str:
    if session.read_only or session.pinned is not None:
        raise ReadOnlyTransaction("a read-only session makes and drops no databases", position=node.position)
    name = node.name
    if not name or "\0" in name or name.startswith(":memory:"):
        raise CannotConnect(f"{name!r} is no path of a database", position=node.position)
    return os.path.realpath(name)
