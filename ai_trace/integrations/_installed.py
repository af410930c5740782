"""
Which libraries are installed, and whether their versions are among the tested ones.
"""

from __future__ import annotations

import re
from importlib import metadata

from ai_trace._dispatch import warn
from ai_trace.exceptions import TraceConfigError


_said: set[str] = set()


def missing(library: str, extra: str) -> TraceConfigError:
    """
    Return what to raise where an integration's library is not installed.

    Args:
        library: What the library is called on PyPI.
        extra: The extra of ours that brings it along.
    """
    msg = (
        f"{library} is not installed: this integration needs it. "
        f"Run: pip install 'ai-decision-tracer[{extra}]'"
    )
    return TraceConfigError(msg)


def check_version(library: str, first: tuple[int, ...], below: tuple[int, ...]) -> None:
    """
    Warn, once a library, of a version that nobody has tested.

    Args:
        library: What the library is called on PyPI.
        first: The first version that is tested.
        below: The first version that is not tested any more.
    """
    try:
        version = metadata.version(library)
    except metadata.PackageNotFoundError:
        return
    found = tuple(map(int, re.findall(r"\d+", version)[:3]))
    if library in _said or first <= found < below:
        return
    _said.add(library)
    warn(
        f"{library} {version} is outside of what ai_trace is tested with: from "
        f"{_dotted(first)} on, below {_dotted(below)}. Calls are recorded all the "
        "same, as far as they look the same. Install a version of that range to be "
        "sure.",
    )


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))
