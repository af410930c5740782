"""
Which libraries are installed, and whether their versions have been tested.
"""

from __future__ import annotations

import re
from importlib import metadata

from ai_trace._losses import warn
from ai_trace.exceptions import TraceConfigError


_said: set[str] = set()


def missing(library: str, extra: str) -> TraceConfigError:
    """
    Return the error for an integration whose library is not installed.

    Args:
        library: Its name on PyPI.
        extra: Our extra that installs it.
    """
    msg = (
        f"{library} is not installed: this integration needs it. "
        f"Run: pip install 'ai-decision-tracer[{extra}]>=1'"
    )
    return TraceConfigError(msg)


def check_version(library: str, first: tuple[int, ...], below: tuple[int, ...]) -> None:
    """
    Warn of an untested version, once for each library.

    Args:
        library: Its name on PyPI.
        first: The first version that is tested.
        below: The first version after it that is not.
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
        f"{library} {version} is outside the range that ai_trace is tested with: from "
        f"{_dotted(first)} on, below {_dotted(below)}. Calls are still recorded, as "
        "far as they look the same. Install a version in that range to be sure.",
    )


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))
