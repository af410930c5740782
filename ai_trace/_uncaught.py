"""
The exception that ends the program, as the interpreter keeps it.
"""

from __future__ import annotations

import sys
from typing import Any

from ai_trace._interruption import traceback_of


def uncaught() -> BaseException | None:
    """
    Return the exception that nobody caught and that ends the program, if one does.

    The interpreter keeps the last one that it printed in ``sys.last_value``. Prompts,
    debuggers and test runners keep there what they caught, which has not left the
    program's outermost frame: https://docs.python.org/3/library/sys.html#sys.last_exc

    Returns:
        The exception; ``None`` where the program ends by itself, by ``SystemExit``,
        or at a prompt, which goes on after an error.
    """
    exc: Any = getattr(sys, "last_value", None)
    if not issubclass(type(exc), BaseException) or hasattr(sys, "ps1"):
        return None
    entry = traceback_of(exc)
    if entry is None or entry.tb_frame.f_back is not None:
        return None
    # The program's own frame, or that of ``python -m``.
    name = entry.tb_frame.f_globals.get("__name__")
    return exc if name in ("__main__", "runpy") else None
