"""
Runs the examples of the README and of the pages in ``docs/``.

Blocks of Python run as they stand, those of one page in one namespace. In a block of
``console``, each line after ``$ `` is run by the shell and has to succeed; what
follows it is what it prints, where ``...`` stands for anything. Each page starts in an
empty directory.
"""

from __future__ import annotations

import doctest
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from sybil import Example, Sybil
from sybil.parsers.myst import CodeBlockParser, PythonCodeBlockParser, SkipParser


MATCH = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


def enter_empty_directory(namespace: dict[str, Any]) -> None:
    """Let a page write where nobody else does."""
    namespace["_before"] = os.getcwd()
    namespace["_directory"] = tempfile.TemporaryDirectory()
    os.chdir(namespace["_directory"].name)


def leave_directory(namespace: dict[str, Any]) -> None:
    """Go back and remove what the page wrote."""
    os.chdir(namespace["_before"])
    namespace["_directory"].cleanup()


def shell(command: str) -> str:
    """Run a command as a user of this environment, and return what it printed."""
    scripts = str(Path(sys.executable).parent)
    done = subprocess.run(  # noqa: S602  (the pages are ours)
        command,
        shell=True,
        env={**os.environ, "PATH": f"{scripts}{os.pathsep}{os.environ['PATH']}"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode:
        msg = f"{command!r} ended with {done.returncode}:\n{done.stdout}"
        raise AssertionError(msg)
    return done.stdout


def run_console(example: Example) -> str | None:
    """Run the commands of a block; return what is wrong, None if nothing is."""
    checker = doctest.OutputChecker()
    for block in f"\n{example.parsed}".split("\n$ ")[1:]:
        command, _, expected = block.partition("\n")
        printed = shell(command)
        if expected.strip() and not checker.check_output(expected, printed, MATCH):
            wanted = doctest.Example(command, expected)
            return checker.output_difference(wanted, printed, MATCH)
    return None


pytest_collect_file = Sybil(
    parsers=[
        PythonCodeBlockParser(doctest_optionflags=MATCH),
        CodeBlockParser(language="console", evaluator=run_console),
        SkipParser(),
    ],
    patterns=["README.md", "docs/*.md", "docs/**/*.md"],
    setup=enter_empty_directory,
    teardown=leave_directory,
).pytest()
