"""Modules that are imported when something of theirs is first used, because a start without them is faster."""

from __future__ import annotations

from typing import Any


class Late:
    """Stands for the module `name`; what was once taken from it is kept here, so that taking it again costs nothing."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, attribute: str) -> Any:
        from importlib import import_module

        value = getattr(import_module(self._name), attribute)
        setattr(self, attribute, value)
        return value
