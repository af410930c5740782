"""
Wrapped clients as type checkers see them. Never run: mypy and pyright read it.
"""

from __future__ import annotations

from anthropic import Anthropic, AsyncAnthropic
from anthropic.lib.bedrock import AnthropicBedrock, AsyncAnthropicBedrockMantle
from anthropic.lib.vertex import AsyncAnthropicVertex
from openai import AsyncAzureOpenAI, AsyncOpenAI, AzureOpenAI, OpenAI, Stream
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from typing_extensions import assert_type

from ai_trace.integrations.anthropic import unwrap as unwrap_anthropic
from ai_trace.integrations.anthropic import wrap_anthropic
from ai_trace.integrations.openai import unwrap as unwrap_openai
from ai_trace.integrations.openai import wrap_openai


# -- a client keeps its type -------------------------------------------------

assert_type(wrap_openai(OpenAI()), OpenAI)
assert_type(wrap_openai(AsyncOpenAI()), AsyncOpenAI)
assert_type(wrap_openai(AzureOpenAI()), AzureOpenAI)
assert_type(unwrap_openai(wrap_openai(AsyncAzureOpenAI())), AsyncAzureOpenAI)
assert_type(wrap_anthropic(Anthropic()), Anthropic)
assert_type(wrap_anthropic(AsyncAnthropic()), AsyncAnthropic)
assert_type(wrap_anthropic(AnthropicBedrock()), AnthropicBedrock)
assert_type(wrap_anthropic(AsyncAnthropicBedrockMantle()), AsyncAnthropicBedrockMantle)
assert_type(unwrap_anthropic(AsyncAnthropicVertex()), AsyncAnthropicVertex)


# -- and so do its methods ---------------------------------------------------

client = wrap_openai(OpenAI())
assert_type(
    client.chat.completions.create(model="m", messages=[]),
    ChatCompletion,
)
assert_type(
    client.chat.completions.create(model="m", messages=[], stream=True),
    Stream[ChatCompletionChunk],
)
assert_type(wrap_openai(client.with_options(timeout=3)), OpenAI)


# -- what is not a client ----------------------------------------------------

wrap_openai(Anthropic())  # type: ignore[type-var]  # pyright: ignore[reportArgumentType]
wrap_openai("client")  # type: ignore[type-var]  # pyright: ignore[reportArgumentType]
wrap_anthropic(OpenAI())  # type: ignore[type-var]  # pyright: ignore[reportArgumentType]
wrap_anthropic(None)  # type: ignore[type-var]  # pyright: ignore[reportArgumentType]
