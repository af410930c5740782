"""
What ai_trace raises, and only where the user can still act on it.

::

    Exception
     └── TraceError
          ├── TraceConfigError   bad argument, at construction or decoration
          └── TraceReadError     a trace that cannot be found or opened

Once a tracer is built, nothing of ours is raised into the program that it
watches: what goes wrong is logged once, counted, and noted in the record.
"""

from __future__ import annotations


class TraceError(Exception):
    """
    The root of everything that ai_trace raises; catch this one to catch all.
    """


class TraceConfigError(TraceError):
    """
    An argument is wrong; raised when a tracer, sink or decorator is made.

    The message names the value, the rule it breaks and the way out.
    """


class TraceReadError(TraceError):
    """
    A trace cannot be found, or not be read at all.

    Damage inside a file is not an error: the readable rest is returned, and
    each damaged line is named among the session's problems.
    """
