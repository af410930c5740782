"""
The real command, in this process or in one of its own, over files written by hand.
"""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TextIO
from unittest import mock

from ai_trace.cli import main


COMMAND = (sys.executable, "-m", "ai_trace")
STARTED = 1709303422.0  # 2024-03-01 14:30:22 UTC

_AMBIENT = ("AI_TRACE_DIR", "NO_COLOR", "FORCE_COLOR", "COLUMNS", "PYTHONIOENCODING")


def environment(**changes: str) -> dict[str, str]:
    """Return an environment in which nothing decides but what the test says."""
    kept = {key: value for key, value in os.environ.items() if key not in _AMBIENT}
    return {**kept, "PYTHONIOENCODING": "utf-8", "TZ": "UTC", **changes}


def run(
    *words: str, cwd: Path, env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run ``ai-trace`` to its end, piped, and return what it printed.

    It runs in this process; ``test_cli.py`` holds that one of its own is the same.
    """
    variables = env or environment()
    encoding, _, errors = variables["PYTHONIOENCODING"].partition(":")
    outputs = [io.BytesIO(), io.BytesIO()]
    streams = [
        io.TextIOWrapper(output, encoding, errors or "strict", newline="\n")
        for output in outputs
    ]
    status = run_between(streams, words, cwd, variables)
    printed = (output.getvalue().decode(encoding) for output in outputs)
    return subprocess.CompletedProcess(list(words), status, *printed)


def run_between(
    streams: Sequence[TextIO],
    words: Sequence[str],
    cwd: Path,
    variables: dict[str, str],
) -> int:
    """Run ``ai-trace`` in this process, with other outputs and another environment."""
    before = os.getcwd()
    out, err = streams
    try:
        with mock.patch.dict(os.environ, variables, clear=True):
            time.tzset()
            os.chdir(cwd)
            with mock.patch.multiple(sys, stdout=out, stderr=err):
                return main(words)
    finally:
        os.chdir(before)
        time.tzset()


def run_alone(
    *words: str, cwd: Path, env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run ``ai-trace`` in a process of its own, where that is what is tested."""
    return subprocess.run(
        [*COMMAND, *words],
        cwd=cwd,
        env=env or environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )


def start(
    *words: str,
    cwd: Path,
    env: dict[str, str] | None = None,
    command: Sequence[str] = COMMAND,
) -> subprocess.Popen[str]:
    """Start ``ai-trace`` with its output in pipes, as a shell in front would."""
    return subprocess.Popen(
        [*command, *words],
        cwd=cwd,
        env=env or environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        preexec_fn=restore_interrupts,  # noqa: PLW1509  (it takes no lock)
    )


def restore_interrupts() -> None:
    """Undo what the tests' own caller may have set: a background job ignores Ctrl-C."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def next_line(process: subprocess.Popen[str]) -> str:
    """Wait for the next line on a running command's standard output."""
    assert process.stdout
    return process.stdout.readline()


def next_complaint(process: subprocess.Popen[str]) -> str:
    """Wait for the next line on a running command's standard error."""
    assert process.stderr
    return process.stderr.readline()


def interrupt(process: subprocess.Popen[str]) -> tuple[str, str]:
    """Press Ctrl-C, and return what the command printed since and complained of."""
    process.send_signal(signal.SIGINT)
    return process.communicate(timeout=30)


def step(name: str, seq: int, **fields: Any) -> dict[str, Any]:
    """Return the object of one step's line."""
    started = STARTED + seq
    return {
        "name": name,
        "kind": "step",
        "id": f"{seq:016x}",
        "parent_id": None,
        "trace_id": f"{1:032x}",
        "seq": seq,
        "context": {},
        "started_at": started,
        "finished_at": started + 0.25,
        "duration_ms": 250.0,
        "outcome": "ok",
        "error": None,
        "logs": [],
        **fields,
    }


def child(name: str, seq: int, parent: int, **fields: Any) -> dict[str, Any]:
    """Return the object of a step below another, named by the other's number."""
    return step(name, seq, parent_id=f"{parent:016x}", **fields)


def header(slug: str, session_id: str, **fields: Any) -> dict[str, Any]:
    """Return the header of a session whose agent has a plain name."""
    return {
        "format": 1,
        "agent": slug,
        "session_id": session_id,
        "meta": {},
        "pid": 4242,
        "host": "box",
        "python": "3.11.7",
        "version": "1.0.0",
        "started_at": STARTED,
        **fields,
    }


def line(data: dict[str, Any]) -> bytes:
    """Return an object as one line of a trace file."""
    return json.dumps(data, ensure_ascii=False).encode() + b"\n"


def write_session(
    directory: Path,
    slug: str,
    session_id: str,
    steps: Sequence[dict[str, Any]],
    **fields: Any,
) -> Path:
    """Write one session as the JSONL sink would, and return its path."""
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / f"{slug}_{session_id}.jsonl"
    first = {**steps[0], "session": header(slug, session_id, **fields)}
    path.write_bytes(b"".join(map(line, [first, *steps[1:]])))
    return path


def trading_steps() -> list[dict[str, Any]]:
    """Return a run of one decision: five steps, the fourth of them failing."""
    return [
        child("fetch_prices", 2, 1, kind="tool", context={"symbol": "BTCUSDT"}),
        child("fetch_news", 3, 1, kind="tool", result=["calm"]),
        child(
            "risk_check",
            4,
            1,
            kind="guardrail",
            context={"size": 12.5},
            outcome="error",
            error="RiskError: position too large",
            traceback="Traceback (most recent call last):\n  ...\nRiskError: position "
            "too large\n",
        ),
        step(
            "market_scan",
            1,
            context={"symbol": "BTCUSDT"},
            logs=[{"_t": STARTED + 1.1, "signal": 0.87, "confidence": 0.9}],
        ),
        step("decision", 5, result={"action": "hold"}, context={"signal": 0.87}),
    ]
