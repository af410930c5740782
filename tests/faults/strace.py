"""
Injects faults into the real system calls of a real process, with strace.

Where strace is not there it is installed, if the system lets us; where that fails, the
tests that need it are skipped, and say so.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest
from faults import figures, programs


# The clock of the traced programs stands, so the names of their files are known.
STEM = "agent_20231114_221320"

PREAMBLE = """
import sys
from ai_trace import Tracer, step
from ai_trace.testing import SetClock
clock = SetClock()
"""


class Traced(NamedTuple):
    """
    What came of a program under strace.

    Attributes:
        status: Its exit status; negative for the signal that killed it.
        printed: Its standard output.
        complaints: Its standard error.
        injected: How many calls were tampered with.
        calls: The lines of strace's log.
    """

    status: int
    printed: str
    complaints: str
    injected: int
    calls: list[str]


@cache
def reason_against() -> str:
    """Return why strace cannot be used here, "" if it can."""
    if not sys.platform.startswith("linux"):
        return "strace is a program of Linux"
    if shutil.which("strace") is None and not _installed():
        return "strace is not there and could not be installed with apt-get"
    probe = subprocess.run(
        [
            *("strace", "-f", "-e", "trace=write", "-P", "/nowhere"),
            *("-e", "inject=write:error=EIO:when=1+", "true"),
        ],
        capture_output=True,
        timeout=programs.PATIENCE,
        check=False,
    )
    return "" if probe.returncode == 0 else f"strace fails: {probe.stderr!r}"


def _installed() -> bool:
    if shutil.which("apt-get") is None or os.geteuid() != 0:
        return False
    for words in (["update"], ["install", "-y", "--no-install-recommends", "strace"]):
        subprocess.run(
            ["apt-get", "-q", *words],
            env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
            capture_output=True,
            timeout=300,
            check=False,
        )
    return shutil.which("strace") is not None


def need() -> None:
    """Skip a test, loudly, where strace cannot be used."""
    reason = reason_against()
    if reason:
        pytest.skip(f"NO FAULTS IN REAL SYSTEM CALLS WERE TRIED: {reason}.")


def run(source: str, inject: str, *, on: str | None, cwd: Path) -> Traced:
    """
    Run a program whose trace has the stem ``STEM``, tampering with its system calls.

    Args:
        source: Its text; ``PREAMBLE`` stands before it.
        inject: What strace is to inject, as ``write:error=ENOSPC:when=3+``.
        on: Which file, by the suffix that follows the stem; ``None``: any. Strace
            knows of a renaming the old name alone.
        cwd: Where it runs.
    """
    call = inject.split(":", maxsplit=1)[0]
    log = cwd / "strace.log"
    words = ["-f", "-qq", "-o", str(log), "-e", f"trace={call}"]
    if on is not None:
        words += ["-P", str(cwd / "traces" / f"{STEM}{on}")]
    if ":" in inject:
        words += ["-e", f"inject={inject}"]
    program = programs.write(cwd, PREAMBLE + source)
    done = subprocess.run(
        ["strace", *words, sys.executable, str(program)],
        cwd=cwd,
        env=programs.environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=programs.PATIENCE,
        check=False,
    )
    calls = log.read_text(encoding="utf-8", errors="replace").splitlines()
    injected = sum("(INJECTED" in line for line in calls)
    figures.counts[figures.FAULTS] += injected
    figures.counts[figures.KILLS] += "SIGKILL" in inject
    return Traced(done.returncode, done.stdout, done.stderr, injected, calls)
