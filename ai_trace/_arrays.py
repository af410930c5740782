"""
What arrays, tables and tensors look like as JSON: shape, kind of items, first items.

Nothing here imports numpy, pandas or torch: where there is a value of theirs, they are
loaded. No array is copied, no device is waited for, only the first items are converted.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from math import prod
from typing import Any, NamedTuple

from ai_trace._objects import full_name, held, instance_dict, type_of


HEAD_ITEMS = 5
HEAD_COLUMNS = 50
MOST_BYTES = 1_048_576
"""The items that are shown take at most so many bytes."""

_TENSORS = ("torch.Tensor", "torch._tensor.Tensor", "torch.nn.parameter.Parameter")


class Summary(NamedTuple):
    """
    What stands for a value that is not recorded whole.

    Attributes:
        shown: What to record.
        cut: What the note says about the rest; empty if there is none.
        note: What was done.
        names: What each item of its head is called, or each cell of such a row: by
            its name it may be a secret.
    """

    shown: Any
    cut: dict[str, Any]
    note: str = "truncated"
    names: Sequence[Any] = ()


def cut_of(count: int, kept: int = HEAD_ITEMS) -> dict[str, Any]:
    """Return what the note on missing items says; nothing if none are missing."""
    return {"items": count, "kept": kept} if count > kept else {}


def table_of(
    value: Any,
    shape: list[int],
    columns: list[Any],
    dtypes: Any,
    rows: list[Any],
    index: Any = (),
) -> Summary:
    """Summarise a table, given its first rows of its first columns, after an index."""
    fields = {
        "type": type_of(value),
        "shape": shape,
        "columns": columns,
        "dtypes": [str(kind) for kind in dtypes],
        "head": rows,
    }
    kept = [len(rows), len(columns)]
    cut = {} if shape == kept else {"shape": shape, "kept": kept}
    return Summary(fields, cut, names=[[*index, *columns]] * len(rows))


def items_of(
    value: Any, shape: Any, dtype: Any, head: list[Any], named: Any = None, **more: Any
) -> Summary:
    """Summarise an array or a column, given its first items."""
    fields = {
        "type": type_of(value),
        **more,
        "shape": list(shape),
        "dtype": str(dtype),
        "head": head,
    }
    name = more.get("name") if named is None else list(named)
    names = [] if name is None else [name] * len(head)
    return Summary(fields, cut_of(prod(shape), len(head)), names=names)


def array(value: Any) -> Summary:
    """Summarise a numpy array."""
    # As an array of numpy's own class, past what a subclass overrides.
    plain = sys.modules["numpy"].asarray(value)
    # Items may be large: texts of one length, or rows that hold arrays.
    first = plain.flat[: min(HEAD_ITEMS, MOST_BYTES // max(1, plain.dtype.itemsize))]
    # What is finer than a microsecond would come out as a bare number.
    is_time = plain.dtype.kind in "mM"
    head = [str(item) for item in first] if is_time else first.tolist()
    shown = items_of(value, plain.shape, plain.dtype, head, plain.dtype.names)
    # Without its mask, a masked array would show what no program reads from it.
    mask: Any = instance_dict(value).get("_mask")
    if type(mask) is type(plain) and mask.shape == plain.shape:
        shown.shown["mask"] = mask.flat[: len(head)].tolist()
    return shown


def numbers(value: Any) -> Summary:
    """Summarise an array of the standard library."""
    base = sys.modules["array"].array
    head = list(base.__getitem__(value, slice(HEAD_ITEMS)))
    return items_of(value, [base.__len__(value)], held(value, "typecode"), head)


def scalar(value: Any) -> Any:
    """Return a numpy scalar as the number or text that it is."""
    numpy = sys.modules["numpy"]
    if issubclass(type(value), (numpy.datetime64, numpy.timedelta64)):
        return str(value)
    item = numpy.generic.item(value)
    return item if type(item) is not type(value) else str(value)


def frame(value: Any) -> Any:
    """Summarise a pandas DataFrame."""
    value, own = _plain(value, "DataFrame"), value
    rows, columns = value.shape
    head = _corner(value, is_wide=columns > rows)
    cells = [list(row) for row in head.itertuples(index=True, name=None)]
    names = head.columns.tolist()
    return table_of(
        own, [rows, columns], names, head.dtypes, cells, [tuple(head.index.names)]
    )


def _plain(value: Any, name: str) -> Any:
    """Return a table as one of pandas' own class, past what a subclass overrides."""
    base = getattr(sys.modules["pandas"], name)
    if type(value) is base:
        return value
    manager = instance_dict(value)["_mgr"]
    # Before pandas 2.1 the constructor took the manager.
    made = getattr(base, "_from_mgr", None)
    plain = base(manager) if made is None else made(manager, axes=manager.axes)
    # Without a name a series is not complete.
    instance_dict(plain).setdefault("_name", None)
    return plain


def _corner(value: Any, *, is_wide: bool) -> Any:
    # One way at a time, the long one first: to take columns copies all their rows, to
    # take rows costs time for each column. ``iloc`` with both takes columns first.
    if is_wide:
        value = value.iloc[:, :HEAD_COLUMNS]
    return value.iloc[:HEAD_ITEMS].iloc[:, :HEAD_COLUMNS]


def series(value: Any) -> Summary:
    """Summarise a pandas Series."""
    plain = _plain(value, "Series")
    head = plain.iloc[:HEAD_ITEMS].tolist()
    name = instance_dict(value).get("_name")
    return items_of(value, plain.shape, plain.dtype, head, name=name)


def index(value: Any) -> Summary:
    """Summarise a pandas Index."""
    head = value[:HEAD_ITEMS].tolist()
    names = list(value.names) if value.nlevels > 1 else None
    return items_of(value, value.shape, value.dtype, head, names, name=value.name)


def extension_array(value: Any) -> Summary:
    """Summarise what stands in a column of a pandas table: a Categorical, for one."""
    return items_of(value, value.shape, value.dtype, list(value[:HEAD_ITEMS]))


def tensor(value: Any) -> Summary:
    """Summarise a torch tensor."""
    torch: Any = sys.modules["torch"]
    # A subclass may compute, or talk to other machines, for each question.
    with torch._C.DisableTorchFunctionSubclass():
        fields = {
            "type": type_of(value),
            "shape": list(value.shape),
            "dtype": str(value.dtype),
            "device": str(value.device),
        }
        is_plain = full_name(type(value)) in _TENSORS
        # To read from another device is to wait for all work that is queued there.
        if is_plain and value.device.type == "cpu" and value.layout is torch.strided:
            fields["head"] = _first_items(value.detach())
        count = value.numel()
    return Summary(fields, cut_of(count) if "head" in fields else {"items": count})


def _first_items(tensor: Any) -> list[Any]:
    """Return the first items; of a tensor that is not contiguous, of its first row."""
    while not tensor.is_contiguous() and tensor.dim() > 1:
        tensor = tensor[0]
    items: list[Any] = tensor.reshape(-1)[:HEAD_ITEMS].tolist()
    return items
