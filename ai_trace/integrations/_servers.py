"""
Which provider answers a client, by the server that it calls.
"""

from __future__ import annotations

import re
from typing import Any


# The values of gen_ai.provider.name, by the end of the host's name.
_PROVIDERS = {
    "aiplatform.googleapis.com": "gcp.vertex_ai",
    "api.anthropic.com": "anthropic",
    "api.cohere.ai": "cohere",
    "api.cohere.com": "cohere",
    "api.deepseek.com": "deepseek",
    "api.groq.com": "groq",
    "api.mistral.ai": "mistral_ai",
    "api.moonshot.ai": "moonshot_ai",
    "api.openai.com": "openai",
    "api.perplexity.ai": "perplexity",
    "api.x.ai": "x_ai",
    "cognitiveservices.azure.com": "azure.ai.openai",
    "generativelanguage.googleapis.com": "gcp.gemini",
    "openai.azure.com": "azure.ai.openai",
    "services.ai.azure.com": "azure.ai.inference",
}

# Not by the end of the name alone: everything in Amazon's cloud may have that.
_BEDROCK = re.compile(
    r"(.*\.)?bedrock[a-z-]*(\.[a-z0-9-]+)*\.(amazonaws\.com|api\.aws)"
)
_VERTEX_IN_A_REGION = ("-aiplatform.googleapis.com", ".rep.googleapis.com")


_STORED = "_base_url"


class Server:
    """
    Which provider answers a client; found out again only if its address changes.

    Args:
        client: The client, with a ``base_url``.
        library: The name of its library, whose protocol the server speaks.
    """

    __slots__ = ("_client", "_found", "_library", "_own", "_url")

    def __init__(self, client: Any, library: str) -> None:
        self._client = client
        self._library = library
        # The library's own property takes 3 µs to return an attribute, which is read
        # directly instead. A subclass may have a property that returns anything.
        prop = getattr(getattr(type(client), "base_url", None), "fget", None)
        is_librarys = getattr(prop, "__module__", "").partition(".")[0] == library
        self._own: dict[str, Any] = vars(client) if is_librarys else {}
        self._url: Any = self
        self._found: tuple[str, str | None] = ("", None)

    def now(self) -> tuple[str, str | None]:
        """
        Return which provider answers.

        Returns:
            The provider; and the server's address unless it is a known provider's.
        """
        url = self._own.get(_STORED)
        if url is None:
            url = getattr(self._client, "base_url", None)
        if url is not self._url:
            host, port = getattr(url, "host", None), getattr(url, "port", None)
            self._found = provider_at(host, port, self._library)
            self._url = url
        return self._found


def provider_at(host: Any, port: Any, library: str) -> tuple[str, str | None]:
    """
    Return which provider answers at an address.

    Args:
        host: The server's name; anything but text means the provider's own server.
        port: The port, if one is given.
        library: The library whose protocol the server speaks.

    Returns:
        The provider; and the server's address unless it is a known provider's whose
        prices are known.
    """
    if type(host) is not str:
        return library, None
    parts = host.split(".")
    for start in range(len(parts)):
        provider = _PROVIDERS.get(".".join(parts[start:]))
        if provider is not None:
            # Before any other name stands a region, which has prices of its own.
            is_main = not start or provider.startswith("azure.")
            return provider, None if is_main else host
    if _BEDROCK.fullmatch(host):
        return "aws.bedrock", None
    if host.endswith(_VERTEX_IN_A_REGION):
        # Regions have prices of their own, which the price table does not have.
        return "gcp.vertex_ai", host
    return library, host if port is None else f"{host}:{port}"
