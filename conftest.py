"""
Runs the examples of the README and of the pages in ``docs/``.

A block of Python runs as it stands, those of one page in one namespace. If its first
line is a comment that names a file, such as ``# agent.py``, it is saved there instead.
In a block of ``console``, each line after ``$ `` is run by the shell and has to
succeed; what follows it is what it prints, where ``...`` stands for anything and times,
durations, ids and sizes may be others. Each page starts in an empty directory.
"""

from __future__ import annotations

import doctest
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sybil import Document, Example, Region, Sybil
from sybil.parsers.myst import CodeBlockParser, PythonCodeBlockParser, SkipParser

import ai_trace


MATCH = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE

FILE_NAME = re.compile(r"# ([\w-]+\.py)\n")

# What differs from run to run. The demo's own dates are of 2008 and stay.
VARYING = [
    (re.compile(pattern), word)
    for pattern, word in (
        (r"(?<!\d)20[2-9]\d{5}_\d{6}(_\d+)?(?!\d)", "<session>"),
        (
            (
                r"\b20[2-9]\d-\d\d-\d\d[ T]\d\d:\d\d(:\d\d(\.\d{3})?)?"
                r"([+-]\d\d:\d\d|Z)?"
            ),
            "<time>",
        ),
        (r"(?m)^20[2-9]\d-\d\d-\d\d [+-]\d\d:\d\d$", "<day>"),
        (r"\b\d\d:\d\d:\d\d\.\d{3}Z?", "<time>"),
        (r"\b[12]\d{9}(\.\d+)?\b", "<epoch>"),
        (r"\b\d+(\.\d+)? (µs|ms|s)(?!\w)", "<duration>"),
        (r"""(duration_ms["']): [\d.]+""", r"\1: <duration>"),
        (r"\b(?:[0-9a-f]{32}|[0-9a-f]{16})\b", "<id>"),
        (r"\b\d+(\.\d+)? (B|kB)(?!\w)", "<size>"),
        (r'"(pid|host|python|version)": ("[^"]*"|\d+)', r'"\1": <known later>'),
        (r'File ".*[/\\]([^/\\"]+)", line \d+', r'File "\1", line <n>'),
    )
]

# What decides on the output besides the command.
AMBIENT = ("AI_TRACE_DIR", "AI_TRACE_DISABLED", "COLUMNS", "FORCE_COLOR", "NO_COLOR")


@pytest.fixture(scope="session")
def model() -> Iterator[None]:
    """Let the examples that ask a provider's model ask one of the tests."""
    import weather_chat

    with pytest.MonkeyPatch.context() as patch, weather_chat.answering() as address:
        patch.setenv("OPENAI_BASE_URL", f"{address}/v1")
        patch.setenv("OPENAI_API_KEY", "sk-of-the-pages")
        patch.setenv("ANTHROPIC_BASE_URL", address)
        patch.setenv("ANTHROPIC_API_KEY", "sk-of-the-pages")
        patch.setenv("OLLAMA_HOST", address)
        patch.setenv("LITELLM_LOCAL_MODEL_COST_MAP", "True")
        yield


def enter_empty_directory(namespace: dict[str, Any]) -> None:
    """Let a page write where nobody else does."""
    namespace["_before"] = os.getcwd()
    namespace["_directory"] = tempfile.TemporaryDirectory()
    os.chdir(namespace["_directory"].name)


def leave_directory(namespace: dict[str, Any]) -> None:
    """Go back, remove what the page wrote, and see that no tracer is left current."""
    os.chdir(namespace["_before"])
    namespace["_directory"].cleanup()
    assert ai_trace.current_tracer() is None


def environment() -> dict[str, str]:
    """Return the environment of a user whose shell has this Python first."""
    kept = {key: value for key, value in os.environ.items() if key not in AMBIENT}
    scripts = str(Path(sys.executable).parent)
    kept["PATH"] = f"{scripts}{os.pathsep}{kept['PATH']}"
    return {**kept, "PYTHONUTF8": "1", "TZ": "UTC"}


def shell(command: str) -> str:
    """Run a command as a user of this environment, and return what it printed."""
    done = subprocess.run(  # noqa: S602  (the pages are ours)
        command,
        shell=True,
        env=environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        check=False,
    )
    if done.returncode:
        msg = f"{command!r} ended with {done.returncode}:\n{done.stdout}"
        raise AssertionError(msg)
    return done.stdout


def steady(text: str) -> str:
    """Return a text with words for what differs from run to run."""
    for pattern, word in VARYING:
        text = pattern.sub(word, text)
    return text


def run_console(example: Example) -> str | None:
    """Run the commands of a block; return what is wrong, None if nothing is."""
    checker = doctest.OutputChecker()
    for block in f"\n{example.parsed}".split("\n$ ")[1:]:
        command, _, expected = block.partition("\n")
        wanted = doctest.Example(command, steady(expected))
        printed = steady(shell(command))
        if not checker.check_output(wanted.want, printed, MATCH):
            return checker.output_difference(wanted, printed, MATCH)
    return None


def save_file(example: Example) -> None:
    """Save a block of Python under the name that its first line gives."""
    name = FILE_NAME.match(example.parsed)
    assert name is not None
    Path(name[1]).write_text(example.parsed, encoding="utf-8")


class PythonParser(PythonCodeBlockParser):
    """
    Finds blocks of Python, and says which are files.
    """

    def __call__(self, document: Document) -> Iterable[Region]:
        """Yield the blocks."""
        for region in super().__call__(document):
            if isinstance(region.parsed, str) and FILE_NAME.match(region.parsed):
                region.evaluator = save_file
            yield region


pytest_collect_file = Sybil(
    parsers=[
        PythonParser(doctest_optionflags=MATCH),
        CodeBlockParser(language="console", evaluator=run_console),
        SkipParser(),
    ],
    patterns=["README.md", "docs/*.md", "docs/**/*.md"],
    setup=enter_empty_directory,
    teardown=leave_directory,
    fixtures=["model"],
).pytest()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """
    Keep the examples of a page in one process: each starts where the last ended.

    By the marks that ``--dist=loadgroup`` is made for they would not stay together:
    pytest-xdist 3.8 writes those into names that pytest 9.2 does not read.
    """
    from xdist.scheduler import LoadScopeScheduling

    class ByPage(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            page, _, _ = nodeid.partition("::")
            return page if page.endswith(".md") else nodeid

    return ByPage(config, log) if config.getoption("dist") == "loadgroup" else None
