"""What picklers do that take a function apart: a traced one arrives traced."""

from __future__ import annotations

import functools
import io
import pickle
import types

import pytest

from ai_trace import traced


class ByValue(pickle.Pickler):
    """Takes local functions apart, as the picklers of some process pools do."""

    def reducer_override(self, obj):
        """Take them apart; leave the rest to its own reduction."""
        is_local = "<locals>" in getattr(obj, "__qualname__", "")
        if type(obj) is not types.FunctionType or not is_local:
            return NotImplemented
        cells = [cell.cell_contents for cell in obj.__closure__ or ()]
        return made_anew, (obj.__name__, obj.__code__.co_freevars, cells)


BODIES = {}


def made_anew(name, names, values):
    """Make a function again of its closure; the code stays where it is."""
    cells = tuple(map(types.CellType, values))
    return types.FunctionType(BODIES[name], globals(), name, None, cells)


def through(value):
    """Send a value through the pickler and back."""
    file = io.BytesIO()
    ByValue(file).dump(value)
    return pickle.loads(file.getvalue())


def test_a_local_function_arrives_traced(recording):
    """With its closure, its name and the options of its decorator."""
    factor = 3

    @traced(name="scaled", kind="tool", exclude=iter(["key"]), result=False)
    def local(x, key):
        return x * factor

    BODIES["local"] = local.__code__
    arrived = through(local)

    assert arrived is not local
    assert 12 == arrived(4, key="k")
    (line,) = recording.lines
    assert ("scaled", "tool", {"x": 4}) == (
        line["name"],
        line["kind"],
        line["context"],
    )
    assert "result" not in line


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize(
    ("function", "given", "gives"),
    [
        (len, ([1, 2],), 2),
        ("a".join, (["b", "c"],), "bac"),
        (functools.partial(pow, 2), (3,), 8),
        (functools.partial(pow, exp=2), (3,), 9),
    ],
    ids=["builtin", "method of a builtin", "partial", "partial by name"],
)
def test_what_pickles_undecorated_pickles_traced(
    recording, function, given, gives, protocol
):
    """Whether or not it has a name that leads to it."""
    arrived = pickle.loads(pickle.dumps(traced(function), protocol))

    assert gives == arrived(*given)
    assert [gives] == [line["result"] for line in recording.lines]


def plain(x):
    """Double."""
    return 2 * x


def test_a_second_name_of_a_function(recording):
    """What is traced under another name than its own pickles as what is below."""
    doubled = traced(plain)

    arrived = pickle.loads(pickle.dumps(doubled))

    assert plain is arrived.__wrapped__
    assert 6 == arrived(3)
    assert ["plain"] == recording.names


def test_what_does_not_pickle_says_the_same():
    """The error is the one of the function itself."""

    def local():
        """Do nothing."""

    with pytest.raises((AttributeError, pickle.PicklingError)) as before:
        pickle.dumps(local)
    with pytest.raises((AttributeError, pickle.PicklingError)) as after:
        pickle.dumps(traced(local))

    assert type(before.value) is type(after.value)
    assert str(before.value) == str(after.value)
