"""
What arrays, tables and tensors look like as JSON: shape, kind of items, first items.

Nothing here imports numpy, pandas or torch: a value of theirs has done that. No
function copies an array, waits for a device, or converts more than the first items.
"""

from __future__ import annotations

import sys
from typing import Any, NamedTuple

from ai_trace._objects import full_name, held, instance_dict, type_of


_HEAD_ITEMS = 5
_HEAD_COLUMNS = 50

_TENSORS = ("torch.Tensor", "torch._tensor.Tensor", "torch.nn.parameter.Parameter")


class Summary(NamedTuple):
    """
    What stands for a value that is not recorded whole.

    Attributes:
        shown: What to record.
        cut: What the note says about the rest; empty if there is none.
        note: What was done.
    """

    shown: Any
    cut: dict[str, Any]
    note: str = "truncated"


def _cut(count: int) -> dict[str, Any]:
    return {"items": count, "kept": _HEAD_ITEMS} if count > _HEAD_ITEMS else {}


def array(value: Any) -> Summary:
    """Summarise a numpy array."""
    # As an array of numpy's own class: what a subclass overrides is not asked.
    plain = sys.modules["numpy"].asarray(value)
    fields = {
        "type": type_of(value),
        "shape": list(plain.shape),
        "dtype": str(plain.dtype),
        "head": plain.flat[:_HEAD_ITEMS].tolist(),
    }
    # What a masked array holds under its mask, a program that reads it does not see.
    mask: Any = instance_dict(value).get("_mask")
    if type(mask) is type(plain) and mask.shape == plain.shape:
        fields["mask"] = mask.flat[:_HEAD_ITEMS].tolist()
    return Summary(fields, _cut(plain.size))


def numbers(value: Any) -> Summary:
    """Summarise an array of the standard library."""
    base = sys.modules["array"].array
    count = base.__len__(value)
    fields = {
        "type": type_of(value),
        "shape": [count],
        "dtype": held(value, "typecode"),
        "head": list(base.__getitem__(value, slice(_HEAD_ITEMS))),
    }
    return Summary(fields, _cut(count))


def scalar(value: Any) -> Any:
    """Return a numpy scalar as the number or text that it is."""
    numpy = sys.modules["numpy"]
    if issubclass(type(value), (numpy.datetime64, numpy.timedelta64)):
        return str(value)
    item = numpy.generic.item(value)
    return item if type(item) is not type(value) else str(value)


def frame(value: Any) -> Summary:
    """Summarise a pandas DataFrame."""
    rows, columns = value.shape
    head = _corner(value, is_wide=columns > rows)
    fields = {
        "type": type_of(value),
        "shape": [rows, columns],
        "columns": head.columns.tolist(),
        "dtypes": [str(kind) for kind in head.dtypes],
        "head": [list(row) for row in head.itertuples(index=True, name=None)],
    }
    kept = list(head.shape)
    cut = {} if [rows, columns] == kept else {"shape": [rows, columns], "kept": kept}
    return Summary(fields, cut)


def _corner(value: Any, *, is_wide: bool) -> Any:
    # One way at a time, the long one first: of columns that are taken, all rows are
    # copied, and taking rows costs each column. Both at once is columns first.
    if is_wide:
        value = value.iloc[:, :_HEAD_COLUMNS]
    return value.iloc[:_HEAD_ITEMS].iloc[:, :_HEAD_COLUMNS]


def series(value: Any) -> Summary:
    """Summarise a pandas Series."""
    return _column(value, value.iloc[:_HEAD_ITEMS])


def index(value: Any) -> Summary:
    """Summarise a pandas Index."""
    return _column(value, value[:_HEAD_ITEMS])


def _column(value: Any, head: Any) -> Summary:
    fields = {
        "type": type_of(value),
        "name": value.name,
        "shape": list(value.shape),
        "dtype": str(value.dtype),
        "head": head.tolist(),
    }
    return Summary(fields, _cut(len(value)))


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
        # Reading from another device waits for all work that is queued there.
        if is_plain and value.device.type == "cpu" and value.layout is torch.strided:
            fields["head"] = _first_items(value.detach())
        count = value.numel()
    return Summary(fields, _cut(count) if "head" in fields else {"items": count})


def _first_items(tensor: Any) -> list[Any]:
    """Return the first items; of a tensor that is not contiguous, of its first row."""
    while not tensor.is_contiguous() and tensor.dim() > 1:
        tensor = tensor[0]
    items: list[Any] = tensor.reshape(-1)[:_HEAD_ITEMS].tolist()
    return items
