"""
The names that users may rely on.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import sys
import typing
from importlib import metadata

import pytest

import ai_trace
from ai_trace.integrations._foreign_step import begin


PUBLIC = [
    "JSONLSink",
    "JSONSink",
    "Limits",
    "MarkdownSink",
    "MemorySink",
    "Redaction",
    "Sink",
    "Step",
    "StepRecord",
    "TraceConfigError",
    "TraceError",
    "TraceReadError",
    "Tracer",
    "current_step",
    "current_tracer",
    "propagate",
    "step",
    "traced",
]


def described() -> list[object]:
    """Return each public object, and the public functions of each public class."""
    found: list[object] = []
    for name in PUBLIC:
        thing = getattr(ai_trace, name)
        found.append(thing)
        if inspect.isclass(thing):
            members = inspect.getmembers(thing, inspect.isfunction)
            found += [member for key, member in members if not key.startswith("_")]
            found.append(thing.__init__)
    return found


def test_names_are_pinned() -> None:
    """The public names are these, and stand in order."""
    assert PUBLIC == list(ai_trace.__all__)


def test_nothing_public_is_left_out() -> None:
    """Whatever the package shows without an underscore is in its ``__all__``."""
    shown = {
        name
        for name, thing in vars(ai_trace).items()
        if not name.startswith("_") and not inspect.ismodule(thing)
    }

    assert shown - {"annotations", "TYPE_CHECKING"} <= set(PUBLIC) <= set(dir(ai_trace))


def test_types_and_names_agree() -> None:
    """Each name comes from the module that type checkers are told of."""
    told = {
        alias.name: node.module
        for block in ast.parse(inspect.getsource(ai_trace)).body
        if isinstance(block, ast.If)
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    loaded = {
        name: f"ai_trace.{home}"
        for home, names in ai_trace._HOMES.items()
        for name in names
    }

    assert told == loaded
    assert set(PUBLIC) == set(loaded)


def test_names_are_not_hidden_from_editors() -> None:
    """No literal rules the imports out for an editor that works conditions out."""
    (value,) = (
        node.value
        for node in ast.parse(inspect.getsource(ai_trace)).body
        if isinstance(node, ast.Assign)
        and ast.unparse(node.targets[0]) == "TYPE_CHECKING"
    )

    assert not isinstance(value, ast.Constant)
    assert not ai_trace.TYPE_CHECKING


@pytest.mark.parametrize("name", PUBLIC)
def test_home_can_be_imported(name: str) -> None:
    """Each public object names the module that it can be imported from."""
    thing = getattr(ai_trace, name)

    assert thing is getattr(importlib.import_module(thing.__module__), thing.__name__)


@pytest.mark.skipif(
    sys.version_info < (3, 10), reason="Python 3.9 cannot evaluate X | Y in annotations"
)
@pytest.mark.parametrize("thing", described(), ids=lambda thing: thing.__qualname__)
def test_type_hints_resolve(thing: object) -> None:
    """``typing.get_type_hints`` understands every public class and function."""
    assert isinstance(typing.get_type_hints(thing), dict)


@pytest.mark.parametrize("name", PUBLIC)
def test_everything_is_documented(name: str) -> None:
    """Each public object has a docstring."""
    assert inspect.getdoc(getattr(ai_trace, name))


def test_one_version() -> None:
    """The version is that of the installed distribution."""
    assert metadata.version("ai-decision-tracer") == ai_trace.__version__
    assert re.fullmatch(r"\d+\.\d+\.\d+\S*", ai_trace.__version__)


def test_unknown_name() -> None:
    """A name that is not there raises AttributeError, as from any module."""
    with pytest.raises(AttributeError, match="no_such_name"):
        ai_trace.no_such_name  # noqa: B018


def test_errors_are_one_tree() -> None:
    """Every error of the package can be caught as TraceError."""
    assert issubclass(ai_trace.TraceConfigError, ai_trace.TraceError)
    assert issubclass(ai_trace.TraceReadError, ai_trace.TraceError)


STEP = """
    context duration_ms error fail finish id kind log logs name outcome parent_id
    set_result start to_dict trace_id
"""
TRACER = """
    activate add_sink agent close health path save save_markdown session_id step steps
    summary trace_dir
"""


def shown(thing: object) -> set[str]:
    """Return the names that a prompt offers of an object."""
    return {name for name in dir(thing) if not name.startswith("_")}


def test_prompts_offer_what_is_promised() -> None:
    """Of a step, of whatever kind, and of a tracer the names of the API are offered."""
    with ai_trace.Tracer("agent", auto_save=False) as tracer:
        foreign = begin("foreign", "tool", {})
        assert foreign is not None
        with tracer.step("decide") as step:
            assert set(STEP.split()) == shown(step) == shown(foreign)
        foreign.end()

    assert set(STEP.split()) == shown(ai_trace.step("none")) == shown(ai_trace.Step)
    assert set(TRACER.split()) == shown(tracer) >= shown(ai_trace.Tracer)


def test_prompts_offer_the_names_of_others() -> None:
    """What a program adds to a class of its own is offered."""

    class Own(ai_trace.Tracer):
        """
        A tracer with a name more.
        """

        own = 1

    tracer = Own("agent", auto_save=False)
    tracer.more = 2  # type: ignore[attr-defined]

    assert {"more", "own"} == shown(tracer) - set(TRACER.split())
