"""
Programs whose clock a library of their tests has stopped.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import freezegun
import pytest
import time_machine
from recorded import read_file

from ai_trace import Tracer, step


FROZEN = 1_709_303_422.0
SECONDS = 60

# What each one stops, and which time is recorded then: time-machine stops the clock
# itself, freezegun the names under which a program's modules know it.
LIBRARIES = [
    pytest.param(lambda: time_machine.travel(FROZEN, tick=False), FROZEN, id="machine"),
    pytest.param(
        lambda: freezegun.freeze_time("2024-03-01 14:30:22"), None, id="freezegun"
    ),
]


@pytest.mark.parametrize(("frozen", "when"), LIBRARIES)
def test_frozen_from_the_start(tmp_path: Path, frozen: Any, when: Any) -> None:
    """F109: a session in a stopped time is whole, and all of it is of one time."""
    at = when or time.time()
    with frozen():
        with Tracer("agent", tmp_path) as tracer:
            with step("root") as root:
                root.log(at="start")
                with step("child"):
                    pass
        health = tracer.health()

    lines = read_file(tracer.path)
    header = lines[0]["session"]
    named = time.strftime("%Y%m%d_%H%M%S", time.gmtime(header["started_at"]))
    times = [header["started_at"], lines[1]["logs"][0]["_t"]]
    times += [line[key] for line in lines for key in ("started_at", "finished_at")]
    assert {} == health
    assert ["child", "root"] == [line["name"] for line in lines]
    assert named == tracer.session_id
    assert [] == [one for one in times if not at - 1 <= one <= at + SECONDS]
    assert all(0 <= line["duration_ms"] < SECONDS * 1000 for line in lines)


@pytest.mark.parametrize(("frozen", "when"), LIBRARIES)
def test_frozen_inside_a_step(tmp_path: Path, frozen: Any, when: Any) -> None:
    """F109: time that is stopped inside a step does not reach how long it took."""
    at = time.time()
    with Tracer("agent", tmp_path) as tracer:
        with step("around") as around:
            with frozen():
                with step("inside"):
                    pass
            around.log(at="end")

    inside, outside = read_file(tracer.path)
    assert abs((when or at) - inside["started_at"]) < SECONDS
    assert 0 <= inside["duration_ms"] <= outside["duration_ms"] < SECONDS * 1000
    times = [outside[key] for key in ("started_at", "finished_at")]
    times.append(outside["logs"][0]["_t"])
    assert [] == [one for one in times if not at - 1 <= one <= at + SECONDS]
