"""Tables and arrays of further libraries, and images: their head, nothing loaded."""

from __future__ import annotations

import datetime
import io

import pytest
from libraries import installed
from nasty_classes import TOUCHED, Hostile


pytestmark = pytest.mark.usefixtures("untouched")


def table_maker(library):
    """Return what makes a table of a library from columns by name."""
    return getattr(installed(library), {"polars": "DataFrame"}.get(library, "table"))


AT = datetime.datetime(2026, 1, 2, tzinfo=datetime.timezone.utc)
COLUMNS = {"at": [AT] * 7, "price": [1.5, None, float("nan")] + [2.0] * 4}
ROWS = [["2026-01-02T00:00:00+00:00", price] for price in (1.5, None, "NaN", 2.0, 2.0)]
CUT = {"path": "", "note": "truncated", "shape": [7, 2], "kept": [5, 2]}


def test_tables_of_polars(show):
    """F98: a table is shape, columns, types and first rows."""
    seen = show(installed("polars").DataFrame(COLUMNS))

    assert ([7, 2], ["at", "price"]) == (seen.value["shape"], seen.value["columns"])
    assert "Float64" == seen.value["dtypes"][1]
    assert ROWS == seen.value["head"]
    assert CUT == seen.notes[0]


def test_columns_of_polars(show):
    """F98: a series is name, shape, type and first items."""
    polars = installed("polars")

    assert {
        "type": "polars.series.series.Series",
        "name": "n",
        "shape": [9],
        "dtype": "Int64",
        "head": [0, 1, 2, 3, 4],
    } == show(polars.Series("n", range(9))).value
    assert ["Int64", "List(Boolean)"] == (
        show([polars.Int64(), polars.List(polars.Boolean)]).value
    )


@pytest.mark.parametrize("library", ["polars", "pyarrow"])
def test_cells_of_secret_columns(show, library):
    """What stands below the name of a secret is no more shown than under a key."""
    seen = show(table_maker(library)({"user": ["ann"], "password": ["x"]}))

    assert [["ann", "[redacted:key]"]] == seen.value["head"]
    assert ".head[0][1]" == seen.note["path"]


def test_a_secret_column_of_polars(show):
    """A series that is called a secret shows none of its items."""
    seen = show(installed("polars").Series("password", ["x", None]))

    assert ["[redacted:key]", None] == seen.value["head"]


def test_lazy_tables_are_never_collected(show):
    """F101: a table that is computed when it is asked is not asked."""
    polars = installed("polars")

    def collected(frame):
        TOUCHED.append("collected")
        return frame

    lazy = polars.DataFrame({"a": [1]}).lazy().map_batches(collected)

    assert "opaque" == show(lazy).note["note"]
    assert "opaque" == show(polars.col("a") + 1).note["note"]


def test_tables_of_pyarrow(show):
    """F98: a table is shape, columns, types and first rows; so is a batch of one."""
    arrow = installed("pyarrow")
    table = arrow.table(COLUMNS)

    for value in (table, table.to_batches()[0]):
        seen = show(value)

        assert ([7, 2], ["at", "price"]) == (seen.value["shape"], seen.value["columns"])
        assert ["timestamp[us, tz=UTC]", "double"] == seen.value["dtypes"]
        assert ROWS == seen.value["head"]
        assert CUT == seen.notes[0]


def test_arrays_of_pyarrow(show):
    """F98: an array, whole or in chunks, is shape, type and first items."""
    arrow = installed("pyarrow")
    array = arrow.array(range(9))

    for value in (array, arrow.chunked_array([array[:3], array[3:]])):
        shown = show(value).value

        assert [0, 1, 2, 3, 4] == shown["head"]
        assert ([9], "int64") == (shown["shape"], shown["dtype"])
    assert [3, "a", None] == (
        show([arrow.scalar(3), arrow.scalar("a"), arrow.scalar(None)]).value
    )


@pytest.mark.parametrize("library", ["polars", "pyarrow"])
def test_columns_of_one_name_and_no_rows(show, library):
    """F89: what has no rows, no columns, or two of a name is shown as well."""
    polars, arrow = installed("polars"), installed("pyarrow")
    empty = polars.DataFrame() if library == "polars" else arrow.table({})
    array = arrow.array([1])
    twice = arrow.Table.from_arrays([array, array], names=["a", "a"])

    assert ([0, 0], []) == tuple(show(empty).value[key] for key in ("shape", "head"))
    assert (["a", "a"], [[1, 1]]) == tuple(
        show(twice).value[key] for key in ("columns", "head")
    )


@pytest.mark.parametrize("library", ["polars", "pyarrow"])
def test_large_tables_are_sliced(recording, measure_value, library):
    """F98: of 10,000,000 rows five are read, of 3,000 columns fifty."""
    numpy = installed("numpy")
    make = table_maker(library)
    tall = make({"a": numpy.zeros(10_000_000, "i1")})
    wide = make({f"column {number}": [1, 2] for number in range(3_000)})

    (seen_tall, held_tall), (seen_wide, held_wide) = (
        measure_value(recording, value) for value in (tall, wide)
    )

    assert ([10_000_000, 1], [2, 3_000]) == (
        seen_tall.value["shape"],
        seen_wide.value["shape"],
    )
    assert (5, 50) == (len(seen_tall.value["head"]), len(seen_wide.value["head"][0]))
    assert max(held_tall, held_wide) < 1_000_000


@pytest.mark.parametrize("library", ["polars", "pyarrow"])
@pytest.mark.parametrize("cell", ["x" * 3_000_000, list(range(1_000_000))])
def test_large_cells_are_not_made_objects(recording, measure_value, library, cell):
    """F98: rows whose cells are large are left out, and that is said."""
    make = table_maker(library)

    seen, held = measure_value(recording, make({"a": [cell[:1], cell[:2], cell, cell]}))

    assert [[cell[:1]], [cell[:2]]] == seen.value["head"]
    assert ([4, 1], [2, 1]) == (seen.note["shape"], seen.note["kept"])
    assert held < 1_000_000


def test_subclasses_of_tables_are_not_run(show):
    """F80: what a class of the program made from a table overrides is not run."""
    polars = installed("polars")

    def touched(*_args, **_options):
        TOUCHED.append("run")
        raise AssertionError

    names = ("head", "slice", "select", "rows", "__getitem__", "__len__", "_from_pydf")
    body = {**dict.fromkeys(names, touched), "shape": property(touched)}
    odd = type("Odd", (polars.DataFrame,), body)({"a": [1]})
    hollow = polars.DataFrame({"a": [1]})
    hollow._df = object.__new__(Hostile)

    assert [[1]] == show(odd).value["head"]
    assert "opaque" == show(hollow).note["note"]


def test_images_are_not_loaded(show):
    """An image is told by what is known of it before its pixels are read."""
    images = installed("PIL.Image")
    file = io.BytesIO()
    images.new("RGB", (40, 30)).save(file, "PNG")
    file.truncate(100)
    image = images.open(file)
    position = image.fp.tell()

    seen = show(image)

    assert {
        "type": "PIL.PngImagePlugin.PngImageFile",
        "mode": "RGB",
        "size": [40, 30],
        "format": "PNG",
    } == seen.value
    assert {"path": "", "note": "truncated", "items": 1_200} == seen.note
    assert position == image.fp.tell()
    assert {"mode": "L", "size": [2, 2]}.items() <= show(
        images.new("L", (2, 2))
    ).value.items()
    image.close()


def test_arrays_of_xarray(show):
    """Data in memory and what labels them: data that are not there are not loaded."""
    xarray, numpy = installed("xarray"), installed("numpy")
    array = xarray.DataArray(
        numpy.arange(6.0).reshape(2, 3),
        dims=("at", "x"),
        coords={"at": numpy.array(["2026-01-02", "2026-01-03"], "M8[ns]")},
        name="heat",
        attrs={"units": "K"},
    )

    shown, other = show([array, xarray.Dataset({"heat": array})]).value

    assert ("heat", ["at", "x"], {"units": "K"}) == tuple(
        shown[key] for key in ("name", "dims", "attrs")
    )
    assert [0.0, 1.0, 2.0, 3.0, 4.0] == shown["data"]["head"]
    assert "2026-01-02" == shown["coords"]["at"]["data"]["head"][0][:10]
    assert {"at": 2, "x": 3} == other["sizes"]
    assert (["heat"], ["at"]) == (list(other["data"]), list(other["coords"]))
    assert shown["data"] == other["data"]["heat"]["data"]


def test_lazy_arrays_of_xarray_are_not_loaded(show):
    """F101: data that stand in a file, or are to be computed, are named."""
    xarray = installed("xarray")
    indexing = installed("xarray.core.indexing")

    class InFile(xarray.backends.BackendArray):
        shape, dtype = (2,), installed("numpy").dtype("f8")

        def __getitem__(self, key):
            TOUCHED.append("loaded")
            return installed("numpy").zeros(2)

    lazy = indexing.LazilyIndexedArray(InFile())
    seen = show(xarray.DataArray(xarray.Variable("x", lazy)))

    assert seen.value["data"].startswith("<xarray.core.indexing.")
    assert {"path": ".data", "note": "opaque"}.items() <= seen.note.items()


def test_arrays_of_jax(show):
    """An array is shape, type, device and, once it is computed, its first items."""
    jax = installed("jax")
    value = jax.numpy.arange(7.0).block_until_ready()
    half = jax.numpy.ones(2, "bfloat16").block_until_ready()

    seen = show(value)

    assert ([7], "float32") == (seen.value["shape"], seen.value["dtype"])
    assert "cpu" in seen.value["device"].lower()
    assert [0.0, 1.0, 2.0, 3.0, 4.0] == seen.value["head"]
    assert {"path": "", "note": "truncated", "items": 7, "kept": 5} == seen.note
    assert "head" not in show(half).value
