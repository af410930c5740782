"""A traced function can do what a function can, and nothing more."""

from __future__ import annotations

import collections.abc
import contextlib
import operator
import typing

import pytest

from ai_trace import traced


ABILITIES = [
    # To name ByteString is a warning of late.
    *(
        getattr(collections.abc, name)
        for name in collections.abc.__all__
        if name != "ByteString"
    ),
    contextlib.AbstractContextManager,
    contextlib.AbstractAsyncContextManager,
    typing.SupportsAbs,
    typing.SupportsBytes,
    typing.SupportsComplex,
    typing.SupportsFloat,
    typing.SupportsIndex,
    typing.SupportsInt,
    typing.SupportsRound,
]
NAMES = [
    *("aenter", "aexit", "await", "bytes", "complex", "contains", "delitem", "enter"),
    *("exit", "float", "fspath", "getitem", "index", "int", "iter", "len", "next"),
    *("reversed", "round", "setitem", "trunc"),
]
OPERATORS = [
    *(operator.add, operator.sub, operator.mul, operator.matmul, operator.truediv),
    *(operator.floordiv, operator.mod, operator.pow, operator.lshift, operator.rshift),
    *(operator.and_, operator.xor, operator.or_, divmod),
    # Python 3.9 asks nobody else after an ipow.
    *(operator.iadd, operator.ior, operator.irshift, operator.imatmul),
]


class Chain:
    """Takes whatever an operator is given with it, on either side."""


for _name in "add sub mul matmul truediv floordiv mod divmod pow".split():
    setattr(Chain, f"__{_name}__", lambda self, other: ("left", other))
    setattr(Chain, f"__r{_name}__", lambda self, other: ("right", other))
for _name in "lshift rshift and xor or".split():
    setattr(Chain, f"__{_name}__", lambda self, other: ("left", other))
    setattr(Chain, f"__r{_name}__", lambda self, other: ("right", other))


class Account:
    """Where functions are methods of every kind."""

    @traced
    def close(self):
        """Close it."""

    @traced
    def odd(account):  # noqa: N805
        """Take itself by another name."""

    @traced
    @classmethod
    def opened(cls):
        """Open one."""

    @staticmethod
    @traced
    def checked():
        """Check one."""


@traced
def decide(signal=1):
    """Decide."""
    return signal


ALIKE = [
    pytest.param(decide, id="function"),
    pytest.param(traced(lambda: None), id="lambda"),
    pytest.param(Account.close, id="of a class"),
    pytest.param(Account().close, id="method"),
    pytest.param(Account().odd, id="method of an odd name"),
    pytest.param(Account().opened, id="class method"),
    pytest.param(Account.checked, id="static method"),
]


@pytest.mark.parametrize("function", ALIKE)
def test_it_is_no_container_number_or_context(function):
    """Whoever asks what an argument is takes it for what it is: something to call."""

    def plain():
        """Do nothing."""

    assert [isinstance(plain, ability) for ability in ABILITIES] == [
        isinstance(function, ability) for ability in ABILITIES
    ]
    assert [] == [name for name in NAMES if hasattr(function, f"__{name}__")]


@pytest.mark.parametrize("function", ALIKE)
@pytest.mark.parametrize("operate", OPERATORS)
def test_operators_are_the_other_ones(function, operate):
    """What builds a pipeline of it gets the traced function, on either side."""
    assert ("right", function) == operate(function, Chain())
    assert operate(function, Chain())[1] is function
    assert operate(Chain(), function)[1] is function
    with pytest.raises(TypeError):
        operate(function, 1)
    with pytest.raises(TypeError):
        operate(1, function)


def test_an_exit_stack_calls_it():
    """It is no context manager whose exit could be called in its place."""
    seen = []

    @traced
    def leave(*how):
        seen.append(how)

    with contextlib.ExitStack() as stack:
        stack.push(leave)
        with pytest.raises((TypeError, AttributeError)):
            stack.enter_context(leave)

    assert [(None, None, None)] == seen


def test_what_a_function_cannot_do_is_a_type_error():
    """Its length, its items and its number are asked for in vain, as before."""
    by_item = operator.itemgetter(0)
    numbers = (int, float, complex, abs, round, operator.index)
    for ask in (*numbers, len, iter, bytes, by_item, lambda f: 1 in f):
        with pytest.raises(TypeError):
            ask(decide)


def test_an_object_that_can_do_more_still_can():
    """Only functions lose what they never had."""

    class Layers:
        def __call__(self, x):
            return x

        def __len__(self):
            return 3

        def __enter__(self):
            return self

        def __exit__(self, *how):
            return True

        def __or__(self, other):
            return other

    layers = traced(Layers())

    assert (3, 4, 5) == (len(layers), layers(4), layers | 5)
    assert isinstance(layers, typing.Sized)
    with layers:
        raise ValueError
