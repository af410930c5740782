"""
The system calls that write a trace, each one passing through the hands of a test.

The product looks up every call that it writes with in ``ai_trace.sinks._system``, at
the time of the call; here those names are replaced, and nothing else is.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import BuiltinFunctionType, FunctionType
from typing import Any, NamedTuple

from faults import figures

from ai_trace.sinks import _system


# What the product may do to files. A new name has to be taught to the harness: a call
# that it does not know would be a fault that it never tries.
KNOWN = {
    *(
        "open",
        "close",
        "dup",
        "dup2",
        "lock",
        "share",
        "flock",
        "out_of_the_way",
        "mkdir",
    ),
    *("write", "pwrite", "ftruncate", "truncate", "lseek", "read", "pread"),
    *("fstat", "lstat", "stat", "fsync", "fdatasync", "replace", "unlink", "link"),
    *("fchmod", "chmod", "sync_file", "sync_directory", "listdir", "scandir"),
}


class Call(NamedTuple):
    """
    One system call of the product.

    Attributes:
        name: Which, as ``write``.
        path: The file it is about, by its present name, or "".
        arguments: What it was called with.
    """

    name: str
    path: str
    arguments: tuple[Any, ...]


Proceed = Callable[[], Any]
Intercept = Callable[[Call, Proceed], Any]


def names() -> list[str]:
    """Return the names of the system calls that the product makes."""
    found = [
        name
        for name, value in vars(_system).items()
        if isinstance(value, (BuiltinFunctionType, FunctionType)) and name[0] != "_"
    ]
    assert set(found) <= KNOWN, f"unknown to the harness: {set(found) - KNOWN}"
    return found


@contextmanager
def intercepted(intercept: Intercept) -> Iterator[None]:
    """
    Hand each system call of the product to a function instead.

    Args:
        intercept: Called with the call, and with a function that really makes it.
    """
    originals = {name: getattr(_system, name) for name in names()}
    try:
        for name, original in originals.items():
            setattr(_system, name, _wrapped(name, original, intercept))
        yield
    finally:
        for name, original in originals.items():
            setattr(_system, name, original)


def _wrapped(name: str, original: Callable[..., Any], intercept: Intercept) -> Any:
    def system_call(*arguments: Any, **options: Any) -> Any:
        call = Call(name, path_of(*arguments[:1]), arguments)
        return intercept(call, lambda: original(*arguments, **options))

    return system_call


def path_of(subject: Any = None) -> str:
    """Return the path that a call's first argument stands for, "" if for none."""
    if isinstance(subject, int):
        try:
            return os.readlink(f"/proc/self/fd/{subject}")
        except OSError:
            return ""
    return os.fspath(subject) if isinstance(subject, (str, os.PathLike)) else ""


def is_about(call: Call, suffix: str) -> bool:
    """Tell whether a call is about a file whose name ends so, be it deleted."""
    path = call.path
    end = " (deleted)"
    return (path[: -len(end)] if path.endswith(end) else path).endswith(suffix)


def refusal(error: int) -> OSError:
    """Return what the operating system raises for an error number."""
    return OSError(error, os.strerror(error))


def fail(call: Call, proceed: Proceed, error: int) -> None:
    """Raise an error in place of a call."""
    figures.counts[figures.FAULTS] += 1
    if call.name in ("close", "dup2"):
        # As on Linux: the descriptor is gone, whatever close() says.
        proceed()
    raise refusal(error)


class Failures:
    """
    How often the system calls of one kind have failed so far.
    """

    def __init__(self) -> None:
        self.injected = 0


@contextmanager
def failing(*calls: str, on: str = "", error: int = errno.ENOSPC) -> Iterator[Failures]:
    """
    Make all calls of some names fail.

    Args:
        calls: The names.
        on: How the name of the file ends that they are about.
        error: The error number.

    Yields:
        The count of what was injected.
    """
    assert set(calls) & set(names()), f"the product makes none of {calls}"
    failures = Failures()

    def intercept(call: Call, proceed: Proceed) -> Any:
        if call.name not in calls or not is_about(call, on):
            return proceed()
        failures.injected += 1
        return fail(call, proceed, error)

    with intercepted(intercept):
        yield failures


@contextmanager
def counted() -> Iterator[list[Call]]:
    """Note each system call of the product; they are all made."""
    made: list[Call] = []

    def intercept(call: Call, proceed: Proceed) -> Any:
        made.append(call)
        return proceed()

    with intercepted(intercept):
        yield made


class ShortWrites:
    """
    A disk that takes only so many bytes more, and then is full.

    Args:
        on: How the name of the file ends that is written.
        room: How many bytes there are left.
        error: What a write meets when there are none.
    """

    def __init__(self, on: str, room: int, error: int = errno.ENOSPC) -> None:
        self.on = on
        self.room = room
        self.error = error
        self.cut = 0

    def __call__(self, call: Call, proceed: Proceed) -> Any:
        if call.name != "write" or not is_about(call, self.on):
            return proceed()
        descriptor, data = call.arguments
        if not self.room:
            return fail(call, proceed, self.error)
        written = os.write(descriptor, bytes(data)[: self.room])
        self.room -= written
        if written < len(data):
            self.cut += 1
            figures.counts[figures.FAULTS] += 1
        return written
