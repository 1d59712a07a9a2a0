"""Session settings: what SET changes and SHOW tells. Values are text, as PostgreSQL shows them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from eventdb.engine.provenance import provenance
from eventdb.errors import InterfaceError, InvalidParameterValue, UndefinedObject
from eventdb.model.late import Late
from eventdb.model.transaction import Provenance
from eventdb.sql.expressions.datetimes import zone_of

json: Any = Late("json")
ISOLATION_LEVELS = {
    "serializable": "serializable",
    "snapshot": "snapshot",
    "repeatable read": "snapshot",
    "read committed": "snapshot",
    "read uncommitted": "snapshot",
}
"""SQL's level → the one that is used: never a weaker one."""
DURABILITIES = ("full", "os", "none")
_FIXED = {
    "server_version": "0.1.0",
    "server_encoding": "UTF8",
    "client_encoding": "UTF8",
    "datestyle": "ISO, YMD",
    "intervalstyle": "postgres",
    "standard_conforming_strings": "on",
    "integer_datetimes": "on",
}
_ALIASES = {
    "time zone": "timezone",
    "isolation": "transaction_isolation",
    "isolation_level": "transaction_isolation",
    "default_transaction_isolation": "transaction_isolation",
    "timeout": "lock_timeout",
}
_PROVENANCE = ("actor", "reason", "correlation_id", "metadata")


def isolation_level(name: str) -> str:
    """ "serializable" or "snapshot" for SQL's name. Raises InvalidParameterValue."""
    level = ISOLATION_LEVELS.get(" ".join(name.lower().replace("_", " ").split()))
    if level is None:
        raise InvalidParameterValue(f'invalid isolation level: "{name}"', hint="Levels are serializable and snapshot.")
    return level


def durability(name: str) -> str:
    if name.lower() not in DURABILITIES:
        raise InvalidParameterValue(f'invalid durability: "{name}"', hint=f"One of {', '.join(DURABILITIES)}.")
    return name.lower()


def timeout(text: str, setting: str = "lock_timeout", factor: float = 1.0) -> str:
    """Seconds as text; `ms`, `s` and `min` may follow the number, which is in seconds by itself, or in `factor` of them."""
    number = text.strip().lower()
    for unit, size in (("ms", 0.001), ("min", 60.0), ("s", 1.0)):
        if number.endswith(unit):
            number, factor = number[: -len(unit)].strip(), size
            break
    try:
        seconds = float(number) * factor
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < 1e6:
        raise InvalidParameterValue(f'invalid value for {setting}: "{text}"')
    return repr(seconds)


def _statement_timeout(text: str) -> str:
    """As PostgreSQL has it: milliseconds by itself, shown with a unit, 0 for none."""
    milliseconds = round(float(timeout(text, "statement_timeout", 0.001)) * 1000)
    return f"{milliseconds}ms" if milliseconds else "0"


def _metadata(text: str) -> str:
    try:
        value = json.loads(text)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise InvalidParameterValue(f"metadata must be a JSON object, not {text}")
    return json.dumps(value)  # type: ignore[no-any-return]


def _zone(name: str) -> str:
    zone_of(name)
    return name


_CHECKS: dict[str, Callable[[str], str]] = {
    "timezone": _zone,
    "transaction_isolation": isolation_level,
    "durability": durability,
    "lock_timeout": timeout,
    "statement_timeout": _statement_timeout,
    "metadata": _metadata,
}
_SETTABLE = ("timezone", "search_path", "transaction_isolation", "durability", "lock_timeout", "statement_timeout", "application_name",
             *_PROVENANCE)  # fmt: skip


class _Path(tuple[str, ...]):
    """A search path while statements have a deadline: equal to the plain one, but another object."""

    __slots__ = ()


_paths: dict[tuple[tuple[str, ...], bool], tuple[str, ...]] = {}
"""Each search path as one object, so that prepared statements can compare it by identity; with a deadline as another, so that none of them
takes the short way, on which nobody looks at the clock."""


class Settings:
    """The settings of a session. `values` is replaced, never changed, so that keeping the old one is enough to come back."""

    __slots__ = ("defaults", "outer", "plain_path", "provenance", "search_path", "statement_timeout", "timezone", "values")

    def __init__(self, **defaults: str) -> None:
        self.defaults = {"timezone": "UTC", "search_path": "public", "transaction_isolation": "serializable", "durability": "full",
                         "lock_timeout": "5.0", "statement_timeout": "0", "application_name": "", **defaults}  # fmt: skip
        self.outer = Provenance()
        """What the connection says of its transactions; SET says otherwise."""
        self.defaults = {name: _CHECKS[name](value) if name in _CHECKS else value for name, value in self.defaults.items()}
        self.restore(dict(self.defaults))

    def restore(self, values: dict[str, str]) -> None:
        """Make `values` the settings. Raises InvalidParameterValue, and then nothing has changed."""
        metadata: Any = json.loads(values["metadata"]) if "metadata" in values else None
        try:
            told = provenance(values.get("actor"), values.get("reason"), values.get("correlation_id"), metadata)
        except InterfaceError as error:
            raise InvalidParameterValue(error.message) from None
        self.provenance: Provenance = told
        self.values = values
        self.timezone = zone_of(values["timezone"])
        path = tuple(part.strip().strip('"') for part in values["search_path"].split(",") if part.strip())
        self.statement_timeout = float(timeout(values["statement_timeout"], "statement_timeout", 0.001))
        """Seconds after which a statement is canceled, 0 for never."""
        self.plain_path = _paths.setdefault((path, False), path)
        self.search_path = _paths.setdefault((path, True), _Path(path)) if self.statement_timeout else self.plain_path

    def copy(self) -> Settings:
        """The same settings, for another session."""
        other = Settings(**self.defaults)
        other.outer = self.outer
        other.restore(self.values)
        return other

    def get(self, name: str) -> str | None:
        """The setting as text; None where there is none of that name (or no value)."""
        name = canonical(name)
        return self.values.get(name, _FIXED.get(name, "" if name in _PROVENANCE else None))

    def set(self, name: str, value: str | None) -> None:
        """Set it; None puts it back to its default. Raises UndefinedObject, InvalidParameterValue."""
        name = canonical(name)
        if name in _FIXED and value is not None:
            if value.strip("'").lower().replace("-", "") in ("utf8", _FIXED[name].lower(), "iso"):
                return
            raise InvalidParameterValue(f'parameter "{name}" cannot be changed')
        if name not in _SETTABLE:
            raise UndefinedObject(f'unrecognized configuration parameter "{name}"')
        values = dict(self.values)
        if value is None:
            values.pop(name, None)
            if name in self.defaults:
                values[name] = self.defaults[name]
        else:
            values[name] = _CHECKS[name](value) if name in _CHECKS else value
        self.restore(values)

    def all(self) -> list[tuple[str, str]]:
        """Every setting with its value, by name."""
        names = sorted({*_FIXED, *_SETTABLE})
        return [(name, self.get(name) or "") for name in names]


def canonical(name: str) -> str:
    """The name under which a setting is kept."""
    lowered = name.lower()
    return _ALIASES.get(lowered, lowered)


def seconds(settings: Settings) -> float:
    """How long a statement or commit waits for others."""
    return float(settings.values["lock_timeout"])



