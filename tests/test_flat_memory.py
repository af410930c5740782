"""
Memory stays flat over 200,000 steps, and every one of them is in the file.
"""

from __future__ import annotations

import gc
import subprocess
import sys

import pytest

from ai_trace import Tracer, _live_recorders


# One step stays open all along, as in a service; below it steps of every kind come and
# go. What the interpreter has allocated is counted in blocks, to the block, after the
# first and after the second half; what the system has given is measured beside it.
PROGRAM = """
import gc, os, sys
from ai_trace import Tracer, step, traced

@traced
def decide(symbol, depth):
    return {"symbol": symbol, "side": "buy"}

@traced
def bars(count):
    yield from range(count)

@traced
async def fetch(symbol):
    return symbol

@traced
def fail(symbol):
    raise ValueError(symbol)

def one_round(number):
    with step("scan", symbol="BTCUSDT", number=number) as scan:
        scan.log(signal=0.87, number=number)
        decide("BTCUSDT", depth=number)
        for _ in bars(3):
            break
        try:
            fetch("ETHUSDT").send(None)
        except StopIteration:
            pass
    with tracer.step("by hand", number=number):
        pass
    if number % 10 == 0:
        try:
            fail("BTCUSDT")
        except ValueError:
            pass

STEPS_A_ROUND = 5

def resident():
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

def used():
    gc.collect()
    return sys.getallocatedblocks(), resident()

tracer = Tracer("soak", trace_dir=sys.argv[1])
half = int(sys.argv[2]) // 2 // STEPS_A_ROUND
tracer.activate()
with step("session"):
    for number in range(half):
        one_round(number)
    first = used()
    for number in range(half, 2 * half):
        one_round(number)
    second = used()
summary = tracer.summary()
tracer.close()
size = os.stat(tracer.path).st_size
with open(tracer.path, "rb") as file:
    lines = sum(1 for _ in file)
os.unlink(tracer.path)
print(second[0] - first[0], second[1] - first[1], lines, summary["steps"], size)
print(tracer.health())
"""


@pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="resident memory is read from /proc"
)
@pytest.mark.timeout(300)
def test_memory_stays_flat(tmp_path):
    """Between 50,000 and 100,000 steps memory does not grow, and no step is lost."""
    steps = 100_000
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(tmp_path), str(steps)],
        capture_output=True,
        text=True,
        check=False,
    )

    assert (0, "") == (ended.returncode, ended.stderr)
    counts, health = ended.stdout.splitlines()
    blocks, resident, lines, summed, _ = map(int, counts.split())
    # Ten rounds make one failing step; the session step is the last line.
    expected = steps // 5 * 5 + -(-steps // 5 // 10) + 1
    assert (expected, expected, "{}") == (lines, summed, health)
    # The count wavers by a thousand or so; a block left by each step would be 50,000.
    assert blocks < 5_000
    assert resident < 2_000_000


def test_names_made_of_data_are_not_kept(monkeypatch):
    """Should a program make names of its data, no more than some are remembered."""
    monkeypatch.setattr("ai_trace._recorder._MAX_HEADS", 10)
    tracer = Tracer("agent", auto_save=False)
    for number in range(45):
        tracer.step(f"order {number}").start().finish()

    assert 5 == len(tracer._recorder.heads)


def test_forgotten_tracers_are_not_kept(monkeypatch):
    """Of tracers that nobody holds any more nothing is left with the next one."""
    # What the exceptions of other tests hold is their affair.
    monkeypatch.setattr(_live_recorders, "_made", set())
    for _ in range(20):
        Tracer("agent", auto_save=False)
    gc.collect()
    Tracer("agent", auto_save=False)

    assert len(_live_recorders._made) < 20
