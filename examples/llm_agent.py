"""
An agent that asks a language model, which asks for tools until it knows enough.

It works with any server that offers OpenAI's API. For OpenAI itself the key is enough;
for a server of your own, set its address and the name of its model::

    python -m pip install 'ai-decision-tracer[openai]>=1'
    export OPENAI_API_KEY=sk-...
    export OPENAI_BASE_URL=http://127.0.0.1:8080/v1    # for a server of your own
    export OPENAI_MODEL=gemma3-270m
    python examples/llm_agent.py "What is the weather in Paris?"
    ai-trace view
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

from openai import OpenAI

from ai_trace import Tracer, traced
from ai_trace.integrations.openai import wrap_openai


MODEL = os.environ.get("OPENAI_MODEL", "gpt-5-mini")
QUESTION = "What is the weather in Paris?"
MOST_ROUNDS = 5

WEATHER = {"paris": "sunny", "oslo": "snowy", "rome": "warm"}
TOOLS: list[Any] = [
    {
        "type": "function",
        "function": {
            "name": "get_weather",
            "description": "Get the weather of a city.",
            "parameters": {
                "type": "object",
                "properties": {"city": {"type": "string"}},
                "required": ["city"],
            },
        },
    }
]


@traced(kind="tool")
def get_weather(city: str, *, call_id: str) -> str:
    """Return the weather; ``call_id`` links the step to the model's call."""
    return f"{city}: {WEATHER.get(city.lower(), 'unknown')}"


def run_tool(call: Any) -> dict[str, str]:
    """Run the tool that the model asked for, and return the message with its answer."""
    try:
        content = get_weather(**json.loads(call.function.arguments), call_id=call.id)
    except (TypeError, ValueError) as exc:
        content = f"Wrong arguments: {exc}"
    return {"role": "tool", "tool_call_id": call.id, "content": content}


@traced(kind="agent")
def answer(client: OpenAI, question: str) -> str:
    """Ask the model and run the tools that it asks for, until it answers."""
    messages: list[Any] = [{"role": "user", "content": question}]
    for _ in range(MOST_ROUNDS):
        asked = client.chat.completions.create(
            model=MODEL, messages=messages, tools=TOOLS, temperature=0, seed=1
        )
        said = asked.choices[0].message
        if not said.tool_calls:
            return (said.content or "").strip()
        messages.append(said)
        messages += [run_tool(call) for call in said.tool_calls]
    return "I could not find out."


def main() -> None:
    """Answer the question of the command line."""
    question = sys.argv[1] if len(sys.argv) > 1 else QUESTION
    with Tracer("llm_agent", meta={"model": MODEL}), OpenAI() as client:
        print(answer(wrap_openai(client), question))


if __name__ == "__main__":
    main()
