"""
H1: every system call of a run fails, one after the other.
"""

from __future__ import annotations

import errno
from itertools import count
from pathlib import Path

import pytest
from faults import invariants
from faults.agent import run_traced
from faults.nth_fault import ERRORS, NthFault, NthShortWrite, RandomFaults
from faults.system_calls import Call, Proceed


def run_one(directory: Path, fault: NthFault, **settings: object) -> bool:
    """Run the agent under one fault and check it; tell whether the fault was met."""
    directory.mkdir()
    run = run_traced(directory, fault, **settings)
    try:
        invariants.check(run, fault)
    except AssertionError as exc:
        raise AssertionError(f"{fault}: {exc}\nhealth: {run.health}") from exc
    return fault.injected > 0


@pytest.mark.parametrize("lasting", [False, True], ids=["once", "for_good"])
@pytest.mark.parametrize("error", ERRORS, ids=errno.errorcode.get)
def test_any_system_call_may_fail(tmp_path: Path, error: int, lasting: bool) -> None:
    """H1: whichever system call fails, the five invariants hold."""
    for n in count(1):
        fault = NthFault(n, error, lasting=lasting)
        if not run_one(tmp_path / str(n), fault):
            break

    assert n > 20, "the harness does not see the system calls of the product"


@pytest.mark.parametrize("lasting", [False, True], ids=["once", "for_good"])
def test_any_write_may_be_short(tmp_path: Path, lasting: bool) -> None:
    """H1: a write that is cut in half, and fails then, leaves the rest whole."""
    for n in count(1):
        fault = NthShortWrite(n, errno.ENOSPC, lasting=lasting)
        if not run_one(tmp_path / str(n), fault):
            break

    assert n > 20, "the harness does not see the system calls of the product"


@pytest.mark.parametrize("share", [0.05, 0.3])
def test_faults_may_meet_faults(tmp_path: Path, share: float) -> None:
    """H1: faults at random calls, of random kinds, break no invariant together."""
    faults = [run_one(tmp_path / str(n), RandomFaults(n, share)) for n in range(60)]

    assert any(faults), "the harness does not see the system calls of the product"


@pytest.mark.parametrize("lasting", [False, True], ids=["once", "for_good"])
@pytest.mark.parametrize(
    "settings",
    [
        {"durability": "step"},
        {"durability": "interval"},
        {"journal": False},
        {"max_bytes": 3_000},
    ],
    ids=str,
)
def test_on_any_setting(tmp_path: Path, settings: dict, lasting: bool) -> None:
    """H1: the invariants hold at any durability, without a journal, and in parts."""
    for n in count(1):
        fault = NthFault(n, errno.EIO, lasting=lasting)
        if not run_one(tmp_path / str(n), fault, **settings):
            break

    assert n > 20, "the harness does not see the system calls of the product"


def test_a_run_without_faults_is_whole(tmp_path: Path) -> None:
    """The harness itself loses nothing: without a fault, nothing is missing."""

    def proceed(_: Call, proceed: Proceed) -> object:
        return proceed()

    run = run_traced(tmp_path, proceed)
    lines = invariants.check_lines(run)

    assert 0 == invariants.check_gaps(run.memory, lines, ())
    assert ({}, []) == (run.health, run.said)
    assert run.path is not None
    assert {run.path.with_suffix(s) for s in (".jsonl", ".json", ".md")} == set(
        tmp_path.iterdir()
    )
