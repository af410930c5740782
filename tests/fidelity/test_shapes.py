"""Shapes: a traced callable is recorded by its own name and looks as it did before."""

from __future__ import annotations

import abc
import asyncio
import builtins
import copy
import functools
import inspect
import math
import operator
import pickle
import typing
import weakref
from typing import get_args
from unittest import mock

import pytest

from ai_trace import current_step, step, traced
from ai_trace._record import KINDS
from ai_trace.exceptions import TraceConfigError
from ai_trace.sinks._writing import DURABILITIES
from ai_trace.typing import Durability, Kind


@traced
def decide(symbol: str, size: float = 1.0, *, side: str = "buy") -> str:
    """Decide what to do."""
    return f"{side} {size} {symbol}"


@traced
async def research(symbol: str) -> str:
    """Find out about a symbol."""
    return symbol


@traced
def bars(symbol: str) -> typing.Iterator[str]:
    """Stream bars."""
    yield symbol


@traced
async def ticks(symbol: str) -> typing.AsyncIterator[str]:
    """Stream ticks."""
    yield symbol


class Agent:
    """An agent with a traced callable of every binding."""

    limit = 3

    def __init__(self, name: str = "agent") -> None:
        self.name = name

    @traced
    def decide(self, symbol: str) -> str:
        """Decide."""
        return f"{self.name} {symbol}"

    @classmethod
    @traced
    def made_above(cls, symbol: str) -> int:
        """Make, above."""
        return cls.limit

    @traced
    @classmethod
    def made_below(cls, symbol: str) -> int:
        """Make, below."""
        return cls.limit

    @staticmethod
    @traced
    def static_above(symbol: str) -> str:
        """Static, above."""
        return symbol

    @traced
    @staticmethod
    def static_below(symbol: str) -> str:
        """Static, below."""
        return symbol

    @property
    @traced
    def price(self) -> float:
        """The price."""
        return self._price if hasattr(self, "_price") else 1.5

    @price.setter
    @traced
    def price(self, value: float) -> None:
        self._price = value

    @functools.cached_property
    @traced
    def book(self) -> list:
        """The book."""
        return [self.name]

    @traced
    def __call__(self, symbol: str) -> str:
        """Call."""
        return f"called {symbol}"

    class Inner:
        """A class in a class."""

        @traced
        def decide(self, symbol: str) -> str:
            """Decide, inside."""
            return symbol


class Child(Agent):
    """A subclass that overrides and calls up."""

    limit = 5

    @traced
    def decide(self, symbol: str) -> str:
        """Decide, the child's way."""
        return "child of " + super().decide(symbol)


class Caller:
    """A callable object, traced as an instance."""

    def __call__(self, symbol: str) -> str:
        """Call."""
        return symbol


# -- names, contexts and results ----------------------------------------------------


def test_every_shape_is_recorded_with_its_name(recording, shape):
    """Name, context without self or cls, and result are right in every shape."""
    function = shape.build(lambda state: state * 2)
    with step("outer") as outer:
        assert shape.results(42) == shape.call(function, 21)
        assert current_step() is outer

    line = recording.one(shape.step_name)
    assert {"state": 21} == line["context"]
    assert shape.result(42) == line["result"]
    assert ("ok", None, "step") == (line["outcome"], line["error"], line["kind"])
    assert ["outer"] == recording.parents()[shape.step_name]
    assert 2 == len(recording.lines)


def test_every_shape_is_current_inside(recording, shape):
    """Inside the body of any shape, its own step is the current one."""
    seen = []

    shape.call(shape.build(lambda state: seen.append(current_step().name)), 1)

    assert [shape.step_name] == seen
    assert current_step() is None


def test_every_shape_takes_keywords(recording, shape):
    """An argument given by keyword is recorded under its own name."""
    function = shape.build(lambda state: state)

    assert shape.results("x") == shape.run(function(state="x"))
    assert {"state": "x"} == recording.one(shape.step_name)["context"]


def test_every_shape_is_recorded_at_every_call(recording, shape):
    """Three calls are three lines, in the order of their starts."""
    function = shape.build(lambda state: state)
    for number in range(3):
        shape.call(function, number)

    assert [0, 1, 2] == [
        line["context"]["state"] for line in recording.named(shape.step_name)
    ]


@pytest.mark.parametrize("call", ["missing", "unknown", "too many"])
def test_wrong_arguments_fail_at_the_call(recording, shape, undecorated, call):
    """A call that does not fit raises the interpreter's own TypeError, at the call."""
    arguments = {
        "missing": ((), {}),
        "unknown": ((1,), {"unknown": 2}),
        "too many": ((1, 2, 3), {}),
    }
    positional, keywords = arguments[call]

    def text_of(decorate):
        function = shape.build(lambda state: state, decorate)
        with pytest.raises(TypeError) as caught:
            function(*positional, **keywords)
        return str(caught.value)

    assert text_of(undecorated) == text_of(traced)


@pytest.mark.parametrize("decorate", [lambda function: function, traced])
def test_an_argument_given_twice_fails_at_the_call(recording, decorate):
    """Given by position and by name it is refused, be there defaults or not."""

    @decorate
    async def quote(symbol, size=1):
        return symbol, size

    @decorate
    def quotes(symbol, size=1):
        yield symbol, size

    for function in (quote, quotes):
        with pytest.raises(TypeError, match="multiple values"):
            function("BTC", symbol="ETH")

    assert [] == recording.lines


def test_a_proxy_that_has_every_attribute(recording):
    """An object that makes up whatever attribute it is asked for runs as ever."""

    class Remote:
        async def __call__(self, symbol):
            return symbol

        def __getattr__(self, name):
            return lambda: name

    assert "X" == asyncio.run(traced(Remote())("X"))
    assert ["X"] == [line["result"] for line in recording.lines]


SYMBOL = {"symbol": "X"}


@pytest.mark.parametrize(
    ("call", "name", "context", "result"),
    [
        (lambda: Agent().decide("X"), "Agent.decide", SYMBOL, "agent X"),
        (lambda: Agent.decide(Agent(), "X"), "Agent.decide", SYMBOL, "agent X"),
        (lambda: Agent.made_above("X"), "Agent.made_above", SYMBOL, 3),
        (lambda: Agent().made_above("X"), "Agent.made_above", SYMBOL, 3),
        (lambda: Agent.made_below("X"), "Agent.made_below", SYMBOL, 3),
        (lambda: Agent().made_below("X"), "Agent.made_below", SYMBOL, 3),
        (lambda: Child.made_above("X"), "Agent.made_above", SYMBOL, 5),
        (lambda: Child.made_below("X"), "Agent.made_below", SYMBOL, 5),
        (lambda: Agent.static_above("X"), "Agent.static_above", SYMBOL, "X"),
        (lambda: Agent().static_above("X"), "Agent.static_above", SYMBOL, "X"),
        (lambda: Agent.static_below("X"), "Agent.static_below", SYMBOL, "X"),
        (lambda: Agent().static_below("X"), "Agent.static_below", SYMBOL, "X"),
        (lambda: Agent()("X"), "Agent.__call__", SYMBOL, "called X"),
        (lambda: Agent().price, "Agent.price", {}, 1.5),
        (lambda: Agent().book, "Agent.book", {}, ["agent"]),
        (lambda: Agent.Inner().decide("X"), "Agent.Inner.decide", SYMBOL, "X"),
        (lambda: decide("X", 2.0), "decide", {"symbol": "X", "size": 2.0}, "buy 2.0 X"),
    ],
)
def test_bound_in_every_way(recording, call, name, context, result):
    """Through instance, class or subclass: one name, no self or cls, one result."""
    assert result == call()

    line = recording.one(name)
    assert context == {key: line["context"][key] for key in context}
    assert not {"self", "cls"} & set(line["context"])
    assert result == line["result"]


def test_overridden_methods_nest(recording):
    """A traced override that calls its traced parent is that call's parent step."""
    assert "child of agent X" == Child().decide("X")
    assert ["Child.decide"] == recording.parents()["Agent.decide"]


def test_property_setter_is_traced_below_the_descriptor(recording):
    """Each accessor of a property can be traced below its descriptor."""
    agent = Agent()
    agent.price = 2.5

    assert 2.5 == agent.price
    assert {"value": 2.5} == recording.named("Agent.price")[0]["context"]


def test_instance_under_another_name_is_left_out(recording):
    """The bound instance is left out of the context whatever its parameter's name."""

    class Account:
        @traced(name="close")
        def close(this, reason):  # noqa: N805
            return reason

        @traced(name="make")
        @classmethod
        def make(kind, reason):  # noqa: N804
            return reason

    Account().close("done")
    Account.make("new")

    assert {"reason": "done"} == recording.one("close")["context"]
    assert {"reason": "new"} == recording.one("make")["context"]


def test_local_functions_lose_their_locals_part(recording):
    """A name is the qualified name from where the function's own scope begins."""

    @traced
    def local():
        pass

    class Local:
        @traced
        def method(self):
            pass

    local()
    Local().method()

    assert ["Local.method", "local"] == recording.names


def test_function_keeps_its_full_dotted_name(recording):
    """The full dotted name stands beside the step's name."""
    decide("X")
    Agent().decide("X")

    assert f"{__name__}.decide" == recording.one("decide")["function"]
    assert f"{__name__}.Agent.decide" == recording.one("Agent.decide")["function"]


@pytest.mark.parametrize("name", ["__qualname__", "__module__"])
def test_a_function_whose_name_is_no_unicode(recording, name):
    """Whatever a function is called, it runs and is recorded."""

    def scan(symbol):
        return symbol

    setattr(scan, name, "half of a pair: \ud83d")

    assert "BTC" == traced(scan)("BTC")

    (line,) = recording.lines
    assert "half of a pair: \\ud83d" in line["function"]


def test_variable_arguments_keep_their_own_names(recording):
    """Starred parameters are recorded under their own names."""

    @traced(name="scan")
    def scan(first, /, *symbols, side, **options):
        return first

    scan(1, "A", "B", side="buy", depth=3)

    context = recording.one("scan")["context"]
    assert (1, ["A", "B"], "buy") == (
        context["first"],
        context["symbols"],
        context["side"],
    )
    assert 3 in (context.get("depth"), context.get("options", {}).get("depth"))


def test_parameters_named_like_ours_are_free(recording):
    """A traced function may name its parameters as it likes."""

    @traced(name="odd")
    def odd(name, kind, fn, wrapped, instance, args, kwargs, result, tracer, step):
        return kwargs

    values = dict(zip(inspect.signature(odd).parameters, range(10)))

    assert 6 == odd(**values)
    assert values == recording.one("odd")["context"]


@pytest.mark.parametrize(
    ("function", "arguments", "name"),
    [
        (len, ([1, 2],), "len"),
        (max, (1, 2), "max"),
        (math.sqrt, (4,), "sqrt"),
        (operator.itemgetter(0), (["x"],), "itemgetter"),
        ("a,b".split, (",",), "str.split"),
        (functools.lru_cache(None)(lambda number: number), (3,), "<lambda>"),
        (functools.partial(max, 1), (2,), "max"),
    ],
    ids=["len", "max", "sqrt", "itemgetter", "bound builtin", "lru_cache", "partial"],
)
def test_builtins_are_traced(recording, function, arguments, name):
    """Callables without Python code are traced, with and without a signature."""
    assert function(*arguments) == traced(function)(*arguments)

    line = recording.one(name)
    assert function(*arguments) == line["result"]
    assert "ok" == line["outcome"]


def test_partial_keeps_what_it_was_given(recording):
    """The arguments frozen in a partial are part of what the step saw."""

    def order(symbol, size, side):
        return side

    buy = traced(functools.partial(order, "BTCUSDT", side="buy"))

    assert "buy" == buy(2)
    assert {"symbol": "BTCUSDT", "size": 2, "side": "buy"} == recording.one("order")[
        "context"
    ]


def test_callable_object_as_an_instance(recording):
    """A callable object is traced as an instance and keeps its attributes."""
    caller = Caller()
    real = traced(caller)

    assert "X" == real("X")
    assert {"symbol": "X"} == recording.one("Caller")["context"]
    assert isinstance(real, Caller)


# -- options ------------------------------------------------------------------------


def test_options(recording):
    """Name, kind, chosen arguments and a result left out are as asked for."""

    @traced(name="ask", kind="llm", args=["model"], result=False)
    def ask(model, prompt):
        return "answer"

    assert "answer" == ask("haiku", "secret")
    line = recording.one("ask")
    assert ("llm", {"model": "haiku"}) == (line["kind"], line["context"])
    assert "result" not in line


@pytest.mark.parametrize(
    ("options", "context"),
    [
        ({}, {"a": 1, "b": 2}),
        ({"args": True}, {"a": 1, "b": 2}),
        ({"args": False}, {}),
        ({"args": ["b"]}, {"b": 2}),
        ({"args": []}, {}),
        ({"args": ("a", "b")}, {"a": 1, "b": 2}),
        ({"exclude": ["a"]}, {"b": 2}),
        ({"args": ["a", "b"], "exclude": ["b"]}, {"a": 1}),
    ],
)
def test_chosen_arguments(recording, options, context):
    """``args`` and ``exclude`` decide which arguments become context."""

    @traced(name="order", **options)
    def order(a, b):
        return a + b

    assert 3 == order(1, 2)
    assert context == recording.one("order")["context"]


@pytest.mark.parametrize(
    ("options", "context"),
    [
        ({}, {"a": 1, "more": {"b": 2, "c": 3}}),
        ({"exclude": ["b"]}, {"a": 1, "more": {"c": 3}}),
        ({"exclude": ["b", "c"]}, {"a": 1, "more": {}}),
        ({"exclude": ["more"]}, {"a": 1}),
        ({"exclude": ["a", "d"]}, {"more": {"b": 2, "c": 3}}),
        ({"args": ["a"]}, {"a": 1}),
        ({"args": ["b"]}, {"more": {"b": 2}}),
        ({"args": ["more"]}, {"more": {"b": 2, "c": 3}}),
        ({"args": ["more"], "exclude": ["c"]}, {"more": {"b": 2}}),
        ({"args": ["b"], "exclude": ["more"]}, {}),
        ({"args": False}, {}),
    ],
)
def test_chosen_arguments_of_any_name(recording, options, context):
    """Arguments that ``**`` takes are chosen by their own names, too."""

    @traced(name="order", **options)
    def order(a, **more):
        return a

    assert 1 == order(1, b=2, c=3)
    assert context == recording.one("order")["context"]


def test_result_left_out_of_every_shape(recording, shape):
    """Without the result the record has none; the program has it all the same."""
    decorate = functools.partial(traced, result=False)
    function = shape.build(lambda state: "secret", lambda f: decorate()(f))

    assert shape.results("secret") == shape.call(function, 1)
    line = recording.one(shape.step_name)
    assert "secret" not in str(line)


@pytest.mark.parametrize("options", [{"args": ["sybmol"]}, {"exclude": ["sybmol"]}])
def test_unknown_parameter_raises_at_decoration(options):
    """A parameter that the function does not have is refused, with those it has."""
    with pytest.raises(TraceConfigError) as caught:

        @traced(**options)
        def scan(symbol, depth):
            pass

    assert "sybmol" in str(caught.value)
    assert "symbol" in str(caught.value)
    assert "depth" in str(caught.value)


def test_classes_are_refused():
    """``traced`` on a class raises at decoration and says what to do instead."""
    with pytest.raises(TraceConfigError, match="Account"):

        @traced
        class Account:
            pass


@pytest.mark.parametrize("value", [42, "decide", [len]])
def test_what_cannot_be_called_is_refused(value):
    """``traced`` on something that is not callable names the value."""
    with pytest.raises(TraceConfigError) as caught:
        traced(value)

    assert repr(value) in str(caught.value)


def test_a_name_without_its_keyword_is_refused():
    """``traced("decide")`` says how a name is given."""
    with pytest.raises(TraceConfigError, match="given as name='decide'"):
        traced("decide")


def test_properties_in_either_order(recording):
    """``traced`` above a property traces what is below it, and leaves a property."""

    class Account:
        """An account."""

        @traced
        @property
        def balance(self):
            """What is left."""
            return self._balance

        @balance.setter
        @traced
        def balance(self, value):
            self._balance = value

    account = Account()
    account.balance = 7
    assert 7 == account.balance
    assert "What is left." == Account.balance.__doc__
    assert isinstance(vars(Account)["balance"], property)
    assert [{"value": 7}, {}] == [line["context"] for line in recording.lines]


class Named(property):
    """A property that keeps something of its own."""

    def __init__(self, fget=None, fset=None, fdel=None, doc=None, *, unit=None):
        super().__init__(fget, fset, fdel, doc)
        self.unit = unit

    def __get__(self, instance, owner=None):
        if instance is None:
            return self
        return f"{super().__get__(instance, owner)} {self.unit}"


def test_a_property_of_a_subclass_keeps_what_is_its_own(recording, decorate):
    """Not only its functions."""

    class Account:
        balance = decorate(Named(lambda account: 7, unit="USD"))

    assert "7 USD" == Account().balance
    assert (Named, "USD") == (type(Account.balance), Account.balance.unit)
    assert decorate is not traced or ["Account.<lambda>"] == recording.names


def test_a_property_that_cannot_be_made_anew_is_refused():
    """Its class takes other arguments; the function below it can be traced."""

    class Lazy(property):
        def __init__(self, fget):
            super().__init__(fget)

    with pytest.raises(TraceConfigError, match="a Lazy cannot be made"):
        traced(Lazy(lambda account: 7))


@pytest.mark.parametrize("decorate", [lambda f: f, traced], ids=["plain", "traced"])
def test_methods_that_python_binds_by_their_names(recording, decorate):
    """``__init_subclass__`` and its likes are bound to their class as ever."""

    class Agent:
        made = ()

        @decorate
        def __new__(cls, name):
            return object.__new__(cls)

        @decorate
        def __init_subclass__(cls, market=None):
            cls.market = market

        @decorate
        def __class_getitem__(cls, key):
            return (cls, key)

    class Trader(Agent, market="crypto"):
        pass

    assert "crypto" == Trader.market
    assert (Agent, int) == Agent[int]
    assert isinstance(Trader("ada"), Trader)


def test_unknown_kind_raises_at_decoration():
    """A kind that does not exist is refused at decoration."""
    with pytest.raises(TraceConfigError, match="banana"):
        traced(kind="banana")(lambda: None)


def test_types_name_what_is_accepted():
    """An editor offers what the decorator and the tracer take, all of it."""
    assert KINDS == get_args(Kind)
    assert DURABILITIES == get_args(Durability)


# -- introspection ------------------------------------------------------------------


QUESTIONS = [
    inspect.isfunction,
    inspect.ismethod,
    inspect.isbuiltin,
    inspect.iscoroutinefunction,
    inspect.isgeneratorfunction,
    inspect.isasyncgenfunction,
    inspect.isclass,
    callable,
    inspect.signature,
    inspect.getdoc,
    operator.attrgetter("__doc__"),
]
OF_FUNCTIONS = [
    inspect.isroutine,
    inspect.getsource,
    inspect.getsourcefile,
    typing.get_type_hints,
    *map(
        operator.attrgetter,
        [
            "__name__",
            "__qualname__",
            "__module__",
            "__annotations__",
        ],
    ),
]


def is_plain(shape):
    """Whether the shape's callable is a function or a method of one."""
    return shape.binding not in (
        "callable_object",
        "call_method",
        "partial_above",
        "partial_below",
        "through_class",
    )


def test_introspection_is_as_before(shape, undecorated):
    """What :mod:`inspect` and the dunder attributes say is as undecorated."""
    body = lambda state: state  # noqa: E731
    before, after = shape.build(body, undecorated), shape.build(body)
    questions = QUESTIONS + (OF_FUNCTIONS if is_plain(shape) else [])

    assert [question(before) for question in questions] == [
        question(after) for question in questions
    ]


def test_wrapped_is_the_function_itself():
    """``__wrapped__`` is the undecorated function, and ``unwrap`` finds it."""

    def plain(symbol):
        return symbol

    real = traced(plain)

    assert plain is real.__wrapped__
    assert plain is inspect.unwrap(real)


def test_attributes_are_those_of_the_function():
    """Code, defaults, closures and attributes set on it are the function's own."""

    def plain(symbol, size=1, *, side="buy"):
        return symbol

    plain.marked = "yes"
    real = traced(plain)
    real.late = "later"

    for name in ("__code__", "__defaults__", "__kwdefaults__", "__globals__", "marked"):
        assert getattr(plain, name) is getattr(real, name)
    assert "later" == plain.late


def test_repr_is_that_of_the_function():
    """Whoever prints a traced function or method reads its name, as before."""

    class Desk:
        def answer(self):
            return 42

        traced_answer = traced(answer)

        def __repr__(self):
            return "<the desk>"

    def plain():
        return 42

    desk = Desk()

    assert repr(plain) == repr(traced(plain))
    assert repr(Desk.answer) == repr(Desk.traced_answer)
    assert repr(desk.answer) == repr(desk.traced_answer)


def test_type_hints_and_signature_of_the_module_level_shapes():
    """Frameworks that read annotations see those of the function."""
    assert {
        "symbol": str,
        "size": float,
        "side": str,
        "return": str,
    } == typing.get_type_hints(decide)
    assert ["symbol"] == list(inspect.signature(Agent().decide).parameters)
    assert ["self", "symbol"] == list(inspect.signature(Agent.decide).parameters)
    assert ["symbol"] == list(inspect.signature(Agent.made_below).parameters)
    assert ["symbol"] == list(inspect.signature(Agent.static_below).parameters)


def test_bound_methods_are_equal_and_hash_alike():
    """Two accesses of one traced method are equal, as with any method."""
    agent, other = Agent(), Agent()

    assert agent.decide == agent.decide
    assert agent.decide != other.decide
    assert 1 == len({agent.decide, agent.decide})
    assert agent is agent.decide.__self__


def test_abstract_methods_stay_abstract():
    """A traced abstract method keeps its class abstract."""

    class Strategy(abc.ABC):
        @traced
        @abc.abstractmethod
        def above(self):
            pass

        @abc.abstractmethod
        @traced
        def below(self):
            pass

    with pytest.raises(TypeError, match="abstract"):
        Strategy()
    assert {"above", "below"} == Strategy.__abstractmethods__


def test_decorators_stack(recording):
    """Decorators of the standard library work above and below ``traced``."""

    @functools.lru_cache
    @traced(name="cached")
    def cached(number):
        return number

    @functools.singledispatch
    @traced(name="dispatch")
    def dispatch(value):
        return "any"

    @dispatch.register(int)
    @traced(name="dispatch_int")
    def _(value):
        return "int"

    assert [1, 1] == [cached(1), cached(1)]
    assert ("any", "int") == (dispatch("x"), dispatch(1))
    assert ["cached", "dispatch", "dispatch_int"] == recording.names


def test_traced_twice_is_two_steps(recording):
    """Tracing a traced function records both, the inner under the outer."""
    twice = traced(name="outer")(traced(name="inner")(lambda: 1))

    assert 1 == twice()
    assert {"outer": [None], "inner": ["outer"]} == recording.parents()


def test_weak_references_and_autospec():
    """Weak references and autospecs of a traced function work."""
    reference = weakref.ref(decide)
    spec = mock.create_autospec(decide)

    assert decide is reference()
    with pytest.raises(TypeError):
        spec()
    assert spec("X") is not None


# -- pickles and copies -------------------------------------------------------------


@pytest.mark.parametrize(
    "function", [decide, research, bars, ticks], ids=lambda f: f.__name__
)
@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_functions_pickle_by_name(function, protocol):
    """A traced function pickles as a reference to its name."""
    pickled = pickle.dumps(function, protocol)

    assert function is pickle.loads(pickled)
    assert len(pickled) < 200


@pytest.mark.parametrize(
    "name",
    ["decide", "made_above", "made_below", "static_above", "static_below"],
)
def test_methods_pickle_by_name(name):
    """A method reached through its class pickles by its qualified name."""
    function = getattr(Agent, name)
    loaded = pickle.loads(pickle.dumps(function))

    arguments = (Agent(), "X") if name == "decide" else ("X",)
    assert function(*arguments) == loaded(*arguments)
    assert function == loaded


@pytest.mark.parametrize("transfer", ["pickle", "deepcopy", "copy"])
def test_bound_methods_travel_with_their_instance(transfer):
    """A bound traced method pickles and copies together with its instance."""
    travel = {
        "pickle": lambda method: pickle.loads(pickle.dumps(method)),
        "deepcopy": copy.deepcopy,
        "copy": copy.copy,
    }
    method = Agent("traveller").decide

    assert "traveller X" == travel[transfer](method)("X")


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy])
def test_functions_copy_as_themselves(duplicate):
    """Copies of a traced function are the function itself, as undecorated."""
    assert decide is duplicate(decide)
    assert [decide] == duplicate([decide])
    assert decide is duplicate({"strategy": decide})["strategy"]


def test_objects_that_hold_traced_functions_copy():
    """An object that holds traced functions copies and pickles with them."""
    agent = Agent("holder")
    agent.strategy = decide

    for other in (copy.deepcopy(agent), pickle.loads(pickle.dumps(agent))):
        assert other is not agent
        assert decide is other.strategy
        assert "holder X" == other.decide("X")


def test_local_functions_refuse_to_pickle_as_before():
    """What could not be pickled undecorated cannot be pickled traced."""

    def local():
        pass

    errors = (AttributeError, pickle.PicklingError)
    with pytest.raises(errors):
        pickle.dumps(local)
    with pytest.raises(errors):
        pickle.dumps(traced(local))


POOL = """
import multiprocessing, sys
from concurrent.futures import ProcessPoolExecutor
from strategy import Agent, decide
from ai_trace import Tracer, step

if __name__ == "__main__":
    context = multiprocessing.get_context(sys.argv[1])
    with Tracer("agent", trace_dir="out"):
        with step("outer"):
            with ProcessPoolExecutor(2, mp_context=context) as pool:
                print(sorted(pool.map(decide, range(4))))
                print(pool.submit(Agent(5).decide, 2).result())
                print(pool.submit(Agent.made, 3).result())
                print(pool.submit(Agent.static, 4).result())
                try:
                    pool.submit(decide, "x").result()
                except TypeError as error:
                    print(type(error).__name__)
        decide(10)
"""

STRATEGY = """
from ai_trace import traced

@traced
def decide(number):
    return number + 1

class Agent:
    def __init__(self, size):
        self.size = size

    @traced
    def decide(self, number):
        return self.size * number

    @traced
    @classmethod
    def made(cls, number):
        return cls.__name__ * number

    @staticmethod
    @traced
    def static(number):
        return -number
"""


@pytest.mark.parametrize("start", ["fork", "spawn"])
def test_process_pools_run_traced_functions(run_script, read_lines, tmp_path, start):
    """A process pool runs traced functions and methods, forked or spawned."""
    (tmp_path / "strategy.py").write_text(STRATEGY, encoding="utf-8")

    ended = run_script(POOL, start)

    assert ["[1, 2, 3, 4]", "10", "AgentAgentAgent", "-4", "TypeError"] == (
        ended.stdout.splitlines()
    )
    assert (0, "") == (ended.returncode, ended.stderr)
    lines = read_lines(tmp_path / "out")
    here = [line for line in lines if line["context"].get("number") == 10]
    assert [("decide", 11)] == [(line["name"], line["result"]) for line in here]
    assert 1 == [line["name"] for line in lines].count("outer")


def test_builtins_module_is_untouched():
    """Tracing a builtin changes nothing but what it returns."""
    before = builtins.len
    traced(len)

    assert before is builtins.len
