"""How index keys are made from values, in one place for the side that writes entries and the side that looks them up."""

from __future__ import annotations

from typing import Any

from eventdb.model.value import MIN_KEY, NAN_KEY, NULL_KEY, Descending


def component(value: Any, descending: bool = False, nulls_first: bool = False) -> Any:
    """The key component for a column's value: comparable with every other component of that column.

    NULL and NaN become their stand-ins; DESC reverses the order.
    """
    if value is None:
        if descending:
            return Descending(NULL_KEY if nulls_first else MIN_KEY)
        return MIN_KEY if nulls_first else NULL_KEY
    if value != value:
        value = NAN_KEY
    return Descending(value) if descending else value
