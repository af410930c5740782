"""Arrays and tables: shape, types and first items, without a copy or a conversion."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest


touched: list[str] = []


@pytest.fixture(autouse=True)
def untouched():
    """No test here may run what a subclass of an array overrides."""
    touched.clear()
    yield
    assert [] == touched


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
    pytest.param(np.datetime64("NaT", "ns"), "NaT", id="NaT"),
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


def test_what_a_mask_hides_is_told(show):
    """F99: a masked array says which of its first items the program does not see."""
    masked = np.ma.masked_array([1, 2, 3], [0, 1, 0])

    assert ([1, 2, 3], [False, True, False]) == tuple(
        show(masked).value[key] for key in ("head", "mask")
    )
    assert "mask" not in show(np.ma.masked_array([1, 2])).value


def test_times_are_text(show):
    """F102: times finer than Python's are text, and not the numbers behind them."""
    times = np.array(["2026-01-02T03:04:05.123456789", "NaT"], "M8[ns]")
    spans = np.array([3], "m8[D]")

    assert ["2026-01-02T03:04:05.123456789", "NaT"] == show(times).value["head"]
    assert ["3 days"] == show(spans).value["head"]


def test_types_of_items_are_text(show):
    """A type of items has its text; a value that a mask hides has numpy's own."""
    values = [np.dtype("f8"), np.dtype([("a", "i4")]), np.ma.masked]

    assert ["float64", "[('a', '<i4')]", "--"] == show(values).value


@pytest.mark.parametrize("dtype", ["U1000000", [("a", "f8", (500_000,))]])
def test_large_items_are_not_made_objects(recording, measure_value, dtype):
    """F98: items that are large by themselves are left out, and that is said."""
    seen, held = measure_value(recording, np.zeros(3, dtype))

    assert ([3], []) == (seen.value["shape"], seen.value["head"])
    assert {"path": "", "note": "truncated", "items": 3, "kept": 0} == seen.note
    assert held < 500_000


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


@pytest.mark.parametrize("rows", [200_000, 10], ids=["long", "wide"])
def test_no_column_of_a_data_frame_is_copied(recording, measure_value, rows):
    """F98: of a table of many kinds of columns, only the first rows are taken."""
    columns = 4 if rows > 10 else 2_000
    value = pd.DataFrame(
        {
            f"{kind} {number}": np.zeros(rows, kind)
            for kind in ("f8", "i4")
            for number in range(columns)
        }
    )
    value["missing"] = pd.array(np.zeros(rows, "i8"), "Int64")

    seen, held = measure_value(recording, value)

    assert [rows, 2 * columns + 1] == seen.value["shape"]
    assert held < 500_000


@pytest.mark.parametrize("kind", ["DataFrame", "Series"])
def test_subclasses_of_tables_are_not_asked(show, kind):
    """F80: what a class of the program made from a table overrides is not run."""

    class Odd(getattr(pd, kind)):
        armed = False

        def __getattribute__(self, name):
            if Odd.armed:
                touched.append(name)
            return super().__getattribute__(name)

        @property
        def _constructor(self):
            return Odd

    value = Odd({"a": [1.5] * 7} if kind == "DataFrame" else [1.5] * 7)
    Odd.armed = True
    shown = show(value).value
    Odd.armed = False

    assert [1.5] * 5 == [
        row[-1] if kind == "DataFrame" else row for row in shown["head"]
    ]
    assert 7 == shown["shape"][0]


def test_subclasses_of_times_are_not_asked(show):
    """F102: neither is the text of a time of a class of the program."""

    class Odd(pd.Timestamp):
        def isoformat(self, *_args, **_options):
            touched.append("isoformat")

        __str__ = __repr__ = isoformat

    # Its constructor makes but its own.
    value = pd.Timestamp("2026-01-02")
    value.__class__ = Odd

    assert "2026-01-02T00:00:00" == show(value).value


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
        pd.Period("2026-01"),
        pd.Interval(0, 2),
    ]

    assert [
        "2026-01-02T03:04:05.123456789",
        "1 days 02:00:00",
        "NaT",
        "<NA>",
        "2026-01",
        "(0, 2]",
    ] == show(values).value


def test_what_columns_are_made_of(show):
    """F98: arrays of pandas' own, their types, and steps in time."""
    whole = pd.array([1, None], "Int64")
    kinds = pd.Categorical(list("abcabc"))

    shown = show([whole, kinds, whole.dtype, pd.offsets.BusinessDay(2)]).value

    assert ([2], "Int64", [1, "<NA>"]) == tuple(
        shown[0][key] for key in ("shape", "dtype", "head")
    )
    assert (list("abcab"), "category") == (shown[1]["head"], shown[1]["dtype"])
    assert ["Int64", "<2 * BusinessDays>"] == shown[2:]


def secrets_of(seen):
    """Return where cells were replaced by the name of their column."""
    places = [note["path"] for note in seen.notes if note.get("kind") == "key"]
    return [place for place in places if place.startswith(".head")]


def test_cells_of_secret_columns(show):
    """What stands below the name of a secret is no more shown than under a key."""
    frame = pd.DataFrame({"user": ["ann"], "password": ["x"], "token": ["BTC"]})
    levels = pd.DataFrame([["a", "b"]], columns=[("password", "max"), ("n", "max")])
    rows = np.array([("ann", "x")], dtype=[("user", "U3"), ("password", "U1")])

    for value, shown, places in (
        (frame, [[0, "ann", "[redacted:key]", "BTC"]], [".head[0][2]"]),
        (levels, [[0, "[redacted:key]", "b"]], [".head[0][1]"]),
        (frame.set_index("password"), [["[redacted:key]", "ann", "BTC"]], None),
        (frame["password"], ["[redacted:key]"], [".head[0]"]),
        (pd.Index(["x"], name="password"), ["[redacted:key]"], None),
        (
            pd.MultiIndex.from_tuples([("a", "x")], names=["user", "password"]),
            [["a", "[redacted:key]"]],
            [".head[0][1]"],
        ),
        (rows, [["ann", "[redacted:key]"]], [".head[0][1]"]),
        (pd.DataFrame({"max_tokens": [5], 7: ["x"]}), [[0, 5, "x"]], []),
    ):
        seen = show(value)
        assert shown == seen.value["head"]
        assert places is None or places == secrets_of(seen)
