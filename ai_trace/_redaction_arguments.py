"""
The names and the function that a program gives a redaction, refused in full sentences.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Callable

from ai_trace.exceptions import TraceConfigError


def check_function(replace: object) -> None:
    """Refuse what does not take a path and a value."""
    if replace is not None and not (callable(replace) and _takes_two(replace)):
        msg = (
            f"Redaction(replace={replace!r}): replace is a function of a path and "
            "a value that returns what to record. Give one, or leave it out."
        )
        raise TraceConfigError(msg)


def _takes_two(function: Callable[..., Any]) -> bool:
    # A function of the value alone would fail each time, and nothing be recorded.
    # Few programs give one, and inspect takes long to load.
    from ai_trace._signature import signature_of

    try:
        signature_of(function).bind("$.context.name", "value")
    except TypeError:
        return False
    except ValueError:
        # Some functions in C do not say what they take.
        pass
    return True


def checked_keys(keys: Any) -> tuple[str, ...]:
    """Return the names of a program's own secrets."""
    is_list = isinstance(keys, Iterable) and not isinstance(keys, (str, bytes))
    listed: tuple[Any, ...] = tuple(keys) if is_list else ()
    if not is_list or not all(isinstance(key, str) for key in listed):
        msg = (
            f"Redaction(keys={keys!r}): keys is a list of names. Give one, such as "
            '["pin", "account_number"].'
        )
        raise TraceConfigError(msg)
    if not all(key.strip() for key in listed):
        msg = f"Redaction(keys={keys!r}): a key is empty. Leave it out."
        raise TraceConfigError(msg)
    return listed
