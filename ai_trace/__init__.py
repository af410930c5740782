"""
The black box for AI agents: what the agent saw, what it decided, and why.

``Tracer`` records a session, ``step`` and ``traced`` what happens in it; the command
``ai-trace`` shows it.

Example:
    >>> from ai_trace import Tracer, step
    >>> with Tracer("agent", auto_save=False), step("decide", signal=0.87) as s:
    ...     _ = s.log(action="BUY")

General layout: a module imports only from floors strictly below its own, and
inside a floor only from modules listed earlier.

0. words: exceptions, ids, limits, redaction, capture, records, typing
1. grammar: _tree, from records to a session
2. reading and render: from files to sessions, from sessions to text
3. sinks: where finished steps go
4. motor: context, dispatch, steps, tracer, traced
5. rooms: integrations, demo, testing, recovery, diagnosis, housekeeping
6. faces: cli, pytest_plugin

A name is loaded when it is first asked for: whoever only reads traces, as the command
line does, loads neither the motor nor what that needs.
"""

from __future__ import annotations

from importlib import import_module as _import_module

from ai_trace._version import __version__ as __version__


# Known to type checkers by this name; the module typing would cost more than the rest.
# An editor that works conditions out (jedi: IPython, Spyder, Vim) takes what stands
# behind a plain False for never run, and would complete none of these names.
TYPE_CHECKING = bool()  # noqa: UP018  (a literal is what hides them)
if TYPE_CHECKING:
    from ai_trace._current import current_step, current_tracer, propagate, step
    from ai_trace._limits import Limits
    from ai_trace._record import StepRecord
    from ai_trace._redact import Redaction
    from ai_trace._step import Step
    from ai_trace._traced import traced
    from ai_trace._tracer import Tracer
    from ai_trace.exceptions import TraceConfigError, TraceError, TraceReadError
    from ai_trace.sinks import JSONLSink, JSONSink, MarkdownSink, MemorySink
    from ai_trace.typing import Sink

__all__ = [
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

# The imports above again, since those are not run: tests/test_public_api.py holds the
# two to each other.
_HOMES = {
    "_current": ("current_step", "current_tracer", "propagate", "step"),
    "_limits": ("Limits",),
    "_record": ("StepRecord",),
    "_redact": ("Redaction",),
    "_step": ("Step",),
    "_traced": ("traced",),
    "_tracer": ("Tracer",),
    "exceptions": ("TraceConfigError", "TraceError", "TraceReadError"),
    "sinks": ("JSONLSink", "JSONSink", "MarkdownSink", "MemorySink"),
    "typing": ("Sink",),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> object:
    home = _HOME_OF.get(name)
    if home is None:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    value = getattr(_import_module(f"{__name__}.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
