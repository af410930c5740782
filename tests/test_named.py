"""
Our named tuples are those of typing, made without it.
"""

from __future__ import annotations

import pickle
import typing

import pytest

from ai_trace._header import SessionHeader
from ai_trace._named import NamedTuple


class Ours(NamedTuple):
    """
    A point.
    """

    x: int
    y: int = 2

    @property
    def area(self) -> int:
        """Of the rectangle that it spans."""
        return self.x * self.y

    @classmethod
    def square(cls, side: int) -> Ours:
        """Return a point on the diagonal."""
        return cls(side, side)


class Theirs(typing.NamedTuple):
    """
    A point.
    """

    x: int
    y: int = 2


def test_it_is_a_tuple_with_names() -> None:
    """Fields, defaults, order, comparison and copies are those of a named tuple."""
    ours, theirs = Ours(1), Theirs(1)

    assert theirs == ours
    assert Theirs._fields == Ours._fields
    assert Theirs._field_defaults == Ours._field_defaults
    assert Theirs._make([3, 4]) == Ours._make([3, 4])
    assert theirs._replace(y=5) == ours._replace(y=5)
    assert theirs._asdict() == ours._asdict()
    assert repr(theirs).replace("Theirs", "Ours") == repr(ours)
    assert Theirs.__doc__ == Ours.__doc__


def test_it_has_the_methods_of_its_class() -> None:
    """What else stands in the body of the class is there as well."""
    assert 9 == Ours.square(3).area


def test_it_is_found_by_its_name() -> None:
    """It pickles, and its annotations can be resolved."""
    assert Ours(7) == pickle.loads(pickle.dumps(Ours(7)))
    assert {"x": int, "y": int} == typing.get_type_hints(Ours)
    assert {*SessionHeader._fields} == {*typing.get_type_hints(SessionHeader)}


def test_it_has_no_instance_dictionary() -> None:
    """It is as small as a tuple, and nothing can be set on it."""
    with pytest.raises(AttributeError):
        Ours(1).x = 2  # type: ignore[misc]
    with pytest.raises(AttributeError):
        Ours(1).z = 2  # type: ignore[attr-defined]
