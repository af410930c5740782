"""Annotations: decoration neither runs them nor hides them."""

# ruff: noqa: I002 - they have to be code here, not text.

import functools
import inspect
import sys

import pytest

from ai_trace import Redaction, traced
from ai_trace._signature import signature_of


deferred = pytest.mark.skipif(
    sys.version_info < (3, 14),
    reason="NOT TRIED: before Python 3.14 annotations run with the def, not when asked",
)

asked = []


def seen(kind):
    """Stand in an annotation, and tell that it was run."""
    asked.append(kind)
    return kind


@deferred
@pytest.mark.parametrize("decorate", [traced, traced(args=["symbol"])])
def test_a_name_may_be_defined_later(recording, decorate):
    """As a class further down, or one that is imported for type checkers alone."""

    @decorate
    def decide(symbol: Missing) -> Missing:  # noqa: F821
        return symbol

    assert "BTC" == decide("BTC")
    assert {"symbol": "BTC"} == recording.one("decide")["context"]
    with pytest.raises(NameError):
        _ = decide.__annotations__


@deferred
def test_annotations_run_when_the_program_asks_for_them():
    """Once, and by the program."""
    asked.clear()

    @traced
    def decide(symbol: seen(str)) -> seen(float):
        return 1.0

    decide("BTC")
    assert [] == asked
    assert {"symbol": str, "return": float} == decide.__annotations__
    assert [str, float] == asked
    assert float is inspect.signature(decide).return_annotation


@deferred
def test_a_redactor_may_name_what_is_defined_later():
    """It is looked at for what it takes."""

    def hide(path: Missing, value: Missing) -> Missing:  # noqa: F821
        return value

    assert hide is Redaction(replace=hide).replace


ASKED = """
import inspect
import typing
from ai_trace import traced

def decide(symbol: str) -> float:
    return 1.0

class Desk:
    @traced
    def decide(self, symbol: str) -> float:
        return 1.0

    @traced
    def odd(desk, symbol: str) -> float:
        return 1.0

class Caller:
    def __call__(self, symbol: str) -> float:
        return 1.0

caller = Caller()
caller.__annotations__ = decide.__annotations__
callables = [traced(decide), traced(caller), Desk.decide, Desk().decide, Desk().odd]
isinstance(traced(decide), typing.SupportsInt)
for each in callables:
    for kind in (type(each), *type(each).__mro__):
        getattr(kind, "__annotations__", None)
for each in callables:
    print(each.__annotations__ == decide.__annotations__, inspect.signature(each))
traced(decide).__annotations__ = {"symbol": bytes}
print(decide.__annotations__)
"""


def test_who_asks_the_class_changes_nothing(run_script):
    """As protocols do with all that they check; it is the function that answers."""
    ended = run_script(ASKED)

    as_before = "True (symbol: str) -> float"
    of_class = "True (self, symbol: str) -> float"
    last = "{'symbol': <class 'bytes'>}"
    assert "" == ended.stderr
    assert ended.stdout.splitlines() == [
        *(as_before, as_before, of_class, as_before, as_before, last)
    ]


class Trader:
    """A class whose objects are called."""

    def __call__(self, symbol: str, size: float = 1.0) -> str:
        """Trade."""
        return symbol

    def trade(self, symbol: str, *, size: float = 1.0) -> str:
        """Trade, as a method."""
        return symbol

    @classmethod
    def of(cls, symbol: str, /, *rest: str, **more: float) -> str:
        """Trade, as a class method."""
        return symbol


def under(function):
    """Decorate, and look like what is below."""

    @functools.wraps(function)
    def changed(*args, **kwargs):
        return function(*args, **kwargs)

    return changed


def signed(symbol: str) -> str:
    """Trade, and tell another signature."""
    return symbol


signed.__signature__ = inspect.Signature(
    [inspect.Parameter("coin", inspect.Parameter.POSITIONAL_ONLY)]
)


@pytest.mark.parametrize(
    "function",
    [
        Trader(),
        Trader().trade,
        Trader.trade,
        Trader.of,
        under(Trader.trade),
        under(under(Trader().trade)),
        under(Trader()),
        signed,
        under(signed),
        functools.partial(Trader().trade, size=2.0),
        functools.partial(functools.partial(Trader.trade, Trader()), "BTC"),
        traced(Trader.trade),
        traced(Trader()),
        len,
        dict.get,
        Trader,
    ],
    ids=lambda function: type(function).__name__,
)
def test_what_a_callable_takes(function):
    """It is what inspect says, without the annotations."""
    expected = [
        parameter.replace(annotation=inspect.Parameter.empty)
        for parameter in inspect.signature(function).parameters.values()
    ]

    assert expected == [
        parameter.replace(annotation=inspect.Parameter.empty)
        for parameter in signature_of(function).parameters.values()
    ]
