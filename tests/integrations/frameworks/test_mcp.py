"""
Servers of the Model Context Protocol whose tools are traced, in processes of their own.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from mcp import Client, StdioServerParameters

from ai_trace import StepRecord, reading


SERVER = '''
import asyncio
import os

from mcp.server import MCPServer
from mcp.server.mcpserver import Context
from pydantic import BaseModel

from ai_trace import Tracer, traced

is_traced = os.environ["TRACED"] == "yes"
tool = traced(kind="tool") if is_traced else lambda function: function
server = MCPServer("weather")


class Weather(BaseModel):
    """What it is like."""

    city: str
    celsius: float


@server.tool()
@tool
def add(first: int, second: int = 2) -> int:
    """Add two numbers."""
    return first + second


@server.tool()
@tool
async def weather(city: str, ctx: Context) -> Weather:
    """Say what the weather is like."""
    await ctx.report_progress(1, 2, "half")
    await ctx.report_progress(2, 2, "all")
    return Weather(city=city, celsius=21)


@server.tool()
@tool
def fail(why: str) -> str:
    """Fail."""
    raise ValueError(why)


@server.tool()
@tool
async def wait(ctx: Context) -> str:
    """Wait for ever."""
    await ctx.report_progress(0, 1)
    await asyncio.Event().wait()
    return "never"


@server.resource("city://{name}")
@tool
def city(name: str) -> str:
    """Describe a city."""
    return f"{name} is a city."


class Broken:
    """Gives the tracer something to complain about."""

    def on_finish(self, record):
        raise OSError("no room left")


if is_traced:
    traces = os.environ["TRACES"]
    Tracer("weather_server", trace_dir=traces, sinks=[Broken()]).activate()
server.run("stdio")
'''
CALLS: list[tuple[str, dict[str, Any]]] = [
    ("add", {"first": 1}),
    ("add", {"first": "x"}),
    ("add", {}),
    ("weather", {"city": "Paris"}),
    ("fail", {"why": "no luck"}),
    ("unknown", {}),
]


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """Return the server's program."""
    path = tmp_path / "server.py"
    path.write_text(SERVER, encoding="utf-8")
    return path


def environment(traces: Path, *, traced: bool) -> dict[str, str]:
    """Return the environment of a server."""
    told = {"TRACED": "yes" if traced else "no", "TRACES": str(traces)}
    return {**os.environ, **told, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}


async def cancelled(client: Client) -> None:
    """Call a tool that never answers, and cancel it once it has begun."""
    has_begun = asyncio.Event()

    async def progress(*_: Any) -> None:
        has_begun.set()

    call = asyncio.create_task(client.call_tool("wait", {}, progress_callback=progress))
    await has_begun.wait()
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call


def all_that_is_told(program: Path, traces: Path, *, traced: bool) -> list[Any]:
    """Ask a server everything; return what it says."""
    env = environment(traces, traced=traced)
    asked = StdioServerParameters(command=sys.executable, args=[str(program)], env=env)

    async def ask() -> list[Any]:
        told: list[Any] = []

        async def progress(*facts: Any) -> None:
            told.append(facts)

        async with Client(asked) as client:
            told.append((await client.list_tools()).tools)
            for name, arguments in CALLS:
                said = await client.call_tool(
                    name, arguments, progress_callback=progress
                )
                told.append((said.content, said.structured_content, said.is_error))
            told.append((await client.read_resource("city://Paris")).contents)
            await cancelled(client)
            told.append((await client.call_tool("add", {"first": 3})).content)
        return told

    return asyncio.run(ask())


def test_a_server_is_the_same(program: Path, tmp_path: Path) -> None:
    """Schemas, results, errors, progress and cancellation are what they were."""
    traces = tmp_path / "traces"
    plain = all_that_is_told(program, traces, traced=False)

    assert plain == all_that_is_told(program, traces, traced=True)

    (path,) = traces.glob("*.jsonl")
    found = reading.records(path)
    outcomes = [(one.name, one.outcome) for one in found if isinstance(one, StepRecord)]
    # What the server refused was never called.
    assert [
        ("add", "ok"),
        ("weather", "ok"),
        ("fail", "error"),
        ("city", "ok"),
        ("wait", "cancelled"),
        ("add", "ok"),
    ] == outcomes


def test_standard_output_is_left_alone(program: Path, tmp_path: Path) -> None:
    """Nothing is written where the protocol is spoken, not even a complaint."""
    client = {"name": "test", "version": "1"}
    about = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": client}
    call = {"name": "add", "arguments": {"first": 1}}
    said = [
        {"id": 1, "method": "initialize", "params": about},
        {"method": "notifications/initialized"},
        {"id": 2, "method": "tools/call", "params": call},
    ]
    with subprocess.Popen(
        [sys.executable, str(program)],
        env=environment(tmp_path / "traces", traced=True),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        for one in said:
            server.stdin.write(json.dumps({"jsonrpc": "2.0", **one}) + "\n")
        server.stdin.flush()
        answers = [json.loads(server.stdout.readline()) for _ in range(2)]
        rest, complaints = server.communicate(timeout=60)

    assert [1, 2] == [one["id"] for one in answers]
    assert "" == rest
    assert "Broken failed" in complaints
