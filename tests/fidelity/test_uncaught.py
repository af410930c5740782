"""What ends the program stands in the sessions that were open then."""

from __future__ import annotations

import pytest


PROGRAM = """\
import asyncio, code, sys, threading

from ai_trace import Tracer, step

def main():
    with step("scan"):
        pass
    {last}

async def later():
    await asyncio.sleep(0)
    raise ValueError("no price")

def in_a_step():
    with step("order"):
        raise ValueError("no price")

def caught():
    try:
        raise ValueError("no price")
    except ValueError as exc:
        sys.last_type, sys.last_value, sys.last_traceback = sys.exc_info()
        sys.last_exc = exc

def in_a_thread():
    thread = threading.Thread(target=in_a_step)
    thread.start()
    thread.join()

Tracer("agent", "traces").activate()
main()
"""


@pytest.fixture
def ended(run_script, read_lines, tmp_path):
    """Run a program that ends so; return its lines and what it printed."""

    def run(last: str, *options: str, **environment: str):
        done = run_script(PROGRAM.format(last=last), options=options, **environment)
        return read_lines(tmp_path / "traces"), done

    return run


@pytest.mark.parametrize(
    ("last", "outcome", "error"),
    [
        ("raise ValueError('no price')", "error", "ValueError: no price"),
        ("asyncio.run(later())", "error", "ValueError: no price"),
        ("raise KeyboardInterrupt", "interrupted", "KeyboardInterrupt"),
    ],
)
def test_outside_of_every_step(ended, last, outcome, error):
    """What nobody caught is a root of its own; the program prints and ends as ever."""
    lines, done = ended(last)
    untraced = ended(last, AI_TRACE_DISABLED="1")[1]

    assert ["scan", "end of session"] == [line["name"] for line in lines]
    end = lines[1]
    assert (outcome, error, None) == (end["outcome"], end["error"], end["parent_id"])
    assert "in main" in end["traceback"]
    assert (untraced.returncode, untraced.stderr) == (done.returncode, done.stderr)


def test_of_a_module(ended):
    """A program that is run as a module is known by what runs it."""
    lines, done = ended("raise ValueError('no price')", "-m", "script")

    assert "ValueError: no price" in done.stderr
    assert ["scan", "end of session"] == [line["name"] for line in lines]


def test_told_once(ended):
    """What a root step has ended with is not told again."""
    lines, done = ended("in_a_step()")

    assert 1 == done.returncode
    assert ["scan", "order"] == [line["name"] for line in lines]


@pytest.mark.parametrize(
    "last",
    [
        "pass",
        "sys.exit(3)",
        "caught()",
        "code.InteractiveInterpreter().runsource('1 / 0')",
        "sys.last_value = 'nonsense'",
        "sys.last_value = ValueError('raised nowhere')",
    ],
)
def test_what_ends_no_program(ended, last):
    """What was caught by whoever keeps the last exception has ended nothing."""
    lines, _ = ended(last)

    assert ["scan"] == [line["name"] for line in lines]


def test_a_thread(ended):
    """What ends a thread ends no session; the step in it has told of it."""
    lines, done = ended("in_a_thread()")

    assert 0 == done.returncode
    assert ["scan", "order"] == [line["name"] for line in lines]


def test_at_a_prompt(ended):
    """Whoever looks around after an error ends the session later, by leaving."""
    lines, done = ended("raise ValueError('no price')", "-i")

    assert "ValueError: no price" in done.stderr
    assert ["scan"] == [line["name"] for line in lines]
