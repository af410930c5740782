"""
Programs in processes of their own: run to their end, or killed on the way.
"""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import ai_trace


TESTS = Path(__file__).parents[1]

# A program that hangs is ended after this many seconds; no test waits for it to pass.
PATIENCE = 30

_started: list[subprocess.Popen[str]] = []


def environment(**changes: str) -> dict[str, str]:
    """Return an environment in which the package and this harness are importable."""
    places = [str(TESTS), str(Path(ai_trace.__file__).parents[1])]
    kept = {k: v for k, v in os.environ.items() if not k.startswith("AI_TRACE_")}
    # Python 3.12 and newer warn of a fork while other threads run, which is the point.
    return {
        **kept,
        "PYTHONPATH": os.pathsep.join(places),
        "PYTHONWARNINGS": "ignore:This process:DeprecationWarning",
        **changes,
    }


def write(directory: Path, source: str) -> Path:
    """Write a program to a file."""
    path = directory / "program.py"
    path.write_text(textwrap.dedent(source), encoding="utf-8")
    return path


def run(
    source: str, *arguments: str, cwd: Path, status: int = 0
) -> subprocess.CompletedProcess[str]:
    """
    Run a program to its end.

    Args:
        source: Its text.
        arguments: Its arguments.
        cwd: Where it runs, and where its text is put.
        status: The exit status that is expected.

    Returns:
        What it printed.
    """
    done = subprocess.run(
        [sys.executable, str(write(cwd, source)), *arguments],
        cwd=cwd,
        env=environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert status == done.returncode, (done.returncode, done.stdout, done.stderr)
    return done


def start(source: str, *arguments: str, cwd: Path) -> subprocess.Popen[str]:
    """Start a program, its input and output in pipes; it ends with the test."""
    process = subprocess.Popen(
        [sys.executable, "-u", str(write(cwd, source)), *arguments],
        cwd=cwd,
        env=environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    _started.append(process)
    return process


def end_all() -> None:
    """Kill what a test has started and not ended."""
    while _started:
        process = _started.pop()
        process.kill()
        process.wait(PATIENCE)
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()


def next_line(process: subprocess.Popen[str]) -> str:
    """Wait for the next line that a program prints."""
    assert process.stdout is not None
    return process.stdout.readline().rstrip("\n")


def kill(process: subprocess.Popen[str]) -> list[str]:
    """Kill a program without warning; return what it had printed by then."""
    process.kill()
    printed, _ = process.communicate(timeout=PATIENCE)
    return printed.splitlines()


def the_trace(directory: Path) -> Path:
    """Return the only trace file in a directory, those of forked children left out."""
    paths = [p for p in directory.glob("*.jsonl") if ".p" not in p.name]
    assert len(paths) == 1, f"{len(paths)} trace files in {directory}"
    return paths[0]
