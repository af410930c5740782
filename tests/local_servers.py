"""
Starts the small language model of ``e2e/local_llm.py`` in a process of its own.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple


NAME = "gemma3-270m"
PROGRAM = Path(__file__).parent / "e2e" / "local_llm.py"
MODEL_FILE = "gemma3-270m-q4-k-m.gguf"


class Servers(NamedTuple):
    """
    Where the model listens.
    """

    talking: str
    embedding: str


def models() -> Path:
    """Return the folder that keeps the model from one run to the next."""
    given = os.environ.get("E2E_MODELS")
    return Path(given) if given else Path.home() / ".cache" / "ai_trace_e2e"


@contextmanager
def listening() -> Iterator[Servers]:
    """Serve the model inside a block."""
    command = [sys.executable, str(PROGRAM), str(models() / MODEL_FILE)]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        talking, embedding = (process.stdout.readline().strip() for _ in range(2))
        assert embedding, "The language model did not start: see standard error."
        yield Servers(talking, embedding)
    finally:
        process.stdin.close()
        process.wait(20)
        process.stdout.close()
