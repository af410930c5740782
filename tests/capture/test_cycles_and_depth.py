"""Values that contain themselves, that are too deep, and that are shared."""

from __future__ import annotations

import types

import attrs
import pytest
from nasty_classes import Node
from nasty_values import cyclic_dict, cyclic_list, family, flatten, nested, sharing

from ai_trace import Limits


@attrs.define
class Leg:
    name: str
    order: object = None


class Order:
    """An object with slots, and no more than that."""

    __slots__ = ("leg",)


def cyclic_attrs():
    leg = Leg("near")
    leg.order = {"legs": [leg]}
    return leg


def cyclic_namespace():
    value = types.SimpleNamespace(name="a")
    value.itself = value
    return value


def cyclic_tuple():
    inner = []
    value = (1, inner)
    inner.append(value)
    return value


def cyclic_view():
    value = {}
    value["values"] = value.values()
    return value


CYCLES = [
    pytest.param(cyclic_dict, {"price": 1.5, "self": "<cycle>"}, id="dict"),
    pytest.param(cyclic_list, [1, ["<cycle>"]], id="list"),
    pytest.param(cyclic_tuple, [1, ["<cycle>"]], id="tuple"),
    pytest.param(
        family,
        {
            "name": "parent",
            "parent": None,
            "children": [{"name": "child", "parent": "<cycle>", "children": []}],
        },
        id="dataclass",
    ),
    pytest.param(
        cyclic_attrs, {"name": "near", "order": {"legs": ["<cycle>"]}}, id="attrs"
    ),
    pytest.param(cyclic_namespace, {"name": "a", "itself": "<cycle>"}, id="namespace"),
    pytest.param(cyclic_view, {"values": ["<cycle>"]}, id="view"),
]


@pytest.mark.parametrize(("make", "shown"), CYCLES)
def test_cycles_end(show, make, shown):
    """F76, F77: what contains itself is shown once, with a note where it returns."""
    seen = show(make())

    assert shown == seen.value
    assert "cycle" == seen.note["note"]


def test_objects_of_unknown_classes_are_not_walked(show):
    """F77: a cycle of objects that nobody knows the fields of is one placeholder."""
    order = Order()
    order.leg = order

    seen = show(order)

    assert seen.value.startswith("<") and seen.value.endswith("Order>")
    assert "opaque" == seen.note["note"]


@pytest.mark.parametrize("kind", ["list", "dict", "tuple"])
def test_too_deep_values_are_cut(show_nested, kind):
    """F78: of 100,000 levels the first 32 are shown, then a note says so."""
    value = nested(100_000, kind)

    seen = show_nested(value)

    assert {"path": seen.note["path"], "note": "truncated", "depth": 32} == seen.note
    # One level is the list around it.
    assert 31 == levels(seen.value)
    flatten(value)


def levels(value):
    """Count the containers that stand one in the other."""
    count = 0
    while isinstance(value, (list, dict)):
        count += 1
        value = next(iter(value.values() if isinstance(value, dict) else value), None)
    return count


@pytest.mark.parametrize("depth", [1, 2, 5, 32, 60])
@pytest.mark.parametrize("kind", ["list", "dict"])
def test_depth_is_counted_from_the_value(recorder_of, show_value, depth, kind):
    """As many containers as the limit says are kept whole; one more is cut."""
    recorder = recorder_of(limits=Limits(depth=depth))

    whole = show_value(recorder, nested(depth - 1, kind))
    cut = show_value(recorder, nested(depth, kind))

    assert (depth, []) == (levels(whole.value), whole.notes)
    assert depth == levels(cut.value)
    assert ("truncated", depth) == (cut.note["note"], cut.note["depth"])


def test_a_depth_beyond_the_stack_costs_what_is_beyond(recorder_of, show_value):
    """A limit that the stack has no room for leaves a note at the end of the stack."""
    value = nested(50_000)

    seen = show_value(recorder_of(limits=Limits(depth=10_000)), value)

    said = {(note["note"], note["error"]) for note in seen.notes}
    assert {("failed", "RecursionError")} == said
    assert 50 < levels(seen.value) < 10_000
    flatten(value)


def test_shared_objects_are_no_cycles(show):
    """An object that stands in two places, and not in itself, is shown in both."""
    shared = {"price": 1.5}

    seen = show([shared, [shared], Node("a", shared)])

    assert [
        shared,
        [shared],
        {"name": "a", "parent": shared, "children": []},
    ] == seen.value
    assert [] == seen.notes


@pytest.mark.parametrize("way", ["argument", "result", "log"])
def test_sharing_without_end_is_bounded(recorder_of, show_value, way):
    """Thirty lists that read like a billion items stay within the bytes of a value."""
    recorder = recorder_of(limits=Limits(value_bytes=50_000))

    seen = show_value(recorder, sharing(30), way)

    assert "truncated" in {note["note"] for note in seen.notes}
    assert 30_000 < len(seen.line) < 60_000
