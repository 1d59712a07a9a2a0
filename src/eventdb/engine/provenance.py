"""Who makes a transaction and why, from the innermost source to the outermost: BEGIN WITH (…) or `connection.transaction(…)`, the
`eventdb.context(…)` around the code, SET in the session, the arguments of `connect`."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from typing import Any

from eventdb.errors import InterfaceError
from eventdb.model.transaction import Provenance

_EMPTY = Provenance()
_INTEGER_BITS = 10_000
_DEEPEST = 100
_current: ContextVar[Provenance] = ContextVar("eventdb_provenance", default=_EMPTY)


def provenance(
    actor: str | None = None, reason: str | None = None, correlation_id: str | None = None, metadata: Mapping[str, Any] | None = None
) -> Provenance:
    """A Provenance of checked values. Raises InterfaceError for values of a wrong type."""
    for name, value in (("actor", actor), ("reason", reason), ("correlation_id", correlation_id)):
        if value is not None and not isinstance(value, str):
            raise InterfaceError(f"{name} must be text, not {type(value).__name__}")
        _plain(value)
    if metadata is not None and not isinstance(metadata, Mapping):
        raise InterfaceError(f"metadata must be a mapping, not {type(metadata).__name__}")
    return Provenance(actor, reason, correlation_id, _plain(metadata) if metadata else {})


def _plain(value: Any, depth: int = 0) -> Any:
    """A copy of JSON-like data, so that later changes by the caller do not reach the log."""
    if depth > _DEEPEST:
        raise InterfaceError(f"metadata nests deeper than {_DEEPEST} levels, or holds itself")
    if isinstance(value, str):
        if not value.isascii():
            try:
                value.encode()
            except UnicodeEncodeError:
                raise InterfaceError(f"what a transaction is attributed to holds a lone surrogate: {ascii(value)[:60]}") from None
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            raise InterfaceError(f"metadata holds {value}, which JSON cannot say")
        return value
    if isinstance(value, int) and value.bit_length() > _INTEGER_BITS:
        raise InterfaceError(f"metadata holds an integer of {value.bit_length()} bits; the limit is {_INTEGER_BITS}")
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, Mapping):
        if not all(isinstance(key, str) for key in value):
            raise InterfaceError("keys in metadata must be text")
        return {_plain(key): _plain(item, depth + 1) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item, depth + 1) for item in value]
    raise InterfaceError(f"metadata holds a {type(value).__name__}; it may hold what JSON can say")


def merged(inner: Provenance, outer: Provenance) -> Provenance:
    """What `inner` says, and what `outer` says where `inner` is silent."""
    if outer is _EMPTY or outer == _EMPTY:
        return inner
    return Provenance(
        outer.actor if inner.actor is None else inner.actor,
        outer.reason if inner.reason is None else inner.reason,
        outer.correlation_id if inner.correlation_id is None else inner.correlation_id,
        {**outer.metadata, **inner.metadata},
    )


def current() -> Provenance:
    """What the surrounding `context` blocks say."""
    return _current.get()


@contextlib.contextmanager
def context(
    *,
    actor: str | None = None,
    reason: str | None = None,
    correlation_id: str | None = None,
    metadata: Mapping[str, Any] | None = None,
) -> Iterator[None]:
    """Inside the block, transactions of this thread or task that write are attributed so. Blocks nest; the inner one wins, name by name."""
    token = _current.set(merged(provenance(actor, reason, correlation_id, metadata), _current.get()))
    try:
        yield
    finally:
        _current.reset(token)
