"""Immutable records: what `dataclasses.dataclass(frozen=True, slots=True)` gives, at a fraction of the cost of making the class.

A frozen dataclass writes and compiles the source of six methods, half a millisecond for each class; the syntax tree, the bound
expressions and the plan nodes are some 160 classes, and every process pays for them before its first statement. Here the methods are
shared closures over the list of fields. Making an instance costs a little more than a dataclass's.

    class Literal(Node):
        value: int
        comment: str = field(default="", compare=False)

Fields are the annotations in order, those of the bases first; the defaults, `field(...)`, keyword-only fields, equality by class and
compared fields, hash, repr and `__match_args__` are as with dataclasses. `class Table(Record, derived=True)` gives instances room for
`functools.cached_property`; `class Scope(Record, frozen=False)` lets fields be assigned.
`replace` and `fields` stand for those of `dataclasses`.
"""

from __future__ import annotations

from collections.abc import Callable
from operator import attrgetter
from typing import Any, TypeVar, dataclass_transform

MISSING: Any = object()
"""The default of a field that has none."""

T = TypeVar("T")


class Field:
    """One field of a record."""

    __slots__ = ("compare", "default", "default_factory", "kw_only", "name", "repr")

    def __init__(self, default: Any, factory: Callable[[], Any] | None, compare: bool, repr: bool, kw_only: bool) -> None:
        self.name = ""
        self.default = default
        self.default_factory = factory
        self.compare = compare
        self.repr = repr
        self.kw_only = kw_only


def field(
    *,
    default: Any = MISSING,
    default_factory: Callable[[], Any] | None = None,
    compare: bool = True,
    repr: bool = True,
    kw_only: bool = False,
) -> Any:
    """A field with properties: a default made anew each time, no part in equality and hash (`compare`) or `repr`, keyword-only."""
    return Field(default, default_factory, compare, repr, kw_only)


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
class RecordType(type):
    """Makes a class of records from its annotations."""

    __fields__: tuple[Field, ...]

    def __init__(cls, name: str, bases: tuple[type, ...], namespace: dict[str, Any], **kinds: bool) -> None:
        super().__init__(name, bases, namespace)

    def __new__(
        mcls, name: str, bases: tuple[type, ...], namespace: dict[str, Any], derived: bool = False, frozen: bool = True
    ) -> RecordType:
        inherited = {f.name: f for base in reversed(bases) for f in getattr(base, "__fields__", ())}
        own = {n: _field_of(n, namespace.pop(n, MISSING)) for n in namespace.get("__annotations__", {})}
        namespace["__slots__"] = (*(n for n in own if n not in inherited), *(("__dict__",) if derived else ()))
        cls = super().__new__(mcls, name, bases, namespace)
        every = tuple({**inherited, **own}.values())
        positional = [f for f in every if not f.kw_only]
        cls.__fields__ = every
        cls.__match_args__ = tuple(f.name for f in positional)  # type: ignore[misc, attr-defined]
        if every:
            if "__init__" not in namespace:
                cls.__init__ = _initializer(cls, positional, [f for f in every if f.kw_only])  # type: ignore[misc]
            if "__eq__" not in namespace:
                _compare_by(cls, [f.name for f in every if f.compare])
        if not frozen:
            cls.__setattr__ = object.__setattr__  # type: ignore[method-assign, assignment]
            cls.__hash__ = None  # type: ignore[assignment]
        return cls


def _field_of(name: str, default: Any) -> Field:
    made = default if isinstance(default, Field) else Field(default, None, True, True, False)
    made.name = name
    return made


def _initializer(cls: type, positional: list[Field], by_keyword: list[Field]) -> Callable[..., None]:
    def setter(f: Field) -> Any:
        return getattr(cls, f.name).__set__

    setters = [setter(f) for f in positional]
    rest = [(f.name, setter(f), f.default, f.default_factory) for f in (*positional, *by_keyword)]
    count = len(setters)
    always = len(by_keyword)

    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
        given = len(args)
        for assign, value in zip(setters, args):  # noqa: B905  (fewer values than fields is the usual case)
            assign(self, value)
        if given == count and not always:
            if kwargs:
                raise TypeError(f"{cls.__name__} got unexpected or repeated arguments {', '.join(kwargs)}")
            return
        if given > count:
            raise TypeError(f"{cls.__name__} takes {count} arguments, {given} were given")
        if kwargs:
            for name, assign, default, factory in rest[given:]:
                value = kwargs.pop(name, default)
                if value is MISSING:
                    value = _made(cls, name, factory)
                assign(self, value)
            if kwargs:
                raise TypeError(f"{cls.__name__} got unexpected or repeated arguments {', '.join(kwargs)}")
        else:
            for name, assign, default, factory in rest[given:]:
                assign(self, _made(cls, name, factory) if default is MISSING else default)

    return __init__


def _made(cls: type, name: str, factory: Callable[[], Any] | None) -> Any:
    if factory is None:
        raise TypeError(f"{cls.__name__} needs the argument {name}")
    return factory()


def _compare_by(cls: Any, names: list[str]) -> None:
    key: Callable[[Any], Any] = attrgetter(*names) if names else lambda record: ()

    def __eq__(self: Any, other: object) -> Any:
        if self is other:
            return True
        return key(self) == key(other) if type(other) is type(self) else NotImplemented

    def __hash__(self: Any) -> int:
        return hash((cls, key(self)))

    cls.__eq__ = __eq__
    cls.__hash__ = __hash__


class Record(metaclass=RecordType):
    """The base of records. Instances don't change: assigning to a field raises AttributeError."""

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"{type(self).__name__} is immutable: cannot assign {name}")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"{type(self).__name__} is immutable: cannot delete {name}")

    def __repr__(self) -> str:
        shown = ", ".join(f"{f.name}={getattr(self, f.name)!r}" for f in type(self).__fields__ if f.repr)
        return f"{type(self).__name__}({shown})"

    def __reduce__(self) -> Any:
        return (_rebuild, (type(self), {f.name: getattr(self, f.name) for f in type(self).__fields__}))


def _rebuild(cls: Callable[..., T], values: dict[str, Any]) -> T:
    return cls(**values)


def fields(record: Any) -> tuple[Field, ...]:
    """The fields, each with a `name`, of a record or of its class, in order."""
    made: tuple[Field, ...] = record.__fields__
    return made


def replace(record: T, **changes: Any) -> T:
    """A copy of a record with these fields changed."""
    values = {f.name: getattr(record, f.name) for f in fields(type(record))}
    values.update(changes)
    return type(record)(**values)
