"""
The small language model, started once for all tests that talk to it.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from local_servers import Servers, listening


@pytest.fixture(scope="session")
def servers() -> Iterator[Servers]:
    """Serve the model for the whole run."""
    with listening() as servers:
        yield servers
