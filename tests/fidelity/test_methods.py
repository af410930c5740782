"""
Traced methods are methods: made anew, referred to weakly, copied with their objects.
"""

from __future__ import annotations

import copy
import functools
import gc
import pickle
import sys
import types
import warnings
import weakref

import pytest

from ai_trace import traced


class Base:
    """Keeps methods of its own, one of them private."""

    def __init__(self):
        self.private = self.__private
        self.own = self.run

    @traced
    def __private(self):
        return "private"

    @traced
    def run(self):
        return "base"

    @traced
    @classmethod
    def made(cls):
        return cls.__name__


class Derived(Base):
    """Keeps the method that it overrides, and a class method."""

    def __init__(self):
        super().__init__()
        self.of_base = super().run
        self.of_class = self.made

    @traced
    def run(self):
        return "derived"


def test_deep_copies_keep_the_methods_of_the_copy():
    """Each is the same method, on the copy: private ones and overridden ones too."""
    copied = copy.deepcopy(Derived())

    assert "private" == copied.private()
    assert "derived" == copied.own()
    assert "base" == copied.of_base()
    assert "Derived" == copied.of_class()
    assert all(
        copied is each.__self__ for each in (copied.private, copied.own, copied.of_base)
    )


def test_weak_methods_call_it_while_its_object_lives():
    """Those who send signals refer to methods so."""
    owner = Derived()
    weak = weakref.WeakMethod(owner.run)

    assert "derived" == weak()()
    assert weak == weakref.WeakMethod(owner.run)

    del owner
    gc.collect()
    assert weak() is None


def test_a_method_made_of_its_function_is_traced(recording):
    """The function of a method is the one in the class, and records as that does."""
    one = Derived()

    assert one.run.__func__ is Derived.run
    assert Derived.run is Derived.run
    assert Base.run is not Derived.run
    assert "derived" == types.MethodType(one.run.__func__, one)()

    line = recording.one("Derived.run")
    assert ({}, "derived") == (line["context"], line["result"])


def test_weak_methods_of_a_class_call_it():
    """A class method below the decorator is one that signals can refer to."""
    weak = weakref.WeakMethod(Derived.made)

    assert "Derived" == weak()()
    assert Base.made.__func__ is Derived.made.__func__
    assert isinstance(vars(Base)["made"], classmethod)


def test_a_static_method_is_one_and_the_same_function(recording):
    """Who asks whether a subclass has overridden it compares it with the base's."""

    class Plain:
        @traced
        @staticmethod
        def check(text):
            return text

    class Inherits(Plain):
        pass

    assert Plain.check is Inherits().check
    assert not hasattr(Plain.check, "__func__")
    assert "x" == Inherits.check("x")
    assert {"text": "x"} == recording.one("Plain.check")["context"]


def test_a_constructor_is_called_on_an_object_as_well(recording):
    """Python makes a static method of ``__new__``, whoever asks for it."""

    class Point:
        @traced
        def __new__(cls, x):
            made = super().__new__(cls)
            made.x = x
            return made

    assert 2 == Point(1).__new__(Point, 2).x
    assert Point.__new__ is Point.__new__
    contexts = [line["context"] for line in recording.lines]
    assert [{"x": 1}, {"x": 2}] == contexts


PARTIALS_BIND = sys.version_info >= (3, 14)


def paid(payer, *owner_and_amount):
    """Pay; a partial object hands over what it is in from Python 3.14."""
    return (payer, *owner_and_amount)


@pytest.mark.parametrize("decorate", [traced, lambda function: function])
def test_a_partial_object_in_a_class_is_bound_as_ever(recording, decorate):
    """From Python 3.14 it is given its object, and before it is not."""

    class Account:
        pay = decorate(functools.partial(paid, "paper"))

    account = Account()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        assert account.pay(3) == (
            ("paper", account, 3) if PARTIALS_BIND else ("paper", 3)
        )


def test_a_partial_object_in_a_class_shows_what_it_was_given(recording):
    """Its object is not shown, as that of no method is."""
    if PARTIALS_BIND:
        function = functools.partial(lambda payer, owner, amount: amount, "paper")
    else:
        function = functools.partial(lambda payer, amount: amount, "paper")

    class Account:
        pay = traced(function)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        assert 3 == Account().pay(3)
    lines = recording.lines
    assert [{"payer": "paper", "amount": 3}] == [line["context"] for line in lines]


def test_a_partial_object_of_a_method_takes_its_object(recording):
    """What is bound to no object yet is given one with the call."""

    class Account:
        def pay(self, payer, amount):
            return amount

    assert 3 == traced(functools.partial(Account.pay))(Account(), "paper", 3)

    line = recording.one("Account.pay")
    assert ("paper", 3) == (line["context"]["payer"], line["context"]["amount"])


def test_a_method_of_a_builtin_class(recording):
    """A function that names no module is one of the interpreter's own."""
    assert "BTC" == traced(str.upper)("btc")

    line = recording.one("str.upper")
    assert ("builtins.str.upper", "BTC") == (line["function"], line["result"])


def test_a_class_method_with_a_step_name_of_its_own(recording):
    """The class is left out whatever the step is called; 3.13 hands it over."""

    class Account:
        @classmethod
        @traced(name="opened")
        def opened(cls, name):
            return name

    assert "paper" == Account.opened("paper")
    assert {"name": "paper"} == recording.one("opened")["context"]


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_a_bound_method_pickles_with_its_object(protocol):
    """What comes back is bound to what came back."""
    back = pickle.loads(pickle.dumps(Lean().run, protocol))

    assert "lean" == back()
    assert isinstance(back.__self__, Lean)


class Lean:
    """Keeps nothing."""

    @traced
    def run(self):
        return "lean"


class Desk:
    """Where decisions are made."""

    def decide(self, symbol, *, size=1):
        """Decide."""
        return symbol, size

    @classmethod
    def opened(cls, symbol):
        """Open a desk."""
        return symbol


UNBOUND = {
    "partial": lambda desk: traced(functools.partial(Desk.decide))(desk, "BTC"),
    "given": lambda desk: traced(functools.partial(Desk.decide, desk))("BTC"),
    "named": lambda desk: traced(functools.partial(Desk.decide, self=desk))(
        symbol="BTC"
    ),
    "keyword": lambda desk: traced(functools.partial(Desk.decide))(
        symbol="BTC", self=desk
    ),
    "twice": lambda desk: traced(
        functools.partial(functools.partial(Desk.decide, desk), "BTC")
    )(),
    "traced": lambda desk: traced(functools.partial(traced(Desk.decide), desk))("BTC"),
    "bound": lambda desk: traced(functools.partial(desk.decide))("BTC"),
    "plain": lambda desk: traced(Desk.decide)(desk, "BTC"),
    "plain by keyword": lambda desk: traced(Desk.decide)(self=desk, symbol="BTC"),
}


@pytest.mark.parametrize("call", UNBOUND.values(), ids=UNBOUND)
def test_the_object_of_an_unbound_method_is_not_shown(recording, call):
    """Whoever calls a method of a class by hand: the object is no argument."""
    assert ("BTC", 1) == call(Desk())
    for line in recording.named("Desk.decide"):
        assert {"symbol": "BTC", "size": 1} == line["context"]
        assert "notes" not in line


def test_a_partial_of_a_function_shows_all(recording):
    """What is no method has no object, whatever its first parameter is called."""

    def judge(self, symbol):
        return symbol

    assert "BTC" == traced(functools.partial(judge))("desk", "BTC")
    assert "BTC" == traced(functools.partial(Desk.opened))("BTC")
    assert {"self": "desk", "symbol": "BTC"} == recording.one("judge")["context"]
    assert {"symbol": "BTC"} == recording.one("Desk.opened")["context"]


def test_a_partial_whose_arguments_are_chosen(recording):
    """What is left out by name is left out beside the object."""
    chosen = traced(exclude=["size"])(functools.partial(Desk.decide))
    assert ("BTC", 2) == chosen(Desk(), "BTC", size=2)
    assert {"symbol": "BTC"} == recording.one("Desk.decide")["context"]
