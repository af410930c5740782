"""Values of the libraries that agents are made with."""

from __future__ import annotations

import dataclasses

import attrs
import numpy as np
import pandas as pd
import pydantic
import pytest
from nasty_values import Hostile


try:
    from pydantic import v1 as pydantic_1
except ImportError:
    pydantic_1 = pydantic

touched: list[str] = []


@pytest.fixture(autouse=True)
def untouched():
    """No test here may run a serializer, validator or computed field of its models."""
    touched.clear()
    yield
    assert [] == touched


# -- models --------------------------------------------------------------------------


class Quote(pydantic.BaseModel):
    """A model all of whose ways out raise."""

    model_config = pydantic.ConfigDict(extra="allow", ser_json_inf_nan="strings")

    price: float
    key: pydantic.SecretStr = pydantic.SecretStr("hunter2")
    code: pydantic.SecretBytes = pydantic.SecretBytes(b"hunter2")
    inner: object = None
    _private: int = 7

    @pydantic.computed_field
    @property
    def mid(self) -> float:
        touched.append("mid")
        raise ValueError("no feed")

    @pydantic.field_serializer("price")
    def serialize_price(self, price):
        touched.append("serializer")
        raise ValueError("no")

    @pydantic.model_serializer
    def serialize(self):
        touched.append("model serializer")
        raise ValueError("no")

    def __repr__(self):
        touched.append("repr")
        return "Quote"

    __str__ = __repr__


class OldQuote(pydantic_1.BaseModel):
    """The like in pydantic 1."""

    price: float
    key: pydantic_1.SecretStr = pydantic_1.SecretStr("hunter2")
    code: pydantic_1.SecretBytes = pydantic_1.SecretBytes(b"hunter2")
    inner: object = None

    class Config:
        """How pydantic 1 is told what it allows."""

        extra = "allow"
        arbitrary_types_allowed = True

    def dict(self, **options):
        touched.append("dict")
        raise ValueError("no")

    def __repr__(self):
        touched.append("repr")
        return "OldQuote"


MODELS = [
    pytest.param(Quote, id="pydantic 2"),
    pytest.param(OldQuote, id="pydantic 1"),
]
MASK = "**********"


@pytest.mark.parametrize("model", MODELS)
def test_models_are_read_field_by_field(show, model):
    """F100: fields and extras are read where they stand; secrets stay masked."""
    value = model(price=1.5, later={"a": (1,)})

    seen = show(value)

    assert {
        "price": 1.5,
        "key": MASK,
        "code": MASK,
        "inner": None,
        "later": {"a": [1]},
    } == seen.value
    assert [".key", ".code"] == [note["path"] for note in seen.notes]
    assert {"redacted"} == {note["note"] for note in seen.notes}
    assert b"hunter2" not in seen.line


@pytest.mark.parametrize("model", MODELS)
def test_models_with_nasty_fields(show, model):
    """F91, F100: what is wrong with one field of a model costs that field."""
    value = model(price=float("nan"), inner=object.__new__(Hostile))
    value.price = float("nan")

    seen = show(value)

    assert "NaN" == seen.value["price"]
    assert "<nasty_values.Hostile>" == seen.value["inner"]


@pytest.mark.parametrize("model", MODELS)
def test_model_cycles(show, model):
    """F77: a model that holds itself ends where it returns."""
    value = model(price=1.0)
    value.inner = [value]

    seen = show(value)

    assert ["<cycle>"] == seen.value["inner"]


@pytest.mark.parametrize("model", MODELS)
def test_models_that_were_never_validated(show, model):
    """F100: a model that was made past its validation shows what it has."""
    construct = getattr(model, "model_construct", None) or model.construct

    seen = show(construct(price="dear"))

    assert "dear" == seen.value["price"]


def test_bare_models(show):
    """F100: a model of which nothing was set is an empty one."""
    assert {} == show(Quote.__new__(Quote)).value
    assert {} == show(OldQuote.__new__(OldQuote)).value


def test_root_models_and_pydantic_dataclasses(show):
    """F100: so are the other forms that pydantic has."""

    class Legs(pydantic.RootModel[list[int]]):
        pass

    @pydantic.dataclasses.dataclass
    class Leg:
        name: str
        size: int = 1

    assert {"root": [1, 2]} == show(Legs([1, 2])).value
    assert {"name": "near", "size": 1} == show(Leg("near")).value


@attrs.define
class Slotted:
    name: str
    hidden: str = attrs.field(default="h", repr=False)
    late: int = attrs.field(init=False)


@attrs.frozen(slots=False)
class Open:
    name: str
    inner: object = attrs.field(factory=list, converter=list)


def test_attrs_classes(show):
    """Fields of attrs classes are read from slots or dictionary; unset ones left."""
    assert {"name": "a", "hidden": "h"} == show(Slotted("a")).value
    assert {"name": "a", "inner": [1]} == show(Open("a", (1,))).value


def test_msgspec_structs(show):
    """Fields of msgspec structs are read from their slots."""
    msgspec = pytest.importorskip(
        "msgspec", reason="msgspec, the extra `fast`, is not installed"
    )
    leg = msgspec.defstruct("Leg", [("name", str), ("side", object, None)])
    other = msgspec.defstruct("Far", [("size", int)], bases=(leg,), frozen=True)

    assert {"name": "a", "side": [1]} == show(leg("a", (1,))).value
    assert {"name": "a", "side": None, "size": 2} == show(other("a", None, 2)).value


# -- numpy ---------------------------------------------------------------------------

SCALARS = [
    pytest.param(np.float64(1.5), 1.5, id="float64"),
    pytest.param(np.float32(0.5), 0.5, id="float32"),
    pytest.param(np.float64("nan"), "NaN", id="NaN"),
    pytest.param(np.longdouble("-inf"), "-inf", id="longdouble"),
    pytest.param(np.int64(-3), -3, id="int64"),
    pytest.param(np.uint64(2**64 - 1), 2**64 - 1, id="uint64"),
    pytest.param(np.bool_(True), True, id="bool"),
    pytest.param(np.str_("a"), "a", id="str"),
    pytest.param(np.complex64(1j), "1j", id="complex"),
    pytest.param(
        np.datetime64("2026-01-02T03", "ns"), "2026-01-02T03:00:00.000000000", id="ns"
    ),
    pytest.param(np.datetime64("NaT"), "NaT", id="NaT"),
    pytest.param(np.timedelta64(3, "D"), "3 days", id="timedelta"),
]


@pytest.mark.parametrize(("value", "shown"), SCALARS)
def test_numpy_scalars(show, value, shown):
    """F91, F99: a numpy scalar is the number or text that it is."""
    assert shown == show(value).value


ARRAYS = [
    pytest.param(np.array(1.5), [], "float64", [1.5], id="0-d"),
    pytest.param(np.array([]), [0], "float64", [], id="empty"),
    pytest.param(np.arange(4), [4], "int64", [0, 1, 2, 3], id="short"),
    pytest.param(np.array([[1.0, np.nan]]), [1, 2], "float64", [1.0, "NaN"], id="NaN"),
    pytest.param(
        np.array([None, "a"], object), [2], "object", [None, "a"], id="object"
    ),
    pytest.param(np.array(["a", "\ud800"]), [2], "<U1", ["a", "\\ud800"], id="text"),
    pytest.param(np.array([True]), [1], "bool", [True], id="bool"),
    pytest.param(
        np.array([(1, 0.5)], dtype=[("a", "i4"), ("b", "f8")]),
        [1],
        "[('a', '<i4'), ('b', '<f8')]",
        [[1, 0.5]],
        id="records",
    ),
    pytest.param(
        np.array(["2026-01-02"], "M8[D]"),
        [1],
        "datetime64[D]",
        ["2026-01-02"],
        id="day",
    ),
]


@pytest.mark.parametrize(("value", "shape", "dtype", "head"), ARRAYS)
def test_numpy_arrays(show, value, shape, dtype, head):
    """F99: an array is shape, dtype and first items."""
    seen = show(value)

    assert {"type": "numpy.ndarray", "shape": shape, "dtype": dtype, "head": head} == (
        seen.value
    )


def test_arrays_are_not_copied(show):
    """F98, F99: of a large array in any memory order five items are read."""
    value = np.zeros((3_000, 2_000)).T
    value.flags.writeable = False

    seen = show(value)

    assert {"path": "", "note": "truncated", "items": 6_000_000, "kept": 5} == seen.note
    assert [0.0] * 5 == seen.value["head"]
    assert len(seen.line) < 1_500


def test_array_subclasses_are_not_asked(show):
    """F99: what a subclass of an array overrides is not run."""

    class Odd(np.ndarray):
        def __array_finalize__(self, other):
            if other is not None and type(other) is Odd:
                touched.append("finalize")

        shape = dtype = property(lambda self: touched.append("shape"))

        def tolist(self):
            touched.append("tolist")

        __len__ = __repr__ = __iter__ = reshape = ravel = tolist

    seen = show(np.ndarray.__new__(Odd, (2,), "i1", bytearray(2)))

    assert ([2], "int8", [0, 0]) == tuple(
        seen.value[key] for key in ("shape", "dtype", "head")
    )
    assert [0, 0] == show(np.ma.masked_array([0, 0], [0, 1])).value["head"]


# -- pandas --------------------------------------------------------------------------


def test_data_frames(show):
    """F98: a table is shape, columns, types and first rows; NaN and dates as ever."""
    value = pd.DataFrame(
        {"at": pd.to_datetime(["2026-01-02"] * 7), "price": [1.5, None] + [2.0] * 5}
    )

    seen = show(value)

    assert [7, 2] == seen.value["shape"]
    assert ["at", "price"] == seen.value["columns"]
    assert "float64" == seen.value["dtypes"][1]
    assert [0, "2026-01-02T00:00:00", 1.5] == seen.value["head"][0]
    assert [1, "2026-01-02T00:00:00", "NaN"] == seen.value["head"][1]
    assert 5 == len(seen.value["head"])
    assert {"path": "", "note": "truncated", "shape": [7, 2], "kept": [5, 2]} == (
        seen.notes[0]
    )


def test_large_data_frames_are_sliced(show):
    """F98: of 10,000,000 rows five are read, of 3,000 columns fifty."""
    tall = show(pd.DataFrame({"a": np.broadcast_to(np.int8(1), (10_000_000,))}))
    wide = show(pd.DataFrame(np.zeros((2, 3_000))))

    assert [10_000_000, 1] == tall.value["shape"]
    assert 51 == len(wide.value["head"][0])
    assert [[5, 1], [2, 50]] == [seen.notes[0]["kept"] for seen in (tall, wide)]
    assert len(tall.line) < 2_000


def test_odd_labels(show):
    """F89: labels of any kind, twice the same or hostile, cost nothing but names."""
    value = pd.DataFrame([[1, 2, 3]], columns=["a", "a", object()])

    assert ["a", "a", "<object>"] == show(value).value["columns"]


def test_series_and_indexes(show):
    """F98: a series and an index are shape, dtype, name and first items."""
    series = show(pd.Series(range(9), name=("a", 1))).value
    index = show(pd.date_range("2026-01-02", periods=2)).value

    assert (["a", 1], [9], [0, 1, 2, 3, 4]) == (
        series["name"],
        series["shape"],
        series["head"],
    )
    assert ["2026-01-02T00:00:00", "2026-01-03T00:00:00"] == index["head"]


def test_pandas_scalars(show):
    """F102: dates, spans and what is missing are text."""
    values = [
        pd.Timestamp("2026-01-02T03:04:05.123456789"),
        pd.Timedelta("1 days 2 hours"),
        pd.NaT,
        pd.NA,
    ]

    assert [
        "2026-01-02T03:04:05.123456789",
        "1 days 02:00:00",
        "NaT",
        "<NA>",
    ] == show(values).value


def test_values_of_one_library_in_another(show):
    """F91, F104: a NaN in an array in a model in a dataclass is found."""
    cls = dataclasses.make_dataclass("Box", ["content"])

    seen = show(cls(Quote(price=1, inner={"a": [np.array([np.inf])]})))

    inner = seen.value["content"]["inner"]
    assert ["Infinity"] == inner["a"][0]["head"]
    assert ".content.inner.a[0].head[0]" in {note["path"] for note in seen.notes}
