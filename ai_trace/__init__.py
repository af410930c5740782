"""
The black box for AI agents: what the agent saw, what it decided, and why.

General layout: a module imports only from floors strictly below its own, and
inside a floor only from modules listed earlier.

0. words: exceptions, ids, limits, redaction, capture, records, typing
1. grammar: _tree, from records to a session
2. reading and render: from files to sessions, from sessions to text
3. sinks: where finished steps go
4. motor: context, dispatch, steps, tracer, traced
5. rooms: integrations, demo, testing
6. faces: cli, pytest_plugin
"""

from __future__ import annotations

from ai_trace._current import current_step, current_tracer, propagate, step
from ai_trace._limits import Limits
from ai_trace._record import StepRecord
from ai_trace._redact import Redaction
from ai_trace._step import Step
from ai_trace._traced import traced
from ai_trace._tracer import Tracer
from ai_trace._version import __version__ as __version__
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
