"""
Clients that are made in no time, and know of no server but that of their test.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterator

import pytest
from llm_server import LlmServer, serving

from ai_trace import _context


@pytest.fixture(scope="session", autouse=True)
def few_authorities(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """
    Trust one certificate authority only, where there are any.

    Each client reads all of them when it is made, which takes longer than most tests;
    the servers of the tests speak HTTP without TLS.
    """
    known = ssl.create_default_context().get_ca_certs(binary_form=True)
    with pytest.MonkeyPatch.context() as patch:
        if known:
            file = tmp_path_factory.mktemp("tls") / "authorities.pem"
            file.write_text(ssl.DER_cert_to_PEM_cert(known[0]), encoding="ascii")
            patch.setenv("SSL_CERT_FILE", str(file))
        yield


@pytest.fixture(autouse=True)
def no_other_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take out of the environment where clients ask that are told no server."""
    for name in ("OPENAI_BASE_URL", "OPENAI_API_BASE", "ANTHROPIC_BASE_URL"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def orphans_unsaid(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget that a call without a tracer was warned of, which is done once."""
    monkeypatch.setattr(_context, "_orphans_said", False)


@pytest.fixture
def server() -> Iterator[LlmServer]:
    """Serve what the test says."""
    with serving() as server:
        yield server
