"""
What hooks of different frameworks share when they report a call to a model.
"""

from __future__ import annotations

import os
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from ai_trace.integrations import _prices
from ai_trace.integrations._foreign_step import report
from ai_trace.integrations._servers import provider_at
from ai_trace.integrations._wire import Facts, present


_URLS = ("OPENAI_BASE_URL", "OPENAI_API_BASE")
# Providers that frameworks call by other names than gen_ai.provider.name does.
_PROVIDERS = {
    "amazon_bedrock": "aws.bedrock",
    "azure": "azure.ai.openai",
    "bedrock": "aws.bedrock",
    "gemini": "gcp.gemini",
    "google_genai": "gcp.gemini",
    "google_vertexai": "gcp.vertex_ai",
    "mistral": "mistral_ai",
    "vertex_ai": "gcp.vertex_ai",
    "xai": "x_ai",
}


class SpanContent(NamedTuple):
    """
    The content of a step that stands for a span.
    """

    name: str
    kind: str
    context: Facts
    result: Any = None


def server_of(url: Any, provider: str = "openai") -> Facts:
    """
    Return which provider answers at a URL; and the address of an unknown server.

    Args:
        url: Where the framework sends its calls; ``None`` if it does not say, in which
            case OpenAI's client looks into the environment.
        provider: Whose protocol is used, in the framework's words.
    """
    provider = _PROVIDERS.get(provider, provider)
    if url is None and provider == "openai":
        url = next((os.environ[name] for name in _URLS if os.environ.get(name)), None)
    try:
        parts = urlsplit(str(url or ""))
        known, server = provider_at(parts.hostname, parts.port, provider)
    except ValueError:
        known, server = provider, str(url)
    return present(provider=known, server=server)


def with_cost(result: Facts, context: Facts) -> Facts:
    """
    Return the result of a call with its cost, if that is known.

    Args:
        result: What was answered.
        context: What was asked; with a ``server``, prices are not known.
    """
    usage = result.get("usage")
    if not usage or "server" in context:
        return result
    try:
        price = _prices.cost(
            str(context.get("provider")),
            result.get("model") or context.get("model"),
            usage,
            result.get("raw_usage"),
            result.get("service_tier"),
            result.get("messages") or (),
        )
    except Exception as exc:
        # The price table is not ours: if it fails, only the cost is lost.
        report("cost", exc)
        return result
    return result if price is None else {**result, "cost": price}
