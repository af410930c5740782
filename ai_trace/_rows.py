"""
Rows of databases, objects that stand for them, and messages of protocol buffers.

Each is read only as far as it is in memory: nothing here asks a database.
"""

from __future__ import annotations

import sys
from functools import partial
from itertools import islice
from typing import Any

from ai_trace._arrays import Summary, cut_of
from ai_trace._field_types import UNKNOWN, Sequence
from ai_trace._objects import full_name, held, instance_dict, plain_text


_MOST_ENTRIES = 10_000


def sqlite_row(value: Any) -> Any:
    """Show a row of sqlite3 by the names of its columns."""
    base = sys.modules["sqlite3"].Row
    return _by_name(base.keys(value), tuple(base.__iter__(value)))


def sqlalchemy_row(value: Any) -> Any:
    """Show a row of SQLAlchemy by the names of its columns."""
    cells, parent = held(value, "_data"), held(value, "_parent")
    names = held(parent, "_keys")
    is_row = type(cells) is tuple and (type(names) is list or type(names) is tuple)
    return _by_name(names, cells) if is_row and len(names) == len(cells) else UNKNOWN


def _by_name(names: Any, cells: Any) -> Any:
    """Name cells by their columns; as pairs where two columns have the same name."""
    named = [(plain_text(name), cell) for name, cell in zip(names, cells)]
    by_name = dict(named)
    return by_name if len(by_name) == len(named) else named


def django_model(value: Any) -> Any:
    """Show the fields that an instance of a Django model has loaded."""
    stored = dict(instance_dict(value))
    return {key: item for key, item in stored.items() if plain_text(key)[:1] != "_"}


def protobuf_message(value: Any) -> dict[str, Any]:
    """Show the fields of a message that are set."""
    base = sys.modules["google._upb._message"].Message
    return {
        field.full_name if field.is_extension else field.name: _field(field, item)
        for field, item in base.ListFields(value)
    }


def protobuf_list(value: Any) -> Sequence:
    """Show the items of a repeated field."""
    return Sequence(partial(iter, value), len(value))


def _field(field: Any, item: Any) -> Any:
    if full_name(type(item)).endswith("MapContainer"):
        # To look at an entry makes an object of it.
        first = dict(islice(item.items(), _MOST_ENTRIES))
        return Summary(first, cut_of(len(item), len(first)))
    if type(item) is int and field.enum_type is not None:
        known = field.enum_type.values_by_number.get(item)
        return item if known is None else known.name
    return item
