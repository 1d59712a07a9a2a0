"""Snapshots: a state written down, so that opening a database need not replay its log.

A snapshot is a file `snapshots/<transaction number, 20 digits>.snapshot`: the pages that changed since the snapshots before, and a root
that refers to all pages, in this file and in older ones, by file, offset, length and hash. Pages are read when they are first touched, so
opening costs the same for any size. docs/format.md describes the bytes.

A snapshot is only ever a copy of what the log says: one that is damaged, or not of this log, is passed over and reported. Files that no
snapshot in use refers to are removed; pages in files that are mostly dead are written anew.

Not done here: the commit times of all transactions, and for each table the numbers of those that touched it, are in every root (up
to 8 bytes each), and loaded pages stay in memory.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from hashlib import sha256
from typing import Any

from eventdb.errors import CannotConnect, DataCorrupted, Error, FormatVersionError
from eventdb.model.datatype import DataType
from eventdb.model.record import Record
from eventdb.model.schema import Table
from eventdb.storage import codec
from eventdb.storage.btree import Branch, LazyBranch, LazyLeaf, Tree
from eventdb.storage.files import TEMPORARY, Files
from eventdb.storage.index import IndexData, IndexKeys
from eventdb.storage.log.base import EventLog
from eventdb.storage.pages import BRANCH, ENTRIES, LIVE, PAST, KeyForm, LeafForm, pack_keys, unpack_keys
from eventdb.storage.roots import pack_history, unpack_history
from eventdb.storage.state import State
from eventdb.storage.table import Shape, TableData, row_key
from eventdb.storage.timeline import Ascending, Timeline
from eventdb.storage.versions import version_keys

FORMAT = 1
MAGIC = "eventdb snapshot"
SUFFIX = ".snapshot"
DAMAGED = ".damaged"
_DAMAGE = (KeyError, IndexError, TypeError, ValueError, AttributeError)
"""What reading a root raises that has not the form of one."""
KEPT = 2
"""So many snapshots are kept, the newest ones: the one before serves where the newest turns out damaged."""
MOST_FILES = 16
_TRAILER = 50
_LOCK_SECONDS = 10.0
_DIGEST = 16


class SnapshotFile:
    """One file of pages; mapped when it is first read. `pool` holds the files that were met on the way from one root."""

    __slots__ = ("_files", "_pool", "_view", "directory", "name")

    def __init__(self, files: Files, directory: str, name: str, pool: dict[str, SnapshotFile] | None = None) -> None:
        self._files = files
        self.directory = directory
        self.name = name
        self._view: memoryview | None = None
        self._pool = {} if pool is None else pool
        self._pool[name] = self

    def sibling(self, name: str) -> SnapshotFile:
        """Another file of the same directory."""
        if os.path.basename(name) != name:
            raise DataCorrupted(f"the snapshot file {self.path!r} refers to {name!r}")
        return self._pool.get(name) or SnapshotFile(self._files, self.directory, name, self._pool)

    @property
    def path(self) -> str:
        return os.path.join(self.directory, self.name)

    def view(self) -> memoryview:
        view = self._view
        if view is None:
            view = self._view = self._files.map(self.path)
        return view

    def page(self, offset: int, length: int, digest: bytes) -> bytes:
        """The bytes of a page, checked against its hash.

        Raises DataCorrupted, and then gives the file another name, so that the next open does without it.
        """
        data = bytes(self.view()[offset : offset + length])
        if _hash(data) == digest:
            return data
        try:
            self._files.rename(self.path, self.path + DAMAGED)
        except Error:
            pass
        raise DataCorrupted(
            f"the snapshot file {self.path!r} is damaged at offset {offset}",
            hint="Nothing is lost: close the database and open it again, and it is rebuilt from its log.",
        )


class Page:
    """Where a page lies, and how it is read; `usage`: bytes in each file that it and what is below it take up."""

    __slots__ = ("digest", "file", "form", "length", "offset", "usage")

    def __init__(
        self, form: LeafForm, file: SnapshotFile, offset: int, length: int, digest: bytes, below: Mapping[str, int] | None
    ) -> None:
        self.form = form
        self.file = file
        self.offset = offset
        self.length = length
        self.digest = digest
        self.usage: Mapping[str, int] = {file.name: length} if below is None else below

    def read(self) -> bytes:
        return self.file.page(self.offset, self.length, self.digest)

    def load_leaf(self) -> tuple[list[Any], list[Any]]:
        return self.form.unpack(codec.loads(self.read()))

    def load_branch(self) -> tuple[list[Any], list[Any]]:
        page = codec.loads(self.read())
        if type(page) is not list or len(page) != 3 or page[0] != BRANCH:
            raise DataCorrupted(f"a page of the snapshot file {self.file.path!r} is not the branch that it should be")
        return unpack_keys(self.form.keys, page[1]), _unpack_kids(self.form, self.file, page[2])


def _hash(data: bytes) -> bytes:
    return sha256(data).digest()[:_DIGEST]


def _pack_kids(pages: list[Page], leaves: bool) -> Any:
    names = sorted({name for page in pages for name in page.usage})
    place = {name: i for i, name in enumerate(names)}
    return [
        names,
        codec.pack_integers([place[page.file.name] for page in pages]),
        codec.pack_integers([page.offset for page in pages]),
        codec.pack_integers([page.length for page in pages]),
        b"".join([page.digest for page in pages]),
        None if leaves else [{place[name]: used for name, used in page.usage.items()} for page in pages],
    ]


def _unpack_kids(form: LeafForm, here: SnapshotFile, packed: Any) -> list[Any]:
    names, places, offsets, lengths, digests, below = packed
    known = [here.sibling(name) for name in names]
    kids: list[Any] = []
    columns = zip(codec.unpack_integers(places), codec.unpack_integers(offsets), codec.unpack_integers(lengths), strict=True)
    for i, (place, offset, length) in enumerate(columns):
        digest = digests[i * _DIGEST : (i + 1) * _DIGEST]
        if below is None:
            kids.append(LazyLeaf(Page(form, known[place], offset, length, digest, None)))
        else:
            usage = {names[at]: used for at, used in below[i].items()}
            kids.append(LazyBranch(Page(form, known[place], offset, length, digest, usage)))
    return kids


# what trees there are


class _Forms(Record):
    """How the four kinds of trees of one storage are written."""

    live: LeafForm
    past: LeafForm
    entries: LeafForm
    left: LeafForm


def _forms(table: Table, slots: Mapping[int, DataType]) -> _Forms:
    width, key_of, versions = len(table.key), row_key(table), version_keys(table)

    def form(kind: int, keys: KeyForm) -> LeafForm:
        return LeafForm(kind, keys, key_of, versions, slots)

    return _Forms(
        form(LIVE, KeyForm(width, None)),
        form(PAST, KeyForm(width, None, versions)),
        form(ENTRIES, KeyForm(width, 0)),
        form(ENTRIES, KeyForm(width, 1)),
    )


def slot_types(state: State) -> dict[int, dict[int, DataType]]:
    """For each storage the type of each slot, dropped columns included, as the history of the catalog knows them."""
    found: dict[int, dict[int, DataType]] = {}
    seen: dict[int, Table] = {}
    for _, catalog in state.catalogs:
        for table in catalog.tables.values():
            if seen.get(table.id) is not table:
                seen[table.id] = table
                found.setdefault(table.storage, {}).update({c.slot: c.datatype for c in table.columns})
    for storage, data in state.tables.items():
        found.setdefault(storage, {}).update({c.slot: c.datatype for c in data.shape.table.columns})
    return found


def _trees(state: State) -> Iterator[Tree]:
    for data in state.tables.values():
        yield data.live
        yield data.past
        for index in data.indexes.values():
            yield index.live
            yield index.past


# writing


class _Writer:
    """One snapshot file being made: pages go to `chunks` in order."""

    def __init__(self, file: SnapshotFile, stale: frozenset[str]) -> None:
        self.file = file
        self.stale = stale
        self.chunks: list[bytes] = []
        self.size = 0
        self.written: list[tuple[Any, Page]] = []

    def item(self, data: bytes) -> int:
        """Add one CBOR item; its offset."""
        offset = self.size
        self.chunks.append(data)
        self.size += len(data)
        return offset

    def tree(self, form: LeafForm, tree: Tree) -> Any:
        page = self.node(form, tree.root)
        return [tree.count, _pack_kids([page], tree.root.kids is None)]

    def node(self, form: LeafForm, node: Any) -> Page:
        """The page of a node: where it lies already, or written now."""
        old = node.ref
        if old is not None and self.stale.isdisjoint(old.usage):
            return old  # type: ignore[no-any-return]
        below: Counter[str] | None = None
        if node.kids is None:
            data = old.read() if old is not None and type(node) is LazyLeaf else codec.dumps(form.pack(node.keys, node.vals))
        else:
            pages = [self.node(form, kid) for kid in node.kids]
            below = Counter()
            for page in pages:
                below.update(page.usage)
            data = codec.dumps([BRANCH, pack_keys(form.keys, node.keys), _pack_kids(pages, node.kids[0].kids is None)])
            below[self.file.name] += len(data)
        page = Page(form, self.file, self.item(data), len(data), _hash(data), below)
        self.written.append((node, page))
        return page


def _usage(state: State) -> Counter[str]:
    """Bytes that the state's pages take up in each file, of those that lie in one."""
    used: Counter[str] = Counter()

    def visit(node: Any) -> None:
        if node.ref is not None:
            used.update(node.ref.usage)
        elif node.kids is not None:
            for kid in node.kids:
                visit(kid)

    for tree in _trees(state):
        visit(tree.root)
    return used


# the store


class SnapshotStore:
    """The snapshots of one database: the files in `directory`."""

    def __init__(self, directory: str, files: Files | None = None) -> None:
        self.directory = directory
        self._files = files or Files()
        self._known: dict[str, list[str]] = {}
        """Snapshots that were compared with the log, and the other files that each refers to."""

    def names(self) -> list[str]:
        """The snapshot files, oldest first."""
        if not self._files.exists(self.directory):
            return []
        return [name for name in self._files.list(self.directory) if name.endswith(SUFFIX)]

    def listed(self) -> list[tuple[int, str, int]]:
        """(transaction number, name, bytes) of the snapshot files, oldest first; one that is removed meanwhile is left out."""
        found = []
        for name in self.names():
            try:
                with closing(self._files.open_read(os.path.join(self.directory, name))) as file:
                    found.append((int(name[: -len(SUFFIX)]), name, file.size()))
            except (CannotConnect, ValueError):
                continue
        return found

    def write(self, state: State, log: EventLog) -> str | None:
        """Write a snapshot of `state`, a state of `log`, and remove what is no longer needed; its path, None where it is there already.

        Raises DiskFull, IOFailure, LockNotAvailable (another process is writing one); the older snapshots then stay as they are.
        """
        if state.number == 0 or log.rewritten > state.number:
            return None
        log.sync()
        position = getattr(log, "position", None)
        self._files.make_directory(self.directory)
        with self._files.lock(os.path.join(self.directory, "lock"), _LOCK_SECONDS):
            name = f"{state.number:020d}{SUFFIX}"
            log.refresh()
            if log.rewritten > state.number:
                return None  # it would bring back what was erased meanwhile
            if name in self._fitting(log):
                return None
            writer = _Writer(SnapshotFile(self._files, self.directory, name), self._stale(state))
            writer.item(codec.dumps([MAGIC, FORMAT, log.log_id, state.number]))
            known = list(position) if position is not None and position.number == state.number else None
            root = codec.dumps({**self._root(state, log, writer), "position": known})
            offset = writer.item(root)
            writer.item(codec.dumps(offset.to_bytes(8, "big") + len(root).to_bytes(8, "big") + sha256(root).digest()))
            self._files.write_atomically(writer.file.path, writer.chunks)
            for node, page in writer.written:
                node.ref = page
            self._known.pop(name, None)
            self._clean(log, state.rewritten)
            return writer.file.path

    def _root(self, state: State, log: EventLog, writer: _Writer) -> dict[str, Any]:
        slots = slot_types(state)
        history, place = pack_history(state, [data.shape.table for data in state.tables.values()])
        tables = []
        used: Counter[str] = Counter()
        for storage, data in state.tables.items():
            form = _forms(data.shape.table, slots[storage])
            indexes = [
                [i.id, i.created_at, i.dropped_at, writer.tree(form.entries, i.live), writer.tree(form.left, i.past)]
                for i in data.indexes.values()
            ]
            live, past = writer.tree(form.live, data.live), writer.tree(form.past, data.past)
            packed_slots = [[slot, codec.pack_type(datatype)] for slot, datatype in slots[storage].items()]
            definition = place[id(data.shape.table)]
            tables.append([storage, definition, packed_slots, data.next_row_id, data.closed_at, live, past, indexes])
        pages = {id(node): page for node, page in writer.written}
        for tree in _trees(state):
            used.update((pages.get(id(tree.root)) or tree.root.ref).usage)
        return {
            "format": FORMAT,
            "log": log.log_id,
            "number": state.number,
            "hash": hash_at(log, state.number),
            "history": history,
            "times": codec.pack_integers(state.timeline.times()),
            "sequences": dict(state.sequences),
            "rewritings": list(state.rewritings),
            "horizons": dict(state.horizons),
            "files": sorted({*used} - {writer.file.name}),
            "tables": tables,
            "touched": {
                storage: codec.pack_integers(data.touched.numbers()) for storage, data in state.tables.items() if data.touched is not None
            },
        }

    def _stale(self, state: State) -> frozenset[str]:
        """The files whose pages are to be written anew: gone, mostly dead, or too many."""
        used = _usage(state)
        there = set(self.names())
        stale = {name for name in used if name not in there}
        for name in used.keys() - stale:
            if used[name] * 2 < self._files.size(os.path.join(self.directory, name)):
                stale.add(name)
        rest = sorted(used.keys() - stale, key=used.__getitem__)
        return frozenset(stale | set(rest[: max(len(rest) - MOST_FILES, 0)]))

    def _fitting(self, log: EventLog) -> dict[str, list[str]]:
        """The snapshots that belong to the log, oldest first, and the other files that each refers to."""
        fitting = {}
        for name in self.names():
            try:
                if name not in self._known:
                    root = self._read_root(name)
                    if self._misfit(root, log) is not None:
                        continue
                    self._known[name] = root["files"]
                fitting[name] = self._known[name]
            except (Error, *_DAMAGE):
                continue
        return fitting

    def position(self) -> list[Any] | None:
        """The place in the log that the newest snapshot knows, None if it knows none."""
        for name in reversed(self.names()):
            try:
                position = self._read_root(name)["position"]
                return position if type(position) is list else None
            except (Error, *_DAMAGE):
                continue
        return None

    def _clean(self, log: EventLog, after: int) -> None:
        """Remove the files that the newest snapshots, of transaction `after` or later, don't refer to. What cannot be removed now (mapped,
        on Windows) goes another time."""
        newest = [(name, used) for name, used in self._fitting(log).items() if int(name.removesuffix(SUFFIX)) >= after][-KEPT:]
        needed = {name for name, _ in newest}.union(*(used for _, used in newest))
        for name in self._files.list(self.directory):
            if name not in needed and name.endswith((SUFFIX, SUFFIX + DAMAGED, SUFFIX + TEMPORARY)):
                try:
                    self._files.remove(os.path.join(self.directory, name))
                except Error:
                    continue

    def purge(self, before: int, waiting: bool = False) -> None:
        """Remove all files of transactions before `before`, whole ones and what is left of others: erasure. Lasting when it returns.

        With `waiting` also those that another process is about to write. Raises LockNotAvailable (it does not come to an end), IOFailure.
        """
        if not self._older(before) and not (waiting and self._files.exists(self.directory)):
            return
        with self._files.lock(os.path.join(self.directory, "lock"), _LOCK_SECONDS):
            for name in self._older(before):
                self._known.pop(name, None)
                self._files.remove(os.path.join(self.directory, name))
            self._files.sync_directory(self.directory)

    def _older(self, before: int) -> list[str]:
        return [name for name in self.remains() if int(name[:20]) < before] if before else []

    def remains(self) -> list[str]:
        """All files of snapshots, whole ones and what is left of others."""
        if not self._files.exists(self.directory):
            return []
        return [name for name in self._files.list(self.directory) if name[:20].isdigit()]

    # loading

    def load(self, log: EventLog, index_keys: IndexKeys | None = None, problems: list[str] | None = None) -> State | None:
        """The state of the newest snapshot that belongs to `log`, None if there is none; `problems` gets a line for each passed over."""
        return next(self.load_all(log, index_keys, problems), None)

    def load_all(self, log: EventLog, index_keys: IndexKeys | None = None, problems: list[str] | None = None) -> Iterator[State]:
        """The states of all snapshots that belong to `log`, the newest first."""
        for name in reversed(self.names()):
            try:
                root = self._read_root(name)
                why = self._misfit(root, log)
                if why is None:
                    file = SnapshotFile(self._files, self.directory, name)
                    # mapped at once, so that pages can still be read when another process has removed the file
                    for used in (name, *root["files"]):
                        file.sibling(used).view()
                    yield self._state(root, file, index_keys)
                    continue
            except Error as error:
                why = error.message
            except _DAMAGE as error:
                why = f"its root cannot be read: {error!r}"
            if problems is not None:
                problems.append(f"snapshot {name} not used: {why}")

    def _read_root(self, name: str) -> dict[str, Any]:
        path = os.path.join(self.directory, name)
        size = self._files.size(path)
        trailer = self._files.read(path, max(size - _TRAILER, 0), _TRAILER)
        place = codec.loads(trailer)
        if type(place) is not bytes or len(place) != 48:
            raise DataCorrupted("it has no end")
        offset, length = int.from_bytes(place[:8], "big"), int.from_bytes(place[8:16], "big")
        if offset + length + _TRAILER != size:
            raise DataCorrupted("it is cut")
        data = self._files.read(path, offset, length)
        if sha256(data).digest() != place[16:]:
            raise DataCorrupted("its root is damaged")
        root = codec.loads(data)
        if root["format"] != FORMAT:
            raise FormatVersionError(f"it has the format {root['format']!r}, this version reads {FORMAT}")
        return root  # type: ignore[no-any-return]

    def _misfit(self, root: Mapping[str, Any], log: EventLog) -> str | None:
        """Why a snapshot cannot serve for this log, None if it can."""
        number = root["number"]
        if root["log"] != log.log_id:
            return "it belongs to another log"
        if number > log.head:
            return f"it is of transaction {number}, the log ends at {log.head}"
        if number + 1 < log.first:
            return f"it is of transaction {number}, the log begins at {log.first}"
        if number >= log.first and hash_at(log, number) != root["hash"]:
            return f"transaction {number} has another hash in the log"
        there = set(self.names())
        missing = [name for name in root["files"] if name not in there]
        return f"the file {missing[0]} that it refers to is missing" if missing else None

    def _state(self, root: Mapping[str, Any], file: SnapshotFile, index_keys: IndexKeys | None) -> State:
        catalogs, objects = unpack_history(root["history"])
        tables = {}
        touched = root.get("touched", {})
        for storage, definition, slots, next_row_id, closed_at, live, past, packed_indexes in root["tables"]:
            table = objects[definition]
            form = _forms(table, {slot: codec.unpack_type(packed) for slot, packed in slots})
            used = () if closed_at is not None else catalogs[-1][1].indexes_of(table.id)
            indexes = {
                i: IndexData(i, _tree(form.entries, file, now), _tree(form.left, file, then), created, dropped)
                for i, created, dropped, now, then in packed_indexes
            }
            shape = Shape(table, used, index_keys)
            tables[storage] = TableData(
                object(), storage, shape, _tree(form.live, file, live), _tree(form.past, file, past), indexes, next_row_id, closed_at,
                Ascending.of(codec.unpack_integers(touched[storage])) if storage in touched else None,
            )  # fmt: skip
        times = Timeline.of(codec.unpack_integers(root["times"]))
        if times.length != root["number"]:
            raise DataCorrupted("its times are incomplete")
        rewritings, horizons = tuple(root.get("rewritings", ())), root.get("horizons", {})
        return State(root["number"], catalogs, tables, root["sequences"], times, index_keys, rewritings, horizons)


def _tree(form: LeafForm, file: SnapshotFile, packed: Any) -> Tree:
    count, kids = packed
    return Tree(object(), _unpack_kids(form, file, kids)[0], count)


def hash_at(log: EventLog, number: int) -> bytes:
    """The hash of a transaction's header; None stands for no hash where the log no longer holds it."""
    if number == log.head:
        return log.head_hash
    return next(iter(log.read(number - 1, number))).hash


def pages_of(state: State) -> Iterable[Page]:
    """All pages of a state that lie in snapshots (the branches among them are loaded)."""
    stack = [tree.root for tree in _trees(state)]
    while stack:
        node = stack.pop()
        if node.ref is not None:
            yield node.ref
        if isinstance(node, Branch):
            stack += node.kids
