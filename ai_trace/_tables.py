"""
What tables and arrays of further libraries look like as JSON, and images.

Nothing here imports polars, pyarrow, xarray, Pillow or jax: where there is a value of
theirs, they are loaded. Nothing is read in, computed or waited for: of what is not in
memory, the name of the type is recorded.
"""

from __future__ import annotations

import sys
from operator import attrgetter, methodcaller
from typing import Any, Callable

from ai_trace._arrays import (
    HEAD_COLUMNS,
    HEAD_ITEMS,
    MOST_BYTES,
    Summary,
    cut_of,
    items_of,
    table_of,
)
from ai_trace._field_types import UNKNOWN
from ai_trace._objects import class_attribute, held, instance_dict, known_name, type_of


def polars_frame(value: Any) -> Any:
    """Summarise a polars DataFrame."""
    frame = _plain(value, "DataFrame", "_df", "_from_pydf")
    if frame is None:
        return UNKNOWN
    columns = frame[:, :HEAD_COLUMNS]
    rows = _fitting(columns, _polars_size, _gathered).rows()
    shape = list(frame.shape)
    return table_of(
        value, shape, columns.columns, columns.dtypes, list(map(list, rows))
    )


def polars_series(value: Any) -> Any:
    """Summarise a polars Series."""
    series = _plain(value, "Series", "_s", "_from_pyseries")
    if series is None:
        return UNKNOWN
    items = _fitting(series, _polars_size, _gathered).to_list()
    return items_of(value, [len(series)], series.dtype, items, name=series.name)


def _plain(value: Any, name: str, stored: str, made: str) -> Any:
    """Return a value as one of polars' own class, past what a subclass overrides."""
    base = getattr(sys.modules["polars"], name)
    inside = instance_dict(value).get(stored)
    is_own = type(inside) is type(instance_dict(base()).get(stored))
    return getattr(base, made)(inside) if is_own else None


_polars_size: Callable[[Any], int] = methodcaller("estimated_size")


def _gathered(items: Any, count: int) -> Any:
    # A slice will not do: of a column of lists, many versions count it as the whole.
    return items[list(range(count))]


def arrow_table(value: Any) -> Any:
    """Summarise a pyarrow Table or RecordBatch."""
    if not _is_arrow(value):
        return UNKNOWN
    columns = value.select(range(min(value.num_columns, HEAD_COLUMNS)))
    head = _fitting(columns, _arrow_size, _sliced)
    cells = [column.to_pylist() for column in head.columns]
    rows = [[column[row] for column in cells] for row in range(head.num_rows)]
    names, kinds = columns.schema.names, columns.schema.types
    shape = [value.num_rows, value.num_columns]
    return table_of(value, shape, names, kinds, rows)


def arrow_array(value: Any) -> Any:
    """Summarise a pyarrow Array or ChunkedArray."""
    if not _is_arrow(value):
        return UNKNOWN
    items = _fitting(value, _arrow_size, _sliced).to_pylist()
    return items_of(value, [len(value)], value.type, items)


def arrow_scalar(value: Any) -> Any:
    """Return a pyarrow scalar as what it stands for."""
    return value.as_py() if _is_arrow(value) else UNKNOWN


def _is_arrow(value: Any) -> bool:
    return known_name(type(value)).startswith("pyarrow.lib.")


_arrow_size: Callable[[Any], int] = attrgetter("nbytes")


def _sliced(items: Any, count: int) -> Any:
    return items[:count]


def _fitting(
    items: Any, size_of: Callable[[Any], int], first: Callable[[Any, int], Any]
) -> Any:
    """Return the first items, fewer if they are large."""
    count = min(len(items), HEAD_ITEMS)
    head = items[:count]
    if size_of(head) <= MOST_BYTES:
        return head
    kept = items[:0]
    for number in range(1, count + 1):
        head = first(items, number)
        if size_of(head) > MOST_BYTES:
            break
        kept = head
    return kept


def labelled_array(value: Any) -> Any:
    """Show an xarray DataArray: its data if in memory, and what labels them."""
    variable = held(value, "_variable")
    if variable is None:
        return UNKNOWN
    name, coords = held(value, "_name"), held(value, "_coords")
    return {
        "type": type_of(value),
        "name": name,
        **labelled_variable(variable),
        "coords": coords,
    }


def labelled_arrays(value: Any) -> Any:
    """Show an xarray Dataset."""
    variables, coords = held(value, "_variables"), held(value, "_coord_names")
    if type(variables) is not dict or type(coords) is not set:
        return UNKNOWN
    return {
        "type": type_of(value),
        "sizes": held(value, "_dims"),
        "coords": {name: one for name, one in variables.items() if name in coords},
        "data": {name: one for name, one in variables.items() if name not in coords},
        "attrs": held(value, "_attrs"),
    }


def labelled_variable(variable: Any) -> dict[str, Any]:
    """Show an xarray Variable, as it stands among coordinates."""
    data = held(variable, "_data")
    # A wrapper around an index of pandas; others are around what is not loaded.
    inside = held(data, "array")
    is_index = "PandasIndexingAdapter" in known_name(type(data)) and inside is not None
    return {
        "dims": held(variable, "_dims"),
        "data": inside if is_index else data,
        "attrs": held(variable, "_attrs"),
    }


def image(value: Any) -> Any:
    """Describe a Pillow image by what is known without loading it."""
    stored = instance_dict(value)
    size = stored.get("_size", stored.get("size"))
    if type(size) is not tuple or len(size) != 2:
        return UNKNOWN
    width, height = size
    if type(width) is not int or type(height) is not int:
        return UNKNOWN
    known = {
        "format": stored.get("format", class_attribute(type(value), "format")),
        "filename": stored.get("filename"),
    }
    fields = {
        "type": type_of(value),
        "mode": stored.get("_mode", stored.get("mode")),
        "size": list(size),
        **{name: told for name, told in known.items() if type(told) is str and told},
    }
    return Summary(fields, {"items": width * height})


def jax_array(value: Any) -> Any:
    """Summarise a jax array; what a device still computes is not waited for."""
    if not known_name(type(value)).startswith("jaxlib."):
        return UNKNOWN
    devices = value.devices()
    fields = {
        "type": type_of(value),
        "shape": list(value.shape),
        "dtype": str(value.dtype),
        "device": ", ".join(sorted(map(str, devices))),
    }
    is_near = [device.platform for device in devices] == ["cpu"] and value.is_ready()
    # A buffer holds only numpy's own kinds of numbers.
    if is_near and value.dtype.isbuiltin == 1:
        # Through a view: the array itself would keep the copy that it converts.
        plain = sys.modules["numpy"].asarray(memoryview(value))
        fields["head"] = plain.flat[:HEAD_ITEMS].tolist()
    cut = cut_of(value.size, HEAD_ITEMS) if "head" in fields else {"items": value.size}
    return Summary(fields, cut)
